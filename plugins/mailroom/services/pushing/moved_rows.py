"""What the archive says of messages that a push has moved: where they are, and that they left.

Here: rows of ``locations`` for moves that are over, so that the next mirror knows the messages where they
are and downloads none of them again. Not here: moving (``transfer_push``). They are written before the
moves are noted as over; after a kill in between, the next push finds the messages and writes what lacks.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailroom.archive import FolderState
from mailroom.change_request import ChangeRequest, RequestState
from mailroom.model import Change, LocationRow
from mailroom.services.pushing.push_desk import Desk
from mailroom.services.pushing.transfer_push import Transfer

__all__ = ["record_moved"]


def record_moved(*, desk: Desk, source: FolderState, target: str, transfer: Transfer) -> None:
    """Record, durably, the moves that are over and of which it is known where the messages are.

    :param source: the folder they were in, as the archive knew it when the push began.
    :raises StoreUnavailable: if the archive cannot be read or written.
    """
    moved = {
        change_id: request
        for change_id, (request, state, _) in transfer.outcomes.items()
        if state is RequestState.PUSHED and change_id in transfer.landed
    }
    if not moved:
        return
    places = {change_id: transfer.landed[change_id] for change_id in moved}
    before = {row.uid: row for row in source.rows(r.uid for r in moved.values() if r.uid is not None)}
    known = _known(desk, target, set(places.values()))
    desk.writer.record(_rows(desk, target, moved, places, before, known))
    desk.writer.flush()


def _known(desk: Desk, target: str, places: set[tuple[int, int]]) -> dict[tuple[int, int], str | None]:
    """Return the messages that the archive knows at such places: a mirror, or a run that was killed."""
    state = desk.archive.folder_state(desk.context.account, target)
    validity = state.uid_validity
    if validity is None:
        return {}
    rows = state.rows(uid for uid_validity, uid in places if uid_validity == validity)
    return {(validity, row.uid): row.sha256 for row in rows if row.uid is not None}


def _rows(
    desk: Desk,
    target: str,
    moved: dict[str, ChangeRequest],
    places: dict[str, tuple[int, int]],
    before: dict[int | None, LocationRow],
    known: dict[tuple[int, int], str | None],
) -> Iterator[LocationRow]:
    at, run_id = desk.now(), desk.context.run_id
    for change_id, request in moved.items():
        row, place = before.get(request.uid), places[change_id]
        if row is None or row.sha256 is None or row.sha256 != request.sha256:
            continue
        if place not in known:
            yield row._replace(
                folder=target,
                uid_validity=place[0],
                uid=place[1],
                change=Change.MOVED,
                moved_from=row.folder,
                modseq=None,
                at=at,
                run_id=run_id,
            )
        if row.change.is_live:
            yield row._replace(change=Change.EXPUNGED, at=at, run_id=run_id)
