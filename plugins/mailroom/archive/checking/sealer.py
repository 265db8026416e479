"""Seal what a run wrote, at its end; and what runs that were killed have left.

Belongs here: when rows are sealed, and by whom. Does not belong here: what a seal is (``seals``), marks of
writers at work (``seal_marks``).

A run notes its rows as they are committed, and seals them at its end: one row, whatever their number; a
run that wrote nothing seals nothing. Where it is killed, a later run of the account seals its rows, a day
after, and the seal says so. Rows that were there before the account's first seal get one seal together,
without a run; and so do rows of tables that older Mailrooms did not seal.

A run that has a seal is sealed anew only over all that it had and more. Whoever changes a row of it and
then has it sealed again, by putting back a mark or by a note of a deletion that never was, gets an error
in the log of the run that was to do it, and no seal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seal_marks import Mark, new_mark, open_marks, write_mark
from mailroom.archive.checking.seals import (
    BEFORE,
    SEALED,
    Hints,
    Seal,
    hints_of,
    hints_of_runs,
    newest_seal,
    read_seals,
    seals_of_run,
)
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table
    from mailroom.model import RunContext

__all__ = ["Sealer", "rows_of_run"]

ADOPT_AFTER = timedelta(days=1)
"""How old the mark of another writer must be before its rows are sealed for it."""

RENEW_AFTER = timedelta(hours=1)
"""After how long a writer at work makes its mark anew before it commits."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows of one run that are to be sealed together.

    :param leaves: their digests.
    :param marks: numbers of the marks that are settled by it.
    :param tables: where they are.
    """

    run_id: str
    leaves: Leaves
    marks: tuple[str, ...] = ()
    tables: tuple[str, ...] = SEALED


class Sealer:
    """Seals what one writer commits; told by its tables (see ``tables.RowWatcher``).

    :ivar newest: digest of the seal that was made last, by account.
    """

    def __init__(self, archive: Archive, context: RunContext) -> None:
        self.newest: dict[str, str] = {}
        self._archive = archive
        self._context = context
        self._leaves: dict[str, dict[str, Leaves]] = {}
        self._mark = new_mark(context.account, context.run_id)
        self._marked_at: float | None = None

    @property
    def run_id(self) -> str:
        """The run whose rows are sealed."""
        return self._context.run_id

    @property
    def has_begun(self) -> bool:
        """Whether rows came, or may have come."""
        return self._marked_at is not None

    def begin(self) -> None:
        """Leave a mark that rows are coming, unless that was done a short while ago.

        :raises ConfigurationError: where the key can only check.
        :raises StoreUnavailable: where the store refuses.
        """
        now = time.monotonic()
        if self._marked_at is not None:
            if now - self._marked_at < RENEW_AFTER.total_seconds():
                return
            if self._archive.store.read_files([self._mark.path]) == [None]:  # others took us for dead
                self._mark = new_mark(self._context.account, self._context.run_id)
        write_mark(self._archive, self._mark)
        self._marked_at = now

    def take(self, name: str, rows: pa.Table) -> None:
        """Note rows that are committed, also those that say what another run did."""
        import pyarrow.compute as pc

        # Mostly all rows are of one account and one run; grouping them would load another engine.
        for account in rows["account"].unique().to_pylist():
            here = rows.filter(pc.equal(rows["account"], account))
            for run_id in here["run_id"].unique().to_pylist():
                found = self._leaves.setdefault(account, {}).setdefault(run_id, Leaves())
                found.add(leaf_digests(name, here.filter(pc.equal(here["run_id"], run_id))))

    def seal(self) -> Table | None:
        """Seal what was noted, and what writers that were killed long ago left; return the table, if any.

        :raises StoreUnavailable: where the store refuses.
        """
        if not self.has_begun:
            return None
        table = self._archive.table("seals")
        done = {self._mark.path}
        for account in sorted({*self._leaves, self._context.account}):
            done.update(self._seal_account(table, account))
        for path in sorted(done):
            self._archive.store.remove(path)
        self._mark, self._marked_at = new_mark(self._context.account, self.run_id), None
        return table

    def _seal_account(self, table: Table, account: str) -> set[str]:
        """Append the seals of one account; return the files of other writers' marks that are settled."""
        marks = open_marks(self._archive, account)
        left = [mark for mark in marks if mark.run_id != BEFORE and self._is_left(mark)]
        settled: set[str] = set()

        def plan() -> Append | None:
            settled.clear()
            newest = newest_seal(table, account)
            wanted = self._unsealed_before(table, account, marks, newest)
            for run_id in self._runs(account, left):
                of_run = [mark for mark in left if mark.run_id == run_id]
                is_open = any(mark.run_id == run_id and mark.path != self._mark.path for mark in marks)
                rows = self._rows_to_seal(table, account, run_id, of_run, is_open=is_open)
                if rows is not None:
                    wanted += [rows] if len(rows.leaves) or rows.marks else []
                    settled.update(mark.path for mark in of_run)
            seals = self._chained(table, account, wanted, newest)
            if not seals:
                return None
            self.newest[account] = seals[-1].digest
            hints = [hints_of(rows.leaves) for rows in wanted]
            return Append(rows=[_as_table(seals, hints)], transactions={account: seals[-1].seq})

        table.append(plan)
        return settled

    def _is_left(self, mark: Mark) -> bool:
        limit = self._archive.clock() - ADOPT_AFTER
        return mark.path != self._mark.path and self._archive.store.modified_at(mark.path) < limit

    def _runs(self, account: str, left: Sequence[Mark]) -> list[str]:
        """Return the runs to be sealed, this one first."""
        noted = self._leaves.get(account, {})
        others = sorted({*noted, *(mark.run_id for mark in left)} - {self.run_id})
        return [*([self.run_id] if self.run_id in noted else []), *others]

    def _unsealed_before(
        self, table: Table, account: str, marks: Sequence[Mark], newest: Seal | None
    ) -> list[_Rows]:
        """Return the rows from before sealing, where this is the account's first seal over their table."""
        if newest is None and (table.transaction_version(account) >= 0 or _had_seals(self._archive, account)):
            log.error(
                "The seals of %s were taken out of the archive; what was there before this run is not "
                "sealed again. Run mailroom verify, and compare with a backup or a copy.",
                account,
            )
            return []
        names = tuple(name for name in SEALED if newest is None or name not in newest.tables)
        if not names:
            return []
        known = read_seals(table, account)
        own = {self.run_id, *self._leaves.get(account, {}), *(mark.run_id for mark in marks)}
        own |= {seal.run_id for seal in known if set(names) <= set(seal.tables)}
        leaves = self._rows_before(account, names, own - {BEFORE})
        earlier = [seal for seal in known if seal.run_id == BEFORE and seal.tables == names]
        if not len(leaves) or not self._is_kept(table, earlier, leaves):
            return []
        return [_Rows(run_id=BEFORE, leaves=leaves, tables=names)]

    def _rows_to_seal(
        self, table: Table, account: str, run_id: str, left: Sequence[Mark], *, is_open: bool
    ) -> _Rows | None:
        """Return what is to be sealed of a run; None where its rows are not those that were sealed before.

        :param left: marks of its writers that were killed.
        :param is_open: whether it has marks besides this writer's.
        """
        earlier = seals_of_run(table, account, run_id)
        added = self._leaves.get(account, {}).get(run_id, Leaves())
        known = {number for seal in earlier for number in seal.marks or ()}
        numbers = [mark.number for mark in left if mark.number is not None and mark.number not in known]
        if run_id == self.run_id:
            numbers.append(str(self._mark.number))
        if earlier and not len(added) and not numbers:
            return _Rows(run_id=run_id, leaves=Leaves())  # marks that are settled already
        if not earlier and not is_open and run_id == self.run_id:
            return _Rows(run_id=run_id, leaves=added, marks=tuple(numbers))
        # Several writers of one run, or one that was killed: its newest seal is over all rows.
        names = earlier[-1].tables if earlier else SEALED
        leaves = rows_of_run(self._archive, account, run_id, names)
        if not self._is_kept(table, earlier, leaves, added):
            return None
        return _Rows(run_id=run_id, leaves=leaves, marks=tuple(sorted(numbers)), tables=names)

    def _is_kept(
        self, table: Table, earlier: Sequence[Seal], leaves: Leaves, added: Iterable[bytes] = ()
    ) -> bool:
        """Say whether the rows that the last of these seals was made over are all there, in the log too."""
        if not earlier:
            return True
        last = earlier[-1]
        hints = hints_of_runs(table, last.account, [last.run_id]).get(last.seq)
        is_kept = last.is_kept_in(leaves, hints, added)
        if not is_kept:
            log.error(
                "Run %s of %s is not sealed again: rows of it that are sealed were changed or taken out. Run "
                "mailroom verify, and compare with a backup or a copy.",
                last.run_id,
                last.account,
            )
        return is_kept

    def _chained(self, table: Table, account: str, wanted: Sequence[_Rows], last: Seal | None) -> list[Seal]:
        number = max(table.transaction_version(account), -1 if last is None else last.seq)
        previous = None if last is None else last.digest
        seals: list[Seal] = []
        for seq, rows in enumerate(wanted, number + 1):
            seal = Seal(
                account=account,
                run_id=rows.run_id,
                root=rows.leaves.root(),
                rows=len(rows.leaves),
                previous=previous,
                at=datetime.now(UTC),
                seq=seq,
                sealed_by=None if rows.run_id in (self.run_id, BEFORE) else self.run_id,
                marks=rows.marks,
                tables=rows.tables,
            )
            seals.append(seal.signed(self._archive.seal_key))
            previous = seal.digest
        return seals

    def _rows_before(self, account: str, names: Sequence[str], without: set[str]) -> Leaves:
        """Return the digests of an account's rows in some tables that are not of these runs."""
        import pyarrow as pa
        import pyarrow.compute as pc

        runs = pa.array(sorted(without), pa.string())
        of_account = {"account": account}
        found = Leaves()
        for name in names:
            told = (
                rows["run_id"].unique().to_pylist()
                for rows in self._archive.scan_table(name, ["run_id"], of_account)
            )
            if without.issuperset(chain.from_iterable(told)):
                continue  # as where all of an archive is from this run
            for rows in self._archive.scan_table(name, equal=of_account):
                is_new = pc.fill_null(pc.is_in(rows["run_id"], value_set=runs), False)
                found.add(leaf_digests(name, rows.filter(pc.invert(is_new))))
        return found


def rows_of_run(archive: Archive, account: str, run_id: str, names: Sequence[str]) -> Leaves:
    """Return the digests of a run's rows in some tables, those that were removed by rule included.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    equal = {"account": account, "run_id": run_id}
    found = Leaves()
    for name in names:
        for rows in archive.scan_table(name, equal=equal):
            found.add(leaf_digests(name, rows))
    erased = {
        bytes.fromhex(leaf)
        for rows in archive.scan_table("erasures", ("leaf",), equal={"account": account, "of_run": run_id})
        for leaf in rows["leaf"].to_pylist()
    }
    found.add(erased.difference(found) if erased else ())
    return found


def _had_seals(archive: Archive, account: str) -> bool:
    """Say whether a run of an account noted its seal."""
    return any(
        rows["seal"].null_count < rows.num_rows
        for rows in archive.scan_table("runs", ("seal",), equal={"account": account})
    )


def _as_table(seals: Sequence[Seal], hints: Sequence[Hints]) -> pa.Table:
    from mailroom.archive.delta.schemas import TABLES

    columns: list[Sequence[object]] = []
    for name in TABLES["seals"].schema.names:
        if name == "hints":
            columns.append(hints)
        else:
            columns.append([seal.digest if name == "seal" else getattr(seal, name) for seal in seals])
    return build_table("seals", columns)
