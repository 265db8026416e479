"""What is about to be deleted on a server, written down before it is, so that a kill leaves no riddle.

Belongs here: one small file a run and account below ``intents/``, there only while a deletion is under way.
Does not belong here: finding out what became of it (``services.intent_recovery``).

The order is: intent on the disk, messages marked, intent begun, deletion on the server, result committed,
intent removed. By an intent that was not begun nothing has gone; of one that was, a run that finds it asks
the server which messages are still there. What is spared at the last moment is in no intent that was begun.
A run that is at work holds its intent: nobody else takes it for that of a dead one, and no second run
deletes on the same IMAP account meanwhile (a POP3 server sees to that itself, RFC 1939 section 3).
A file and no table: it is gone a moment later, and the archive does not grow by it. Where seals are signed,
so are intents: what the audit will say of a run that was cut off must not be anybody's to write.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mailroom.archive.checking.signed_notes import not_signed, read_note, sign_note
from mailroom.exceptions import ArchiveError, ConfigurationError
from mailroom.ledger import AuditAction, AuditRow
from mailroom.model import Change, MailProtocol

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.checking.seal_keys import SealKey

__all__ = ["Following", "IntendedDeletions", "Intent", "IntentJournal"]

Following = Mapping[str, tuple[int, int]]
"""UIDVALIDITY and UIDNEXT of each IMAP folder of an account, 0 where the server does not say."""

_FORMAT = 1
_KIND = "intent"
_READERS: dict[str, Callable[[Any], Any]] = {
    "protocol": MailProtocol,
    "action": AuditAction,
    "at": datetime.fromisoformat,
    "internal_date": datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A deletion that was begun.

    :param path: the file that says so.
    :param change: what ``locations`` will say of each message that went.
    :param rows: what the audit will say of each; their time is that of the intent.
    :param is_begun: whether some may have gone by it.
    :param following: what each folder of the account numbered next: what has a higher number came later.
    """

    path: str
    change: Change
    rows: tuple[AuditRow, ...]
    is_begun: bool = True
    following: Following = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run that began it."""
        return self.rows[0].run_id


class IntentJournal:
    """The intents of one archive.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._store = archive.store

    def write(
        self,
        change: Change,
        rows: Sequence[AuditRow],
        *,
        is_begun: bool = True,
        following: Following | None = None,
    ) -> tuple[str, Callable[[], None]]:
        """Write down what is about to go, in place of what the same run wrote before, and hold it.

        It is on the disk when the archive is synced next.

        :return: the file's path, and what lets go of it.
        """
        first = rows[0]
        run = hashlib.sha256(first.run_id.encode()).hexdigest()[:32]
        path = f"{_folder(first.account)}/{run}.json"
        facts = [_facts(row) for row in rows]
        shared = {
            name: value for name, value in facts[0].items() if all(other[name] == value for other in facts)
        }
        own = [{name: value for name, value in each.items() if name not in shared} for each in facts]
        said = {"format": _FORMAT, "change": change.value, "begun": is_begun, "all": shared, "each": own}
        if following:
            said["following"] = {name: list(numbers) for name, numbers in following.items()}
        return path, self._store.hold_file(path, sign_note(_KIND, said, self._archive.seal_key))

    def refuse_others(self, account: str, *, than: str = "") -> None:
        """Refuse to go on where another run is deleting on this account.

        :param than: the file of the run that asks.
        :raises ArchiveError: where one is; it is over soon, so that a later try succeeds.
        """
        for intent in self.pending(account):
            if intent.path != than and self.is_held(intent):
                raise ArchiveError(
                    f"Run {intent.run_id} is deleting mail of {account} at this moment; wait until it has "
                    "ended, then run this again."
                )

    def is_held(self, intent: Intent) -> bool:
        """Return whether the run that began it may be at work still."""
        return self._store.is_held(intent.path)

    def pending(self, account: str) -> list[Intent]:
        """Return the deletions on an account that were begun, and of which no result was committed.

        :raises ArchiveError: where a file cannot be understood, or is not signed with the key that is given.
        """
        paths = self._store.list_files(_folder(account))
        contents = self._store.read_files(paths) if paths else []
        key = self._archive.seal_key
        return [_read(path, content, key) for path, content in zip(paths, contents, strict=True) if content]

    def clear(self, path: str) -> None:
        """Forget an intent whose result is committed."""
        self._store.remove(path)


def _folder(account: str) -> str:
    return f"intents/{hashlib.sha256(account.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _facts(row: AuditRow) -> dict[str, Any]:
    return {field.name: _plain(getattr(row, field.name)) for field in dataclasses.fields(row)}


def _plain(value: Any) -> Any:  # Any: the values of a row, as JSON takes them
    if isinstance(value, enum.Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


def _read(path: str, content: bytes, key: SealKey | None) -> Intent:
    try:
        said, is_ours = read_note(_KIND, content, key)
        rows = tuple(_row({**said["all"], **own}) for own in said["each"])
        intent = Intent(
            path=path,
            change=Change(said["change"]),
            rows=rows,
            is_begun=bool(said.get("begun", True)),
            following={
                str(name): (int(validity), int(number))
                for name, (validity, number) in said.get("following", {}).items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"The note {path} of a deletion that was cut off cannot be read; look at it, and delete it."
        ) from error
    if not is_ours:
        raise not_signed(path)
    return intent


def _row(facts: dict[str, Any]) -> AuditRow:
    values: dict[str, Any] = {
        name: _READERS[name](value) if name in _READERS and value is not None else value
        for name, value in facts.items()
    }
    return AuditRow(**values)


class IntendedDeletions:
    """The intents of one run, one after the other."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._path: str | None = None
        self._let_go: Callable[[], None] | None = None
        self._change: Change | None = None
        self._rows: Sequence[AuditRow] = ()
        self._begun: set[int] = set()
        self._following: Following | None = None
        self._is_checked = False

    def begin(self, change: Change, rows: Sequence[AuditRow], following: Following | None = None) -> None:
        """Write down what is about to go; before the first, compare this machine's clock with others.

        Before the first, holds and the plan in hand are compared with their seals as well. By IMAP nothing
        goes before ``carry_out``; a POP3 session is carried out as a whole.

        :raises ConfigurationError: where the clock cannot be trusted.
        :raises ArchiveError: where another run is deleting on the account, a hold or the plan was changed by
            hand, or the store refuses.
        """
        journal = IntentJournal(self._archive)
        self.let_go()
        self._change, self._rows, self._begun, self._following = change, rows, set(), following
        is_imap = rows[0].protocol is MailProtocol.IMAP
        self._path, self._let_go = journal.write(change, rows, is_begun=not is_imap, following=following)
        try:
            if is_imap:
                journal.refuse_others(rows[0].account, than=self._path)
            if not self._is_checked:
                self._check(self._path, rows)
        except (ArchiveError, ConfigurationError):
            self.end()
            raise

    def carry_out(self, uids: Collection[int]) -> None:
        """Write down that these messages of the last intent, besides earlier ones, may go from now on.

        :raises StoreUnavailable: where the store refuses.
        """
        self._begun.update(uids)
        rows = [row for row in self._rows if row.uid in self._begun]
        if self._change is None or not rows:
            return
        former = self._let_go
        journal = IntentJournal(self._archive)
        self._path, self._let_go = journal.write(self._change, rows, following=self._following)
        if former is not None:
            former()

    def end(self) -> None:
        """Forget the last one, whose result is committed.

        :raises StoreUnavailable: where the store refuses.
        """
        if self._path is not None:
            IntentJournal(self._archive).clear(self._path)
            self._path = None
            self._rows = ()
        self.let_go()

    def let_go(self) -> None:
        """Leave the last one, if it is there, to the next run.

        :raises StoreUnavailable: where the store refuses; then it counts as held for a while.
        """
        let_go, self._let_go = self._let_go, None
        if let_go is not None:
            let_go()

    def _check(self, path: str, rows: Sequence[AuditRow]) -> None:
        """Look at the clock, and at what allows this deletion: it is not to be anybody's to write."""
        from mailroom.archive.checking.clock import check_against_runs, check_against_store
        from mailroom.archive.checking.ledger_check import check_ledgers

        now = self._archive.clock()
        check_against_store(now, self._archive.store.modified_at(path), self._archive.url)
        check_against_runs(now, self._archive.table("runs"))
        plan_ids = {row.plan_id for row in rows if row.plan_id is not None}
        check_ledgers(self._archive, rows[0].account, plan_ids)
        self._is_checked = True
