"""One function a command: read the options, call one service, say how it ended.

The engine is imported inside the functions, so that help and usage errors are quick.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailroom.cli import headlines
from mailroom.cli.account import UsageError, account_name, user_at_host
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.exceptions import ConfigurationError
from mailroom.model import Endpoint, MailProtocol, RunContext

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.imap import ImapClient
    from mailroom.client.pop3 import Pop3Client

__all__ = [
    "attachments",
    "check",
    "export",
    "fetch",
    "import_",
    "mirror",
    "restore",
    "retention",
    "verify",
]


def fetch(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Download a POP3 inbox in one of the three modes."""
    endpoint = options.endpoint
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
    endpoint = options.endpoint
    from mailroom.archive import Archive
    from mailroom.policy.mirror import MirrorSelection
    from mailroom.services.mirror import mirror_account

    with _usage():
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
        connections=options.connections,
    )
    return Outcome.of(report, headlines.mirror)


def retention(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Delete from the server what is old, archived and verified."""
    endpoint = options.endpoint
    from mailroom.policy.retention import Basis, RetentionRule
    from mailroom.services.retention import enforce_retention

    with _usage():
        rule = RetentionRule(
            older_than=options.older_than,
            basis=Basis(options.basis) if options.basis else None,
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            include_flagged=options.include_flagged,
            max_fraction=options.max_fraction,
            allow_incomplete=options.allow_incomplete,
        )
    report = enforce_retention(
        _connecting(endpoint),
        _existing(options.archive),
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
    from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule
    from mailroom.policy.destinations import Collision, DestinationTemplate
    from mailroom.services.attachments import deliver_attachments

    template = DEFAULT_TEMPLATE if options.template is None else options.template
    with _usage():
        DestinationTemplate(template)
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
    archive = _existing(options.archive)
    if options.account is not None:
        _check_account(archive, options.account)
    report = deliver_attachments(
        archive,
        options.to,
        _context("attachments", options.account or ""),
        rules=(rule,),
        template=template,
        collision=Collision(options.on_collision),
        object_options=dict(options.object_option),
        account=options.account,
        dry_run=options.dry_run,
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.attachments)


def export(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Write archived mail as files that any mail program reads."""
    from mailroom.services.export import ExportFormat, ExportSelection, export_archive

    if options.status and options.format != ExportFormat.MBOX.value:
        raise UsageError("--status goes with --format mbox; a Maildir keeps flags in its file names.")
    report = export_archive(
        _existing(options.archive),
        options.to,
        form=ExportFormat(options.format),
        selection=ExportSelection(
            account=options.account,
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            deleted=options.deleted,
            as_of=options.as_of,
        ),
        zipped=options.zip,
        with_status=options.status,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.export)


def import_(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Archive the mail of mbox files, Maildirs, single messages, zips or a bucket."""
    from mailroom.archive import Archive
    from mailroom.services.import_mail import FileKind, import_mail

    report = import_mail(
        options.source,
        Archive(options.archive),
        _context("import", options.account),
        form=None if options.format == "auto" else FileKind(options.format),
        folder=options.folder,
        now=_now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headlines.import_)


def verify(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Check every raw object against its name and every row against its object."""
    from mailroom.archive import Archive
    from mailroom.archive.integrity import verify_archive

    report = verify_archive(Archive(options.archive), progress=terminal.progress(), stop=stop)
    return Outcome.of(report, headlines.verify)


def check(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Compare an account on its server with the archive, folder by folder."""
    endpoint = options.endpoint
    from mailroom.services.check import check_account

    report = check_account(
        _connecting(endpoint),
        _existing(options.archive),
        account_name(options, endpoint),
        folders=tuple(options.folder) or ("*",),
        exclude=tuple(options.exclude),
        quick=options.quick,
        read=options.read,
        allow_new=options.allow_new,
        progress=terminal.progress(),
        stop=stop,
    )
    outcome = Outcome.of(report, lambda summary: headlines.check(summary, report.all_folders()))
    summary = {**outcome.summary, "folders": report.all_folders(), "folders_not_shown": 0}
    return replace(outcome, summary=summary)


def restore(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Bring an archived account, or a part of it, back onto an IMAP account."""
    endpoint = options.endpoint
    from mailroom.policy.query import parse_query
    from mailroom.policy.restore import ReadBack, RestoreSelection
    from mailroom.services.restore import choose_account, restore_account

    with _usage():
        if options.query is not None:
            parse_query(options.query)
        selection = RestoreSelection(
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            as_of=options.as_of,
            query=options.query,
            messages=tuple(options.message),
            into=options.into,
            with_deleted=options.with_deleted,
            read_back=ReadBack(options.read_back),
        )
    archive = _existing(options.archive)
    target = user_at_host(endpoint)
    report = restore_account(
        _imap(endpoint),
        archive,
        choose_account(archive, options.account, target),
        target,
        selection=selection,
        dry_run=options.dry_run,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, lambda summary: headlines.restore(summary, report.warnings))


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    """Take what a rule refuses for what it is here: wrong usage."""
    try:
        yield
    except ConfigurationError as error:
        raise UsageError(str(error)) from error


def _existing(root: str) -> Archive:
    """Return the archive at a root, for a command that has nothing to do without one."""
    from mailroom.archive import Archive

    archive = Archive(root)
    if not archive.exists():
        raise ConfigurationError(f"There is no archive at {archive.url}; check the path.")
    return archive


def _check_account(archive: Archive, account: str) -> None:
    """Refuse an account that the archive has no mail of, and name those that it has."""
    known: set[str] = set()
    for table in archive.scan_table("locations", ["account"]):
        known.update(table["account"].unique().to_pylist())
        if account in known:
            return
    names = ", ".join(sorted(map(repr, known))) or "none"
    raise ConfigurationError(
        f"The archive has no mail of an account {account!r}; it has these accounts: {names}."
    )


def _connecting(endpoint: Endpoint) -> Callable[[], Pop3Client | ImapClient]:
    return _pop3(endpoint) if endpoint.protocol is MailProtocol.POP3 else _imap(endpoint)


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
