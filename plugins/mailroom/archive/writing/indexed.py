"""What the tables keep of one parsed message, in a form that is cheap to send between processes.

Belongs here: calling the parser, and the shape of what comes back. Does not belong here:
parsing (``message``), threads and processes (``indexing``). Imports nothing heavy,
because the indexing process starts with it.
"""

from __future__ import annotations

import mmap
import os
from datetime import datetime
from typing import NamedTuple

__all__ = ["MAPPED_OCTETS", "Indexed", "index_content", "index_file", "not_indexed"]

MAPPED_OCTETS = 1024 * 1024
"""Messages above this size are mapped rather than read. Octets."""


class Indexed(NamedTuple):
    """The parsed columns of one message: those of a ``MessageIndex``, in its order.

    ``identity`` is None where no parser took the message.
    """

    message_id: str | None
    date: datetime | None
    date_source: str | None
    sender: str | None
    sender_address: str | None
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    text: str
    reply: str | None
    attachments: tuple[tuple[str, str, str, str | None, int, str, str | None], ...]
    defects: tuple[str, ...]
    identity: str | None


def index_content(content: bytes | mmap.mmap) -> Indexed:
    """Parse one message; a parser's failure becomes a defect of the message, never an error."""
    from mailroom.message.index import index_message

    try:
        found = index_message(content)
    except Exception as error:  # noqa: BLE001 (no bug of the parser may keep a message out of the archive)
        return not_indexed(f"{type(error).__name__} in the parser")
    return Indexed._make(found)


def index_file(path: str) -> Indexed:
    """Parse the message in a file, without holding a large one in memory.

    :raises OSError: where the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size <= MAPPED_OCTETS:
            return index_content(file.read())
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return index_content(content)


def not_indexed(reason: str) -> Indexed:
    """Return the columns of a message that could not be parsed; its identity is its bytes alone."""
    return Indexed(
        identity=None,
        message_id=None,
        date=None,
        date_source=None,
        sender=None,
        sender_address=None,
        to=(),
        cc=(),
        subject=None,
        in_reply_to=None,
        references=(),
        defects=(f"not indexed: {reason}",),
        text="",
        reply=None,
        attachments=(),
    )
