"""Write one file so that nobody ever sees a part of it: under another name first, then renamed.

Belongs here: the system calls, used by this process and by those that index for it. Does
not belong here: names and folders (``raw``). Imports nothing heavy, because the indexing
process starts with it.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["write_file_whole"]


def write_file_whole(content: bytes, incoming: str, final: str) -> None:
    """Write ``content`` to ``incoming`` and rename that to ``final``, on one file system.

    What a killed process has left under ``incoming`` is written over.

    :raises OSError: where the disk refuses; nothing is left then.
    """
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        try:
            written = os.write(descriptor, content) if content else 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
        finally:
            os.close(descriptor)
        os.rename(incoming, final)
    except OSError:
        with suppress(OSError):
            os.unlink(incoming)
        raise
