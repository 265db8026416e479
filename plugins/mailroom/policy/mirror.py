"""What a mirror of one mailbox must fetch, and what it must record.

Here: the choice a user makes, and plans from snapshots: the UIDs a server lists, the UIDs
and flags the archive holds. Arrays in, arrays out, for a mailbox may hold a million
messages. Not here: which mailboxes (``folders``), a mailbox that was numbered anew
(``rematch``), the conversation (``services``). RFC 3501 section 2.3.1.1, RFC 4549.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from mailroom.exceptions import ConfigurationError
from mailroom.model import FetchedMessage, FolderRow, LocationRow
from mailroom.policy.uid_sets import Uids, ascending, common, joined, without

__all__ = [
    "FolderPlan",
    "MirrorSelection",
    "check_loss",
    "find_changed_flags",
    "is_unchanged",
    "normal_flags",
    "plan_folder",
    "search_criteria",
]

SMALL_LOSS = 50
"""So many messages may go in one run without a question, whatever share of the account they are."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""As SEARCH wants them, whatever the locale (RFC 3501, date-month)."""

SYSTEM_FLAGS = {flag.lower(): flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")}


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSelection:
    """Which folders and messages of an account to mirror.

    The message filters narrow what is downloaded; what is archived already is kept in step
    whether they let it through or not.

    :param folders: patterns, see ``policy.folders``.
    :param exclude: patterns of folders to leave out.
    :param since: only messages that the server received on this day or later; servers take the
        day from INTERNALDATE and disregard time zones (RFC 3501 section 6.4.4).
    :param until: only messages received before this day.
    :param larger_than: only messages of more octets.
    :param order: ``oldest`` or ``newest`` first.
    :param other_namespaces: whether shared and other users' folders are looked at as well.
    :param max_gone: stop where more than this share of the account would be recorded as gone.
    :raises ConfigurationError: where the values contradict each other.
    """

    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    larger_than: int | None = None
    order: str = "oldest"
    other_namespaces: bool = False
    max_gone: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.order not in ("oldest", "newest"):
            raise ConfigurationError(f"order must be 'oldest' or 'newest', not {self.order!r}.")
        if not 0 <= self.max_gone <= 1:
            raise ConfigurationError(f"max_gone must be from 0 to 1, not {self.max_gone}.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ConfigurationError(
                f"No day is both since {self.since} and before {self.until}: until must be later than since."
            )
        if self.larger_than is not None and self.larger_than < 0:
            raise ConfigurationError(f"larger_than must not be negative, as {self.larger_than} is.")

    @property
    def is_partial(self) -> bool:
        """Whether some messages of a folder may be left out."""
        return self.since is not None or self.until is not None or self.larger_than is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlan:
    """What to do about one mailbox; all UIDs are under its present UIDVALIDITY.

    :param fetch: UIDs to download, first things first.
    :param retry: UIDs that were listed but not delivered in earlier runs, still listed, ascending.
    :param gone: UIDs that the archive holds as live and the server no longer lists, ascending.
    :param given_up: UIDs that were never delivered and are no longer listed, ascending.
    """

    fetch: Uids
    retry: Uids
    gone: Uids
    given_up: Uids

    @property
    def is_empty(self) -> bool:
        """Whether server and archive agree on what is there."""
        return not (len(self.fetch) or len(self.retry) or len(self.gone) or len(self.given_up))


def plan_folder(
    listed: Uids,
    *,
    live: Uids,
    unfetchable: Uids,
    wanted: Uids | None = None,
    order: str = "oldest",
) -> FolderPlan:
    """Compare what the server lists with what the archive holds.

    :param listed: every UID the server lists, in any order.
    :param live: UIDs the archive holds as being there, ascending.
    :param unfetchable: UIDs that were listed but never delivered, ascending.
    :param wanted: the UIDs the selection lets through; None lets all of them through.

    >>> plan = plan_folder(np.array([1, 3, 4]), live=np.array([1, 2]), unfetchable=np.array([], dtype=int))
    >>> plan.fetch.tolist(), plan.gone.tolist()
    ([3, 4], [2])
    """
    there = ascending(listed)
    chosen = there if wanted is None else common(there, ascending(wanted))
    fetch = without(chosen, joined(live, unfetchable))
    tried = without(unfetchable, live)
    return FolderPlan(
        fetch=fetch if order == "oldest" else fetch[::-1],
        retry=common(tried, chosen),
        gone=without(live, there),
        given_up=without(tried, there),
    )


def may_be_another(row: LocationRow, message: FetchedMessage) -> bool:
    """Return whether what a server states of a UID is not what it stated of the archived message.

    Equal object ids settle it; a date or size that differs may have been corrected by the server.
    """
    if row.object_id is not None and row.object_id == message.object_id:
        return False
    stated = (
        (row.object_id, message.object_id),
        (row.internal_date, message.internal_date),
        (row.size, message.octets),
    )
    return any(before != now for before, now in stated if before is not None and now is not None)


def find_changed_flags(
    live: Uids, flags: npt.NDArray[np.object_], seen: Uids, seen_flags: npt.NDArray[np.object_]
) -> npt.NDArray[np.intp]:
    """Return the places in ``seen`` whose message is live and whose flags differ from the archive's.

    :param live: UIDs the archive holds, ascending.
    :param flags: their flags, each sorted and joined by blanks, aligned to ``live``.
    :param seen: UIDs the server told flags of; of one told twice the last counts.
    :param seen_flags: what it told, in the same form, aligned to ``seen``.
    """
    if not len(live) or not len(seen):
        return np.empty(0, dtype=np.intp)
    order = np.argsort(seen, kind="stable")
    is_last = np.ones(len(seen), dtype=bool)
    is_last[:-1] = seen[order][1:] != seen[order][:-1]
    last = np.sort(order[is_last])
    places = np.minimum(np.searchsorted(live, seen[last]), len(live) - 1)
    is_live = live[places] == seen[last]
    differs = flags[places] != seen_flags[last]
    found: npt.NDArray[np.intp] = last[is_live & differs.astype(bool)]
    return found


def normal_flags(flags: Iterable[str] | None) -> tuple[str, ...]:
    """Return flags sorted, each once, system flags as the RFC spells them, without ``\\Recent``.

    ``\\Recent`` says something about sessions and not about the message: it goes away as soon as
    any client opens the mailbox (RFC 3501 section 2.3.2).

    >>> normal_flags(["$Label", "\\\\seen", "\\\\Recent"])
    ('$Label', '\\\\Seen')
    """
    return _normal_flags(tuple(flags or ()))


@functools.lru_cache(maxsize=4096)
def _normal_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    known = (SYSTEM_FLAGS.get(flag.lower(), flag) for flag in flags)
    return tuple(sorted({flag for flag in known if flag.lower() != "\\recent"}))


def is_unchanged(status: Mapping[str, int] | None, last: FolderRow | None, live: int) -> bool:
    """Return whether a mailbox need not be opened, by what STATUS says of it alone.

    That takes a server that counts changes (HIGHESTMODSEQ, RFC 7162): elsewhere flags change
    unseen. The count of live rows must agree too, so that rows lost by the archive are noticed.

    :param live: how many live messages the archive holds for it.
    """
    if status is None or last is None or not last.complete or last.windowed or last.deleted:
        return False
    if not status.get("HIGHESTMODSEQ") or not status.get("UIDVALIDITY"):
        return False
    return (
        status.get("UIDVALIDITY") == last.uid_validity
        and status.get("UIDNEXT") == last.uid_next
        and status.get("HIGHESTMODSEQ") == last.highest_modseq
        and status.get("MESSAGES") == last.messages == live
    )


def search_criteria(selection: MirrorSelection) -> tuple[str, ...]:
    """Return the SEARCH keys of a selection (RFC 3501 section 6.4.4).

    >>> search_criteria(MirrorSelection(since=date(2024, 2, 1), larger_than=1000))
    ('SINCE', '1-Feb-2024', 'LARGER', '1000')
    """
    keys: list[str] = []
    if selection.since is not None:
        keys += ["SINCE", _search_date(selection.since)]
    if selection.until is not None:
        keys += ["BEFORE", _search_date(selection.until)]
    if selection.larger_than is not None:
        keys += ["LARGER", str(selection.larger_than)]
    return tuple(keys) or ("ALL",)


def _search_date(day: date) -> str:
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04d}"


def check_loss(account: str, before: int, after: int, max_gone: float) -> None:
    """Refuse to record that a large part of an account is gone.

    An account that was moved, a server restored from an old copy or a wrong host looks like
    one whose mail was deleted. What was moved between folders does not count as gone.

    :param before: messages that were live before the run.
    :param after: messages that would be live after it.
    :raises ConfigurationError: where more than ``SMALL_LOSS`` messages and more than ``max_gone`` of
        the account would be recorded as gone.
    """
    loss = before - after
    if loss <= SMALL_LOSS or loss <= before * max_gone:
        return
    raise ConfigurationError(
        f"{loss:,} of the {before:,} messages that {account} held are no longer on the server, which is more "
        f"than max_gone ({max_gone:.0%}) allows, so none was recorded as gone; new mail was archived, and "
        "nothing was removed. Check that this is the right server and that its mail is complete; if the "
        "messages were deleted on purpose, run once with max_gone=1 (--max-gone 1).",
        before=before,
        after=after,
    )
