"""Delete the raw objects of messages that left the archive, when nobody can be using them any more.

Belongs here: the second phase of a removal. Does not belong here: the first (``removal``).

A message that came back meanwhile, by whatever run, stays: where it has a row in ``messages`` again, or a
place in ``locations``, its tombstone is lifted; in the second case its row is made anew from the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailroom.archive.archive import Archive
from mailroom.archive.removing.removal import ABOUT_MESSAGES
from mailroom.archive.removing.tombstones import Tombstones, TombstoneState
from mailroom.archive.removing.uncut import due_notes
from mailroom.archive.storage.durability import Durability
from mailroom.archive.writing.message_tables import MessageTables
from mailroom.archive.writing.repair import Repair

__all__ = ["SweepTally", "sweep_objects"]

BATCH_OBJECTS = 500
"""Objects that are claimed, deleted and let go of together."""

TABLES = (*ABOUT_MESSAGES, "contacts", "changes", "folders", "tombstones")
"""Tables whose history is cut, so that rows that were dropped are in no file any more."""


@dataclass(slots=True, kw_only=True)
class SweepTally:
    """What was deleted.

    :param waiting: messages whose days of grace are not over.
    :param revived: messages that came back.
    """

    removed: int = 0
    octets: int = 0
    revived: int = 0
    waiting: int = 0


def sweep_objects(
    archive: Archive, durability: Durability, *, now: datetime, grace: timedelta, run_id: str
) -> SweepTally:
    """Delete what has waited long enough, and cut the history of the tables.

    :raises StoreUnavailable: where the store refuses; the next sweep goes on.
    """
    stones = Tombstones(archive)
    tally = SweepTally()
    due: list[str] = []
    for stone in stones.read().values():
        if stone.state.is_pending:
            if stone.since <= now - grace:
                due.append(stone.sha256)
            else:
                tally.waiting += 1
    back = _came_back(archive, due)
    if back:
        tally.revived = len(back)
        stones.move(back, TombstoneState.REVIVED, run_id, only=tuple(TombstoneState))
        _index_again(archive, back)
    for start in range(0, len(due), BATCH_OBJECTS):
        batch = [digest for digest in due[start : start + BATCH_OBJECTS] if digest not in back]
        _remove(archive, stones, batch, run_id, tally)
    over = [s.sha256 for s in stones.read().values() if s.state is TombstoneState.REVIVED]
    if over:
        stones.forget(over)
    notes = due_notes(archive.store, now - grace)
    if notes or tally.removed or tally.revived:
        _cut_history(archive, durability, notes)
    return tally


def _cut_history(archive: Archive, durability: Durability, notes: Sequence[str]) -> None:
    """Delete old data files, and such as a kill left without a commit; young ones may be a writer's."""
    for name in TABLES:
        table = archive.table(name)
        if table.version >= 0:
            table.tidy(durability.sync, strays=True)
    for path in notes:
        archive.store.remove(path)


def _remove(
    archive: Archive, stones: Tombstones, batch: Sequence[str], run_id: str, tally: SweepTally
) -> None:
    """Claim objects, delete those that nobody was faster to store again, and forget them."""
    pending = (TombstoneState.TOMBSTONED, TombstoneState.REMOVING)
    claimed = stones.move(batch, TombstoneState.REMOVING, run_id, only=pending)
    for digest in claimed:
        tally.octets += archive.raw.size(digest) or 0
        archive.raw.remove(digest)
        tally.removed += 1
    if claimed:
        stones.forget(claimed.keys())


def _came_back(archive: Archive, digests: Sequence[str]) -> set[str]:
    """Return which of these have rows again."""
    wanted = set(digests)
    if not wanted:
        return set()
    return {
        digest
        for name in ("messages", "locations")
        for rows in archive.scan_table(name, ["sha256"])
        for digest in rows["sha256"].to_pylist()
        if digest in wanted
    }


def _index_again(archive: Archive, digests: set[str]) -> None:
    """Give messages that have places and no row of ``messages`` their rows again."""
    tables = MessageTables(archive.table)
    repair = Repair(raw=archive.raw, tables=tables, locations=archive.table("locations"), url=archive.url)
    repair.rebuild_some(sorted(digests))
    repair.complete()
