"""Where the messages come from that are brought onto an account: an archive, or another account.

Here: the questions that both answer, and the archive's answers. Not here: the other account's
(``live_supply``), what is done with the messages (``mailbox_restore``).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from mailroom.archive import Archive, Described
from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import Outgoing
from mailroom.in_step import FolderMark
from mailroom.model import LocationRow
from mailroom.services.restoring.looks import Presence
from mailroom.services.restoring.restore_contents import ArchivedContents
from mailroom.services.restoring.restore_presence import describe_rows, find_present

__all__ = ["ArchivedSupply", "Supply", "Wanted", "date_to_send"]

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No mail came before; a date that says so is a slip of its sender."""

Unfit = Callable[[int], str | None]
"""Says why a message of so many octets cannot be sent, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One message that is not on the account yet.

    :param place: its number in the folder it comes from.
    :param digest: its SHA-256; empty where nobody knows it.
    :param problem: why it cannot be sent, or None.
    """

    place: int
    digest: str
    octets: int = 0
    flags: tuple[str, ...] = ()
    date: datetime = EARLIEST
    problem: str | None = None


class Supply(Protocol):
    """The messages of one folder, in the same order at each call."""

    @property
    def note(self) -> str | None:
        """What is to be said of the folder, if anything."""

    @property
    def known(self) -> int:
        """How many more there are that need not be looked at: an earlier run left them in step."""

    def mark(self) -> FolderMark | str | None:
        """Return what the folder looks like with all that is supplied; None where that is not known."""

    @property
    def rest(self) -> str | None:
        """Which messages of the target are none of these, by the last look; None where that is not known."""

    def sizes(self) -> Iterator[int | None]:
        """Yield the size of each message; None where it cannot be sent."""

    def known_flags(self) -> Sequence[tuple[str, ...]]:
        """Return the flags of each message."""

    def find_present(self, client: ImapClient) -> Presence:
        """Ask the open folder which of the messages it holds; nothing in it changes."""

    def missing(self, presence: Presence, unfit: Unfit) -> Iterator[Wanted]:
        """Yield the messages that are not there, ready to be opened."""

    def ahead(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages as they come, their octets being read meanwhile where that takes time."""

    def open(self, digest: str) -> AbstractContextManager[bytes | mmap.mmap]:
        """Give the octets of a message that ``missing`` has yielded."""

    def release(self, digest: str) -> None:
        """Let go of a message of which it is known what became of it."""


@dataclass(slots=True, kw_only=True)
class ArchivedSupply:
    """The messages of one folder of an archive.

    :param rows: the archived messages, in the same order at each call.
    :param mark: returns a digest of them.
    """

    archive: Archive
    rows: Callable[[], Iterable[LocationRow]]
    contents: ArchivedContents
    mark: Callable[[], str]
    note: str | None = None
    known: int = 0
    rest: str | None = None

    def sizes(self) -> Iterator[int | None]:
        """Yield the size of each message; None where the tables do not know it."""
        for _, row, described in describe_rows(self.archive, self.rows()):
            yield described.size if row.sha256 is not None and described is not None else None

    def known_flags(self) -> Sequence[tuple[str, ...]]:
        """Return the flags of each message."""
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        return [known.setdefault(row.flags, row.flags) for row in self.rows()]

    def find_present(self, client: ImapClient) -> Presence:
        """Ask the open folder which of the messages it holds; nothing in it changes."""
        return find_present(client, self.archive, self.rows)

    def missing(self, presence: Presence, unfit: Unfit) -> Iterator[Wanted]:
        """Yield the messages that are not there."""
        for place, row, described in describe_rows(self.archive, self.rows()):
            if presence.uids[place]:
                continue
            if row.sha256 is None or described is None:
                problem = "unknown to the archive's tables"
                yield Wanted(place=place, digest=row.sha256 or "", problem=problem)
                continue
            yield Wanted(
                place=place,
                digest=described.sha256,
                octets=described.size,
                flags=row.flags,
                date=date_to_send(row, described),
                problem=unfit(described.size),
            )

    def ahead(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages as they come, their objects being read meanwhile where the store is far."""
        return self.contents.ahead(messages)

    def open(self, digest: str) -> AbstractContextManager[bytes | mmap.mmap]:
        """Give the octets of a message, which are those it is named by."""
        return self.contents.open(digest)

    def release(self, digest: str) -> None:
        """Do nothing: the archive keeps it."""


def date_to_send(row: LocationRow, described: Described) -> datetime:
    """Return the date a message gets: the one it had, or for POP3, which has none, when it was sent."""
    if row.internal_date is not None:
        return row.internal_date
    sent = described.date
    is_credible = sent is not None and EARLIEST <= sent <= described.archived_at
    return sent if sent is not None and is_credible else described.archived_at
