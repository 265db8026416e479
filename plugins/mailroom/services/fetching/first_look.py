"""The first listing of a fetch, and whether it says that there is nothing to do.

Here: what a run with nothing new takes, so that such a run loads no more than this. Not here: a
run that has something to do (``fetch_run``), which goes on with the session opened here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from mailroom.archive import digest_of_listing
from mailroom.policy.fetch_mode import FetchMode

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.archive.reading.bookmarks import MaildropOverview
    from mailroom.client.pop3 import MaildropListing, Pop3Client
    from mailroom.client.transport import Transcript
    from mailroom.model import RunContext

__all__ = ["FirstLook", "look_at_maildrop", "settled_count"]

_log = logging.getLogger(__name__)


class FirstLook(NamedTuple):
    """The first session of a run, its listing taken.

    :param client: signed in, and still to be closed.
    :param settled: how many messages there are, where the archive knows just these and none may go;
        else None. Then every message would be passed over one by one.
    :param held: how many of them are due and stay, under legal hold.
    :param heard: all that was said until then, where that was recorded.
    """

    client: Pop3Client
    listing: MaildropListing
    settled: int | None
    held: int = 0
    heard: Transcript | None = None


def look_at_maildrop(
    connect: Callable[[], Pop3Client],
    archive: Archive,
    context: RunContext,
    mode: FetchMode,
    now: Callable[[], datetime],
) -> FirstLook:
    """Sign in, list the messages, and compare them with what the archive noted.

    :raises ConnectionLost: if the server cannot be reached, or goes away.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read.
    """
    client = connect()
    try:
        listing = client.list_messages()
        heard = client.take_transcript()
        return FirstLook(client, listing, *settled_count(listing, archive, context, mode, now), heard)
    except BaseException:
        client.close()
        raise


def settled_count(
    listing: MaildropListing,
    archive: Archive,
    context: RunContext,
    mode: FetchMode,
    now: Callable[[], datetime],
) -> tuple[int | None, int]:
    """Return how many messages are listed, where the archive knows just these and none may go; else None.

    Beside that, how many of them are due and stay, under legal hold.
    """
    if mode.deletes and _has_intents(archive, context.account):
        return None, 0
    known = archive.noted.maildrop_overview(context.account)
    if known is None:
        return None, 0
    held = _count_held(known, mode, now())
    if held is None:
        return None, 0
    if listing.digest != known.answer and digest_of_listing(listing.pairs()) != known.listing:
        return None, 0
    _log.info("%s: %d messages listed, all of them known", context.account, known.messages)
    if held:
        _log.info("%d messages of %s are due and stay, under legal hold", held, context.account)
    return known.messages, held


def _count_held(known: MaildropOverview, mode: FetchMode, now: datetime) -> int | None:
    """Return how many messages are due and all of them held, or None where some may go, or nobody knows."""
    if not mode.is_due(known.oldest, now):
        return 0
    held = known.held
    if held is None or mode.is_due(held.others, now) or not mode.is_due(held.newest, now):
        return None
    return None if held.until is not None and now >= held.until else held.messages


def _has_intents(archive: Archive, account: str) -> bool:
    """Return whether a deletion was begun of which no result was committed."""
    from mailroom.archive.intents import IntentJournal

    return bool(IntentJournal(archive).pending(account))
