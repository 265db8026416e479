"""An export in one zip file, written anew by each run.

Belongs here: entries with the times that unzip restores, and giving the file its name when it is
whole. Does not belong here: folders (``export_store``).
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Self

from mailroom.archive.exchanging.export_store import PART, ROOT_MODE, Delivered, Sink, inside
from mailroom.archive.failures import translated
from mailroom.exceptions import ConfigurationError

__all__ = ["ZipExport"]

ZIP_COMMENT = b"mailroom export"
"""Marks a zip file as one that an export may replace."""


class ZipExport:
    """One zip file, written anew by each run; its table of contents is held until it is whole.

    :raises ConfigurationError: on entering, where a file lies there that no export wrote.
    :raises StoreUnavailable: from every method, where the disk refuses.
    """

    def __init__(self, path: str) -> None:
        self.url = path
        self._notes: dict[str, bytes] = {}
        self._folders: set[str] = set()

    def __enter__(self) -> Self:
        """Begin a new file beside the one it will replace."""
        with translated(self.url):
            _check_replaceable(self.url)
            os.makedirs(os.path.dirname(self.url), mode=ROOT_MODE, exist_ok=True)
            self._file = open(f"{self.url}{PART}", "wb")  # closed on leaving
            self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._zip.comment = ZIP_COMMENT
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Complete the file and give it its name; drop it where the block was left by an error."""
        with translated(self.url):
            try:
                if kind is None:
                    for path, content in self._notes.items():
                        self._zip.writestr(_member(path, None), content)
                    self._zip.close()
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    os.rename(f"{self.url}{PART}", self.url)
            finally:
                with suppress(OSError, ValueError):
                    self._zip.close()
                self._file.close()
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.url}{PART}")

    def make_folder(self, path: str) -> None:
        """Add an entry for a folder."""
        if path and path not in self._folders:
            self._folders.add(path)
            with translated(self.url):
                self._zip.writestr(_member(f"{inside(path)}/", None), b"")

    def delivered(self, paths: Sequence[str], pattern: re.Pattern[str]) -> Delivered:
        """Return none: the file begins empty."""
        return Delivered((), pattern)

    def create(self, path: str, pieces: Iterable[bytes], when: datetime, part_folder: str) -> None:
        """Add a file, with its time in UTC as well as in the form that unzip restores."""
        with translated(self.url), self._zip.open(_member(path, when), "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)

    @contextmanager
    def replacing(self, path: str) -> Iterator[Sink]:
        """Add a file."""
        with translated(self.url), self._zip.open(_member(path, None), "w", force_zip64=True) as member:
            yield member

    def read_note(self, path: str) -> bytes:
        """Return a note of this run."""
        return self._notes.get(path, b"")

    def write_note(self, path: str, content: bytes) -> None:
        """Keep a note until the end: a zip file's entries cannot be replaced."""
        self._notes[path] = content


def _check_replaceable(path: str) -> None:
    if not os.path.lexists(path):
        return
    with suppress(zipfile.BadZipFile, IsADirectoryError), zipfile.ZipFile(path) as found:
        if found.comment == ZIP_COMMENT:
            return
    raise ConfigurationError(
        f"{path} is there already and no export wrote it; move it away, or choose another name."
    )


def _member(path: str, when: datetime | None) -> zipfile.ZipInfo:
    moment = (when or datetime.now(UTC)).astimezone(UTC)
    year = min(max(moment.year, 1980), 2107)
    info = zipfile.ZipInfo(path, (year, *moment.timetuple()[1:6]))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (0o40755 << 16 | 0x10) if path.endswith("/") else 0o100644 << 16
    seconds = int(moment.timestamp())
    if -(1 << 31) <= seconds < 1 << 31:
        info.extra = struct.pack("<HHBi", 0x5455, 5, 1, seconds)  # "UT", Info-ZIP's time of change
    return info
