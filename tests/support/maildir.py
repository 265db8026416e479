"""Writing messages straight into a Maildir folder, as fast as the disk allows.

The file names are those Dovecot itself would choose, so that it need not read each
message to learn its size.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["Stored", "write_maildir"]

LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
"""Maildir's letter for each IMAP flag; they stand in the file name in alphabetical order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One message as it shall lie on the server; ``internal_date`` must be aware."""

    content: bytes
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None


def write_maildir(folder: Path, messages: Iterable[Stored], *, stamp: int = 1_600_000_000) -> int:
    """Write ``messages`` to ``folder`` in the order given (their UIDs follow it); return how many."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    already = len(os.listdir(folder / "cur"))
    count = 0
    for count, message in enumerate(messages, 1):
        content = message.content
        octets = len(content)
        # What IMAP calls the size: with every line end counted as CRLF.
        virtual = octets + content.count(b"\n") - content.count(b"\r\n")
        letters = "".join(sorted(LETTERS[flag] for flag in message.flags if flag in LETTERS))
        name = f"{stamp + already + count}.M{count}P1.mailroom,S={octets},W={virtual}:2,{letters}"
        path = folder / "cur" / name
        path.write_bytes(content)
        if message.internal_date is not None:
            moment = message.internal_date.timestamp()
            os.utime(path, (moment, moment))
    return count
