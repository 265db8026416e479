"""Changes that somebody wants on a server, asked for on the archive's side.

Belongs here: what callers see: asking for a change, looking at what waits, taking it back. Does not
belong here: the table (``change_log``), and doing it (``services.two_way``). Asking changes nothing
on a server, nor what the archive shows: the run that pushes does, and the mirror after it records
what the server made of it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from mailroom.change_request import ChangeRequest, RequestKind, RequestState, check_flag, check_label
from mailroom.exceptions import ConfigurationError
from mailroom.model import LocationRow, MailProtocol

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.change_log import ChangeLog

__all__ = ["AccountChanges", "NewMessage", "Requested"]

REQUESTS_A_COMMIT = 5000
"""How many requests are committed together."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """An archived message that is to be added to a folder.

    :param flags: the flags it gets.
    :param internal_date: the date it gets; None leaves that to the server.
    :param is_new: whether it came into the archive for this alone.
    """

    sha256: str
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    is_new: bool = False


@dataclass(slots=True, kw_only=True)
class Requested:
    """What came of asking.

    :param requested: how many changes wait now that did not before.
    :param left_out: messages that wait to be moved or deleted already, which comes first.
    """

    requested: int = 0
    left_out: int = 0


class AccountChanges:
    """The changes of one account of an archive; made by ``Archive.changes``.

    >>> import tempfile
    >>> from mailroom.archive import Archive
    >>> changes = Archive(tempfile.mkdtemp()).changes("ana@example.org")
    >>> changes.waiting()
    []
    """

    def __init__(self, archive: Archive, account: str) -> None:
        self._archive = archive
        self._account = account

    @cached_property
    def _log(self) -> ChangeLog:
        from mailroom.archive.change_log import ChangeLog

        return ChangeLog(self._archive, self._account)

    def request_flags(
        self,
        messages: Iterable[LocationRow],
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        by: str = "python",
    ) -> Requested:
        """Ask for flags to be set and taken away.

        :param messages: rows of live messages, as ``folder_state`` gives them.
        :param add: flags such as ``\\\\Seen`` or keywords such as ``$Work``.
        :param by: who asks, for the record.
        :raises ConfigurationError: where nothing is asked for, a flag is to be both set and taken away, or
            cannot be asked for.
        """
        add = tuple(dict.fromkeys(check_flag(flag) for flag in add))
        remove = tuple(dict.fromkeys(check_flag(flag) for flag in remove))
        both = {flag.lower() for flag in add} & {flag.lower() for flag in remove}
        if both or not (add or remove):
            what = f"{sorted(both)[0]!r} is to be both set and taken away" if both else "no flag is named"
            raise ConfigurationError(f"Nothing was asked for: {what}.")
        return self._request(messages, by, kind=RequestKind.FLAGS, add=add, remove=remove)

    def request_labels(
        self, messages: Iterable[LocationRow], *, add: Iterable[str], by: str = "python"
    ) -> Requested:
        """Ask for labels to be given, which Gmail alone has; each is made where it is not there.

        A message has its labels wherever it lies, so one of its places is enough.

        :raises ConfigurationError: where none is named, or one is Gmail's own.
        """
        labels = tuple(dict.fromkeys(check_label(label) for label in add))
        if not labels:
            raise ConfigurationError("Nothing was asked for: no label is named.")
        return self._request(messages, by, kind=RequestKind.LABELS, add=labels)

    def request_move(self, messages: Iterable[LocationRow], to: str, *, by: str = "python") -> Requested:
        """Ask for messages to be moved to a folder, which is made where it is not there.

        :raises ConfigurationError: where no folder is named.
        """
        if not to.strip():
            raise ConfigurationError("Name the folder that the messages are to be moved to.")
        elsewhere = (row for row in messages if row.folder != to)
        return self._request(elsewhere, by, kind=RequestKind.MOVE, target=to)

    def request_deletion(
        self, messages: Iterable[LocationRow], *, expunge: bool = False, by: str = "python"
    ) -> Requested:
        """Ask for messages to be deleted on the server; the archive keeps them.

        :param expunge: remove them at once, instead of moving them to the trash.
        """
        return self._request(messages, by, kind=RequestKind.DELETE, expunge=expunge)

    def request_append(self, messages: Iterable[NewMessage], folder: str, *, by: str = "python") -> Requested:
        """Ask for archived messages to be added to a folder, which is made where it is not there.

        :raises ConfigurationError: where no folder is named, or a message is not in the archive.
        """
        if not folder.strip():
            raise ConfigurationError("Name the folder that the messages are to be added to.")
        done = Requested()
        for chunk in _chunks(messages):
            known = self._archive.describe({message.sha256 for message in chunk})
            unknown = next((message.sha256 for message in chunk if message.sha256 not in known), None)
            if unknown is not None:
                raise ConfigurationError(f"The archive has no message {unknown}.")
            rows = [
                replace(
                    self._blank(RequestKind.APPEND, folder, by),
                    sha256=message.sha256,
                    add=tuple(check_flag(flag) for flag in message.flags),
                    internal_date=message.internal_date,
                    is_new=message.is_new,
                )
                for message in chunk
            ]
            done.requested += len(self._log.request(rows, _after))
        return done

    def waiting(self) -> list[ChangeRequest]:
        """Return the changes that the next run that pushes takes up, in the order of asking.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return [] if self.are_settled() else self._log.waiting()

    def count(self) -> int:
        """Return how many changes wait.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return 0 if self.are_settled() else self._log.count().total()

    def pages(self) -> Iterator[list[ChangeRequest]]:
        """Yield what waits, some folders at a time, so that it need not fit into memory at once.

        A folder is whole in one page, its changes in the order of asking. Those of messages that are there
        come first, those that add messages in pages of their own after them.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        left = Counter[tuple[bool, str]]() if self.are_settled() else self._log.count()
        for is_append in (False, True):
            folders = {folder: number for (adds, folder), number in sorted(left.items()) if adds is is_append}
            for names in _gathered(folders):
                waiting = self._log.waiting(names)
                yield [r for r in waiting if (r.kind is RequestKind.APPEND) is is_append]

    def newest(self) -> Iterator[ChangeRequest]:
        """Yield each change as it stands: those that are over first, then those that wait."""
        return self._log.newest() if self._archive.store.exists("tables/changes") else iter(())

    def pushed_away(self, folder: str, uid_validity: int) -> list[int]:
        """Return the UIDs of messages of a folder that a push has moved or deleted, whenever it did.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return (
            self._log.pushed_away(folder, uid_validity)
            if self._archive.store.exists("tables/changes")
            else []
        )

    def withdraw(self, change_ids: Collection[str] | None = None, *, by: str = "python") -> int:
        """Take back changes that no run has set out to do yet; return how many there were.

        :param change_ids: which; None takes back all.
        """
        wanted = None if change_ids is None else set(change_ids)

        def plan(waiting: list[ChangeRequest]) -> list[ChangeRequest]:
            return [
                replace(r, state=RequestState.WITHDRAWN, reason=f"by {by}", at=datetime.now(UTC))
                for r in waiting
                if r.state is RequestState.PENDING and (wanted is None or r.change_id in wanted)
            ]

        return 0 if self.are_settled() else len(self._log.append(plan))

    def record(self, rows: Sequence[ChangeRequest]) -> list[ChangeRequest]:
        """Write down how changes stand now; what is over by now stays as it is.

        :returns: what was written down; the rest belongs to another run.
        """
        return self._log.update(rows) if rows else []

    def are_settled(self) -> bool:
        """Return whether it is known without opening any table that nothing waits."""
        return self._archive.noted.says_settled(self._account)

    def note_settled(self) -> None:
        """Leave word that nothing waits, so that the next run need not look."""
        if self._log.version >= 0:
            self._archive.noted.note_settled(self._account, self._log.version)

    def _request(
        self,
        messages: Iterable[LocationRow],
        by: str,
        *,
        kind: RequestKind,
        add: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        target: str | None = None,
        expunge: bool = False,
    ) -> Requested:
        done = Requested()
        for chunk in _chunks(messages):
            rows = [
                replace(
                    self._blank(kind, row.folder, by),
                    uid_validity=row.uid_validity,
                    uid=row.uid,
                    sha256=row.sha256,
                    add=add,
                    remove=remove,
                    before=tuple(row.labels if kind is RequestKind.LABELS else row.flags),
                    target=target,
                    expunge=expunge,
                )
                for row in chunk
                if row.protocol is MailProtocol.IMAP and row.change.is_live
            ]
            added = self._log.request(rows, _after)
            done.requested += len(added)
            done.left_out += len(rows) - len(added)
        return done

    def _blank(self, kind: RequestKind, folder: str, by: str) -> ChangeRequest:
        now = datetime.now(UTC)
        return ChangeRequest(
            change_id=uuid.uuid4().hex,
            account=self._account,
            kind=kind,
            folder=folder,
            requested_at=now,
            requested_by=by,
            at=now,
        )


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, REQUESTS_A_COMMIT)):
        yield chunk


def _gathered(folders: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield names of folders that together have about as many requests as are committed together."""
    names: list[str] = []
    total = 0
    for name, number in folders.items():
        if names and total + number > REQUESTS_A_COMMIT:
            yield names
            names, total = [], 0
        names.append(name)
        total += number
    if names:
        yield names


def _after(waiting: Sequence[ChangeRequest], rows: Sequence[ChangeRequest]) -> list[ChangeRequest]:
    """Return requests as they follow those that wait: none for a message that is to leave its place."""
    leaving = {request.place for request in waiting if request.leaves}
    shown: dict[object, set[str]] = {}
    wanted = {row.place: set(row.before) for row in rows}
    for request in waiting:
        if request.kind is RequestKind.FLAGS and request.place in wanted:
            flags = shown.setdefault(request.place, wanted[request.place])
            flags -= {flag for flag in flags if flag.lower() in {f.lower() for f in request.remove}}
            flags |= set(request.add)
    return [
        row
        if row.kind is RequestKind.LABELS
        else replace(row, before=tuple(sorted(shown.get(row.place, set(row.before)))))
        for row in rows
        if row.place not in leaving
    ]
