"""Write one file so that nobody ever sees a part of it: it gets its name when it is whole.

Belongs here: the system calls, used by this process and by those that index for it. Does
not belong here: names and folders (``raw``). Imports nothing heavy, because the indexing
process starts with it.

On Linux a file can be written without any name (``O_TMPFILE``) and be linked to its own: one entry
of one folder instead of two entries and a removal, which costs at most as much and on a busy ext4
up to half less, and a kill leaves nothing at all. Where that is not to be had (other systems, NFS),
or the name is taken, it is written under another name and renamed.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

__all__ = ["write_file_whole"]

_UNKNOWN_HERE = frozenset(
    {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM}
)
"""How systems and file systems say that they know no files without a name, or cannot link them."""


def write_file_whole(content: bytes, incoming: str, final: str) -> None:
    """Write ``content`` to a file that is called ``final`` once it is whole.

    :param incoming: a name on the same file system that only this writer uses, for where files need
        one; what a killed process has left under it is written over.
    :raises OSError: where the disk refuses; nothing is left then.
    """
    if not _write_nameless(content, final):
        _write_renamed(content, incoming, final)


def _write_nameless(content: bytes, final: str) -> bool:
    """Write and link a file; False where that cannot be done here, or the name is taken."""
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is None:
        return False
    try:
        descriptor = os.open(os.path.dirname(final), os.O_WRONLY | nameless, 0o666)
    except OSError as error:
        if error.errno in _UNKNOWN_HERE:
            return False
        raise
    try:
        _write_all(descriptor, content)
        # A descriptor for the source, though its path is absolute, is what has Python follow the link.
        os.link(f"/proc/self/fd/{descriptor}", final, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _UNKNOWN_HERE:
            return False
        raise
    finally:
        os.close(descriptor)
    return True


def _write_renamed(content: bytes, incoming: str, final: str) -> None:
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        try:
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
        os.rename(incoming, final)
    except OSError:
        with suppress(OSError):
            os.unlink(incoming)
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content) if content else 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
