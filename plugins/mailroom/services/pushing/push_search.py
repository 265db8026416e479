"""What a push that was interrupted had done already: looked for in the folder that messages go to.

Here: telling by content whether a message arrived, counted from where the folder stood when the run
set out. Not here: what follows from it (``transfer_push``, ``append_push``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailroom.change_request import Attempt, ChangeRequest
from mailroom.model import Change, LocationRow, MailProtocol
from mailroom.services.pushing.push_desk import Desk
from mailroom.services.restoring.restore_presence import find_present
from mailroom.services.restoring.settling import let_settle

__all__ = ["DOUBTFUL", "Arrivals", "find_arrived", "row_to_find"]

RowOf = Callable[[ChangeRequest], LocationRow]

DOUBTFUL = (
    "while a run that was interrupted was at it, a message of the same Message-ID and date and of other "
    "contents came to folder {folder!r}; look whether it is the same, and ask again if not"
)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Which messages have come to a folder.

    :param there: by the ids of the changes whose messages have, by their octets or what survives a new
        encoding: the folder's UIDVALIDITY, where it states one, and the UID.
    :param doubtful: ids of others, for which something came that looks like them.
    """

    there: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)


def row_to_find(request: ChangeRequest, row: LocationRow | None = None) -> LocationRow:
    """Return a message as it is looked for: by its content, and the date it had or was to get."""
    return LocationRow(
        account=request.account,
        protocol=MailProtocol.IMAP,
        folder=request.folder,
        change=Change.ADDED,
        at=request.requested_at,
        run_id="",
        sha256=request.sha256,
        internal_date=request.internal_date if row is None else row.internal_date,
    )


def find_arrived(
    desk: Desk, folder: str, requests: Sequence[ChangeRequest], row_of: RowOf, *, strict: bool = True
) -> Arrivals:
    """Return the changes that were set out for whose messages have arrived in a folder since.

    The folder is open for reading afterwards. A server that is still at work on what it was sent is
    waited for.

    :param requests: changes with an ``attempt``.
    :param strict: whether each message is read; else it may be known by size, date and Message-ID, which
        will do where the server has just said that it put it there.
    :raises CommandRejected: if the folder cannot be opened.
    """
    found = _look(desk, folder, requests, row_of, strict)
    if len(found.there) < len(requests):
        let_settle(desk.client, folder, desk.stop)
        found = _look(desk, folder, requests, row_of, strict)
    return found


def _look(
    desk: Desk, folder: str, requests: Sequence[ChangeRequest], row_of: RowOf, strict: bool
) -> Arrivals:
    selected = desk.client.examine(folder)
    groups: dict[Attempt, list[ChangeRequest]] = defaultdict(list)
    for request in requests:
        groups[request.attempt or Attempt()].append(request)
    found = Arrivals()
    for attempt, group in groups.items():
        is_same_numbering = attempt.uid_validity == selected.uid_validity
        first = attempt.uid_next if is_same_numbering and attempt.uid_next else 1
        rows = [row_of(request) for request in group]
        presence = find_present(
            desk.client,
            desk.archive,
            lambda rows=rows: rows,  # type: ignore[misc]  # bound now
            first_uid=first,
            strict=strict,
        )
        for request, uid in zip(group, presence.uids.tolist(), strict=True):
            if uid:
                found.there[request.change_id] = (selected.uid_validity, uid)
        found.doubtful.update(group[place].change_id for place in presence.doubtful)
    return found
