"""Seals: one row a run, a Merkle root over the rows that the run wrote, chained by account.

Belongs here: what a seal is, and reading seals. Does not belong here: writing them (``sealer``), checking
them (``seal_check``), signing (``seal_keys``).

Each seal holds the digest of the one before it, so none can be taken out. It also keeps the first octets
of the digest of every row, by which the rows it was made over are found again among later ones: so a run
that is sealed a second time must still have all that it had, and whoever changed a row of it by hand
cannot have the change sealed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mailroom.archive.checking.row_digests import Leaves
from mailroom.archive.checking.seal_keys import SealKey

if TYPE_CHECKING:
    from mailroom.archive.delta.tables import Table

__all__ = [
    "BEFORE",
    "SEALED",
    "Hints",
    "Seal",
    "hints_of",
    "hints_of_runs",
    "newest_seal",
    "read_seals",
    "seals_of_run",
]

SEALED_FIRST = ("locations", "folders", "audit", "erasures")
"""Tables whose rows older Mailrooms sealed."""

SEALED = (*SEALED_FIRST, "plans", "holds")
"""Tables whose rows are sealed, all of which name account and run."""

BEFORE = ""
"""The run of a seal over all rows that are older than the account's first seal over their table."""

Hints = npt.NDArray[np.int64]
"""The first 8 octets of the digest of each row, sorted: enough to find it among the rows of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One row of ``seals``, but for its hints.

    :param root: over the rows of the run, see ``row_digests``.
    :param rows: how many there were.
    :param previous: the digest of the account's seal before, or None for its first.
    :param algorithm: how it is signed, with key id and signature; None where it is not.
    :param sealed_by: the run that sealed it, where that was another one.
    :param marks: the marks of writers of the run that it settles; None where an older Mailroom made it.
    :param tables: the tables whose rows it is over.
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
    sealed_by: str | None = None
    marks: tuple[str, ...] | None = None
    tables: tuple[str, ...] = SEALED_FIRST

    @property
    def digest(self) -> str:
        """SHA-256 over all of it but the signature, in hex."""
        said: list[Any] = [self.account, self.seq, self.run_id, self.root, self.rows, self.previous]
        said.append(self.at.isoformat())
        if self.marks is not None:
            said += [self.sealed_by, list(self.marks), list(self.tables)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def signed(self, key: SealKey | None) -> Seal:
        """Return it with a signature, where there is a key."""
        if key is None:
            return self
        signature = key.sign(bytes.fromhex(self.digest))
        return replace(self, algorithm=key.algorithm, key_id=key.key_id, signature=signature)

    def is_over(self, leaves: Leaves) -> bool:
        """Say whether these are the digests of the rows that it was made over."""
        return len(leaves) == self.rows and leaves.root() == self.root

    def is_kept_in(self, leaves: Leaves, hints: Hints | None, added: Iterable[bytes] = ()) -> bool:
        """Say whether all rows that it was made over are among these.

        :param hints: what it keeps of their digests; None where an older Mailroom made it.
        :param added: the digests of rows that are known to have come since; only asked without hints.
        """
        if hints is None:
            return self.is_over(Leaves((Counter(leaves) - Counter(added)).elements()))
        there = leaves.starts()
        order = np.argsort(there, kind="stable")
        there = there[order]
        nth = np.arange(len(there)) - np.searchsorted(there, there, "left")
        wanted = np.searchsorted(hints, there, "right") - np.searchsorted(hints, there, "left")
        return self.is_over(leaves.chosen(order[nth < wanted]))


def hints_of(leaves: Leaves) -> Hints:
    """Return what a seal keeps of the digests of its rows."""
    return np.sort(leaves.starts())


def read_seals(table: Table, account: str | None = None) -> list[Seal]:
    """Return all seals of an account, or of every one, in their order.

    :raises StoreUnavailable: where the table cannot be read.
    """
    equal = None if account is None else {"account": account}
    return sorted(_seals(table, equal), key=lambda seal: (seal.account, seal.seq))


def seals_of_run(table: Table, account: str, run_id: str) -> list[Seal]:
    """Return the seals of one run of an account, in their order.

    :raises StoreUnavailable: where the table cannot be read.
    """
    return sorted(_seals(table, {"account": account, "run_id": run_id}), key=lambda seal: seal.seq)


def newest_seal(table: Table, account: str) -> Seal | None:
    """Return the last seal of an account; younger files are read first, and no older one than must be.

    :raises StoreUnavailable: where the table cannot be read.
    """
    last = table.transaction_version(account)
    newest: Seal | None = None
    for file in reversed(table.files()):
        for piece in table.scan(["seq"], equal={"account": account}, files=[file]):
            seqs = piece.table["seq"].to_numpy()
            if not len(seqs) or (newest is not None and seqs.max() < newest.seq):
                continue
            row = piece.rows[[int(seqs.argmax())]]
            newest = _seal(table.read_rows(file, piece.group, row, _COLUMNS).to_pylist()[0])
        if newest is not None and newest.seq >= last:
            break
    return newest


def hints_of_runs(table: Table, account: str, run_ids: Sequence[str]) -> dict[int, Hints | None]:
    """Return what the seals of these runs keep of the digests of their rows, by number.

    :raises StoreUnavailable: where the table cannot be read.
    """
    equal = {"account": account}
    if len(run_ids) == 1:
        equal["run_id"] = run_ids[0]
    wanted = frozenset(run_ids)
    found: dict[int, Hints | None] = {}
    for piece in table.scan(["run_id", "seq", "hints"], equal=equal):
        rows = zip(
            piece.table["run_id"].to_pylist(),
            piece.table["seq"].to_pylist(),
            piece.table["hints"],
            strict=True,
        )
        for run_id, seq, hints in rows:
            if run_id in wanted:
                found[seq] = hints.values.to_numpy() if hints.is_valid else None
    return found


_COLUMNS = [
    *("account", "run_id", "root", "rows", "previous", "at", "seq"),
    *("algorithm", "key_id", "signature", "sealed_by", "marks", "tables"),
]


def _seals(table: Table, equal: Mapping[str, str] | None) -> Iterable[Seal]:
    for piece in table.scan(_COLUMNS, equal=equal):
        for row in piece.table.to_pylist():
            yield _seal(row)


def _seal(row: dict[str, Any]) -> Seal:
    marks, tables = row.pop("marks"), row.pop("tables")
    return Seal(
        **row,
        marks=None if marks is None else tuple(marks),
        tables=SEALED_FIRST if tables is None else tuple(tables),
    )
