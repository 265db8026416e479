"""Messages that left their folders since the last run, for they may be the new ones of another folder.

Here: which those are, found before any body is fetched, and telling them among new messages. Not
here: servers with ids of messages (``known_objects``), copies, and what left unseen (``known_looks``),
folders numbered anew (``renumbering``), folders under another name (``renaming``).

A server without such ids (RFC 8474) does not say that a message was moved. By MOVE and COPY it keeps
its date of arrival (RFC 3501 section 6.4.7), so one that is new in one folder counts as the one that
just left another where size, date of arrival and Message-ID are the same, nothing else that left looks
like it and has other bytes, and its whole header is that of the archived copy: two deliveries of one
mail to two addresses differ in nothing else. Its Date header will not do instead of its arrival: a draft
keeps it from one state to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.exceptions import CommandRejected, IntegrityError

if TYPE_CHECKING:
    from mailroom.archive import Archive, FolderState
    from mailroom.client.imap import ImapClient
    from mailroom.model import Folder, FolderRow, LocationRow
    from mailroom.policy.uid_sets import Uids
    from mailroom.services.mirroring.departures import Departures
    from mailroom.services.mirroring.renumbering import Recognised

__all__ = ["Leavers", "has_header", "moved_here"]

ASKED_TOGETHER = 4096
"""How many messages are asked for their headers before any is compared."""


@dataclass(slots=True, kw_only=True)
class Leavers:
    """What left its folder since the last run.

    :param departures: the folders that are no longer on the server.
    :ivar is_known: whether the folders were looked through.
    :ivar last_look: when a folder of the account was last seen to change; None before the first run.
    """

    archive: Archive
    account: str
    departures: Departures
    is_known: bool = False
    last_look: datetime | None = None
    _left: dict[str, tuple[FolderState, Uids]] = field(default_factory=dict)
    _found: dict[str, set[int]] = field(default_factory=dict)

    def find(
        self,
        client: ImapClient,
        folders: Iterable[Folder],
        last: Mapping[str, FolderRow],
        live: Mapping[str, int],
    ) -> None:
        """List the folders that lost messages, by their counts, where another one has got some.

        :raises ConnectionLost: if the server goes away.
        """
        self.last_look = max((row.at for row in last.values()), default=None)
        there = list(folders)
        losing = [f.name for f in there if _may_have_lost(f, last.get(f.name), live.get(f.name, 0))]
        gaining = {f.name for f in there if _may_have_got(f, last.get(f.name), live.get(f.name, 0))}
        if not client.identifiers:
            for name in losing:
                if gaining - {name}:
                    self._look_through(client, name)
        self.is_known = True

    def lost_some(self, folder: str) -> bool:
        """Return whether messages left a folder: it is worked off after those that they may have gone to."""
        return folder in self._left

    def note_found(self, known: Recognised) -> None:
        """Note that a message that left its folder is in another."""
        self._found.setdefault(known.former_folder, set()).add(known.former_uid)

    def found_elsewhere(self, folder: str) -> set[int]:
        """Return the UIDs of messages that left a folder and were found in another one so far."""
        return self._found.get(folder, set())

    def rows(self, folder: str) -> Callable[[], Iterator[LocationRow]] | None:
        """Return what may have moved to a folder, to be gone through more than once, or None."""
        others = [left for name, left in self._left.items() if name != folder]
        if not others and not self.departures.folders:
            return None
        return lambda: self._rows(others)

    def _rows(self, others: Iterable[tuple[FolderState, Uids]]) -> Iterator[LocationRow]:
        for state, gone in others:
            yield from state.each(gone)
        yield from self.departures.rows()

    def _look_through(self, client: ImapClient, name: str) -> None:
        from mailroom.policy.uid_sets import without

        try:
            selected = client.examine(name)
        except CommandRejected:
            return  # said when its turn comes
        state = self.archive.folder_state(self.account, name)
        if state.uid_validity == selected.uid_validity:
            gone = without(state.live, client.search("ALL"))
            if len(gone):
                self._left[name] = state, gone


def moved_here(
    client: ImapClient, archive: Archive, uids: Uids, left: Callable[[], Iterable[LocationRow]]
) -> Iterator[Recognised]:
    """Yield those of the messages ``uids`` of the open mailbox that left another one.

    Only those are asked who they are whose size and date of arrival, which servers have at hand, are
    those of one that left.

    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    from mailroom.client.imap_facts import fetch_facts, fetch_headers
    from mailroom.policy.uid_sets import ascending
    from mailroom.services.mirroring.renumbering import recognise

    looks: set[tuple[int | None, datetime | None]] = {(row.size, row.internal_date) for row in left()}
    alike = [m.uid for m in fetch_facts(client, uids) if (m.octets, m.internal_date) in looks]
    found = list(recognise(client, archive, ascending(alike), left, as_received=True)) if alike else []
    for start in range(0, len(found), ASKED_TOGETHER):
        some = {known.message.uid: known for known in found[start : start + ASKED_TOGETHER]}
        for message in fetch_headers(client, sorted(some)):
            known = some.pop(message.uid, None)
            if known is not None and message.header and has_header(archive, known.sha256, message.header):
                yield known


def has_header(archive: Archive, sha256: str, header: bytes) -> bool:
    """Return whether an archived message begins with a header."""
    try:
        with archive.raw.mapped(sha256) as content:
            return content[: len(header)] == header
    except IntegrityError:
        return False  # missing or damaged: fetched anew


def _may_have_lost(folder: Folder, last: FolderRow | None, live: int) -> bool:
    """Return whether fewer messages are there than were there and came since."""
    status = folder.status
    if status is None or not _is_same(status, last) or "MESSAGES" not in status:
        return False
    return live + _grown(status, last) > status["MESSAGES"]


def _may_have_got(folder: Folder, last: FolderRow | None, live: int) -> bool:
    """Return whether messages may be there that the archive does not know."""
    status = folder.status
    if status is None:
        return True
    return _grown(status, last) > 0 if _is_same(status, last) else bool(status.get("MESSAGES"))


def _is_same(status: Mapping[str, int], last: FolderRow | None) -> bool:
    return last is not None and not last.deleted and status.get("UIDVALIDITY") == last.uid_validity


def _grown(status: Mapping[str, int], last: FolderRow | None) -> int:
    """Return how many numbers were given since, at most so many messages came."""
    before = None if last is None else last.uid_next
    return max(0, status.get("UIDNEXT", 0) - before) if before is not None else 0
