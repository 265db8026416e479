"""Legal holds and plans of deletion, read and written outside of a run's batches.

Belongs here: whole logs that are small, and single rows that must be durable at once. Does not
belong here: rows of a run (``writer``), what they mean (``policy``). Rows are sealed as those of runs are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mailroom.exceptions import ConfigurationError
from mailroom.model import RunContext

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table
    from mailroom.ledger import HoldRow, PlanRow, PlanState

    Row = HoldRow | PlanRow
    AsTable = Callable[[Any, Sequence[int]], Any]  # Any: rows in, a table of pyarrow out
    Check = Callable[[Table], None]

__all__ = ["has_plan_in_state", "plan_consents", "read_holds", "read_plans", "record_hold", "record_plan"]


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
    known = {"account": account, "plan_id": plan_id}
    equal = {name: value for name, value in known.items() if value is not None}
    return _plan_rows(archive.scan_table("plans", equal=equal))


def has_plan_in_state(
    archive: Archive, account: str, state: PlanState, what: str = "retention", *, least_messages: int = 0
) -> bool:
    """Return whether a plan of an account is or was in a state; what the plans hold is not read.

    :param what: what made the plan.
    :param least_messages: of how many messages it has to be.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    equal = {"account": account, "state": state.value, "what": what}
    found = archive.scan_table("plans", ("plan_id", "messages"), equal=equal)
    return any(count >= least_messages for rows in found for count in rows["messages"].to_pylist())


def plan_consents(archive: Archive, account: str, what: str = "retention") -> dict[str, float | None]:
    """Return the plans of an account that somebody agreed to, in the order of their last consent.

    :param what: what made the plans.
    :returns: by the name of each plan, how many days a message has to have to go; None where all of it may.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    from mailroom.ledger import PlanState

    equal = {"account": account, "state": PlanState.APPROVED.value, "what": what}
    answers: list[tuple[int, str, float | None]] = []
    for rows in archive.scan_table("plans", ("seq", "plan_id", "least_days"), equal=equal):
        answers += zip(*(rows[name].to_pylist() for name in ("seq", "plan_id", "least_days")), strict=True)
    found: dict[str, float | None] = {}
    for _, plan_id, least_days in sorted(answers, key=lambda each: each[0]):
        days = [each for each in (found.pop(plan_id, None), least_days) if each is not None]
        found[plan_id] = max(days, default=None)
    return found


def record_plan(
    archive: Archive, rows: Sequence[PlanRow], check: Callable[[list[PlanRow]], None] | None = None
) -> None:
    """Write rows of a plan; durable when this returns.

    :param check: is given the rows that the plan has at the moment of the commit, and raises where no more
        may be added; nobody's rows come in between.
    :raises StoreUnavailable: where the store refuses.
    """
    from mailroom.archive.delta.rows import plans_table

    def look(table: Table) -> None:
        equal = {"account": rows[0].account, "plan_id": rows[0].plan_id}
        if check is not None:
            check(_plan_rows(piece.table for piece in table.scan(table.spec.schema.names, equal=equal)))

    _append(archive, "plans", rows, plans_table, look)


def _plan_rows(pieces: Iterable[Any]) -> list[PlanRow]:  # Any: tables of pyarrow
    from mailroom.archive.delta.rows import plan_rows

    found = [each for piece in pieces for each in plan_rows(piece)]
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def _append(
    archive: Archive, name: str, rows: Sequence[Row], as_table: AsTable, check: Check | None = None
) -> None:
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
        try:
            append_numbered(table, rows, as_table, None if check is None else lambda: check(table))
        except ConfigurationError:  # the check refused, and no rows come that its mark announces
            sealer.seal()
            raise
        durability.sync()
        sealer.seal()
        durability.sync()
    finally:
        durability.close()
