"""Where mail is imported from: files of this machine, or objects of a bucket.

Belongs here: listing what there is, in one order, and giving the octets of one file after the
other without holding a large one. Does not belong here: what is in them (``services.import_mail``),
zip files (``import_zip``). Nothing is ever changed at a source. Links are not followed, so that
what somebody else packed cannot point at files of this machine.
"""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from mailroom.archive.failures import translated
from mailroom.archive.storage.store import LocalStore, Root, open_file_system
from mailroom.exceptions import ConfigurationError
from mailroom.message.octets import Buffer

__all__ = ["MAPPED_OCTETS", "ImportSource", "SourceFile", "mapped_file", "open_bucket_or_path"]

MAPPED_OCTETS = 1024 * 1024
"""Files above this size are mapped rather than read, so that none is held whole. Octets."""

IN_FLIGHT = 16
"""Objects of a bucket that are asked for at a time, each of at most ``MAPPED_OCTETS``."""

PAGE_KEYS = 1000
"""Objects of a bucket that are listed at a time; more than S3 allows are not given."""

NOTE_OCTETS = 64 * 1024
"""A file that mail programs keep beside mail is not larger. Octets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file that may hold mail.

    :param path: below the source, with ``/``; always text, whatever octets a disk had.
    :param modified: when it was last changed, or stored.
    :param reading: gives its octets for the length of a block.
    """

    path: str
    size: int
    modified: datetime | None
    reading: Callable[[], AbstractContextManager[Buffer]]


class ImportSource(Protocol):
    """A place with mail; a context manager."""

    @property
    def url(self) -> str:
        """The place for people, without credentials."""

    def files(self) -> Iterator[SourceFile]:
        """Yield every file."""

    def note(self, path: str) -> bytes:
        """Return the beginning of a small file, or nothing where it is not there."""

    def close(self) -> None:
        """Release what is held."""


def open_bucket_or_path(place: Root) -> LocalFiles | BucketFiles:
    """Return the source that a path or URL names.

    :raises ConfigurationError: where nothing is there.
    :raises StoreUnavailable: where the store refuses.
    """
    if isinstance(place, (str, os.PathLike)):
        text = os.fspath(place)
        scheme, separator, rest = text.partition("://")
        if not separator or scheme in ("file", "local"):
            return LocalFiles(os.path.abspath(os.path.expanduser(rest if separator else text)))
    found = open_file_system(place)
    if isinstance(found, LocalStore):
        return LocalFiles(found.root)
    filesystem, path, scheme = found
    return BucketFiles(filesystem, path.strip("/"), scheme)


class LocalFiles:
    """A folder of this machine with all below it, or one file.

    :raises ConfigurationError: where nothing is there.
    """

    def __init__(self, root: str) -> None:
        self.url = root
        if not os.path.exists(root):
            raise ConfigurationError(f"There is nothing at {root}; check the path.")
        self.is_file = os.path.isfile(root)

    def files(self) -> Iterator[SourceFile]:
        """Yield files folder by folder, each folder's by name."""
        with translated(self.url):
            if self.is_file:
                yield self._file(self.url, os.path.basename(self.url), os.stat(self.url))
                return
            for folder, folders, names in os.walk(self.url, onerror=_refuse):
                folders.sort()
                for name in sorted(names):
                    found = os.path.join(folder, name)
                    try:
                        facts = os.lstat(found)
                    except FileNotFoundError:
                        continue  # a mail program at work has moved it
                    if stat.S_ISREG(facts.st_mode):
                        yield self._file(found, os.path.relpath(found, self.url), facts)

    def note(self, path: str) -> bytes:
        """Return the beginning of a small file beside the mail."""
        try:
            with open(os.path.join(self.url, path), "rb") as file:
                return file.read(NOTE_OCTETS)
        except OSError:
            return b""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _file(self, found: str, path: str, facts: os.stat_result) -> SourceFile:
        return SourceFile(
            path=os.fsencode(path).decode("utf-8", "replace"),
            size=facts.st_size,
            modified=datetime.fromtimestamp(facts.st_mtime, UTC),
            reading=lambda: mapped_file(found),
        )


class BucketFiles:
    """The objects below a prefix of a bucket, or one object."""

    def __init__(self, filesystem: Any, path: str, scheme: str) -> None:
        self._fs = filesystem
        self._path = path
        self._scheme = scheme
        self.url = f"{scheme}://{path}"
        with translated(self.url):
            try:
                facts = filesystem.info(path)
            except FileNotFoundError as error:
                raise ConfigurationError(f"There is nothing at {self.url}; check the URL.") from error
        self.is_file = facts["type"] == "file" and "/" in path

    def files(self) -> Iterator[SourceFile]:
        """Yield objects by key; the next few small ones are on their way, as a store answers slowly."""
        waiting: deque[tuple[dict[str, Any], Future[bytes | None]]] = deque()
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="mailroom-import") as threads:
            try:
                for facts in self._objects():
                    waiting.append((facts, threads.submit(self._fetched, facts)))
                    if len(waiting) >= IN_FLIGHT:
                        yield self._file(*waiting.popleft())
                while waiting:
                    yield self._file(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()

    def note(self, path: str) -> bytes:
        """Return the beginning of a small object."""
        with translated(self.url):
            try:
                return bytes(self._fs.cat_file(f"{self._path}/{path}", 0, NOTE_OCTETS))
            except (FileNotFoundError, ValueError):
                return b""

    def download(self) -> str:
        """Copy the one object that this is to a new file of this machine, and return its path."""
        descriptor, name = tempfile.mkstemp(prefix="mailroom-")
        os.close(descriptor)
        with translated(self.url):
            self._fs.get_file(self._path, name)
        return name

    def close(self) -> None:
        """Do nothing: no object stays open."""

    def _objects(self) -> Iterator[dict[str, Any]]:
        with translated(self.url):
            if self.is_file:
                yield self._fs.info(self._path)
            elif self._scheme.startswith("s3"):
                yield from self._pages_of_s3()
            else:
                for _, _, found in self._fs.walk(self._path, detail=True):
                    yield from sorted(found.values(), key=lambda facts: str(facts["name"]))

    def _pages_of_s3(self) -> Iterator[dict[str, Any]]:
        """List page by page: a bucket that receives mail may hold millions of objects."""
        bucket, _, prefix = self._path.partition("/")
        token: dict[str, str] = {}
        while True:
            page = self._fs.call_s3(
                "list_objects_v2",
                Bucket=bucket,
                Prefix=f"{prefix}/" if prefix else "",
                MaxKeys=PAGE_KEYS,
                **token,
            )
            for one in page.get("Contents", ()):
                if not one["Key"].endswith("/"):
                    yield {
                        "name": f"{bucket}/{one['Key']}",
                        "size": one["Size"],
                        "LastModified": one["LastModified"],
                    }
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _fetched(self, facts: dict[str, Any]) -> bytes | None:
        if facts["size"] > MAPPED_OCTETS:
            return None
        with translated(self.url):
            return bytes(self._fs.cat_file(facts["name"]))

    def _file(self, facts: dict[str, Any], future: Future[bytes | None]) -> SourceFile:
        name = str(facts["name"]).strip("/")
        below = name.rpartition("/")[2] if self.is_file else name.removeprefix(self._path).strip("/")
        modified = facts.get("LastModified") or facts.get("mtime") or facts.get("updated")
        return SourceFile(
            path=below,
            size=int(facts["size"]),
            modified=modified.astimezone(UTC) if isinstance(modified, datetime) else None,
            reading=lambda: self._reading(name, future),
        )

    @contextmanager
    def _reading(self, name: str, future: Future[bytes | None]) -> Iterator[Buffer]:
        content = future.result()
        if content is not None:
            yield content
            return
        with tempfile.NamedTemporaryFile(prefix="mailroom-") as file:
            with translated(self.url):
                self._fs.get_file(name, file.name)
            with mapped_file(file.name) as mapped:
                yield mapped


@contextmanager
def mapped_file(path: str) -> Iterator[Buffer]:
    """Give a file's octets for the length of a block; those of a large one as a memory map.

    :raises OSError: where it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size <= MAPPED_OCTETS:
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def _refuse(error: OSError) -> None:
    raise error
