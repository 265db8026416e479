"""A full-text index beside the tables: words of subjects, people, texts and attachments' names.

Belongs here: where the index lies, and how it is brought up to date with the tables. Does not
belong here: what it holds (``search_rows``), and what is asked of it (``search_query``).

It is a SQLite database (FTS5), and a short cut like a bookmark: deleted, it is built anew from the
tables. In a local archive it lies in ``search/``; of an archive in a bucket, or one that may not be
written to, in the user's cache. One that is damaged, or made of other tables, is thrown away. It
is as private as the mail, so only its owner may read it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from mailroom.archive.archive import Archive
from mailroom.archive.failures import translated
from mailroom.archive.searching.search_rows import FORMAT, TAKERS, Advance, make_empty, transaction
from mailroom.archive.storage.store import LocalStore
from mailroom.exceptions import StoreUnavailable

if TYPE_CHECKING:
    from mailroom.archive.delta.data_files import DataFile
    from mailroom.archive.delta.tables import Table

__all__ = ["SearchIndex", "drop_index"]

log = logging.getLogger(__name__)

CACHE_KIB = 65_536
"""Memory of SQLite while it indexes. KiB."""

BUSY_SECONDS = 600.0
"""How long a search waits for another one that brings the index up to date. Seconds."""


class SearchIndex:
    """The index of one archive.

    :param announce: called with the number of texts to index, where there are any.
    :param advance: called with the number of texts that were indexed since; may raise to stop there.
    :ivar path: the database.
    """

    def __init__(
        self, archive: Archive, announce: Advance = lambda texts: None, advance: Advance = lambda texts: None
    ) -> None:
        self._archive = archive
        self._announce = announce
        self._advance = advance
        self.path = _path_for(archive)

    @contextmanager
    def up_to_date(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection to the index as of now.

        :raises StoreUnavailable: where the archive cannot be read or the index cannot be used.
        """
        try:
            with closing(self._opened()) as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(
                f"The search index {self.path} cannot be used: {error}. It may be deleted at any time."
            ) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._updated()
        except sqlite3.OperationalError:
            raise  # locked, full, not writable: no reason to throw it away
        except sqlite3.DatabaseError as error:
            log.warning("The search index is damaged (%s) and is built anew", error)
            for end in ("", "-journal"):
                with suppress(FileNotFoundError):
                    os.unlink(self.path + end)
            return self._updated()

    def _updated(self) -> sqlite3.Connection:
        connection = _connect(self.path)
        try:
            if not self._is_current(connection):
                self._update(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        """Say whether no table has a newer commit than the index knows; no table library is needed."""
        state = _state(connection)
        if state.get("format") != str(FORMAT) or state.get("is complete") != "True":
            return False
        versions = [int(state[f"version of {name}"]) for name in TAKERS]
        entries = [
            f"tables/{name}/_delta_log/{version + ahead:020d}.json"
            for name, version in zip(TAKERS, versions, strict=True)
            for ahead in (0, 1)
            if version + ahead >= 0
        ]
        there = dict(zip(entries, self._archive.store.read_files(entries), strict=True))
        for name, version in zip(TAKERS, versions, strict=True):
            newest, following = (f"tables/{name}/_delta_log/{v:020d}.json" for v in (version, version + 1))
            if there[following] is not None or (
                version >= 0 and _digest(there[newest]) != state[f"entry of {name}"]
            ):
                return False
        return True

    def _update(self, connection: sqlite3.Connection) -> None:
        """Take in the files that are new; another process may do the same meanwhile, or this one be killed.

        Each row is taken in once, whoever comes first, and what is taken in is noted afterwards.
        """
        tables = {name: self._archive.reader(name) for name in TAKERS}
        made_of = str(tables["messages"].delta.metadata().id) if tables["messages"].version >= 0 else ""
        with transaction(connection):  # whoever waited for it finds what the other has begun
            state = _state(connection)
            if state.get("format") != str(FORMAT) or state.get("made of") != made_of:
                make_empty(connection)
                begun = {"format": str(FORMAT), "made of": made_of, "is complete": "False"}
                connection.executemany("INSERT INTO state VALUES (?, ?)", begun.items())
        news = {name: _not_taken(connection, table.files()) for name, table in tables.items()}
        if news["texts"]:
            self._announce(sum(file.rows for file in news["texts"]))
        is_complete = True
        for name, take in TAKERS.items():
            for file in news[name]:
                if take(connection, tables[name], file, self._advance):
                    connection.execute("INSERT OR IGNORE INTO taken VALUES (?)", (file.path,))
                else:
                    is_complete = False
        self._note(connection, tables, {"made of": made_of, "is complete": str(is_complete)})

    def _note(
        self, connection: sqlite3.Connection, tables: Mapping[str, Table], facts: Mapping[str, str]
    ) -> None:
        """Note which versions of the tables are in the index, so that the next search need not open them."""
        said = {**facts, "format": str(FORMAT)}
        for name, table in tables.items():
            said[f"version of {name}"] = str(table.version)
            entry = f"tables/{name}/_delta_log/{max(table.version, 0):020d}.json"
            said[f"entry of {name}"] = _digest(self._archive.store.read_files([entry])[0])
        with transaction(connection):
            _forget(connection, {file.path for table in tables.values() for file in table.files()})
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", said.items())


def _connect(path: str) -> sqlite3.Connection:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def _state(connection: sqlite3.Connection) -> dict[str, str]:
    try:
        return dict(connection.execute("SELECT name, value FROM state").fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return {}
        raise


def _not_taken(connection: sqlite3.Connection, files: Sequence[DataFile]) -> list[DataFile]:
    taken = {path for (path,) in connection.execute("SELECT path FROM taken")}
    return [file for file in files if file.path not in taken]


def _forget(connection: sqlite3.Connection, there: Collection[str]) -> None:
    """Forget files that were joined to others since."""
    gone = [(path,) for (path,) in connection.execute("SELECT path FROM taken") if path not in there]
    connection.executemany("DELETE FROM taken WHERE path = ?", gone)


def drop_index(archive: Archive) -> None:
    """Delete the index of this machine, so that no word of a removed message is in it.

    :raises StoreUnavailable: where the disk refuses.
    """
    path = _path_for(archive)
    with translated(archive.url):
        for end in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(path + end)


def _digest(octets: bytes | None) -> str:
    return "" if octets is None else hashlib.sha256(octets).hexdigest()


def _path_for(archive: Archive) -> str:
    store = archive.store
    if isinstance(store, LocalStore):
        path = store.absolute("search")
        if os.access(path if os.path.isdir(path) else store.root, os.W_OK):
            return f"{path}/index.sqlite"
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(archive.url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return os.path.join(cache, "mailroom", f"search-{name}.sqlite")
