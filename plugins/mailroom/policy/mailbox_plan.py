"""What a mirror of one mailbox must fetch, and what it must record.

Here: plans from snapshots: the UIDs a server lists, the UIDs and flags the archive holds.
Arrays in, arrays out, for a mailbox may hold a million messages. Not here: what a user
chooses (``mirror``), a mailbox that was numbered anew (``rematch``), the conversation
(``services``). RFC 3501 section 2.3.1.1, RFC 4549.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mailroom.model import FetchedMessage, LocationRow
from mailroom.policy.uid_sets import Uids, ascending, common, joined, without

__all__ = ["FolderPlan", "find_changed_flags", "may_be_another", "normal_flags", "plan_folder"]

SYSTEM_FLAGS = {flag.lower(): flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")}


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
