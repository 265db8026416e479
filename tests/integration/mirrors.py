"""Mirroring as a test needs it, and questions to the server and the archive that must agree."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.model import DEFAULT_CONNECTIONS, Endpoint, MailProtocol, RunContext
from mailroom.policy.mirror import MirrorSelection
from mailroom.services.mirror import MirrorReport, mirror_account
from mailroom.services.progress import NoProgress
from tests.support.dovecot import Dovecot
from tests.support.imap_server import ImapServer, Mail, Mailbox
from tests.support.mail import make_message

__all__ = ["MirrorAccount", "Odd", "Shown", "mail", "shown_by_archive", "shown_by_server"]

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

ITEMS = ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]

Shown = dict[tuple[str, int], tuple[str, tuple[str, ...], datetime]]
"""SHA-256, flags and internal date of each (folder, UID)."""


@dataclass
class MirrorAccount:
    """One account on a server and its archive."""

    server: Dovecot
    user: str
    root: Path
    name: str = "account"
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = self.server.endpoint(self.user, MailProtocol.IMAP)
        self.clock = START

    @property
    def archive(self) -> Archive:
        """The archive as another process would see it."""
        return Archive(self.root)

    def now(self) -> datetime:
        """Return the time, one millisecond later at each look."""
        self.clock += timedelta(milliseconds=1)
        return self.clock

    def connect(self) -> ImapClient:
        """Open a session."""
        return ImapClient.connect(self.endpoint)

    def mirror(
        self,
        *,
        connect: Callable[[], Any] | None = None,
        stop: threading.Event | None = None,
        connections: int = DEFAULT_CONNECTIONS,
        **selection: Any,
    ) -> MirrorReport:
        """Mirror the account."""
        return mirror_account(
            connect or self.connect,
            self.archive,
            RunContext(
                run_id=uuid.uuid4().hex, what="mirror", account=self.name, started=self.now(), who="a test"
            ),
            selection=MirrorSelection(**selection),
            now=self.now,
            progress=NoProgress(),
            stop=stop or threading.Event(),
            connections=connections,
        )

    def append(self, content: bytes, folder: str = "INBOX", **options: Any) -> int:
        """Store a message on the server and return its UID."""
        uid = self.server.append(self.user, content, folder, **options)
        assert uid is not None
        return uid

    def assert_in_step(self) -> None:
        """Check that the archive shows the very account the server has, and holds nothing twice."""
        assert shown_by_archive(self.archive, self.name) == shown_by_server(self.server, self.user)
        digests = self.archive.read_table("messages", ["sha256"])["sha256"].to_pylist()
        assert len(digests) == len(set(digests))
        for digest in digests:
            assert self.archive.raw.hash(digest) == digest

    def changes(self, folder: str | None = None) -> list[str]:
        """Return the changes recorded, sorted."""
        rows = self.archive.read_table("locations", ["folder", "change"]).to_pylist()
        return sorted(row["change"] for row in rows if folder in (None, row["folder"]))

    def versions(self) -> dict[str, int]:
        """Return the number of commits of each table."""
        return {
            table: len(list((self.root / "tables" / table / "_delta_log").glob("*.json")))
            for table in ("messages", "texts", "attachments", "locations", "folders", "runs")
        }


def mail(*uids: int) -> dict[int, Mail]:
    """Return one message a UID, each another."""
    return {uid: Mail(content=make_message(subject=f"number {uid}")) for uid in uids}


@dataclass
class Odd:
    """An odd server and its archive.

    :param ago: how long before now its runs take place.
    """

    server: ImapServer
    root: Path
    ago: timedelta = timedelta(0)

    def now(self) -> datetime:
        """Return the time of its runs."""
        return datetime.now(UTC) - self.ago

    @property
    def inbox(self) -> Mailbox:
        """The folder that most faults are in."""
        return self.server.folders["INBOX"]

    @property
    def archive(self) -> Archive:
        """The archive as another process would see it."""
        return Archive(self.root)

    def connect(self) -> ImapClient:
        """Open a session."""
        return ImapClient.connect(self.server.endpoint())

    def mirror(self, **selection: Any) -> MirrorReport:
        """Mirror the account."""
        return mirror_account(
            self.connect,
            self.archive,
            RunContext(run_id=uuid.uuid4().hex, what="mirror", account="a", started=self.now(), who="a test"),
            selection=MirrorSelection(**selection),
            now=self.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )

    def states(self, folder: str = "INBOX") -> dict[int, str]:
        """Return the newest change of each UID."""
        rows = Archive(self.root).read_table("locations").sort_by("seq").to_pylist()
        return {row["uid"]: row["change"] for row in rows if row["folder"] == folder}

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return Archive(self.root).read_table(table).num_rows


def shown_by_server(server: Dovecot, user: str) -> Shown:
    """Return what another client sees."""
    found: Shown = {}
    with server.mailbox(user) as client:
        for attributes, _, folder in client.list_folders():
            if b"\\Noselect" in attributes or b"\\NonExistent" in attributes:
                continue
            client.select_folder(folder, readonly=True)
            uids = client.search()
            for uid, data in (client.fetch(uids, ITEMS) if uids else {}).items():
                flags = tuple(sorted(flag.decode() for flag in data[b"FLAGS"] if flag != b"\\Recent"))
                received = data[b"INTERNALDATE"].astimezone(UTC)
                digest = hashlib.sha256(data[b"BODY[]"]).hexdigest()
                found[folder, uid] = (digest, flags, received)
    return found


def shown_by_archive(archive: Archive, account: str) -> Shown:
    """Return what the newest rows say."""
    newest: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in archive.read_table("locations").to_pylist():
        key = (row["folder"], row["uidvalidity"], row["uid"])
        if row["account"] == account and (key not in newest or newest[key]["seq"] < row["seq"]):
            newest[key] = row
    return {
        (folder, uid): (row["sha256"], tuple(row["flags"]), row["internal_date"].astimezone(UTC))
        for (folder, _, uid), row in newest.items()
        if row["change"] in ("added", "flags", "moved")
    }
