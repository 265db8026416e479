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

__all__ = ["FAILS_EITHER_WAY", "link_nameless", "open_nameless", "write_file_whole"]

FAILS_EITHER_WAY = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOTDIR})
"""Errors that say nothing of files without a name. By any other, of which systems, file systems and
sandboxes have many, it is they that cannot be had here, or cannot be linked."""


def write_file_whole(content: bytes, incoming: str, final: str) -> None:
    """Write ``content`` to a file that is called ``final`` once it is whole.

    :param incoming: a name on the same file system that only this writer uses, for where files need
        one; what a killed process has left under it is written over.
    :raises OSError: where the disk refuses; nothing is left then.
    """
    if not _write_nameless(content, final):
        _write_renamed(content, incoming, final)


def open_nameless(folder: str) -> int | None:
    """Open a file without a name to write to; None where there is no such thing.

    :raises OSError: where the disk refuses whatever kind of file.
    """
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is None:
        return None
    try:
        return os.open(folder, os.O_WRONLY | nameless, 0o666)
    except OSError as error:
        if error.errno in FAILS_EITHER_WAY:
            raise
        return None


def link_nameless(descriptor: int, final: str) -> bool:
    """Give a file its name; False where that cannot be done here.

    :raises FileExistsError: where the name is taken.
    :raises OSError: where the disk refuses whatever kind of file.
    """
    try:
        # A descriptor for the source, though its path is absolute, is what has Python follow the link.
        os.link(f"/proc/self/fd/{descriptor}", final, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in FAILS_EITHER_WAY:
            raise
        return False
    return True


def _write_nameless(content: bytes, final: str) -> bool:
    """Write and link a file; False where that cannot be done here, or the name is taken."""
    descriptor = open_nameless(os.path.dirname(final))
    if descriptor is None:
        return False
    try:
        _write_all(descriptor, content)
        return link_nameless(descriptor, final)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)


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
