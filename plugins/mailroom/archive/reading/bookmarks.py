"""Bookmarks: what an account's tables said at a certain version, so that they need not be read again.

Belongs here: the small file a run leaves beside the tables, and whether it still holds.
Does not belong here: what follows from it (``services``). No table library is imported.

A bookmark says nothing that the tables do not say. It holds what the newest rows of
``locations`` and ``folders`` add up to for one account, and names the versions of the two
tables by number and content of their newest log entry. It counts only while those entries
are there unchanged and whatever was committed on top of them is another account's or
upkeep's; anything else (absent, cut, old, of another version) means that the tables are
read. Deleting all of them loses nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from mailroom.archive.reading.shortcuts import SHORTCUTS
from mailroom.archive.storage.store import Store
from mailroom.exceptions import ArchiveError
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    from mailroom.model import FolderRow

__all__ = [
    "AccountOverview",
    "Bookmarks",
    "HeldMail",
    "HeldOverview",
    "MaildropOverview",
    "account_prefix",
    "decoded",
    "digest_of_listing",
    "encoded",
]

MAX_AGE = timedelta(days=1)
"""How long a bookmark counts: once a day the tables are read even so, and damage to them is found."""

MAX_ENTRIES = 64
"""How many log entries of others are looked through before reading the tables is as quick."""

FOLDER = "bookmarks"
"""Where they lie, below an archive's root."""

CHANGES = "changes"
"""What a bookmark is about that is about no protocol."""

HOLDS = "holds"
"""The table of legal holds: whatever is written there may concern any account."""

_FORMAT = 1
_TIMES = ("at",)


class AccountOverview(NamedTuple):
    """What the archive knows of the folders of an IMAP account.

    :param folders: the newest row of each folder.
    :param live: how many messages of each folder are live, of whatever UIDVALIDITY.
    """

    folders: Mapping[str, FolderRow]
    live: Mapping[str, int]


class HeldMail(NamedTuple):
    """Messages of a POP3 maildrop that are due and stay, for they are under legal hold.

    :param messages: UIDL and SHA-256 of each.
    :param until: when the first of the holds ends by itself, so that all must be looked at anew.
    :param version: the version of the table ``holds`` that says so.
    """

    messages: Collection[tuple[str | None, str | None]]
    until: datetime | None
    version: int


class HeldOverview(NamedTuple):
    """The same in a line: it holds until somebody places or releases a hold, and no longer than ``until``.

    :param messages: how many there are.
    :param newest: the latest moment that the days of one of them count from.
    :param others: the earliest such moment of the messages that are not among them.
    """

    messages: int
    newest: datetime
    others: datetime | None
    until: datetime | None


class MaildropOverview(NamedTuple):
    """What the archive knows of a POP3 maildrop, where it can be said in a line.

    :param listing: ``digest_of_listing`` of the live messages.
    :param messages: how many there are.
    :param oldest: the earliest moment that the days of one of them count from: when it was archived, or
        came back after it was deleted here; None where there is none.
    :param answer: digest of an answer of the server that listed just them, or None where none is known.
    :param held: what of them stays under legal hold although it is due, as far as is known.
    """

    listing: str
    messages: int
    oldest: datetime | None
    answer: str | None = None
    held: HeldOverview | None = None


def digest_of_listing(messages: Iterable[tuple[str | None, int | None]]) -> str | None:
    """Return a digest over UIDLs and sizes in any order; None where these do not tell messages apart.

    >>> digest_of_listing([("b", 2), ("a", 1)]) == digest_of_listing([("a", 1), ("b", 2)])
    True
    >>> digest_of_listing([("a", 1), ("a", 2)]) is None
    True
    """
    pairs = list(messages)
    sizes = dict(pairs)
    if len(sizes) != len(pairs) or None in sizes or None in sizes.values():
        return None
    lines = sorted([f"{size} {len(uidl or '')} {uidl}" for uidl, size in pairs])
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


class Bookmarks:
    """The bookmarks of one archive."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def drop(self, account: str) -> None:
        """Delete what is said of an account, and of its copies; and all shortcuts, whosever they are."""
        for name in self._store.names(FOLDER):
            if f"{FOLDER}/{name}".startswith((f"{account_prefix(account)}.", SHORTCUTS)):
                self._store.remove(f"{FOLDER}/{name}")

    def read_account(self, account: str, now: datetime) -> AccountOverview | None:
        """Return the overview of an IMAP account as the tables have it now, or None."""
        said = self._read(account, MailProtocol.IMAP.value, now)
        if said is None:
            return None
        rows = [_folder_row(account, facts) for facts in said["folders"]]
        return AccountOverview(folders={row.folder: row for row in rows}, live=said["live"])

    def made_at(self, account: str, protocol: MailProtocol, now: datetime) -> datetime | None:
        """Return when the bookmark of an account was made that holds now; None where there is none."""
        said = self._read(account, protocol.value, now)
        return None if said is None else datetime.fromisoformat(said["at"])

    def edition(self, account: str, now: datetime) -> str | None:
        """Return what stands for all that the tables say of an IMAP account; None where they must be read.

        As long as it is the same, nothing was recorded of the account.
        """
        said = self._read(account, MailProtocol.IMAP.value, now)
        return None if said is None else hashlib.sha256(encoded(said["tables"])).hexdigest()

    def says_settled(self, account: str, now: datetime) -> bool:
        """Say whether it is known that no change of an account waits to be pushed."""
        return self._read(account, CHANGES, now) is not None

    def write_settled(self, account: str, versions: Mapping[str, int], now: datetime) -> None:
        """Leave that no change of an account waits, as of these table versions."""
        self._write(account, CHANGES, versions, {}, now)

    def read_maildrop(self, account: str, now: datetime) -> MaildropOverview | None:
        """Return the overview of a POP3 maildrop as the tables have it now, or None."""
        said = self._read(account, MailProtocol.POP3.value, now)
        if said is None:
            return None
        return MaildropOverview(
            listing=said["listing"],
            messages=said["messages"],
            oldest=_moment(said["oldest"]),
            answer=said["answer"],
            held=_held(said.get("held")),
        )

    def write_account(
        self, account: str, versions: Mapping[str, int], overview: AccountOverview, now: datetime
    ) -> None:
        """Leave the overview of an IMAP account.

        :param versions: the table versions it was read from.
        """
        facts = {
            "folders": [_facts(row) for row in overview.folders.values()],
            "live": dict(overview.live),
        }
        self._write(account, MailProtocol.IMAP.value, versions, facts, now)

    def write_maildrop(
        self, account: str, versions: Mapping[str, int], overview: MaildropOverview, now: datetime
    ) -> None:
        """Leave the overview of a POP3 maildrop.

        :param versions: the table versions it was read from.
        """
        held = None if overview.held is None else _told(overview.held._asdict())
        facts = {**_told(overview._asdict()), "held": held}
        self._write(account, MailProtocol.POP3.value, versions, facts, now)

    def _read(self, account: str, what: str, now: datetime) -> dict[str, Any] | None:
        try:
            (octets,) = self._store.read_files([_path(account, what)])
            said = None if octets is None else decoded(octets)
            if said is None or said["account"] != account or said["format"] != _FORMAT:
                return None
            age = now - datetime.fromisoformat(said["at"])
            holds = timedelta(0) <= age <= MAX_AGE and self._holds(account, said["tables"])
        except (ArchiveError, KeyError, TypeError, ValueError):
            return None  # whatever is wrong with it: the tables know
        return said if holds else None

    def _holds(self, account: str, tables: Mapping[str, tuple[int, str]]) -> bool:
        """Say whether the tables still say of the account what they said at these versions."""
        named = [(name, version, digest) for name, (version, digest) in tables.items()]
        paths = [_entry(name, version + ahead) for name, version, _ in named for ahead in (0, 1)]
        read = iter(self._store.read_files(paths))
        for name, version, digest in named:
            entry, following = next(read), next(read)
            if entry is None or hashlib.sha256(entry).hexdigest() != digest:
                return False
            if not self._passes_by(account, name, version + 1, following):
                return False
        return True

    def _passes_by(self, account: str, name: str, version: int, entry: bytes | None) -> bool:
        """Say whether the entries from this one on, up to the newest, are about other accounts."""
        for following in range(version + 1, version + 1 + MAX_ENTRIES):
            if entry is None:
                return True
            if name == HOLDS or not _is_of_others(entry, account, name):
                return False
            (entry,) = self._store.read_files([_entry(name, following)])
        return False

    def _write(
        self,
        account: str,
        what: str,
        versions: Mapping[str, int],
        facts: Mapping[str, Any],
        now: datetime,
    ) -> None:
        try:
            entries = self._store.read_files([_entry(name, version) for name, version in versions.items()])
            tables = {
                name: (version, hashlib.sha256(entry).hexdigest())
                for (name, version), entry in zip(versions.items(), entries, strict=True)
                if entry is not None
            }
            if len(tables) < len(versions):
                return
            said = {
                "format": _FORMAT,
                "account": account,
                "at": now.astimezone(UTC).isoformat(),
                "tables": tables,
                **facts,
            }
            self._store.replace_file(_path(account, what), encoded(said))
        except ArchiveError:
            return  # the next run reads the tables, and says what is wrong with the store


def account_prefix(account: str) -> str:
    """Return how the paths of all files about an account begin."""
    return f"{FOLDER}/{hashlib.sha256(account.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _path(account: str, what: str) -> str:
    return f"{account_prefix(account)}.{what}.json"


def _entry(table: str, version: int) -> str:
    return f"tables/{table}/_delta_log/{version:020d}.json"


def encoded(said: Mapping[str, Any]) -> bytes:
    """Return a small file that says this, and by a digest that it is whole."""
    text = json.dumps(said, sort_keys=True).encode("ascii")
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"


def decoded(octets: bytes) -> dict[str, Any] | None:
    """Return what such a file says, or None where it is not whole.

    :raises ValueError: where it never was one.
    """
    digest, _, text = octets.partition(b"\n")
    if hashlib.sha256(text.removesuffix(b"\n")).hexdigest().encode() != digest:
        return None
    said: dict[str, Any] = json.loads(text)
    return said


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact.isoformat() if isinstance(fact, datetime) else fact for name, fact in facts.items()}


def _moment(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


def _held(said: Mapping[str, Any] | None) -> HeldOverview | None:
    if said is None:
        return None
    return HeldOverview(
        messages=said["messages"],
        newest=datetime.fromisoformat(said["newest"]),
        others=_moment(said["others"]),
        until=_moment(said["until"]),
    )


def _facts(row: FolderRow) -> dict[str, Any]:
    facts = dataclasses.asdict(row)
    del facts["account"]
    return {**facts, **{name: facts[name].isoformat() for name in _TIMES}}


def _folder_row(account: str, facts: Mapping[str, Any]) -> FolderRow:
    from mailroom.model import FolderRow

    times = {name: datetime.fromisoformat(facts[name]) for name in _TIMES}
    return FolderRow(account=account, **{**facts, **times})


def _is_of_others(entry: bytes, account: str, table: str) -> bool:
    """Say whether a log entry leaves alone what a table says of an account.

    Every commit of rows names whom it is about (``locations``: account and folder, ``folders``: account);
    joining files adds and removes without changing data. Anything else is not ours, and not trusted.
    """
    actions = [json.loads(line) for line in entry.splitlines() if line.strip()]
    named = [action["txn"]["appId"] for action in actions if "txn" in action]
    if any(name == account or (table == "locations" and name.startswith(f"{account}/")) for name in named):
        return False
    files = [action[kind] for action in actions for kind in ("add", "remove") if kind in action]
    is_known = all(action.keys() <= {"commitInfo", "txn", "add", "remove"} for action in actions)
    removes = any("remove" in action and action["remove"]["dataChange"] for action in actions)
    changes = any(file["dataChange"] for file in files)
    return bool(files) and is_known and not removes and (bool(named) or not changes)
