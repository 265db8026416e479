"""Who deleted what, and when: the audit, read for a person.

Here: filters, the newest rows, and what is being deleted at this moment. Not here: writing the audit
(``archive.committer``), telling whether it was changed by hand (``mailroom verify``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from mailroom.archive import Archive
from mailroom.services.known_accounts import check_account_remembered

__all__ = ["AuditReport", "AuditSelection", "read_audit"]

COLUMNS = (
    *("at", "action", "account", "protocol", "folder", "uidvalidity", "uid", "uidl", "message_sha256"),
    *("octets", "rule", "plan_id", "approved_by", "who", "run_id", "seq"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSelection:
    """Which rows to tell of; what is not given means all.

    :param folder: pattern of folder names, ``*`` and ``?`` as in a shell.
    :param message: SHA-256 of a message, or its beginning.
    :param limit: how many at most, the newest.
    """

    account: str | None = None
    folder: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    message: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What the audit says.

    :param rows: the newest of those that match, oldest first, each as a JSON object.
    :param matching: how many match.
    :param octets: their size, as the server stated it.
    """

    rows: tuple[dict[str, Any], ...]
    matching: int
    octets: int
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        return {"matching": self.matching, "octets": self.octets, "rows": list(self.rows)}


def read_audit(archive: Archive, selection: AuditSelection) -> AuditReport:
    """Return the rows of the audit that are asked for; memory grows with the limit only.

    :raises ConfigurationError: if there is no archive, or an account is asked for that it knows nothing of.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    counted = _Counted()
    order = ("at", "account", "seq")
    newest = heapq.nlargest(
        selection.limit,
        enumerate(counted.through(_matching(archive, selection))),
        key=lambda item: (*(item[1][name] for name in order), item[0]),
    )
    if not counted.rows and selection.account is not None:
        check_account_remembered(archive, selection.account)
    rows = tuple({**row, "at": row["at"].isoformat()} for _, row in reversed(newest))
    return AuditReport(rows=rows, matching=counted.rows, octets=counted.octets)


class _Counted:
    """Counts what passes."""

    def __init__(self) -> None:
        self.rows = 0
        self.octets = 0

    def through(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.rows += 1
            self.octets += row["octets"] or 0
            yield row


def _matching(archive: Archive, selection: AuditSelection) -> Iterator[dict[str, Any]]:
    equal = {} if selection.account is None else {"account": selection.account}
    for table in archive.scan_table("audit", COLUMNS, equal=equal):
        for row in table.to_pylist():
            if _is_meant(row, selection):
                yield row


def _is_meant(row: dict[str, Any], selection: AuditSelection) -> bool:
    if selection.folder is not None and not fnmatchcase(row["folder"] or "", selection.folder):
        return False
    if selection.message is not None and not (row["message_sha256"] or "").startswith(selection.message):
        return False
    is_late = selection.since is None or row["at"] >= selection.since
    return is_late and (selection.until is None or row["at"] <= selection.until)
