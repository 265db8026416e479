"""What zip archives held when they were opened last, so that none is opened again to look.

Here: files of archives between the table and those who choose. Not here: the table
(``archive.delivering.zip_members``), opening (``zip_contents``), choosing (``attachment_choice``). An
archive that could not be opened is not known: a password or a library may open it another time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.delivering.zip_members import Row, ZipMembers
from mailroom.policy.attachments import Attachment
from mailroom.services.delivering.zip_contents import Member

__all__ = ["KnownMembers"]

ROWS_A_COMMIT = 5_000
"""How many files are noted together."""


@dataclass(slots=True, kw_only=True)
class KnownMembers:
    """The files of archives that were opened, by this run or another.

    :param now: tells the time for what is noted; None notes nothing.
    """

    archive: Archive
    now: Callable[[], datetime] | None
    _table: ZipMembers | None = field(default=None, init=False)
    _rows: list[Row] = field(default_factory=list, init=False)

    def look_up(self, archives: Iterable[Attachment]) -> dict[tuple[str, str], list[Member]]:
        """Return the files of those archives that are known, by message and part.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        messages = {archive.message_sha256 for archive in archives}
        if not messages:
            return {}
        found = self._opened().of(messages)
        return {key: [_member(row) for row in rows if row["part"]] for key, rows in found.items()}

    def note(self, archive: Attachment, members: Sequence[Member]) -> None:
        """Remember what an archive holds.

        :raises StoreUnavailable: if the archive cannot be written.
        """
        if self.now is None:
            return
        at = self.now()
        nothing = Member(part="", number=0, name="", size=0, detected_type="")
        self._rows += [
            {
                "message_sha256": archive.message_sha256,
                "archive": archive.part,
                "part": member.part,
                "filename": member.name,
                "size": member.size,
                "detected_type": member.detected_type,
                "at": at,
            }
            for member in members or [nothing]
        ]
        if len(self._rows) >= ROWS_A_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Write down what was noted, durably.

        :raises StoreUnavailable: if the archive cannot be written.
        """
        if self._rows:
            self._opened().add(self._rows)
            self._rows = []

    def _opened(self) -> ZipMembers:
        if self._table is None:
            self._table = ZipMembers(self.archive)
        return self._table


def _member(row: Row) -> Member:
    return Member(
        part=row["part"],
        number=int(row["part"].rpartition(".zip")[2]),
        name=row["filename"] or "",
        size=row["size"],
        detected_type=row["detected_type"] or "",
    )
