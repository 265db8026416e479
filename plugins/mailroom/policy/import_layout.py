"""What a file of an import is, and which folder its mail belongs to.

Here: paths and first octets in, a choice out. Not here: reading files, taking an mbox apart
(``message.mbox_reader``). Told apart are Maildir (a message below ``cur`` or ``new``), mbox (the
file begins with a ``From_`` line) and single messages (it begins with a header).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

from mailroom.policy.maildir import folder_levels
from mailroom.protocol.modified_utf7 import decode_mailbox_name

__all__ = ["FileKind", "folder_of", "is_beside_mail", "is_in_maildir", "maildir_of", "may_be_mail"]

INBOX = "INBOX"
"""Where mail goes whose place says nothing else."""

SKIPPED = ("dovecot", "courier", "maildirfolder", "subscriptions", ".")
"""Beginnings of names of files that mail programs keep beside mail."""

_HEADER = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:>?From [^\r\n]*\r?\n)?"
    rb"[!-9;-~]{1,80}[ \t]*:[^\r\n]*\r?\n(?:[!-9;-~]{1,80}[ \t]*:|[ \t]|\r?\n)",
)
_MAIL_SUFFIXES = (".eml", ".mbox", ".mbx", ".sbd", ".mht")


class FileKind(enum.Enum):
    """What kind of mail a file holds."""

    MBOX = "mbox"
    MAILDIR = "maildir"
    EML = "eml"


def is_in_maildir(path: str) -> bool:
    """Return whether a file is a message of a Maildir; what lies in ``tmp`` was never delivered.

    >>> is_in_maildir(".Sent/cur/1.host:2,S"), is_in_maildir("a/tmp/1.host")
    (True, False)
    """
    segments = path.split("/")
    return len(segments) > 1 and segments[-2] in ("cur", "new")


def is_beside_mail(path: str) -> bool:
    """Return whether a file is one that programs keep beside mail, or lies in a Maildir's ``tmp``."""
    segments = path.split("/")
    return segments[-1].lower().startswith(SKIPPED) or segments[-2:-1] == ["tmp"]


def may_be_mail(path: str, head: bytes) -> bool:
    """Return whether a single file is a message: it is named like one, or begins with header fields."""
    if is_beside_mail(path):
        return False
    return path.lower().endswith(".eml") or _HEADER.match(head) is not None


def maildir_of(path: str) -> str:
    """Return the path of the Maildir that a message lies in; empty for the topmost."""
    return "/".join(path.split("/")[:-2])


def folder_of(path: str, kind: FileKind) -> tuple[str, ...]:
    """Return the levels of the folder that a file's mail belongs to.

    >>> folder_of("ana/.Sent.2026/cur/1.host:2,S", FileKind.MAILDIR), folder_of("cur/1", FileKind.MAILDIR)
    (('ana', 'Sent', '2026'), ('INBOX',))
    >>> folder_of("Projects.sbd/2026.mbox", FileKind.MBOX), folder_of("Sent.mbox/mbox", FileKind.MBOX)
    (('Projects', '2026'), ('Sent',))
    >>> folder_of("Projects/2026/x.eml", FileKind.EML), folder_of("x.eml", FileKind.EML)
    (('Projects', '2026'), ('INBOX',))
    """
    segments = path.split("/")
    if kind is FileKind.MAILDIR:
        levels = _maildir_levels(segments[:-2])
    elif kind is FileKind.MBOX:
        named = segments[:-1] if segments[-1].lower() == "mbox" and len(segments) > 1 else segments
        levels = [_without_suffix(segment) for segment in named]
    else:
        levels = [_without_suffix(segment) for segment in segments[:-1]]
    found = tuple(level for level in levels if level)
    return found or (INBOX,)


def _maildir_levels(directories: Sequence[str]) -> list[str]:
    levels: list[str] = []
    for directory in directories:
        if directory.startswith(".") and directory.strip("."):
            levels += folder_levels(directory)
        else:
            levels.append(decode_mailbox_name(_without_suffix(directory).encode("utf-8", "replace")))
    return levels


def _without_suffix(segment: str) -> str:
    lower = segment.lower()
    suffix = next((one for one in _MAIL_SUFFIXES if lower.endswith(one) and lower != one), "")
    return segment[: len(segment) - len(suffix)] if suffix else segment
