"""Running the services as a test needs it: a clock in the hand, and questions to the archive."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailroom.archive import Archive
from mailroom.client.pop3 import Pop3Client
from mailroom.model import Endpoint, MailProtocol, RunContext
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.proof import ProofRule
from mailroom.policy.retention import RetentionRule
from mailroom.policy.rules import RetentionPolicy, policy_of
from mailroom.services.fetch import FetchReport, fetch_maildrop
from mailroom.services.progress import NoProgress, Progress
from mailroom.services.retention import Consent, RetentionReport, enforce_retention

__all__ = ["DELETE", "LEAVE", "Account", "Recorded", "days", "digest", "raw_digests"]

LEAVE = FetchMode()
DELETE = FetchMode(leave_on_server=False)
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def days(number: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=number)


def digest(content: bytes) -> str:
    """Return the name that the archive gives these bytes."""
    return hashlib.sha256(content).hexdigest()


def raw_digests(root: Path) -> set[str]:
    """Return the digests of the raw objects on disk, each read and checked against its name."""
    found = set()
    for path in root.glob("raw/??/*.eml"):
        assert digest(path.read_bytes()) == path.stem
        found.add(path.stem)
    return found


class Recorded:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int | None, int | None]] = []
        self.messages = 0
        self.octets = 0
        self.finished = 0

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Remember a beginning."""
        self.started.append((what, messages, octets))

    def advance(self, messages: int, octets: int) -> None:
        """Add a step."""
        self.messages += messages
        self.octets += octets

    def finish(self) -> None:
        """Count an end."""
        self.finished += 1

    def beside(self) -> Recorded:
        """Return itself."""
        return self


@dataclass
class Account:
    """One account under one archive; ``clock`` is what the services take for now."""

    root: Path
    endpoint: Endpoint
    name: str = "account"
    clock: datetime = START
    progress: Progress = field(default_factory=NoProgress)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        self.archive = Archive(self.root)

    def at(self, archive: Archive) -> Account:
        """Use this archive instead of the folder ``root``."""
        self.archive = archive
        return self

    def now(self) -> datetime:
        """Return the time, one millisecond later at each look, so that rows have an order."""
        self.clock += timedelta(milliseconds=1)
        return self.clock

    def wait(self, time: timedelta) -> None:
        """Let time pass."""
        self.clock += time

    def context(self, what: str) -> RunContext:
        """Return a new run."""
        return RunContext(
            run_id=uuid.uuid4().hex, what=what, account=self.name, started=self.clock, who="a test"
        )

    def connect(self) -> Any:
        """Open a session at the endpoint, by its protocol."""
        if self.endpoint.protocol is MailProtocol.POP3:
            return Pop3Client.connect(self.endpoint)
        from mailroom.client.imap import ImapClient

        return ImapClient.connect(self.endpoint)

    def fetch(
        self,
        mode: FetchMode = LEAVE,
        *,
        stop: threading.Event | None = None,
        connect: Callable[[], Pop3Client] | None = None,
    ) -> FetchReport:
        """Fetch the maildrop."""
        return fetch_maildrop(
            connect or self.connect,
            self.archive,
            self.context("fetch"),
            mode=mode,
            now=self.now,
            progress=self.progress,
            stop=stop or threading.Event(),
        )

    def retain(
        self,
        rule: RetentionRule | RetentionPolicy,
        *,
        dry_run: bool = False,
        stop: threading.Event | None = None,
        copies: Sequence[Archive] = (),
        proof: ProofRule | None = None,
        consent: Consent | None = None,
    ) -> RetentionReport:
        """Enforce retention."""
        return enforce_retention(
            self.connect,
            self.archive,
            self.context("retention"),
            policy=policy_of(rule) if isinstance(rule, RetentionRule) else rule,
            dry_run=dry_run,
            now=self.now,
            progress=self.progress,
            stop=stop or threading.Event(),
            copies=copies,
            proof=proof and proof.mode,
            refetch=proof is not None and proof.refetch,
            consent=consent,
        )

    def carry_out(
        self,
        plan_id: str,
        *,
        least_age: timedelta | None = None,
        copies: Sequence[Archive] = (),
        proof: ProofRule | None = None,
        stop: threading.Event | None = None,
    ) -> RetentionReport:
        """Carry out a plan of retention."""
        return enforce_retention(
            self.connect,
            self.archive,
            self.context("retention"),
            plan_id=plan_id,
            least_age=least_age,
            dry_run=False,
            now=self.now,
            progress=self.progress,
            stop=stop or threading.Event(),
            copies=copies,
            proof=proof and proof.mode,
        )

    def history(self) -> list[tuple[str, str | None]]:
        """Return (change, SHA-256) of every row of ``locations``, oldest first."""
        if not self.archive.exists():
            return []
        rows = Archive(self.root).read_table("locations").sort_by("seq").to_pylist()
        return [(row["change"], row["sha256"]) for row in rows]

    def audit(self) -> list[dict[str, Any]]:
        """Return every row of ``audit``, in the order they were committed."""
        return Archive(self.root).read_table("audit").sort_by("seq").to_pylist()  # type: ignore[no-any-return]

    def changes(self) -> list[str]:
        """Return the sorted changes of every row of ``locations``."""
        return sorted(change for change, _ in self.history())

    def states(self) -> dict[tuple[str, str | None], str]:
        """Return the newest change of each (UIDL, SHA-256)."""
        rows = Archive(self.root).read_table("locations").sort_by("seq").to_pylist()
        return {(row["uidl"], row["sha256"]): row["change"] for row in rows}
