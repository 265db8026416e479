"""Rows, bodies and whole histories for tests of the archive, and what a test asks of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mailroom.archive import Archive
from mailroom.model import Body, Change, FolderRow, LocationRow, MailProtocol, RunContext

__all__ = [
    "NOW",
    "archive_messages",
    "body",
    "context",
    "digest",
    "folder_row",
    "maildrop_row",
    "place",
    "table_counts",
    "tables_without_doubles",
]

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ACCOUNT = "post"


def content(number: int, size: int = 300, attachments: int = 0) -> bytes:
    """Return a small message of its own; ``attachments`` says how many it carries."""
    head = (
        f"From: Ana <ana@example.org>\r\nTo: bob@example.com\r\nSubject: message {number}\r\n"
        f"Message-ID: <{number}@example.org>\r\nDate: Tue, 24 Nov 2026 07:00:00 +0000\r\n"
        "MIME-Version: 1.0\r\n"
    )
    if not attachments:
        text = (f"Line of message {number}.\r\n" * (size // 20 + 1))[:size]
        return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    parts = "".join(
        f"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=f{n}.pdf\r\n\r\n"
        f"content {number} {n}\r\n"
        for n in range(attachments)
    )
    return (
        f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        f"See below.\r\n{parts}--b--\r\n"
    ).encode()


def body(number: int, size: int = 300, attachments: int = 0) -> Body:
    """Return a message's body in memory."""
    data = content(number, size, attachments)
    return Body(octets=len(data), content=data)


def digest(number: int, size: int = 300, attachments: int = 0) -> str:
    """Return the SHA-256 of a message's body."""
    return hashlib.sha256(content(number, size, attachments)).hexdigest()


def place(uid: int, **values: Any) -> LocationRow:
    """Return a row for an IMAP message."""
    row = LocationRow(
        account=ACCOUNT,
        protocol=MailProtocol.IMAP,
        folder="INBOX",
        change=Change.ADDED,
        at=NOW + timedelta(seconds=uid),
        run_id="run-1",
        uid_validity=7,
        uid=uid,
        size=300,
        flags=("\\Seen",),
        internal_date=NOW - timedelta(days=uid),
    )
    return row._replace(**values)


def maildrop_row(uidl: str, **values: Any) -> LocationRow:
    """Return a row for a POP3 message."""
    row = LocationRow(
        account=ACCOUNT,
        protocol=MailProtocol.POP3,
        folder="INBOX",
        change=Change.ADDED,
        at=NOW,
        run_id="run-1",
        uidl=uidl,
        size=300,
    )
    return row._replace(**values)


def folder_row(folder: str = "INBOX", **values: Any) -> FolderRow:
    """Return a folder's state."""
    row = FolderRow(account=ACCOUNT, folder=folder, at=NOW, run_id="run-1", uid_validity=7, uid_next=100)
    return replace(row, **values)


def context(run_id: str = "run-1", what: str = "mirror", account: str = ACCOUNT) -> RunContext:
    """Return who runs what."""
    return RunContext(run_id=run_id, what=what, account=account, started=NOW, who="test")


def archive_messages(archive: Archive, numbers: Iterable[int], run_id: str = "run-1", **values: Any) -> None:
    """Archive messages under the UIDs of the same number, in one run."""
    wanted = list(numbers)
    with archive.writer(context(run_id)) as writer:
        for number in wanted:
            writer.add(body(number), place(number, run_id=run_id, **values))
        writer.finish("succeeded", {"added": len(wanted)}, 0)


def table_counts(archive: Archive) -> dict[str, int]:
    """Return how many rows each table has."""
    names = ("messages", "texts", "attachments", "locations", "folders", "runs")
    return {name: archive.read_table(name).num_rows for name in names}


def tables_without_doubles(archive: Archive) -> bool:
    """Return whether no message, text, attachment or change of a place is there twice."""
    keys = {
        "messages": ["sha256"],
        "texts": ["sha256"],
        "attachments": ["message_sha256", "part"],
        "locations": [
            "account",
            "protocol",
            "folder",
            "uidvalidity",
            "uid",
            "uidl",
            "change",
            "sha256",
            "seq",
        ],
    }
    for name, columns in keys.items():
        rows = [tuple(row.values()) for row in archive.read_table(name, columns).to_pylist()]
        if len(rows) != len(set(rows)):
            return False
    added = [
        (row["account"], row["folder"], row["uidvalidity"], row["uid"], row["uidl"], row["sha256"])
        for row in archive.read_table("locations").to_pylist()
        if row["change"] == "added"
    ]
    return len(added) == len(set(added))
