"""Whether legal holds, and the plan in hand, are as they were sealed; asked before a deletion on a server.

Belongs here: the few rows by which a deletion is allowed or forbidden, and the chain of seals that vouches
for them. Does not belong here: all other rows (``seal_check``). What an earlier run did is for ``verify`` to
tell: it loses no mail, and to stop would undo none of it. Of rows that are older than an account's first
seal only ``verify`` can tell whether they were changed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from mailroom.archive.checking.problems import ProblemKind
from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seal_check import check_chain, was_torn
from mailroom.archive.checking.seal_marks import open_marks
from mailroom.archive.checking.sealer import rows_of_run
from mailroom.archive.checking.seals import BEFORE, Seal, read_seals
from mailroom.archive.replicating.replica import read_mark
from mailroom.exceptions import ArchiveError

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

__all__ = ["check_all_ledgers", "check_ledgers"]

EVERY_ACCOUNT = "*"
"""The account that holds on all accounts are kept under."""


def check_ledgers(archive: Archive, account: str, plan_ids: Collection[str]) -> None:
    """Refuse a deletion where what allows or forbids it was changed by hand.

    :param plan_ids: the plans that are being carried out.
    :raises ArchiveError: where a hold or a row of these plans was changed, added or taken out, or a seal was.
    """
    if read_mark(archive.store) is not None or was_torn(archive):
        return
    for name in sorted({account, EVERY_ACCOUNT}):
        # Asked twice: somebody may place a hold, and seal it, between two looks.
        if _find_change(archive, name, plan_ids) is None:
            continue
        change = _find_change(archive, name, plan_ids)
        if change is not None:
            raise ArchiveError(
                f"Nothing was deleted, for the archive's own record was changed by hand: {change}. Run "
                "mailroom verify and compare with a backup or a copy; put back what was changed, or go on in "
                "a new archive."
            )


def check_all_ledgers(archive: Archive, plan_ids: Collection[str]) -> None:
    """Refuse likewise a removal from the archive itself, which may concern every account.

    :raises ArchiveError: where a hold or a row of these plans was changed, added or taken out, or a seal was.
    """
    found = archive.scan_table("seals", ("account",))
    for account in sorted({name for rows in found for name in rows["account"].to_pylist()} | {EVERY_ACCOUNT}):
        check_ledgers(archive, account, plan_ids)


def _find_change(archive: Archive, account: str, plan_ids: Collection[str]) -> str | None:
    """Return what was changed, as the end of a sentence, or None."""
    at_work = {mark.run_id for mark in open_marks(archive, account)}
    found = _leaves(archive, account, plan_ids)
    table = archive.reader("seals")
    seals = read_seals(table, account)
    for problem in check_chain(archive, account, seals, table.transaction_version(account)):
        if problem.kind is ProblemKind.TAMPERED:
            return problem.sentence.rstrip(".")
    newest = {seal.run_id: seal for seal in seals}
    covers_older = not seals or any("holds" in seal.tables for seal in seals if seal.run_id == BEFORE)
    for run_id, leaves in found.items():
        if run_id in at_work or run_id == BEFORE:
            continue
        if run_id not in newest:
            if not covers_older:
                return f"a legal hold or a row of the plan, of {account}, belongs to no sealed run ({run_id})"
        elif not _is_as_sealed(archive, newest[run_id], leaves):
            return f"a legal hold or a row of the plan, of {account}, is not as run {run_id} wrote it"
    gone = _find_gone(archive, account, newest, {*found, *at_work, BEFORE})
    return None if gone is None else f"the one row that run {gone} wrote is gone; it may be a legal hold"


def _leaves(archive: Archive, account: str, plan_ids: Collection[str]) -> dict[str, Leaves]:
    """Return the digests of the account's holds and of the rows of some plans, by run."""
    found: dict[str, Leaves] = {}
    asked = [("holds", {"account": account})]
    asked += [("plans", {"account": account, "plan_id": plan_id}) for plan_id in sorted(plan_ids)]
    for name, equal in asked:
        for rows in archive.scan_table(name, equal=equal):
            for run_id, leaf in zip(rows["run_id"].to_pylist(), leaf_digests(name, rows), strict=True):
                found.setdefault(run_id or BEFORE, Leaves()).add((leaf,))
    return found


def _find_gone(archive: Archive, account: str, newest: dict[str, Seal], known: Collection[str]) -> str | None:
    """Return a run whose one row, as that of whoever places or releases a hold is one, is not there."""
    single = {run_id for run_id, seal in newest.items() if seal.rows == 1} - set(known)
    for name in ("runs", "plans") if single else ():
        for rows in archive.scan_table(name, ("run_id",), equal={"account": account}):
            single.difference_update(rows["run_id"].to_pylist())
    return next((run for run in sorted(single) if not _is_as_sealed(archive, newest[run], Leaves())), None)


def _is_as_sealed(archive: Archive, seal: Seal, leaves: Leaves) -> bool:
    """Say whether a run's rows are those that its last seal is over; all are read only where need be."""
    if seal.is_over(leaves):
        return True
    return seal.is_over(rows_of_run(archive, seal.account, seal.run_id, seal.tables))
