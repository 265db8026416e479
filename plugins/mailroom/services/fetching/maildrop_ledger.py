"""What the archive learns of a maildrop beyond its messages: what went, what is missing, what failed.

Here: rows of ``locations`` and ``folders`` for the one folder of a POP3 account. Not here:
when to write them (``fetch_run``, ``retention``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from mailroom.model import Change, FolderRow, LocationRow, MailProtocol, RunContext

if TYPE_CHECKING:
    from mailroom.archive import ArchiveWriter, MaildropState
    from mailroom.ledger import AuditRow

    Audit = Callable[[LocationRow, datetime], AuditRow]

__all__ = ["INBOX", "MaildropLedger", "look_up"]

INBOX = "INBOX"
"""The one folder that POP3 knows."""

LOOK_UP_UIDLS = 10_000
"""How many UIDLs are looked up in the archive at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaildropLedger:
    """Writes rows about one maildrop for one run."""

    writer: ArchiveWriter
    context: RunContext
    now: Callable[[], datetime]

    def record(self, rows: Iterable[LocationRow], change: Change) -> int:
        """Record that this happened to each message, now and in this run; return how many there were."""
        at = self.now()
        changed = [row._replace(change=change, at=at, run_id=self.context.run_id) for row in rows]
        if changed:
            self.writer.record(changed)
        return len(changed)

    def record_deleted(self, rows: Sequence[LocationRow], change: Change, *, audit: Audit) -> int:
        """Record what a confirmed QUIT deleted; return how many there were.

        :param audit: returns the audit row of a message that went at a time.
        """
        at = self.now()
        self.writer.audit(audit(row, at) for row in rows)
        return self.record(rows, change)

    def intend(self, rows: Sequence[LocationRow], change: Change, *, audit: Audit) -> None:
        """Write down what QUIT is about to delete.

        :raises ConfigurationError: where the clock cannot be trusted; then QUIT must not be sent.
        """
        at = self.now()
        self.writer.intend([audit(row, at) for row in rows], change)

    def record_unfetchable(self, uidl: str, octets: int, known: Iterable[LocationRow]) -> None:
        """Record that a listed message was not delivered, unless the newest row says so already.

        A later row of the same UIDL, with its bytes, ends this.
        """
        newest = max(known, key=lambda row: row.at, default=None)
        if newest is None or newest.change is not Change.UNFETCHABLE:
            self.writer.record([self.new_row(uidl, octets, None, Change.UNFETCHABLE)])

    def new_row(self, uidl: str, octets: int, sha256: str | None, change: Change) -> LocationRow:
        """Return a row of this maildrop."""
        return LocationRow(
            account=self.context.account,
            protocol=MailProtocol.POP3,
            folder=INBOX,
            change=change,
            at=self.now(),
            run_id=self.context.run_id,
            uidl=uidl,
            sha256=sha256,
            size=octets,
        )

    def close(self, *, messages: int, is_complete: bool) -> None:
        """Record the maildrop as the server states it; a window, because nobody can know better."""
        self.writer.close_folder(
            FolderRow(
                account=self.context.account,
                folder=INBOX,
                at=self.now(),
                run_id=self.context.run_id,
                messages=messages,
                complete=is_complete,
                windowed=True,
            )
        )


def look_up(state: MaildropState, uidls: Iterable[str]) -> Iterator[LocationRow]:
    """Yield the rows of these UIDLs, looked up in parts so that they do not fill memory."""
    waiting = iter(uidls)
    while part := set(islice(waiting, LOOK_UP_UIDLS)):
        for rows in state.rows(part).values():
            yield from rows
