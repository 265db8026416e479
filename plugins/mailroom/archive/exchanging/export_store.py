"""Places that mail is exported to, and the usual one: a folder of this machine.

Belongs here: creating files whole or not at all, and telling which messages lie there already.
Does not belong here: what a mail folder looks like (``services.export_formats``), zip files
(``export_zip``). A file is
written under another name and renamed, so a kill leaves no part of a message under a name that
counts; one run at a time writes to a folder. Paths are below the root, with ``/``.
"""

from __future__ import annotations

import fcntl
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol, Self

import numpy as np

from mailroom.archive.digests import DigestSet, halves_of
from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import DiskSync, Unsynced, find_syncfs
from mailroom.exceptions import ConfigurationError

__all__ = ["PART", "ROOT_MODE", "Delivered", "ExportStore", "FolderExport", "Sink", "inside"]

PART = ".mailroom-part"
"""The name of a file while it is written; a leftover of a kill is written over by the next run."""

LEDGER = ".mailroom-export"
"""Lists the files that exports wrote and may replace, one path a line."""

ROOT_MODE = 0o750
"""Permissions of a folder we create: mail is not for everyone on the machine."""

_TURN_FACTOR = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Delivered:
    """The messages that lie in a folder already, by digest and turn; 16 octets each."""

    def __init__(self, names: Iterable[str], pattern: re.Pattern[str]) -> None:
        first, second = array("Q"), array("Q")
        for name in names:
            found = pattern.match(name)
            if found is not None:
                one, other = _key(found[1], int(found[2] or 1))
                first.append(one)
                second.append(other)
        self._set = DigestSet(np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64))

    def holds(self, digest: str, turn: int) -> bool:
        """Say whether that message is there."""
        if not len(self._set):
            return False
        first, second = _key(digest, turn)
        return bool(self._set.find(np.array([first], np.uint64), np.array([second], np.uint64))[0] >= 0)


def _key(digest: str, turn: int) -> tuple[int, int]:
    first, second = halves_of(digest)
    return (first + (turn - 1) * _TURN_FACTOR) & _MASK, second


class Sink(Protocol):
    """A file that is being written."""

    def write(self, data: bytes, /) -> object:
        """Write at the end."""


class ExportStore(Protocol):
    """Where an export goes; a context manager, for one thread."""

    @property
    def url(self) -> str:
        """The place for people."""

    def make_folder(self, path: str) -> None:
        """Create a folder, unless it is there."""

    def delivered(self, paths: Sequence[str], pattern: re.Pattern[str]) -> Delivered:
        """Return which messages lie in these folders, by names that match a pattern."""

    def create(self, path: str, pieces: Iterable[bytes], when: datetime, part_folder: str) -> None:
        """Create a file whole; its time of change is ``when``."""

    def replacing(self, path: str) -> AbstractContextManager[Sink]:
        """Open a file that takes the place of what an earlier export wrote there, once it is whole."""

    def read_note(self, path: str) -> bytes:
        """Return a small file's content; nothing where it is not there."""

    def write_note(self, path: str, content: bytes) -> None:
        """Replace a small file."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End; what was written survives a power cut."""


class FolderExport:
    """A folder of this machine.

    :raises ConfigurationError: on entering, where another run writes to it.
    :raises StoreUnavailable: from every method, where the disk refuses.
    """

    def __init__(self, root: str) -> None:
        self.url = root
        self._lock: int | None = None
        self._syncfs = find_syncfs()
        self._unsynced = Unsynced()
        self._ours: set[str] = set()

    def __enter__(self) -> Self:
        """Create the folder, and hold it for this run alone."""
        with translated(self.url):
            os.makedirs(self.url, mode=ROOT_MODE, exist_ok=True)
            self._lock = os.open(self.url, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._lock)
                raise ConfigurationError(
                    f"Another export is writing to {self.url}; wait for it, or choose another folder."
                ) from error
        self._ours = set(self.read_note(LEDGER).decode("utf-8", "surrogateescape").splitlines())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Sync all that was written, and let others write."""
        try:
            with translated(self.url):
                sync = DiskSync(self.url, syncfs=self._syncfs, unsynced=self._unsynced)
                try:
                    sync.sync()
                finally:
                    sync.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def make_folder(self, path: str) -> None:
        """Create a folder and those above it."""
        with translated(self.url):
            os.makedirs(self._absolute(path), exist_ok=True)

    def delivered(self, paths: Sequence[str], pattern: re.Pattern[str]) -> Delivered:
        """Return which messages lie in these folders."""
        return Delivered(self._names(paths), pattern)

    def create(self, path: str, pieces: Iterable[bytes], when: datetime, part_folder: str) -> None:
        """Create a file whole: written in ``part_folder``, then moved."""
        final, part = self._absolute(path), self._absolute(f"{part_folder}/{PART}")
        with translated(self.url):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
            try:
                for piece in pieces:
                    _write(descriptor, piece)
                moment = _nanoseconds(when)
                os.utime(descriptor, ns=(moment, moment))
            except BaseException:
                os.unlink(part)
                raise
            finally:
                os.close(descriptor)
            os.rename(part, final)
        self._wrote(final)

    @contextmanager
    def replacing(self, path: str) -> Iterator[Sink]:
        """Open a file beside the one that it replaces when the block ends well.

        :raises ConfigurationError: where something lies there that no export wrote.
        """
        final = self._absolute(path)
        part = f"{os.path.dirname(final)}/{PART}"
        with translated(self.url):
            if os.path.lexists(final) and path not in self._ours:
                raise ConfigurationError(
                    f"{final} is there and no export wrote it; move it away, or choose another folder."
                )
            os.makedirs(os.path.dirname(final), exist_ok=True)
            try:
                with open(part, "wb", buffering=1024 * 1024) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(part)
                raise
            if path not in self._ours:  # before it is there, so that a kill leaves none that is not listed
                self._ours.add(path)
                listed = "".join(f"{one}\n" for one in sorted(self._ours))
                self.write_note(LEDGER, listed.encode("utf-8", "surrogateescape"))
            os.rename(part, final)
            self._wrote(final)

    def read_note(self, path: str) -> bytes:
        """Return a small file's content."""
        with translated(self.url):
            try:
                with open(self._absolute(path), "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return b""

    def write_note(self, path: str, content: bytes) -> None:
        """Replace a small file."""
        final = self._absolute(path)
        with translated(self.url):
            with open(f"{final}{PART}", "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(f"{final}{PART}", final)
        self._wrote(final)

    def _wrote(self, name: str) -> None:
        if self._syncfs is None:
            self._unsynced.add(name)

    def _names(self, paths: Sequence[str]) -> Iterator[str]:
        for path in paths:
            with translated(self.url):
                try:
                    entries = os.scandir(self._absolute(path))
                except FileNotFoundError:
                    continue
                with entries:
                    for entry in entries:
                        yield entry.name

    def _absolute(self, path: str) -> str:
        return f"{self.url}/{inside(path)}"


def inside(path: str) -> str:
    """Return a path that stays below the root.

    :raises ConfigurationError: where it would not; names from mail are made safe before this.
    """
    segments = path.split("/") if path else []
    if "\0" in path or any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"'{path}' is no path below a destination; please report this as a bug.")
    return path


def _write(descriptor: int, piece: bytes) -> None:
    written = os.write(descriptor, piece) if piece else 0
    while written < len(piece):
        written += os.write(descriptor, piece[written:])


def _nanoseconds(when: datetime) -> int:
    return int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000_000
