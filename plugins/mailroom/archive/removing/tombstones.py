"""Messages that are to leave the archive: said first, done later.

Belongs here: the table ``tombstones``, and who may do what with a raw object meanwhile. Does not belong
here: dropping rows (``removal``), deleting objects (``sweep``).

A state is only ever changed by a commit that all others collide with, so that an object which a run stores
again and one that is being deleted are never the same: the run says ``revived`` before its row, the sweep
says ``removing`` before it deletes, and whoever comes second sees the other.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append
from mailroom.exceptions import StoreUnavailable

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

__all__ = ["Revival", "Tombstone", "TombstoneState", "Tombstones"]

CHUNK_ROWS = 50_000
"""Rows that are committed together."""


class TombstoneState(enum.Enum):
    """How far a message has come on its way out; a closed list."""

    TOMBSTONED = "tombstoned"
    REMOVING = "removing"
    REVIVED = "revived"

    @property
    def is_pending(self) -> bool:
        """Whether the object is to be deleted."""
        return self is not TombstoneState.REVIVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is said of one message.

    :param since: when it was said first.
    """

    sha256: str
    state: TombstoneState
    since: datetime
    run_id: str


class Tombstones:
    """The table for one run.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive) -> None:
        self.table = archive.table("tombstones")

    def read(self) -> dict[str, Tombstone]:
        """Return what is said of each message as of now; those that are gone are not told of any more."""
        self.table.refresh()
        return self._states()

    def _states(self) -> dict[str, Tombstone]:
        newest: dict[str, tuple[int, Tombstone]] = {}
        for piece in self.table.scan(self.table.spec.schema.names):
            for row in piece.table.to_pylist():
                before = newest.get(row["sha256"])
                if before is None or before[0] < row["seq"]:
                    found = Tombstone(
                        sha256=row["sha256"],
                        state=TombstoneState(row["state"]),
                        since=row["since"],
                        run_id=row["run_id"],
                    )
                    newest[row["sha256"]] = (row["seq"], found)
        return {digest: found for digest, (_, found) in newest.items()}

    def bury(self, digests: Sequence[str], at: datetime, run_id: str) -> None:
        """Say of messages that they are to go; those of which it is said already keep their day."""

        def of(states: Mapping[str, Tombstone]) -> list[Tombstone]:
            return [
                Tombstone(sha256=digest, state=TombstoneState.TOMBSTONED, since=at, run_id=run_id)
                for digest in digests
                if digest not in states or not states[digest].state.is_pending
            ]

        self._change(of)

    def move(
        self,
        digests: Collection[str],
        state: TombstoneState,
        run_id: str,
        *,
        only: Collection[TombstoneState],
    ) -> dict[str, TombstoneState]:
        """Change the state of messages that are in one of these; return which were changed, from what."""
        before: dict[str, TombstoneState] = {}

        def of(states: Mapping[str, Tombstone]) -> list[Tombstone]:
            before.clear()
            found = [
                states[digest] for digest in digests if digest in states and states[digest].state in only
            ]
            before.update((stone.sha256, stone.state) for stone in found)
            return [
                Tombstone(sha256=stone.sha256, state=state, since=stone.since, run_id=run_id)
                for stone in found
            ]

        self._change(of)
        return before

    def forget(self, digests: Collection[str]) -> None:
        """Take messages out of the table whose way is at its end."""
        from mailroom.archive.removing.removal import drop_rows

        gone = frozenset(digests)
        drop_rows(self.table, "sha256", lambda column: [digest in gone for digest in column.to_pylist()])

    def _change(self, of: Callable[[Mapping[str, Tombstone]], list[Tombstone]]) -> None:
        name = self.table.name

        def plan() -> Append | None:
            stones = of(self._states())
            if not stones:
                return None
            seq = self.table.transaction_version(name) + 1
            columns: list[list[Any]] = [
                [stone.sha256 for stone in stones],
                [stone.state.value for stone in stones],
                [stone.since for stone in stones],
                [stone.run_id for stone in stones],
                [seq] * len(stones),
            ]
            return Append(rows=[build_table(name, columns)], transactions={name: seq})

        self.table.refresh()
        self.table.append(plan)


class Revival:
    """Keeps messages in the archive that come in again while they are on their way out; for one writer."""

    def __init__(self, archive: Archive, stones: Tombstones, run_id: str) -> None:
        self._archive = archive
        self._stones = stones
        self._run_id = run_id

    def revive(self, digests: Collection[str]) -> None:
        """Lift the tombstones of messages whose objects are stored again, before their rows are committed.

        :raises StoreUnavailable: where the object is being deleted at this moment; nothing was committed.
        """
        before = self._stones.move(digests, TombstoneState.REVIVED, self._run_id, only=_PENDING)
        lost = [
            digest
            for digest, state in before.items()
            if state is TombstoneState.REMOVING or self._archive.raw.size(digest) is None
        ]
        if lost:
            raise StoreUnavailable(
                f"Message {lost[0]} was just being removed from {self._archive.url}; run again, and it is "
                "stored anew.",
                reason="busy",
                where=self._archive.url,
            )


_PENDING = (TombstoneState.TOMBSTONED, TombstoneState.REMOVING)
