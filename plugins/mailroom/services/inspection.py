"""A closer look at archived messages, into tables of their own: who, in what envelope, with which links.

Here: which messages are looked at, and a row of each finding. Not here: how things are found
(``message``), the tables (``archive.findings``). Each message is inspected once for each table;
nothing is fetched from anywhere but keys of signatures, where asked.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from mailroom.archive import Archive
from mailroom.archive.delivering.findings import (
    FINDINGS,
    Findings,
    Row,
    accounts_of,
    drop_outdated,
    messages_of,
)
from mailroom.exceptions import ConfigurationError, MailroomError
from mailroom.message import message_links, unwrap
from mailroom.services.delivering.authentication import Authentication
from mailroom.services.known_accounts import check_account_known
from mailroom.services.progress import Progress

__all__ = ["InspectionReport", "inspect_messages"]

BATCH_MESSAGES = 1000
"""How many messages are committed together."""

BATCH_ROWS = 10_000
"""After so many rows a batch is committed early, for a message may have thousands of links."""


@dataclass(slots=True, kw_only=True)
class InspectionReport:
    """What an inspection did.

    :param inspected: messages that were looked at.
    :param rows: rows added, by table.
    :param servers: the receiving server of each account by the name it writes, where it is known.
    """

    inspected: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    servers: dict[str, str | None] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "inspected": self.inspected,
            "rows": dict(self.rows),
            "servers": dict(self.servers),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }


def inspect_messages(
    archive: Archive,
    *,
    what: Sequence[str],
    account: str | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> InspectionReport:
    """Look at the messages that were not looked at yet, and add what was found to each table.

    Rows of ``authentication`` that were found with another server or other checks are found anew.

    :param what: tables to bring up to date: ``authentication``, ``envelopes``, ``links``.
    :param account: only messages of this account.
    :param authserv_id: the name that the receiving server writes; None has it learned.
    :param verify_dkim: whether signatures are checked anew, with keys from the DNS.
    :raises ConfigurationError: if there is no such table, no archive, or no mail of that account in it.
    :raises StoreUnavailable: if the archive cannot be reached.
    """
    unknown = [name for name in what if name not in FINDINGS]
    if unknown or not what:
        raise ConfigurationError(
            f"What is inspected must be some of {', '.join(FINDINGS)}, not {', '.join(unknown) or 'nothing'}."
        )
    archive.require()
    if account is not None:
        check_account_known(archive, account)
    authentication = Authentication(archive=archive, server=authserv_id, checks_dkim=verify_dkim)
    accounts = [account] if account is not None else accounts_of(archive)
    if "authentication" in what:
        _drop_outdated(archive, authentication, accounts)
    inspector = _Inspector(
        tables=[Findings(archive, name) for name in dict.fromkeys(what)],
        archive=archive,
        authentication=authentication,
        now=now,
        progress=progress,
    )
    progress.start("messages", None, None)
    try:
        for name in accounts:
            inspector.inspect(name, stop)
    finally:
        progress.finish()
    inspector.report.interrupted = stop.is_set()
    return inspector.report


def _drop_outdated(archive: Archive, authentication: Authentication, accounts: Sequence[str]) -> None:
    """Have messages looked at again that were looked at with other settings than those by now."""
    checks = authentication.checks_dkim
    servers = {name: authentication.server_of(name) for name in accounts}
    known = [name for name, server in servers.items() if server is not None or checks]
    if known:
        drop_outdated(archive, {(server, checks) for server in servers.values()}, known)


@dataclass(slots=True, kw_only=True)
class _Inspector:
    """One run."""

    tables: Sequence[Findings]
    archive: Archive
    authentication: Authentication
    now: Callable[[], datetime]
    progress: Progress
    report: InspectionReport = field(default_factory=InspectionReport)
    _rows: dict[str, list[Row]] = field(default_factory=dict)
    _messages: int = 0

    def inspect(self, account: str, stop: threading.Event) -> None:
        """Inspect the messages of one account; each that cannot be read is a failure of its own."""
        for digests in messages_of(self.archive, account):
            lacking = [~table.is_inspected(digests) for table in self.tables]
            for number in np.flatnonzero(np.any(lacking, axis=0)).tolist():
                if stop.is_set():
                    break
                wanted = [
                    table.name for table, mask in zip(self.tables, lacking, strict=True) if mask[number]
                ]
                self._inspect(digests[number].as_py(), account, wanted)
            self._commit()
            if stop.is_set():
                return

    def _inspect(self, digest: str, account: str, wanted: Sequence[str]) -> None:
        try:
            with self.archive.raw.mapped(digest) as content:
                found = {name: self._find(name, digest, account, content) for name in wanted}
        except ConfigurationError:
            raise
        except MailroomError as error:
            self.report.failures += (f"Message {digest} was not inspected: {error}",)
            return
        for name, rows in found.items():
            self._rows.setdefault(name, []).extend(rows)
        self._messages += 1
        self.progress.advance(1, 0)
        if self._messages >= BATCH_MESSAGES or sum(map(len, self._rows.values())) >= BATCH_ROWS:
            self._commit()

    def _commit(self) -> None:
        for table in self.tables:
            rows = self._rows.get(table.name)
            if rows:
                added = table.add(rows)
                self.report.rows[table.name] = self.report.rows.get(table.name, 0) + added
        self.report.inspected += self._messages
        self._rows, self._messages = {}, 0

    def _find(self, name: str, digest: str, account: str, content: bytes | mmap.mmap) -> list[Row]:
        about = {"sha256": digest, "at": self.now()}
        if name == "authentication":
            return [self._authentication(digest, account) | about]
        if name == "envelopes":
            return [_envelope(content) | about]
        return [row | about for row in _links(content)]

    def _authentication(self, digest: str, account: str) -> dict[str, Any]:
        facts = self.authentication.facts(digest, account)
        self.report.servers.setdefault(account, self.authentication.server_of(account))
        row: dict[str, Any] = {
            "server": facts.server,
            "dkim_checked": self.authentication.checks_dkim,
            "asked": self.authentication.server_of(account),
        }
        for method in ("spf", "dkim", "dmarc"):
            result = facts.result_of(method)
            row[method] = result.value if result is not None else None
            row[f"{method}_domain"] = (result.domain or None) if result is not None else None
        return row


def _envelope(content: bytes | mmap.mmap) -> dict[str, Any]:
    found = unwrap(content)
    return {
        "kind": found.kind if found else None,
        "part": (found.part or None) if found else None,
        "envelope_from": (found.sender or None) if found else None,
        "envelope_to": list(found.recipients) if found else [],
        "message_id": (found.message_id or None) if found else None,
        "date": found.date if found else None,
        "from": (found.author or None) if found else None,
        "from_address": (found.author_address or None) if found else None,
        "subject": (found.subject or None) if found else None,
    }


def _links(content: bytes | mmap.mmap) -> list[dict[str, Any]]:
    found = [{"number": number, **link._asdict()} for number, link in enumerate(message_links(content), 1)]
    nothing = dict.fromkeys(("part", "source", "href", "text", "host"))
    return found or [{"number": 0, **nothing}]
