"""Legal holds: what nobody may delete, whatever any rule says.

Here: which holds are obeyed at a moment, and which messages they mean. Not here: placing and
releasing them (``services``), where they are kept (``archive``).

A hold that was released, or has ended, is obeyed for its days of grace, so that a release by
mistake can be taken back before the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from mailroom.ledger import HoldRow, HoldState
from mailroom.policy.folders import matches_pattern
from mailroom.policy.query import QUERY_COLUMNS, Query, parse_query

__all__ = ["EVERY_ACCOUNT", "FolderHolds", "end_of", "holds_on", "is_obeyed"]

EVERY_ACCOUNT = "*"
"""What a hold on all accounts names as its account."""


@dataclass(frozen=True, slots=True)
class FolderHolds:
    """The holds that concern one folder."""

    _holds: tuple[tuple[HoldRow, Query | None], ...] = ()

    def __bool__(self) -> bool:
        """Return whether any hold concerns it."""
        return bool(self._holds)

    @property
    def names(self) -> frozenset[str]:
        """What the holds are called; one that has the name of another is the same."""
        return frozenset(hold.hold_id for hold, _ in self._holds)

    @property
    def first_end(self) -> datetime | None:
        """When the first of them is no longer obeyed, if nobody places or releases one, or None for never."""
        return min((end for hold, _ in self._holds if (end := end_of(hold)) is not None), default=None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ``messages`` that must be known to tell what is held."""
        asks = any(hold.sender or query for hold, query in self._holds)
        return QUERY_COLUMNS if asks else ()

    def reason(self, fields: Mapping[str, Any] | None) -> str | None:
        """Return why a message is held, or None.

        :param fields: its row of ``messages``; where nobody knows it, every hold means it.
        """
        for hold, query in self._holds:
            if fields is None or _means(hold, query, fields):
                return f"{hold.reason} ({hold.hold_id})"
        return None


def holds_on(
    holds: Iterable[HoldRow], account: str, folder: str, now: datetime, *, use: str | None = None
) -> FolderHolds:
    """Return the holds that are obeyed now and concern a folder.

    :param use: the folder's special-use attribute, for holds on such as ``\\Sent``.
    """
    return FolderHolds(
        tuple(
            (hold, parse_query(hold.query) if hold.query else None)
            for hold in sorted(holds, key=lambda hold: hold.hold_id)
            if is_obeyed(hold, now)
            and hold.account in (EVERY_ACCOUNT, account)
            and (hold.folder is None or matches_pattern(hold.folder, folder, use))
        )
    )


def is_obeyed(hold: HoldRow, now: datetime) -> bool:
    """Return whether nothing that a hold means may be deleted now."""
    end = end_of(hold)
    return end is None or now < end


def end_of(hold: HoldRow) -> datetime | None:
    """Return when a hold is no longer obeyed, its days of grace included, or None for never."""
    ends = [hold.until] if hold.until is not None else []
    ends += [hold.at] if hold.state is HoldState.RELEASED else []
    return min(ends) + timedelta(days=hold.grace_days) if ends else None


def _means(hold: HoldRow, query: Query | None, fields: Mapping[str, Any]) -> bool:
    if hold.sender and not fnmatchcase((fields.get("from_address") or "").casefold(), hold.sender.casefold()):
        return False
    return query is None or query(fields)
