"""POP3 fetch: a whole maildrop into the archive, in one of three modes.

Here: the service a user calls. Not here: its first listing (``first_look``), the run that
follows where there is something to do (``fetch_run``), the modes (``policy.fetch_mode``), the
conversation (``client.pop3``). RFC 1939.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.model import MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.services.ending import Remember, counts_of, outcome_of
from mailroom.services.fetching.fetch_report import FetchReport
from mailroom.services.fetching.first_look import FirstLook, look_at_maildrop, settled_count
from mailroom.services.progress import Progress

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.pop3 import Pop3Client
    from mailroom.model import RunContext

__all__ = ["FetchReport", "fetch_maildrop"]


def fetch_maildrop(
    connect: Callable[[], Pop3Client],
    archive: Archive,
    context: RunContext,
    *,
    mode: FetchMode,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
    remember: Remember[FetchReport] | None = None,
) -> FetchReport:
    """Bring what is new in a POP3 maildrop into the archive, and delete there what the mode says.

    Nothing is deleted before its bytes are durable in the archive and were read back, and
    nothing counts as deleted before the server confirmed QUIT. One message that cannot be
    fetched stops no other; it is in the report's failures and is tried again next time.

    :param stop: when set, the batch in hand is finished and committed, and the session ends well.
    :param remember: is told what was heard, and what the next run reports that hears the same and finds
        nothing committed since; where that is known, and nothing is to be deleted.
    :raises ConnectionLost: if the server cannot be reached, or keeps going away; what was committed stays.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    with archive.writer(context, keep_committed=True) as writer:
        look = look_at_maildrop(connect, archive, context, mode, now)
        if look.settled is not None:
            report = _pass_by(look, context, mode, stop)
            writer.finish(outcome_of(report), counts_of(report), report.octets)
            _remember(look, archive, context, mode, now, remember)
            return report
        from mailroom.services.fetching.fetch_run import FetchRun

        run = FetchRun(
            connect=connect,
            first=look,
            archive=archive,
            writer=writer,
            context=context,
            mode=mode,
            now=now,
            progress=progress,
            stop=stop,
        )
        report = run.run()
        writer.finish(
            outcome_of(report), counts_of(report), report.octets, changed=_is_first(archive, report)
        )
    if run.listing is not None:
        seen = run.listing
        archive.noted.bookmark_maildrop(
            context.account,
            listing=seen.digest,
            answer=seen.listing.digest,
            held=run.held.to_note(),
        )
    if not (report.failures or report.interrupted):
        _remember(look, archive, context, mode, now, remember)
    return report


def _remember(
    look: FirstLook,
    archive: Archive,
    context: RunContext,
    mode: FetchMode,
    now: Callable[[], datetime],
    remember: Remember[FetchReport] | None,
) -> None:
    """Tell what the next run will report if it hears what this one heard first."""
    if remember is None or look.heard is None or mode.deletes:
        return
    standing = archive.noted.standing(context.account, MailProtocol.POP3)
    if standing is None:
        return
    count, _ = settled_count(look.listing, archive, context, mode, now)
    if count is not None:
        remember(_settled_report(context, mode, count), look.heard, standing)


def _is_first(archive: Archive, report: FetchReport) -> bool | None:
    """Say that a run is worth a row which found a maildrop empty that the archive does not know yet.

    Then it knows it, and what comes after the fetch finds no mail in it, instead of no such account.
    """
    if report.listed:
        return None
    from mailroom.services.known_accounts import is_account_known

    return None if archive.exists() and is_account_known(archive, report.account) else True


def _pass_by(look: FirstLook, context: RunContext, mode: FetchMode, stop: threading.Event) -> FetchReport:
    """End a session in which there is nothing to do."""
    look.client.leave()
    settled = _settled_report(context, mode, look.settled or 0)
    return replace(settled, left=settled.left - look.held, held=look.held, interrupted=stop.is_set())


def _settled_report(context: RunContext, mode: FetchMode, count: int) -> FetchReport:
    return FetchReport(
        account=context.account, identity="uidl", age=mode.age, sessions=1, listed=count, left=count
    )
