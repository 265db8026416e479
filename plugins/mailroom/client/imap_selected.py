"""A mailbox as it was opened, from what EXAMINE and SELECT bring (RFC 3501 section 6.3.1, RFC 7162, 8474)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["SelectedFolder", "selected_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedFolder:
    """A mailbox as EXAMINE or SELECT opened it; UIDs mean something only with its UIDVALIDITY.

    :param uid_validity: None where the server states none, or 0.
    :param mailbox_id: MAILBOXID (RFC 8474 section 4.2), where offered.
    """

    name: str
    exists: int
    uid_validity: int | None
    uid_next: int | None
    highest_modseq: int | None
    read_only: bool
    mailbox_id: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """What STATUS would have said at that moment, as far as it was told."""
        told = {
            "MESSAGES": self.exists,
            "UIDVALIDITY": self.uid_validity,
            "UIDNEXT": self.uid_next,
            "HIGHESTMODSEQ": self.highest_modseq,
        }
        return {name: value for name, value in told.items() if value is not None}


def selected_folder(name: str, told: Mapping[str, list[Any]], *, read_only: bool) -> SelectedFolder:
    """Return a mailbox that was just opened.

    :param told: untagged responses and response codes by name, as imaplib collects them.
    :param read_only: whether it was opened for reading; the server may say so as well.
    """
    return SelectedFolder(
        name=name,
        exists=_number(told, "EXISTS") or 0,
        uid_validity=_number(told, "UIDVALIDITY") or None,
        uid_next=_number(told, "UIDNEXT"),
        highest_modseq=_number(told, "HIGHESTMODSEQ"),
        read_only=read_only or "READ-ONLY" in told,
        mailbox_id=_object_id(told, "MAILBOXID"),
    )


def _number(told: Mapping[str, list[Any]], name: str) -> int | None:  # Any: as imaplib collects them
    """Return the number that an untagged response or response code said last, or None."""
    for value in reversed(told.get(name) or ()):
        if value and bytes(value).isdigit():
            return int(value)
    return None


def _object_id(told: Mapping[str, list[Any]], name: str) -> str | None:  # Any: as imaplib collects them
    """Return the object id (RFC 8474) that a response code said last, or None."""
    for value in reversed(told.get(name) or ()):
        if value:
            return bytes(value).strip(b"() ").decode("ascii", "backslashreplace") or None
    return None
