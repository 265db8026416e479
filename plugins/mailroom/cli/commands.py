"""One function a command: read the options, call one service, say how it ended.

The engine is imported inside the functions, so that help and usage errors are quick.
"""

from __future__ import annotations

import argparse
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailroom.cli import headlines
from mailroom.cli.account import UsageError, account_name, endpoint_of_url, with_secret
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.model import Endpoint, MailProtocol, RunContext

if TYPE_CHECKING:
    from mailroom.client.imap import ImapClient
    from mailroom.client.pop3 import Pop3Client

__all__ = ["attachments", "fetch", "mirror", "retention", "verify"]

_COMMAND_OF = {MailProtocol.POP3: "fetch", MailProtocol.IMAP: "mirror"}


def fetch(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Download a POP3 inbox in one of the three modes."""
    endpoint = _endpoint(options, MailProtocol.POP3)
    from mailroom.archive import Archive
    from mailroom.policy.fetch import FetchMode
    from mailroom.services.fetch import fetch_maildrop

    report = fetch_maildrop(
        _pop3(endpoint),
        Archive(options.archive),
        _context("fetch", account_name(options, endpoint)),
        mode=FetchMode(leave_on_server=not options.delete, delete_after=options.delete_after),
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.fetch)


def mirror(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Bring the archive in step with an IMAP account."""
    endpoint = _endpoint(options, MailProtocol.IMAP)
    from mailroom.archive import Archive
    from mailroom.policy.mirror import MirrorSelection
    from mailroom.services.mirror import mirror_account

    selection = MirrorSelection(
        folders=tuple(options.folder) or ("*",),
        exclude=tuple(options.exclude),
        since=options.since,
        until=options.until,
        larger_than=options.larger_than,
        order=options.order,
        other_namespaces=options.other_namespaces,
        max_gone=options.max_gone,
    )
    report = mirror_account(
        _imap(endpoint),
        Archive(options.archive),
        _context("mirror", account_name(options, endpoint)),
        selection=selection,
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.mirror)


def retention(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Delete from the server what is old, archived and verified."""
    endpoint = _endpoint(options)
    from mailroom.archive import Archive
    from mailroom.policy.retention import Basis, RetentionRule
    from mailroom.services.retention import enforce_retention

    rule = RetentionRule(
        older_than=options.older_than,
        basis=Basis(options.basis) if options.basis else None,
        folders=tuple(options.folder) or ("*",),
        exclude=tuple(options.exclude),
        include_flagged=options.include_flagged,
        max_fraction=options.max_fraction,
    )
    report = enforce_retention(
        _pop3(endpoint) if endpoint.protocol is MailProtocol.POP3 else _imap(endpoint),
        Archive(options.archive),
        _context("retention", account_name(options, endpoint)),
        rule=rule,
        dry_run=options.dry_run,
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.retention)


def attachments(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Deliver attachments of archived mail to an object store."""
    from mailroom.archive import Archive
    from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule
    from mailroom.services.attachments import deliver_attachments

    rule = AttachmentRule(
        name=options.name,
        name_regex=options.name_regex,
        content_type=options.type,
        min_size=options.min_size,
        max_size=options.max_size,
        sender=options.sender,
        subject=options.subject,
        folder=options.folder,
        since=options.since,
        until=options.until,
        inline=options.inline,
    )
    report = deliver_attachments(
        Archive(options.archive),
        options.to,
        _context("attachments", options.account or ""),
        rules=(rule,),
        template=options.template or DEFAULT_TEMPLATE,
        account=options.account,
        dry_run=options.dry_run,
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.attachments)


def verify(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Check every raw object against its name and every row against its object."""
    from mailroom.archive import Archive
    from mailroom.archive.integrity import verify_archive

    report = verify_archive(Archive(options.archive), progress=terminal.progress(), stop=stop)
    return Outcome.of(report, headlines.verify)


def _endpoint(options: argparse.Namespace, protocol: MailProtocol | None = None) -> Endpoint:
    endpoint = endpoint_of_url(options)
    if protocol is not None and endpoint.protocol is not protocol:
        raise UsageError(
            f"This command speaks {protocol.value.upper()}; for {endpoint.protocol.value.upper()} "
            f"use: mailroom {_COMMAND_OF[endpoint.protocol]} {options.url}"
        )
    return with_secret(endpoint)


def _pop3(endpoint: Endpoint) -> Callable[[], Pop3Client]:
    from mailroom.client.pop3 import Pop3Client

    return lambda: Pop3Client.connect(endpoint)


def _imap(endpoint: Endpoint) -> Callable[[], ImapClient]:
    from mailroom.client.imap import ImapClient

    return lambda: ImapClient.connect(endpoint)


def _context(what: str, account: str) -> RunContext:
    return RunContext(run_id=uuid.uuid4().hex, what=what, account=account, started=_now(), who="command line")


def _now() -> datetime:
    return datetime.now(UTC)
