"""Check seals: every row as it was written, none added, none gone, no seal taken out.

Belongs here: what a check of an archive says of them. Does not belong here: the rest of the check
(``integrity``). Memory grows by some 32 octets a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.checking.problems import Problem, ProblemKind
from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seals import BEFORE, SEALED, Seal, open_marks, read_seals
from mailroom.archive.delta.data_files import DataFile, aligned
from mailroom.archive.replicating.replica import read_mark
from mailroom.archive.storage.store import LocalStore

__all__ = ["SealCheck"]

Runs = dict[str, Leaves]
"""The digests of rows, by run."""


class SealCheck:
    """The check of all seals; to be made before the tables are read, so that runs at work do not disturb it.

    What is sealed while the tables are being read is left to the next check.

    :raises StoreUnavailable: where the store cannot be read.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._before = _by_account(archive)
        self._marks = {account: _marks(archive, account) for account in self._before}
        self._is_copy = read_mark(archive.store) is not None
        self._was_torn = _was_torn(archive)

    def problems(self, files: Mapping[str, Sequence[DataFile]]) -> Iterator[Problem]:
        """Yield what is wrong with the seals of every account.

        :param files: the data files of each table that can be read.
        :raises StoreUnavailable: where the store cannot be read.
        """
        now = _by_account(self._archive)
        table = self._archive.reader("seals")
        rows = _rows_by_account(self._archive, files)
        _add_erased(self._archive, files, rows)
        for account in sorted({*now, *rows}):
            seals = now.get(account, [])
            last = table.transaction_version(account)
            yield from _check_chain(self._archive, account, seals, last)
            if not seals and last < 0:
                yield from self._miss_seals(account, rows[account].keys())
            else:
                runs = rows.get(account, {})
                before = self._before.get(account, [])
                for seal in seals[len(before) :]:
                    runs.pop(seal.run_id, None)
                passed_over = {seal.run_id for seal in seals[len(before) :]}
                kept = [seal for seal in before if seal.run_id not in passed_over]
                at_work = self._marks.get(account, set()) | _marks(self._archive, account)
                for problem in _check_rows(account, kept, runs, at_work, is_copy=self._is_copy):
                    yield _after_power_cut(problem) if self._was_torn else problem

    def _miss_seals(self, account: str, runs: Collection[str]) -> Iterator[Problem]:
        """Yield that an account has no seal, where whoever gave a key relies on them."""
        at_work = self._marks.get(account, set()) | _marks(self._archive, account)
        if self._archive.seal_key is not None and not self._is_copy and set(runs) - at_work:
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


def _marks(archive: Archive, account: str) -> set[str]:
    return set(open_marks(archive, account).values()) - {BEFORE}


def _rows_by_account(archive: Archive, files: Mapping[str, Sequence[DataFile]]) -> dict[str, Runs]:
    found: dict[str, Runs] = {}
    for name in SEALED:
        table = archive.reader(name)
        for piece in table.scan(table.spec.schema.names, files=files.get(name, ())):
            rows = aligned(piece.table, table.spec.schema)
            places = zip(_texts(rows, "account"), _texts(rows, "run_id"), strict=True)
            for (account, run_id), leaf in zip(places, leaf_digests(name, rows), strict=True):
                found.setdefault(account, {}).setdefault(run_id, Leaves()).add((leaf,))
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
        there = found.setdefault(account, {}).setdefault(run_id, Leaves())
        there.add(leaves.difference(there))


def _texts(rows: pa.Table, column: str) -> list[str]:
    return [value or "" for value in rows[column].to_pylist()]


def _check_chain(archive: Archive, account: str, seals: Sequence[Seal], last: int) -> Iterator[Problem]:
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
        yield Problem(
            kind=ProblemKind.UNSEALED,
            where="tables/seals",
            sentence=f"The seals of {account} are signed; without MAILROOM_SEAL_KEY that was not checked.",
        )


def _signature_says(archive: Archive, seal: Seal, *, was_signed: bool) -> str | None:
    """Return what is wrong with the signature of a seal, as the end of a sentence."""
    key = archive.seal_key
    if seal.signature is None:
        return "is not signed, and those before it are" if was_signed else None
    if key is None or seal.key_id != key.key_id:
        return None if key is None else "is signed with another key than the one given"
    return None if key.verifies(bytes.fromhex(seal.digest), seal.signature) else "has a wrong signature"


def _check_rows(
    account: str, seals: Sequence[Seal], runs: Runs, at_work: set[str], *, is_copy: bool
) -> Iterator[Problem]:
    """Yield which runs of one account have other rows than were sealed."""
    newest = {seal.run_id: seal for seal in seals}
    for run_id, seal in newest.items():
        if run_id != BEFORE:
            leaves = runs.pop(run_id, Leaves())
            if (len(leaves), leaves.root()) != (seal.rows, seal.root):
                yield _tampered(
                    account,
                    f"run {run_id} wrote {seal.rows:,} rows, and of them some were changed, removed or added "
                    f"since ({len(leaves):,} are there)",
                )
    waiting = sum(len(runs.pop(run_id, ())) for run_id in at_work)
    left = Leaves(leaf for leaves in runs.values() for leaf in leaves)
    before = newest.get(BEFORE)
    wanted = (0, Leaves().root()) if before is None else (before.rows, before.root)
    if (len(left), left.root()) != wanted:
        if is_copy and len(left) >= wanted[0]:
            waiting += len(left) - wanted[0]
        else:
            yield _tampered(
                account,
                f"{len(left):,} rows belong to no sealed run, where {wanted[0]:,} should, as they were "
                "before sealing began: rows were added, changed or taken out, or a run's seal was",
            )
    if waiting:
        yield Problem(
            kind=ProblemKind.UNSEALED,
            where="tables/seals",
            sentence=f"{waiting:,} rows of {account} are not sealed yet: their run is at work or was killed; "
            "a later run of the account seals them.",
        )


def _was_torn(archive: Archive) -> bool:
    """Say whether commits of sealed tables were set aside after a power cut, with rows that seals know."""
    if not isinstance(archive.store, LocalStore):
        return False
    root = Path(archive.store.root)
    return any(next(root.glob(f"tables/{name}/_delta_log/*.torn*"), None) for name in SEALED)


def _after_power_cut(problem: Problem) -> Problem:
    """Return what rows and seals that do not fit mean where commits were torn: it may be that."""
    sentence = f"{problem.sentence} Commits torn by a power cut were set aside here, which may be all."
    return Problem(kind=ProblemKind.UNSEALED, where=problem.where, sentence=sentence)


def _tampered(account: str, what: str) -> Problem:
    return Problem(
        kind=ProblemKind.TAMPERED,
        where="tables/seals",
        sentence=f"The tables were changed by hand for {account}: {what}; compare with a backup or a copy.",
    )
