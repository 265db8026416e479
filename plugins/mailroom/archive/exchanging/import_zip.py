"""Mail in a zip file, within bounds: what is packed small may unpack to more than any disk holds.

Belongs here: reading entries, and refusing a file that is made to do harm. Does not belong here:
plain files (``import_source``). Entries never become files under their own names. A zip file
within a zip file is not opened.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from mailroom.archive.exchanging.import_source import MAPPED_OCTETS, NOTE_OCTETS, SourceFile, mapped_file
from mailroom.archive.failures import translated
from mailroom.exceptions import ConfigurationError, LimitExceeded, StoreUnavailable
from mailroom.message.octets import Buffer

__all__ = ["ZipFiles", "is_zip"]

MAX_ENTRIES = 2_000_000
"""Entries of a zip file; the list of them is held, at some 600 octets each."""

MAX_ENTRY_OCTETS = 256 * 1024**3
"""Octets of one entry, unpacked: larger than any mbox file people have."""

MAX_RATIO = 200
"""How many times larger the whole may be unpacked; mail shrinks to a half or a tenth."""

FREE_OCTETS = 64 * 1024**2
"""Below so many octets in all, unpacked, the ratio is not looked at."""

CHUNK_OCTETS = 1024 * 1024


def is_zip(head: bytes) -> bool:
    """Return whether a file that begins like this is a zip file."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class ZipFiles:
    """The entries of one zip file of this machine.

    :param is_own: whether the file is a temporary copy, to be deleted at the end.
    :raises ConfigurationError: where it is damaged or encrypted.
    :raises LimitExceeded: where it unpacks to more than mail does.
    """

    def __init__(self, path: str, url: str, *, is_own: bool = False) -> None:
        self.url = url
        self._path = path
        self._is_own = is_own
        with translated(url):
            try:
                self._zip = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, ValueError) as error:
                raise ConfigurationError(
                    f"{url} is no whole zip file; get a new copy of it and import that."
                ) from error
        self._entries = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        try:
            self._check(os.path.getsize(path))
        except (LimitExceeded, ConfigurationError):
            self.close()
            raise

    def files(self) -> Iterator[SourceFile]:
        """Yield entries in the order of their names."""
        for name in sorted(self._entries):
            yield self._file(self._entries[name])

    def note(self, path: str) -> bytes:
        """Return the beginning of a small entry."""
        info = self._entries.get(path)
        if info is None:
            return b""
        with self._opened(info) as entry:
            return entry.read(NOTE_OCTETS)

    def close(self) -> None:
        """Close the file; a temporary copy is deleted."""
        self._zip.close()
        if self._is_own and os.path.exists(self._path):
            os.unlink(self._path)

    def _check(self, packed: int) -> None:
        entries = self._entries.values()
        if len(self._zip.infolist()) > MAX_ENTRIES:
            raise _exceeded(self.url, "entries", MAX_ENTRIES, len(self._zip.infolist()))
        largest = max((info.file_size for info in entries), default=0)
        if largest > MAX_ENTRY_OCTETS:
            raise _exceeded(self.url, "octets in one entry", MAX_ENTRY_OCTETS, largest)
        total = sum(info.file_size for info in entries)
        if total > max(FREE_OCTETS, MAX_RATIO * packed):
            raise _exceeded(self.url, "octets unpacked", max(FREE_OCTETS, MAX_RATIO * packed), total)
        if any(info.flag_bits & 1 for info in entries):
            raise ConfigurationError(f"{self.url} is encrypted; unpack it, and import the folder.")

    def _file(self, info: zipfile.ZipInfo) -> SourceFile:
        path = "/".join(part for part in info.filename.replace("\\", "/").split("/") if part not in ("", "."))
        return SourceFile(
            path=path.encode("utf-8", "replace").decode(),
            size=info.file_size,
            modified=_modified(info),
            reading=lambda: self._reading(info),
        )

    @contextmanager
    def _reading(self, info: zipfile.ZipInfo) -> Iterator[Buffer]:
        with self._opened(info) as entry:
            if info.file_size <= MAPPED_OCTETS:
                with _told(self.url, info):
                    content = entry.read()
                yield content
                return
            with tempfile.NamedTemporaryFile(prefix="mailroom-") as file:
                with translated(self.url), _told(self.url, info):
                    while chunk := entry.read(CHUNK_OCTETS):
                        file.write(chunk)
                    file.flush()
                with mapped_file(file.name) as mapped:
                    yield mapped

    @contextmanager
    def _opened(self, info: zipfile.ZipInfo) -> Iterator[zipfile.ZipExtFile]:
        with _told(self.url, info):
            entry = self._zip.open(info)
        with entry:
            yield entry  # type: ignore[misc]  # typeshed calls it IO[bytes]


@contextmanager
def _told(url: str, info: zipfile.ZipInfo) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise StoreUnavailable(
            f"The entry {info.filename!r} of {url} is damaged; get a new copy of the file and import that."
        ) from error


def _modified(info: zipfile.ZipInfo) -> datetime | None:
    """Return an entry's time: in UTC as Info-ZIP's field says it, else as it stands, for want of a zone."""
    at, extra = 0, info.extra
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 0x5455 and size >= 5 and at + 9 <= len(extra) and extra[at + 4] & 1:
            return datetime.fromtimestamp(struct.unpack_from("<i", extra, at + 5)[0], UTC)
        at += 4 + size
    try:
        return datetime(*info.date_time, tzinfo=UTC)
    except ValueError:
        return None


def _exceeded(url: str, what: str, limit: int, found: int) -> LimitExceeded:
    return LimitExceeded(
        f"{url} has {found:,} {what}, more than the {limit:,} that mail can be expected to have; "
        "if it is what you think it is, unpack it and import the folder.",
        limit=limit,
        found=found,
    )
