"""Check seals: every row as it was written, none added, none gone, no seal taken out.

Belongs here: what a check of an archive says of them. Does not belong here: the rest of the check
(``integrity``). Memory grows by some 32 octets a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.checking.problems import Problem, ProblemKind
from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seal_marks import Mark, open_marks
from mailroom.archive.checking.seals import BEFORE, SEALED, Hints, Seal, hints_of_runs, read_seals
from mailroom.archive.delta.data_files import DataFile, aligned
from mailroom.archive.replicating.replica import read_mark
from mailroom.archive.storage.store import LocalStore

__all__ = ["SealCheck", "check_chain", "was_torn"]

Rows = dict[str, Leaves]
"""The digests of rows, by table."""

Runs = dict[str, Rows]
"""The digests of rows, by run and table."""

MAX_NAMED = 3
"""How many runs a sentence names."""


class SealCheck:
    """The check of all seals; to be made before the tables are read, so that runs at work do not disturb it.

    What is sealed while the tables are being read is left to the next check.

    :raises StoreUnavailable: where the store cannot be read.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._noted: dict[str, set[str]] = {}
        self._before = _by_account(archive)
        self._marks = {account: open_marks(archive, account) for account in self._before}
        self._is_copy = read_mark(archive.store) is not None
        self._was_torn = was_torn(archive)

    def problems(self, files: Mapping[str, Sequence[DataFile]]) -> Iterator[Problem]:
        """Yield what is wrong with the seals of every account.

        :param files: the data files of each table that can be read.
        :raises StoreUnavailable: where the store cannot be read.
        """
        self._noted = _noted_seals(self._archive, files)
        now = _by_account(self._archive)
        table = self._archive.reader("seals")
        rows = _rows_by_account(self._archive, files)
        _add_erased(self._archive, files, rows)
        for account in sorted({*now, *rows, *self._noted}):
            seals = now.get(account, [])
            last = table.transaction_version(account)
            yield from check_chain(self._archive, account, seals, last)
            yield from self._check_noted(account, seals)
            if not seals and last < 0:
                yield from self._miss_seals(account, rows.get(account, {}).keys())
            else:
                of_account = self._rows_of(account, seals, rows.get(account, {}))
                for problem in of_account.problems():
                    yield _after_power_cut(problem) if self._was_torn else problem

    def _rows_of(self, account: str, seals: Sequence[Seal], runs: Runs) -> _AccountRows:
        """Return what is to be compared: what was sealed when the check began."""
        before = self._before.get(account, [])
        passed_over = {seal.run_id for seal in seals[len(before) :]}
        for run_id in passed_over:
            runs.pop(run_id, None)
        settled = {number for seal in seals for number in seal.marks or ()}
        return _AccountRows(
            archive=self._archive,
            account=account,
            seals=[seal for seal in before if seal.run_id not in passed_over],
            runs=runs,
            at_work={mark.run_id for mark in self._open_marks(account) if mark.number not in settled},
            is_copy=self._is_copy,
        )

    def _open_marks(self, account: str) -> list[Mark]:
        marks = [*self._marks.get(account, ()), *open_marks(self._archive, account)]
        return [mark for mark in marks if mark.run_id != BEFORE]

    def _check_noted(self, account: str, seals: Sequence[Seal]) -> Iterator[Problem]:
        """Yield that seals which runs noted are not there."""
        lost = self._noted.get(account, set()) - {seal.digest for seal in seals}
        if lost and not self._is_copy:
            problem = _tampered(
                account,
                f"{len(lost):,} of the seals that its runs noted in table runs are not there: seals were "
                "taken out or made anew",
            )
            yield _after_power_cut(problem) if self._was_torn else problem

    def _miss_seals(self, account: str, runs: Collection[str]) -> Iterator[Problem]:
        """Yield that an account has no seal, where whoever gave a key relies on them."""
        at_work = {mark.run_id for mark in self._open_marks(account)}
        is_known = account in self._noted
        if self._archive.seal_key is not None and not (self._is_copy or is_known) and set(runs) - at_work:
            yield Problem(
                kind=ProblemKind.TAMPERED,
                where="tables/seals",
                sentence=f"{account} has no seal, and a key was given: all seals were taken out, or no run "
                "has written anything since the archive seals; then the next run that does makes the first.",
            )


def _by_account(archive: Archive) -> dict[str, list[Seal]]:
    found: dict[str, list[Seal]] = {}
    for seal in read_seals(archive.reader("seals")):
        found.setdefault(seal.account, []).append(seal)
    return found


def _noted_seals(archive: Archive, files: Mapping[str, Sequence[DataFile]]) -> dict[str, set[str]]:
    """Return the seals that runs noted of themselves, by account."""
    found: dict[str, set[str]] = {}
    for piece in archive.reader("runs").scan(["account", "seal"], files=files.get("runs", ())):
        rows = piece.table.filter(piece.table["seal"].is_valid())
        for account, seal in zip(rows["account"].to_pylist(), rows["seal"].to_pylist(), strict=True):
            found.setdefault(account, set()).add(seal)
    return found


def _rows_by_account(archive: Archive, files: Mapping[str, Sequence[DataFile]]) -> dict[str, Runs]:
    found: dict[str, Runs] = {}
    for name in SEALED:
        table = archive.reader(name)
        for piece in table.scan(table.spec.schema.names, files=files.get(name, ())):
            rows = aligned(piece.table, table.spec.schema)
            places = zip(_texts(rows, "account"), _texts(rows, "run_id"), strict=True)
            for (account, run_id), leaf in zip(places, leaf_digests(name, rows), strict=True):
                of_run = found.setdefault(account, {}).setdefault(run_id, {})
                of_run.setdefault(name, Leaves()).add((leaf,))
    return found


def _add_erased(archive: Archive, files: Mapping[str, Sequence[DataFile]], found: dict[str, Runs]) -> None:
    """Count rows that were removed by rule as if they were there; one that is still there counts once."""
    names = ["account", "of_run", "leaf"]
    erased: dict[tuple[str, str], set[bytes]] = {}
    for piece in archive.reader("erasures").scan(names, files=files.get("erasures", ())):
        columns = [_texts(piece.table, name) for name in names]
        for account, run_id, leaf in zip(*columns, strict=True):
            erased.setdefault((account, run_id), set()).add(bytes.fromhex(leaf))
    for (account, run_id), leaves in erased.items():
        there = found.setdefault(account, {}).setdefault(run_id, {})
        for rows in there.values():
            leaves.difference_update(rows)
        there.setdefault("locations", Leaves()).add(leaves)  # wherever it was, seals are over all of these


def _texts(rows: pa.Table, column: str) -> list[str]:
    return [value or "" for value in rows[column].to_pylist()]


def check_chain(archive: Archive, account: str, seals: Sequence[Seal], last: int) -> Iterator[Problem]:
    """Yield what is wrong with the chain of one account, whatever its rows are."""
    expected, previous = 0, None
    was_signed = False
    for seal in seals:
        if seal.seq != expected or seal.previous != previous:
            yield _tampered(account, f"a seal before number {seal.seq} was taken out or changed")
        said = _signature_says(archive, seal, was_signed=was_signed)
        if said is not None:
            yield _tampered(account, f"seal number {seal.seq} {said}")
        was_signed = was_signed or seal.signature is not None
        expected, previous = seal.seq + 1, seal.digest
    if last >= expected:
        yield _tampered(account, f"the last {last - expected + 1} seals were taken out")
    if was_signed and archive.seal_key is None:
        yield _unsealed(f"The seals of {account} are signed; without MAILROOM_SEAL_KEY that was not checked.")


def _signature_says(archive: Archive, seal: Seal, *, was_signed: bool) -> str | None:
    """Return what is wrong with the signature of a seal, as the end of a sentence."""
    key = archive.seal_key
    if seal.signature is None:
        return "is not signed, and those before it are" if was_signed else None
    if key is None or seal.key_id != key.key_id:
        return None if key is None else "is signed with another key than the one given"
    return None if key.verifies(bytes.fromhex(seal.digest), seal.signature) else "has a wrong signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccountRows:
    """The rows of one account beside its seals.

    :param runs: the digests of its rows; what was compared is taken out.
    :param at_work: runs with a writer that has not sealed yet.
    """

    archive: Archive
    account: str
    seals: Sequence[Seal]
    runs: Runs
    at_work: set[str]
    is_copy: bool

    def problems(self) -> Iterator[Problem]:
        """Yield which runs have other rows than were sealed, and what no seal can say."""
        by_run: dict[str, list[Seal]] = defaultdict(list)
        for seal in self.seals:
            by_run[seal.run_id].append(seal)
        before = list({seal.tables: seal for seal in by_run.pop(BEFORE, [])}.values())
        again = [run_id for run_id, seals in by_run.items() if len(seals) > 1 or run_id in self.at_work]
        table = self.archive.reader("seals")
        hints = hints_of_runs(table, self.account, again) if again else {}
        waiting = 0
        for run_id, seals in by_run.items():
            leaves = _taken(self.runs.get(run_id, {}), seals[-1].tables)
            if not all(self._fits(seal, leaves, hints, is_last=seal is seals[-1]) for seal in seals):
                yield _tampered(
                    self.account,
                    f"run {run_id} wrote {seals[-1].rows:,} rows, and of them some were changed, removed or "
                    f"added since ({len(leaves):,} are there)",
                )
            else:
                waiting += len(leaves) - seals[-1].rows
        waiting += sum(len(_taken(self.runs.get(run_id, {}), SEALED)) for run_id in self.at_work)
        yield from self._others(before, waiting)
        yield from self._by_others(by_run)

    def _fits(self, seal: Seal, leaves: Leaves, hints: Mapping[int, Hints | None], *, is_last: bool) -> bool:
        if is_last and seal.is_over(leaves):
            return True
        if is_last and seal.run_id not in self.at_work:
            return False
        found = hints.get(seal.seq)
        if found is None:
            return not is_last  # an older Mailroom made it: the last one counts
        return seal.is_kept_in(leaves, found)

    def _others(self, before: Sequence[Seal], waiting: int) -> Iterator[Problem]:
        """Yield what is wrong with rows of no sealed run, and what is not sealed yet.

        :param before: the seals over rows that are older than all others in their tables.
        :param waiting: how many rows of runs at work there are.
        """
        covered = {name for seal in before for name in seal.tables}
        rest = tuple(name for name in SEALED if name not in covered)
        for names, rows, root in [
            *((seal.tables, seal.rows, seal.root) for seal in before),
            (rest, 0, Leaves().root()),
        ]:
            left = Leaves()
            for of_run in self.runs.values():
                left.add_all(_taken(of_run, names))
            if (len(left), left.root()) == (rows, root):
                continue
            if self.is_copy and len(left) >= rows:
                waiting += len(left) - rows
            else:
                yield _tampered(
                    self.account,
                    f"{len(left):,} rows belong to no sealed run, where {rows:,} should, as they were "
                    "before sealing began: rows were added, changed or taken out, or a run's seal was",
                )
        if waiting:
            yield _unsealed(
                f"{waiting:,} rows of {self.account} are not sealed yet: their run is at work or was killed; "
                "a later run of the account seals them."
            )
        for seal in before:
            yield _unsealed(
                f"{seal.rows:,} rows of {self.account} are older than its seals, and were sealed as they "
                f"were on {seal.at:%Y-%m-%d}: what was done to them before would not show."
            )

    def _by_others(self, by_run: Mapping[str, Sequence[Seal]]) -> Iterator[Problem]:
        """Yield that rows of runs were sealed for them, which may have been long after they were written."""
        adopted = {
            run_id: seals[-1].rows
            for run_id, seals in by_run.items()
            if any(seal.sealed_by for seal in seals) and seals[-1].rows
        }
        if adopted:
            names = ", ".join(list(adopted)[:MAX_NAMED])
            more = f" and {len(adopted) - MAX_NAMED:,} more" if len(adopted) > MAX_NAMED else ""
            yield _unsealed(
                f"{sum(adopted.values()):,} rows of {self.account} were sealed by a later run, for their own "
                f"was killed or wrote more than it sealed ({names}{more}): what was done to them in between "
                "would not show."
            )


def _taken(rows: Rows, names: Sequence[str]) -> Leaves:
    """Take the digests of some tables out of those of a run."""
    found = Leaves()
    for name in names:
        found.add_all(rows.pop(name, Leaves()))
    return found


def was_torn(archive: Archive) -> bool:
    """Say whether commits of these tables were set aside after a power cut, with rows that others know."""
    if not isinstance(archive.store, LocalStore):
        return False
    root = Path(archive.store.root)
    return any(next(root.glob(f"tables/{name}/_delta_log/*.torn*"), None) for name in (*SEALED, "seals"))


def _after_power_cut(problem: Problem) -> Problem:
    """Return what rows and seals that do not fit mean where commits were torn: it may be that."""
    if problem.kind is not ProblemKind.TAMPERED:
        return problem
    return _unsealed(f"{problem.sentence} Commits torn by a power cut were set aside here, which may be all.")


def _tampered(account: str, what: str) -> Problem:
    return Problem(
        kind=ProblemKind.TAMPERED,
        where="tables/seals",
        sentence=f"The tables were changed by hand for {account}: {what}; compare with a backup or a copy.",
    )


def _unsealed(sentence: str) -> Problem:
    return Problem(kind=ProblemKind.UNSEALED, where="tables/seals", sentence=sentence)
