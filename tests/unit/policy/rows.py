"""Rows as the archive would return them, with all that a case does not care about filled in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mailroom.model import Change, LocationRow, MailProtocol

__all__ = ["NOW", "Message", "days_ago", "mailbox_row", "maildrop_row"]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Message:
    """One line of a POP3 listing."""

    number: int
    octets: int
    uidl: str | None


def days_ago(days: float) -> datetime:
    """Return the instant so many days before ``NOW``."""
    return NOW - timedelta(days=days)


def maildrop_row(uidl: str = "u1", **values: Any) -> LocationRow:
    """Return a POP3 row: live, 100 octets, archived ten days ago."""
    row: dict[str, Any] = {
        "account": "a",
        "protocol": MailProtocol.POP3,
        "folder": "INBOX",
        "change": Change.ADDED,
        "at": days_ago(10),
        "run_id": "earlier",
        "uidl": uidl,
        "sha256": f"sha of {uidl}",
        "size": 100,
        "archived_at": days_ago(10),
    }
    return LocationRow(**(row | values))


def mailbox_row(uid: int = 1, **values: Any) -> LocationRow:
    """Return an IMAP row: live, 100 octets, delivered 40 and archived ten days ago."""
    row: dict[str, Any] = {
        "account": "a",
        "protocol": MailProtocol.IMAP,
        "folder": "INBOX",
        "change": Change.ADDED,
        "at": days_ago(10),
        "run_id": "earlier",
        "uid_validity": 7,
        "uid": uid,
        "sha256": f"sha of {uid}",
        "size": 100,
        "internal_date": days_ago(40),
        "archived_at": days_ago(10),
    }
    return LocationRow(**(row | values))
