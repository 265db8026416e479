"""Append to logs that are numbered by account: ``folders``, ``plans``, ``audit``.

Belongs here: the number that each commit of an account carries, by which the newest row is
known whatever clocks do. Does not belong here: ``locations``, which is numbered by folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pyarrow as pa

from mailroom.archive.delta.tables import Append, Table

__all__ = ["append_numbered"]


class _OfAccount(Protocol):
    @property
    def account(self) -> str: ...


def append_numbered(
    table: Table,
    rows: Sequence[_OfAccount],
    as_table: Callable[[Any, Sequence[int]], pa.Table],
    check: Callable[[], None] | None = None,
) -> None:
    """Commit rows, each with the next number of its account.

    :param as_table: makes the table of rows and their numbers.
    :param check: looks at the table that the rows are added to, whoever was first, and raises where they
        may not be.
    :raises StoreUnavailable: where the store refuses.
    """

    def plan() -> Append:
        if check is not None:
            check()
        accounts = {row.account for row in rows}
        numbers = {account: table.transaction_version(account) + 1 for account in accounts}
        return Append(rows=[as_table(rows, [numbers[row.account] for row in rows])], transactions=numbers)

    table.append(plan)
