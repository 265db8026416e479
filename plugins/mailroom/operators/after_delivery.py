"""What a delivery's operator does to mail on the server afterwards: by the outcome, and after its commit."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import connection_of, protocol_of_connection
from mailroom.hooks.imap import ImapHook
from mailroom.model import MailProtocol, RunContext
from mailroom.operators.arguments import as_patterns
from mailroom.operators.run import utc_now

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.policy.aftermath import Aftermath
    from mailroom.services.delivering.delivery_report import DeliveryReport
    from mailroom.services.progress import Progress

__all__ = ["read_wishes", "settle"]


def read_wishes(on_success: object, on_failure: object, account: str | None) -> tuple[Aftermath | None, ...]:
    """Return what is wanted, before anything is delivered.

    Where labels are wanted, the server is asked whether it has any, before anything is delivered.

    :raises ConfigurationError: where a word is unknown, or there is no IMAP account to do it on.
    :raises ConnectionLost: if the server is to be asked, and cannot be reached.
    :raises AuthenticationFailed: if it refuses the sign-in.
    """
    from mailroom.policy.aftermath import read_aftermath

    named = {"on_success": on_success, "on_failure": on_failure}
    wishes = tuple(read_aftermath(name, as_patterns(name, value)) for name, value in named.items())
    if any(wishes):
        if account is None:
            raise ConfigurationError("on_success and on_failure need account: it is where the mail lies.")
        if protocol_of_connection(connection_of(account)) is not MailProtocol.IMAP:
            raise ConfigurationError(
                f"on_success and on_failure need an account of type IMAP, and {account} is of another: "
                "POP3 has no flags and no folders."
            )
        if any(wish is not None and wish.labels for wish in wishes):
            _check_labels(account)
    return wishes


def _check_labels(account: str) -> None:
    from mailroom.services.pushing.labels_push import NO_LABELS

    with ImapHook(account).get_conn() as client:
        if not client.states_labels:
            raise ConfigurationError(
                f"on_success and on_failure want a label for mail of {account}: {NO_LABELS}."
            )


def settle(
    archive: Archive,
    account: str,
    report: DeliveryReport,
    run: RunContext,
    wishes: tuple[Aftermath | None, ...],
    *,
    progress: Progress,
    stop: threading.Event,
) -> tuple[DeliveryReport, dict[str, Any]]:
    """Ask for what is wanted and do it on the server; return the report with what failed, and counts.

    :raises ConnectionLost: if the server cannot be reached; the next run does what waits.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    from mailroom.services.aftermath import ask_after_delivery
    from mailroom.services.two_way import push_changes

    asked = ask_after_delivery(
        archive,
        account,
        report,
        run,
        on_success=wishes[0],
        on_failure=wishes[1],
        now=utc_now(),
    )
    push = push_changes(ImapHook(account).get_conn, archive, run, now=utc_now, progress=progress, stop=stop)
    counts = {"settled": asked.succeeded, "set_aside": asked.failed, "pushed": push.pushed}
    return replace(report, failures=(*report.failures, *push.failures)), counts
