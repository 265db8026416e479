"""Legal holds and plans of deletion, read and written outside of a run's batches.

Belongs here: whole logs that are small, and single rows that must be durable at once. Does not
belong here: rows of a run (``writer``), what they mean (``policy``). Rows are sealed as those of runs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mailroom.model import RunContext

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.ledger import HoldRow, PlanRow, PlanState

    Row = HoldRow | PlanRow
    AsTable = Callable[[Any, Sequence[int]], Any]  # Any: rows in, a table of pyarrow out

__all__ = ["has_plan_in_state", "read_holds", "read_plans", "record_hold", "record_plan"]


def read_holds(archive: Archive) -> list[HoldRow]:
    """Return every legal hold that was ever placed, as its newest row says.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    from mailroom.archive.delta.rows import hold_rows

    return list({row.hold_id: row for row in hold_rows(archive.read_table("holds"))}.values())


def record_hold(archive: Archive, row: HoldRow) -> None:
    """Write that a legal hold was placed or released; durable when this returns.

    :raises StoreUnavailable: where the store refuses.
    """
    from mailroom.archive.delta.rows import holds_table

    _append(archive, "holds", [row], holds_table)


def read_plans(archive: Archive, account: str | None, plan_id: str | None = None) -> list[PlanRow]:
    """Return all rows of one plan of an account, or of all, in the order they were written.

    :param account: None where the plan alone is known.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    from mailroom.archive.delta.rows import plan_rows

    found: list[tuple[int, PlanRow]] = []
    known = {"account": account, "plan_id": plan_id}
    equal = {name: value for name, value in known.items() if value is not None}
    for table in archive.scan_table("plans", equal=equal):
        found += plan_rows(table)
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def has_plan_in_state(archive: Archive, account: str, state: PlanState, what: str = "retention") -> bool:
    """Return whether a plan of an account is or was in a state; what the plans hold is not read.

    :param what: what made the plan.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    equal = {"account": account, "state": state.value, "what": what}
    return any(rows.num_rows for rows in archive.scan_table("plans", ("plan_id",), equal=equal))


def record_plan(archive: Archive, rows: Sequence[PlanRow]) -> None:
    """Write rows of a plan; durable when this returns.

    :raises StoreUnavailable: where the store refuses.
    """
    from mailroom.archive.delta.rows import plans_table

    _append(archive, "plans", rows, plans_table)


def _append(archive: Archive, name: str, rows: Sequence[Row], as_table: AsTable) -> None:
    from mailroom.archive.checking.sealer import Sealer
    from mailroom.archive.delta.account_logs import append_numbered

    first = rows[0]
    durability = archive.prepare()
    try:
        table = archive.table(name)
        run = RunContext(
            run_id=first.run_id or "", what=name, account=first.account, started=first.at, who=first.by
        )
        sealer = table.watcher = Sealer(archive, run)
        append_numbered(table, rows, as_table)
        durability.sync()
        sealer.seal()
        durability.sync()
    finally:
        durability.close()
