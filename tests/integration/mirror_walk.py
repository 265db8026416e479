"""Two people at one account: random operations by IMAP, and a look at the account that trusts nobody.

Here: what a walk of random operations does on the server, by two clients of different make, and the
comparison of server and archive, which uses neither our client nor our reader of tables.
"""

from __future__ import annotations

import hashlib
import imaplib
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import imapclient
from deltalake import DeltaTable
from imapclient import imap_utf7

from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

__all__ = ["Account", "Walk", "account_in_archive", "account_on_server", "difference"]

NAMES = (
    "Archive",
    "Sent",
    "Trash",
    "Büro",
    "Büro/Größe & Maß",
    "日本語/仕事",
    "a/b/c/d/e/f/g/h/i/j",
    "Work",
    "Work/Projects",
    "Work/Projects/2026",
    'with "quotes" and \\ and %',
    "😀 later",
)

FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "NonJunk", "urgent")

LONG = f"{'a line of a long letter ' * 3}\n" * 300
"""Makes a message one of those that a mirror looks for in the archive before it downloads them."""

MAX_LOST = 3
"""A walk whose sessions are lost more often shows nothing."""

REFUSALS = (imaplib.IMAP4.error, imapclient.exceptions.IMAPClientError)

_LIST = re.compile(rb'\((?P<attributes>[^)]*)\) (?:"(?P<delimiter>[^"]*)"|NIL) (?P<name>.*)', re.DOTALL)
_STATUS = re.compile(rb"UIDVALIDITY (\d+)")
_FETCH = re.compile(rb'UID (\d+) FLAGS \(([^)]*)\) INTERNALDATE "([^"]+)"')


@dataclass(frozen=True)
class Account:
    """All that a mirror promises to show: folders (numbering, whether subscribed) and messages."""

    folders: dict[str, tuple[int, bool]]
    messages: dict[tuple[str, int, int], tuple[str, tuple[str, ...], datetime]]


def _read_folder(
    client: imaplib.IMAP4, quoted: bytes
) -> Iterator[tuple[int, tuple[str, ...], datetime, str]]:
    client.select(quoted.decode("ascii"), readonly=True)
    _, answers = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
    for answer in answers:
        if not isinstance(answer, tuple):
            continue
        found = _FETCH.search(answer[0])
        assert found is not None, answer[0]
        flags = {flag.decode() for flag in found[2].split()} - {"\\Recent"}
        received = datetime.strptime(found[3].decode(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
        yield int(found[1]), tuple(sorted(flags)), received, hashlib.sha256(answer[1]).hexdigest()


def account_on_server(server: Dovecot, user: str) -> Account:
    """Read the account by ``imaplib`` alone."""
    folders: dict[str, tuple[int, bool]] = {}
    messages = {}
    client = imaplib.IMAP4(server.host, server.imap_port)
    client.login(user, "secret")
    subscribed = {name for name, _, _ in _listed(client.lsub()[1])}
    for name, quoted, attributes in _listed(client.list()[1]):
        if b"\\noselect" in attributes.lower():
            continue
        status = _STATUS.search(client.status(quoted.decode("ascii"), "(UIDVALIDITY)")[1][-1])
        assert status is not None
        folders[name] = (int(status[1]), name in subscribed)
        for uid, flags, received, digest in _read_folder(client, quoted):
            messages[name, int(status[1]), uid] = (digest, flags, received)
    client.logout()
    return Account(folders=folders, messages=messages)


def _listed(lines: list[Any]) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield name, name as commands take it, and attributes of each LIST or LSUB response."""
    for line in lines:
        octets = (
            b"".join((line[0].rpartition(b"{")[0], _quoted(line[1]))) if isinstance(line, tuple) else line
        )
        found = _LIST.fullmatch(octets) if isinstance(octets, bytes) else None
        if found is not None:
            quoted = found["name"] if found["name"].startswith(b'"') else _quoted(found["name"])
            name = imap_utf7.decode(re.sub(rb"\\(.)", rb"\1", quoted[1:-1]))
            yield name, quoted, found["attributes"]


def account_in_archive(root: Path, account: str, moment: datetime | None = None) -> Account:
    """Read the archive by DuckDB alone, and check that each live message's object is what its name says."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    until = moment or datetime(9999, 1, 1, tzinfo=UTC)
    for name in ("locations", "folders"):
        connection.register(f"{name}_rows", DeltaTable(str(root / "tables" / name)).to_pyarrow_table())
    folders = connection.execute(
        """SELECT folder, uidvalidity, subscribed FROM folders_rows WHERE account = ? AND "at" <= ?
        QUALIFY row_number() OVER (PARTITION BY folder ORDER BY seq DESC) = 1 AND NOT deleted""",
        [account, until],
    ).fetchall()
    messages = connection.execute(
        """SELECT folder, uidvalidity, uid, sha256, flags, internal_date, change FROM locations_rows
        WHERE account = ? AND "at" <= ?
        QUALIFY row_number() OVER (PARTITION BY folder, uidvalidity, uid ORDER BY seq DESC) = 1""",
        [account, until],
    ).fetchall()
    found = {}
    for folder, uid_validity, uid, digest, flags, received, change in messages:
        if change in ("added", "flags", "moved"):
            found[folder, uid_validity, uid] = (digest, tuple(flags), received.astimezone(UTC))
    for digest in {entry[0] for entry in found.values()}:
        octets = (root / "raw" / digest[:2] / f"{digest}.eml").read_bytes()
        assert hashlib.sha256(octets).hexdigest() == digest
    shown = {folder: (uid_validity, subscribed) for folder, uid_validity, subscribed in folders}
    return Account(folders=shown, messages=found)


@dataclass
class Walk:
    """Random operations on one account; the seed decides all of them.

    :ivar done: what was done, to be read where a comparison fails.
    """

    server: Dovecot
    user: str
    seed: int
    chance: random.Random = field(init=False)
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._turn = threading.Lock()
        self._lost = 0
        self._sign_in()
        self._operations: list[tuple[Callable[[], None], int]] = [
            (self._append, 8),
            (self._append_twice, 1),
            (self._change_flags, 6),
            (self._expunge, 4),
            (self._move, 4),
            (self._copy, 3),
            (self._create, 3),
            (self._rename, 3),
            (self._rename_inbox, 1),
            (self._swap, 1),
            (self._delete_folder, 2),
            (self._make_anew, 2),
            (self._renumber, 1),
            (self._subscribe, 2),
        ]

    def step(self) -> None:
        """Do one random thing, whichever thread asks; what the server refuses is nothing done."""
        with self._turn:
            operations, weights = zip(*self._operations, strict=True)
            operation = self.chance.choices(operations, weights)[0]
            try:
                operation()
            except (imaplib.IMAP4.abort, OSError) as loss:
                self._note(f"{operation.__name__} lost its session: {loss}")
                self._lost += 1
                assert self._lost <= MAX_LOST, self.done[-MAX_LOST:]
                self._sign_in()
            except REFUSALS as refusal:
                self._note(f"{operation.__name__} was refused: {refusal}")

    def _sign_in(self) -> None:
        self._library = self.server.mailbox(self.user)
        self._plain = imaplib.IMAP4(self.server.host, self.server.imap_port)
        self._plain.login(self.user, "secret")

    def close(self) -> None:
        """End both sessions."""
        with suppress(*REFUSALS, OSError):
            self._library.logout()
        with suppress(*REFUSALS, OSError):
            self._plain.logout()

    def _note(self, text: str) -> None:
        self.done.append(text)

    def _names(self) -> list[str]:
        listed = self._library.list_folders()
        return sorted(name for flags, _, name in listed if b"\\Noselect" not in flags)

    def _some_folder(self) -> str:
        return self.chance.choice(self._names())

    @contextmanager
    def _opened(self) -> Iterator[tuple[str, list[int]]]:
        """Open a folder with messages in the library's session; give some of its UIDs."""
        folders = self._names()
        self.chance.shuffle(folders)
        for folder in folders:
            self._library.select_folder(folder)
            uids = self._library.search()
            if uids:
                yield folder, sorted(self.chance.sample(uids, self.chance.randint(1, min(4, len(uids)))))
                break
        else:
            yield "INBOX", []
        self._library.unselect_folder()

    def _message(self) -> bytes:
        text = f"{self.chance.random()}\n"
        if self.chance.random() < 0.3:
            text += LONG
        return make_message(subject=f"walk {self.chance.random()}", text=text)

    def _append(self, *, copies: int = 1) -> None:
        folder = self._some_folder()
        flags = self.chance.sample(FLAGS, self.chance.randint(0, 3))
        received = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=self.chance.randint(0, 10**8))
        content = self._message()
        for _ in range(copies):
            if self.chance.random() < 0.5:
                self._library.append(folder, content, flags, received)
            else:
                date = imaplib.Time2Internaldate(received)
                self._plain.append(_wire_name(folder), f"({' '.join(flags)})", date, content)
        self._note(f"append {copies} to {folder}")

    def _append_twice(self) -> None:
        self._append(copies=2)

    def _change_flags(self) -> None:
        with self._opened() as (folder, uids):
            if not uids:
                return
            flags = self.chance.sample(FLAGS, self.chance.randint(1, 2))
            if self.chance.random() < 0.6:
                self._library.add_flags(uids, flags)
            elif self.chance.random() < 0.5:
                self._library.remove_flags(uids, flags)
            else:
                self._plain.select(_wire_name(folder))
                self._plain.uid("STORE", ",".join(map(str, uids)), "FLAGS", f"({' '.join(flags)})")
                self._plain.unselect()
            self._note(f"flags {flags} in {folder} {uids}")

    def _expunge(self) -> None:
        with self._opened() as (folder, uids):
            if uids:
                self._library.delete_messages(uids)
                if self.chance.random() < 0.8:
                    self._library.expunge(uids if self.chance.random() < 0.5 else None)
            self._note(f"expunge in {folder} {uids}")

    def _move(self) -> None:
        target = self._some_folder()
        with self._opened() as (folder, uids):
            if uids:
                self._library.move(uids, target)
            self._note(f"move {uids} from {folder} to {target}")

    def _copy(self) -> None:
        target = self._some_folder()
        with self._opened() as (folder, uids):
            if uids:
                self._library.copy(uids, target)
            self._note(f"copy {uids} from {folder} to {target}")

    def _create(self) -> None:
        name = self.chance.choice(NAMES)
        self._library.create_folder(name)
        self._note(f"create {name}")

    def _rename(self) -> None:
        old, new = self._some_folder(), self.chance.choice(NAMES)
        if old != "INBOX":
            self._plain.rename(_wire_name(old), _wire_name(new))
            self._note(f"rename {old} to {new}")

    def _rename_inbox(self) -> None:
        new = self.chance.choice(NAMES)
        self._library.rename_folder("INBOX", new)
        self._note(f"rename INBOX to {new}")

    def _swap(self) -> None:
        folders = [name for name in self._names() if name != "INBOX" and "/" not in name]
        if len(folders) > 1:
            one, other = self.chance.sample(folders, 2)
            for old, new in ((one, "swap"), (other, one), ("swap", other)):
                self._library.rename_folder(old, new)
            self._note(f"swap {one} and {other}")

    def _delete_folder(self) -> None:
        folder = self._some_folder()
        if folder != "INBOX":
            self._plain.delete(_wire_name(folder))
            self._note(f"delete {folder}")

    def _make_anew(self) -> None:
        """Delete a folder and make it again: another UIDVALIDITY, some of the old messages in it."""
        folder = self._some_folder()
        if folder == "INBOX":
            return
        self._library.select_folder(folder)
        kept = self._library.fetch(self._library.search(), ["BODY.PEEK[]", "INTERNALDATE", "FLAGS"])
        self._library.unselect_folder()
        self._library.delete_folder(folder)
        self._library.create_folder(folder)
        for data in kept.values():
            if self.chance.random() < 0.8:
                flags = [flag for flag in data[b"FLAGS"] if flag != b"\\Recent"]
                self._library.append(folder, data[b"BODY[]"], flags, data[b"INTERNALDATE"].astimezone(UTC))
        self._note(f"make {folder} anew")

    def _renumber(self) -> None:
        """Give a folder another UIDVALIDITY, all messages keeping their UIDs."""
        folder, number = self._some_folder(), self.chance.randint(1, 2**31)
        self.server.doveadm("mailbox", "update", "-u", self.user, "--uid-validity", str(number), folder)
        self._note(f"UIDVALIDITY of {folder} is {number}")

    def _subscribe(self) -> None:
        folder = self._some_folder()
        act = (
            self._library.subscribe_folder if self.chance.random() < 0.6 else self._library.unsubscribe_folder
        )
        act(folder)
        self._note(f"{act.__name__} {folder}")


def _wire_name(name: str) -> str:
    return _quoted(imap_utf7.encode(name)).decode("ascii")


def _quoted(octets: bytes) -> bytes:
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def difference(server: Account, archive: Account) -> dict[str, Any]:
    """Return what one shows and the other does not; empty where they are the same."""
    found = {}
    for name in ("folders", "messages"):
        theirs, ours = getattr(server, name), getattr(archive, name)
        wrong = {key: (theirs.get(key), ours.get(key)) for key in theirs.keys() | ours.keys()}
        wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
        if wrong:
            found[name] = wrong
    return found
