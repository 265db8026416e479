"""Take messages, or one account's places, out of an archive's tables.

Belongs here: the order, and dropping rows while others write. Does not belong here: which messages
(``services.forget``), the objects (``sweep``).

The order is: tombstones, then what seals and the audit must know, then rows, places first and ``messages``
last before what belongs to it. Killed anywhere, the same removal run again ends it: rows that are gone are
not found, and what was said is not said twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.checking.row_digests import leaf_digests
from mailroom.archive.checking.sealer import Sealer
from mailroom.archive.delta.account_logs import append_numbered
from mailroom.archive.delta.data_files import aligned
from mailroom.archive.delta.derived import bring_up_to_date
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.delta.rows import audit_table, build_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.digests import DigestSet, halves, halves_of_all
from mailroom.archive.reading.bookmarks import Bookmarks
from mailroom.archive.removing.tombstones import Tombstones
from mailroom.archive.removing.uncut import note_uncut
from mailroom.archive.searching.search_index import drop_index
from mailroom.archive.storage.durability import Durability
from mailroom.exceptions import StoreUnavailable
from mailroom.ledger import AuditAction, AuditRow
from mailroom.model import MailProtocol, RunContext

__all__ = ["ABOUT_MESSAGES", "CERTIFICATES", "Order", "Removal", "digest_set", "drop_rows", "follow_removals"]

ABOUT_MESSAGES = {
    "locations": "sha256",
    "deliveries": "message_sha256",
    "consumed": "message_sha256",
    "zip_members": "message_sha256",
    "links": "sha256",
    "envelopes": "sha256",
    "authentication": "sha256",
    "messages": "sha256",
    "texts": "sha256",
    "attachments": "message_sha256",
    "threads": "sha256",
}
"""Tables with rows about messages, in the order in which these go, and the column that says about which."""

BESIDE_MESSAGES = ("zip_members", "links", "envelopes", "authentication", "texts", "attachments", "threads")
"""Those of them that say more of messages, and nothing without their row."""

CERTIFICATES = "certificates"
"""Where in an archive the certificates of what was removed lie."""

ERASED = ("locations", "folders")
"""Sealed tables whose rows may go: their digests stay, so that the seals over them hold."""

MAX_PASSES = 60
"""How often a table is looked through again because another run committed meanwhile."""

Mask = npt.NDArray[np.bool_]

Gone = Callable[[Any], Sequence[bool] | Mask]
"""Says for each value of a key column whether its row goes."""


@dataclass(frozen=True, slots=True)
class Order:
    """A plan that a removal carries out.

    :param means: says whether it names a message.
    """

    plan_id: str
    approved_by: str | None
    means: Callable[[str], bool]


@dataclass(slots=True, kw_only=True)
class Removal:
    """One removal.

    :param digests: messages that leave the archive.
    :param account: an account all of whose places leave it as well; None for none.
    :param kept: messages of that account that stay, with their places.
    :param leftover: messages that left before, in a removal that was cut off; rows beside ``messages`` go.
    :param begun: messages that removals which were cut off have begun on.
    :param orders: the plans that it carries out, its own last.
    :param failed_deliveries: destination and path of attachments that are still there, and keep their rows.
    :ivar rows: how many rows went, by table.
    """

    archive: Archive
    context: RunContext
    digests: Sequence[str]
    rule: str
    at: datetime
    account: str | None = None
    kept: Sequence[str] = ()
    leftover: Sequence[str] = ()
    begun: frozenset[str] = frozenset()
    orders: Sequence[Order] = ()
    failed_deliveries: frozenset[tuple[str, str]] = frozenset()
    rows: dict[str, int] = field(default_factory=dict)
    _erased: dict[str, set[str]] = field(default_factory=dict)

    def apply(self, durability: Durability) -> None:
        """Remove; nothing is deleted but rows.

        :raises StoreUnavailable: where the store refuses, or others are always faster.
        """
        going = digest_set(self.digests)
        note_uncut(self.archive.store, self.context.run_id, self.at)
        Tombstones(self.archive).bury(self.digests, self.at, self.context.run_id)
        self._say(going)
        durability.sync()
        left = digest_set([*self.digests, *self.leftover])
        for name, key in ABOUT_MESSAGES.items():
            table = self.archive.table(name)
            if name == "deliveries":
                self.rows[name] = drop_rows(
                    table, [key, "destination", "path"], lambda rows: self._is_withdrawn(rows, left)
                )
            else:
                gone = left if name in BESIDE_MESSAGES else going
                self.rows[name] = drop_rows(table, key, lambda column, gone=gone: _among(column, gone))  # type: ignore[misc]  # bound now
        if self.account is not None:
            self._drop_account()
            Bookmarks(self.archive.store).drop(self.account)
        follow_messages(self.archive, self.at)
        drop_index(self.archive)
        durability.sync()

    def _is_withdrawn(self, rows: pa.Table, going: DigestSet) -> list[bool]:
        places = zip(rows["destination"].to_pylist(), rows["path"].to_pylist(), strict=True)
        gone = _among(rows["message_sha256"], going)
        return [
            is_one and place not in self.failed_deliveries for is_one, place in zip(gone, places, strict=True)
        ]

    def _drop_account(self) -> None:
        kept = digest_set(self.kept)
        for name in ("locations", "changes", "folders"):
            if name == "folders" and len(kept):
                continue
            table = self.archive.table(name)
            columns = ["account"] if name == "folders" else ["account", "sha256"]
            self.rows[name] = self.rows.get(name, 0) + drop_rows(
                table, columns, lambda rows: self._is_of_account(rows, kept)
            )

    def _is_of_account(self, rows: pa.Table, kept: DigestSet) -> Mask:
        is_mine: Mask = pc.fill_null(pc.equal(rows["account"], self.account), False).to_numpy()
        return is_mine & ~_among(rows["sha256"], kept) if "sha256" in rows.column_names else is_mine

    def _say(self, going: DigestSet) -> None:
        """Commit the digests of rows that will go, and what the audit says; sealed account by account."""
        told = self._told()
        sealers: dict[str, Sealer] = {}
        audit, erasures = self.archive.table("audit"), self.archive.table("erasures")
        for name in ERASED:
            for rows in self._leaving(name, going):
                for account in rows["account"].unique().to_pylist():
                    mine = rows.filter(pc.equal(rows["account"], account))
                    sealer = sealers.setdefault(
                        account, Sealer(self.archive, replace(self.context, account=account))
                    )
                    erasures.watcher = audit.watcher = sealer
                    self._append_erasures(erasures, name, account, mine)
                    if name == "locations":
                        self._append_audit(audit, account, mine, told)
        for sealer in sealers.values():
            sealer.seal()

    def _leaving(self, name: str, going: DigestSet) -> Iterator[pa.Table]:
        kept = digest_set(self.kept)
        for rows in self.archive.scan_table(name):
            leaves = np.zeros(rows.num_rows, dtype=bool)
            if name == "locations":
                leaves |= _among(rows["sha256"], going)
            if self.account is not None and not (name == "folders" and len(kept)):
                leaves |= self._is_of_account(rows, kept)
            if leaves.any():
                yield rows.filter(pa.array(leaves))

    def _append_erasures(self, table: Table, name: str, account: str, rows: pa.Table) -> None:
        if account not in self._erased:
            self._erased[account] = self._read_erased(account)
        known = self._erased[account]
        found = [
            (run_id or "", leaf.hex())
            for run_id, leaf in zip(rows["run_id"].to_pylist(), leaf_digests(name, rows), strict=True)
            if leaf.hex() not in known
        ]
        if not found:
            return
        columns: list[list[Any]] = [
            [account] * len(found),
            [run_id for run_id, _ in found],
            [leaf for _, leaf in found],
            [self.at] * len(found),
            [self.context.run_id] * len(found),
        ]
        rows = build_table("erasures", columns)
        table.append(
            lambda: Append(rows=[rows], transactions={"erasures": table.transaction_version("erasures") + 1})
        )

    def _read_erased(self, account: str) -> set[str]:
        return {
            leaf
            for rows in self.archive.scan_table("erasures", ["leaf"], equal={"account": account})
            for leaf in rows["leaf"].to_pylist()
        }

    def _told(self) -> set[tuple[str, str]]:
        """Return account and message of what the audit says of these plans already, so that it is said once.

        A message that was forgotten long ago, came back, and goes again is told of again.
        """
        names = {order.plan_id for order in self.orders}
        equal = {"action": AuditAction.FORGOTTEN.value}
        columns = ["account", "message_sha256", "plan_id"]
        return {
            (account, digest)
            for rows in self.archive.scan_table("audit", columns, equal=equal)
            for account, digest, plan_id in zip(*(rows[c].to_pylist() for c in columns), strict=True)
            if plan_id in names or digest in self.begun
        }

    def _order_of(self, digest: str) -> Order | None:
        for order in self.orders:
            if order.means(digest):
                return order
        return self.orders[-1] if self.orders else None

    def _append_audit(self, table: Table, account: str, rows: pa.Table, told: set[tuple[str, str]]) -> None:
        wanted: list[AuditRow] = []
        for digest, protocol in zip(rows["sha256"].to_pylist(), rows["protocol"].to_pylist(), strict=True):
            if digest is not None and (account, digest) not in told:
                told.add((account, digest))
                order = self._order_of(digest)
                wanted.append(
                    AuditRow(
                        account=account,
                        protocol=MailProtocol(protocol),
                        folder="",
                        action=AuditAction.FORGOTTEN,
                        who=self.context.who,
                        run_id=self.context.run_id,
                        at=self.at,
                        message_sha256=digest,
                        rule=self.rule,
                        plan_id=None if order is None else order.plan_id,
                        approved_by=None if order is None else order.approved_by,
                    )
                )
        if wanted:
            append_numbered(table, wanted, audit_table)


def follow_removals(source: Archive, copy: Archive, at: datetime) -> None:
    """Take out of a copy what was removed from its source, which the source's audit says; objects too.

    Nothing is taken out because it is missing at the source: that may be damage.

    :raises StoreUnavailable: where a store refuses; the next replication tries again.
    """
    equal = {"action": AuditAction.FORGOTTEN.value}
    forgotten: set[str] = set()
    for rows in source.scan_table("audit", ["message_sha256"], equal=equal):
        forgotten.update(rows["message_sha256"].drop_null().to_pylist())
    for rows in source.scan_table("messages", ["sha256"]):
        forgotten.difference_update(rows["sha256"].to_pylist())
    going = digest_set(sorted(forgotten))
    for name in ERASED:
        _drop_leaves(copy.table(name), _erased_leaves(copy))
    for name, key in ABOUT_MESSAGES.items():
        drop_rows(copy.table(name), key, lambda column: _among(column, going))
    follow_messages(copy, at)
    for digest in forgotten:
        copy.raw.remove(digest)


def follow_messages(archive: Archive, at: datetime) -> None:
    """Bring the tables up to date that follow from the messages: contacts of those that went go as well.

    :raises StoreUnavailable: where the store refuses.
    """
    for name in DERIVED:
        if archive.reader(name).version >= 0:
            bring_up_to_date(archive, name, at)


def _drop_leaves(table: Table, erased: set[bytes]) -> None:
    schema = table.spec.schema

    def is_erased(rows: pa.Table) -> list[bool]:
        return [leaf in erased for leaf in leaf_digests(table.name, aligned(rows, schema))]

    drop_rows(table, schema.names, is_erased)


def _erased_leaves(archive: Archive) -> set[bytes]:
    return {
        bytes.fromhex(leaf)
        for rows in archive.scan_table("erasures", ["leaf"])
        for leaf in rows["leaf"].to_pylist()
    }


def drop_rows(table: Table, columns: str | list[str], is_gone: Gone) -> int:
    """Write the files of a table that have such rows anew, without them; return how many rows went.

    Other runs may commit meanwhile: then the table is looked through once more.

    :param columns: what ``is_gone`` is asked with: one column, or a table of several.
    :raises StoreUnavailable: where the store refuses, or others are always faster.
    """
    names = [columns] if isinstance(columns, str) else columns
    count = 0
    for _ in range(MAX_PASSES):
        table.refresh()
        is_clean = True
        for file in table.files():
            masks = [
                np.array(
                    is_gone(piece.table[names[0]] if isinstance(columns, str) else piece.table), dtype=bool
                )
                for piece in table.scan(names, files=[file])
            ]
            gone = int(sum(mask.sum() for mask in masks))
            if not gone:
                continue
            wanted = table.spec.schema
            left = (
                aligned(piece.table, wanted).filter(pa.array(~mask))
                for piece, mask in zip(table.scan(wanted.names, files=[file]), masks, strict=True)
            )
            if table.replace([file], left, drops=True):
                count += gone
            else:
                is_clean = False
                break
        if is_clean:
            return count
    raise StoreUnavailable(
        f"The table {table.name} at {table.store.url} was changed by others all the time; run this again "
        "when fewer runs are at work.",
        reason="busy",
        where=table.store.url,
    )


def digest_set(digests: Sequence[str]) -> DigestSet:
    """Return digests as a set that can be asked about whole columns."""
    if not digests:
        return DigestSet(np.empty(0, np.uint64), np.empty(0, np.uint64))
    return DigestSet(*halves_of_all(digests))


def _among(column: pa.ChunkedArray, digests: DigestSet) -> Mask:
    is_one: Mask = (digests.find(*halves(column)) >= 0) & pc.is_valid(column).to_numpy()
    return is_one
