"""Seals: one row a run, a Merkle root over the rows that the run wrote, chained by account.

Belongs here: writing them. Does not belong here: checking them (``seal_check``), signing (``seal_keys``).

A run notes its rows as they are committed, and seals them at its end: one row, whatever their number; a
run that wrote nothing seals nothing. Each seal holds the digest of the one before it, so none can be taken
out. Before its first row a run leaves a small file below ``unsealed/``: where it is killed, a later run of
the account seals its rows, a day after. A run that takes longer makes its file anew from time to time.
Rows that were there before the account's first seal get one seal together, without a run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seal_keys import SealKey
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table
    from mailroom.model import RunContext

__all__ = ["BEFORE", "SEALED", "Seal", "Sealer", "open_marks", "read_seals", "unsealed_folder"]

SEALED = ("locations", "folders", "audit", "erasures")
"""Tables whose rows are sealed, all of which name account and run."""

BEFORE = ""
"""The run of the seal over all rows that are older than the account's first seal."""

ADOPT_AFTER = timedelta(days=1)
"""How old the mark of another run must be before its rows are sealed for it."""

RENEW_AFTER = timedelta(hours=1)
"""After how long a run at work makes its mark anew before it commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One row of ``seals``.

    :param root: over the rows of the run, see ``row_digests``.
    :param rows: how many there were.
    :param previous: the digest of the account's seal before, or None for its first.
    :param algorithm: how it is signed, with key id and signature; None where it is not.
    """

    account: str
    run_id: str
    root: str
    rows: int
    previous: str | None
    at: datetime
    seq: int
    algorithm: str | None = None
    key_id: str | None = None
    signature: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over all of it but the signature, in hex."""
        said = [self.account, self.seq, self.run_id, self.root, self.rows, self.previous, self.at.isoformat()]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def signed(self, key: SealKey | None) -> Seal:
        """Return it with a signature, where there is a key."""
        if key is None:
            return self
        signature = key.sign(bytes.fromhex(self.digest))
        return replace(self, algorithm=key.algorithm, key_id=key.key_id, signature=signature)


class Sealer:
    """Seals what one writer commits; told by its tables (see ``tables.RowWatcher``)."""

    def __init__(self, archive: Archive, context: RunContext) -> None:
        self._archive = archive
        self._context = context
        self._leaves: dict[str, Leaves] = {}
        self._others: dict[str, set[str]] = {}
        self._mark: str | None = None
        self._marked_at = 0.0
        self._is_again = False

    @property
    def run_id(self) -> str:
        """The run whose rows are sealed."""
        return self._context.run_id

    @property
    def has_begun(self) -> bool:
        """Whether rows came, or may have come."""
        return self._mark is not None

    def begin(self) -> None:
        """Leave a mark that rows are coming, unless that was done a short while ago.

        :raises ConfigurationError: where the key can only check.
        :raises StoreUnavailable: where the store refuses.
        """
        now = time.monotonic()
        if self._mark is not None and now - self._marked_at < RENEW_AFTER.total_seconds():
            return
        key = self._archive.seal_key
        said = {"account": self._context.account, "run_id": self._context.run_id}
        signature = None if key is None else key.sign(_mark_content(said))
        path = f"{unsealed_folder(self._context.account)}/{_short(self._context.run_id)}.json"
        if self._mark is None:
            self._is_again = self._archive.store.read_files([path])[0] is not None
        self._archive.store.replace_file(path, json.dumps({**said, "signature": signature}).encode())
        self._mark, self._marked_at = path, now

    def take(self, name: str, rows: pa.Table) -> None:
        """Note rows that are committed; those that say what another run did are looked up at the end."""
        import pyarrow.compute as pc

        for account in rows["account"].unique().to_pylist():
            mine = rows.filter(pc.equal(rows["account"], account))
            others = mine["run_id"].unique().to_pylist()
            if others != [self._context.run_id]:
                is_ours = pc.equal(mine["run_id"], self._context.run_id)
                self._others.setdefault(account, set()).update(set(others) - {self._context.run_id})
                mine = mine.filter(is_ours)
            self._leaves.setdefault(account, Leaves()).add(leaf_digests(name, mine))

    def seal(self) -> Table | None:
        """Seal what was noted, and what runs that were killed long ago left; return the table, if any.

        :raises StoreUnavailable: where the store refuses.
        """
        if self._mark is None:
            return None
        table = self._archive.table("seals")
        used = [self._mark]
        for account in sorted({*self._leaves, *self._others, self._context.account}):
            marks = open_marks(self._archive, account)
            left = self._adoptable(marks)
            others = {*self._others.get(account, ()), *(run for run, _ in left)} - {self._context.run_id}
            self._append(table, account, sorted(others), marks)
            used += [path for _, path in left]
        for path in used:
            self._archive.store.remove(path)
        self._mark = None
        return table

    def _adoptable(self, marks: Mapping[str, str]) -> list[tuple[str, str]]:
        limit = self._archive.clock() - ADOPT_AFTER
        store = self._archive.store
        return [(run, path) for path, run in marks.items() if run and store.modified_at(path) < limit]

    def _append(self, table: Table, account: str, others: Sequence[str], marks: Mapping[str, str]) -> None:
        run_id = self._context.run_id
        leaves = self._leaves.get(account, Leaves())

        def plan() -> Append | None:
            known = read_seals(table, account)
            found: list[tuple[str, Leaves]] = []
            if not known:
                before = self._rows_before(account, {run_id, *others, *marks.values()})
                found += [(BEFORE, before)] if len(before) else []
            if self._is_again or any(seal.run_id == run_id for seal in known):
                # Several writers of one run, or one that was killed: its newest seal is over all rows.
                found.append((run_id, self._rows_of(account, run_id)))
            elif len(leaves):
                found.append((run_id, leaves))
            found += [(other, self._rows_of(account, other)) for other in others]
            seals = self._chained(account, found, known[-1] if known else None)
            if not seals:
                return None
            return Append(rows=[_as_table(seals)], transactions={account: seals[-1].seq})

        table.append(plan)

    def _chained(self, account: str, found: Iterable[tuple[str, Leaves]], last: Seal | None) -> list[Seal]:
        seals: list[Seal] = []
        for run_id, leaves in found:
            seal = Seal(
                account=account,
                run_id=run_id,
                root=leaves.root(),
                rows=len(leaves),
                previous=None if last is None else last.digest,
                at=datetime.now(UTC),
                seq=0 if last is None else last.seq + 1,
            )
            last = seal.signed(self._archive.seal_key)
            seals.append(last)
        return seals

    def _rows_of(self, account: str, run_id: str) -> Leaves:
        """Return the digests of a run's rows, those that were removed by rule included."""
        equal = {"account": account, "run_id": run_id}
        found = Leaves()
        for name in SEALED:
            for rows in self._archive.scan_table(name, equal=equal):
                found.add(leaf_digests(name, rows))
        erased = {
            bytes.fromhex(leaf)
            for rows in self._archive.scan_table(
                "erasures", ("leaf",), equal={"account": account, "of_run": run_id}
            )
            for leaf in rows["leaf"].to_pylist()
        }
        found.add(erased.difference(found) if erased else ())
        return found

    def _rows_before(self, account: str, without: set[str]) -> Leaves:
        """Return the digests of an account's rows that are not of these runs."""
        import pyarrow as pa
        import pyarrow.compute as pc

        runs = pa.array(sorted(without), pa.string())
        found = Leaves()
        for name in SEALED:
            for rows in self._archive.scan_table(name, equal={"account": account}):
                is_new = pc.fill_null(pc.is_in(rows["run_id"], value_set=runs), False)
                found.add(leaf_digests(name, rows.filter(pc.invert(is_new))))
        return found


def read_seals(table: Table, account: str | None = None) -> list[Seal]:
    """Return the seals of an account, or of all, in their order.

    :raises StoreUnavailable: where the table cannot be read.
    """
    names = table.spec.schema.names
    equal = None if account is None else {"account": account}
    found = [
        Seal(**{name: row[name] for name in names if name != "seal"})
        for piece in table.scan(names, equal=equal)
        for row in piece.table.to_pylist()
    ]
    return sorted(found, key=lambda seal: (seal.account, seal.seq))


def open_marks(archive: Archive, account: str) -> dict[str, str]:
    """Return the runs of an account that have begun and not sealed, by their file.

    A mark that should be signed and is not names no run, so nobody can have foreign rows sealed.

    :raises StoreUnavailable: where the store refuses.
    """
    paths = archive.store.list_files(unsealed_folder(account))
    contents = archive.store.read_files(paths) if paths else []
    found: dict[str, str] = {}
    for path, content in zip(paths, contents, strict=True):
        if content is not None:
            found[path] = _run_of_mark(content, account, archive.seal_key)
    return found


def unsealed_folder(account: str) -> str:
    """Return where marks of an account's runs lie."""
    return f"unsealed/{_short(account)}"


def _run_of_mark(content: bytes, account: str, key: SealKey | None) -> str:
    try:
        said: dict[str, Any] = json.loads(content)
        run_id, signature = str(said["run_id"]), said["signature"]
        if said["account"] != account:
            return BEFORE
    except (ValueError, KeyError, TypeError):
        return BEFORE
    if key is not None:
        plain = {"account": account, "run_id": run_id}
        if not isinstance(signature, str) or not key.verifies(_mark_content(plain), signature):
            return BEFORE
    return run_id


def _mark_content(said: Mapping[str, str]) -> bytes:
    return b"unsealed\n" + json.dumps(said, sort_keys=True).encode()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _as_table(seals: Sequence[Seal]) -> pa.Table:
    from mailroom.archive.delta.schemas import TABLES

    names = TABLES["seals"].schema.names
    return build_table(
        "seals",
        [[seal.digest if name == "seal" else getattr(seal, name) for seal in seals] for name in names],
    )
