"""The raw objects: the exact bytes of each message, named by their SHA-256.

Belongs here: what a store of raw objects can do, and the one on a local disk. Does not
belong here: whether a message counts as archived; that is said by its row in
``messages`` alone, never by a file that is there, which may be the leftover of a kill.

An object is written under another name and moved to its own when it is whole, so a
reader never sees a part of one.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Protocol

from mailroom.archive.failures import translated
from mailroom.archive.storage.raw_file import write_file_whole
from mailroom.exceptions import IntegrityError
from mailroom.model import Body

__all__ = [
    "INCOMING",
    "LocalRawStore",
    "RawStore",
    "StoredChecksum",
    "StoredObject",
    "is_digest",
    "missing",
    "object_path",
]

INCOMING = "raw/.incoming"
"""Where files of messages lie while they arrive; whatever a kill leaves here is harmless."""

MAPPED_OCTETS = 1024 * 1024
"""Objects above this size are mapped rather than read, so that none is held whole. Octets."""

STALE_SECONDS = 24 * 3600
"""Age after which a file in ``INCOMING`` cannot belong to a living run. Seconds."""

CHUNK_OCTETS = 1024 * 1024
"""How much is read at a time to hash or copy. Octets."""

StoredObject = tuple[str, int]
"""Digest and size in octets of one object that is there."""


def object_path(digest: str) -> str:
    """Return the path of an object, relative to the archive's root."""
    return f"raw/{digest[:2]}/{digest}.eml"


def is_digest(name: str) -> bool:
    """Say whether a name is a hex SHA-256 as we write it."""
    return len(name) == 64 and not name.strip("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChecksum:
    """What a store says of an object without handing it out.

    :param sha256: hex SHA-256 of the whole object, as the store computed it; None where it has none.
    :param is_frozen: whether the object has to be thawed before it can be read.
    """

    sha256: str | None = None
    is_frozen: bool = False


class RawStore(Protocol):
    """What the archive needs of raw objects; all methods may be called from several threads."""

    def new_spool(self) -> str:
        """Return the path of a new local file for one large message."""

    def write(self, digest: str, body: Body) -> None:
        """Store a message's bytes under their digest; a spooled file is consumed."""

    def local_path(self, digest: str) -> str | None:
        """Return the object's path on this machine, or None where it is not on it."""

    def reserve(self, digest: str) -> tuple[str, str] | None:
        """Return where another process may write an object to, and what to rename it to, or None."""

    def note_written(self, digests: Sequence[str]) -> None:
        """Take note that another process has stored objects."""

    def stored_checksum(self, digest: str) -> StoredChecksum | None:
        """Return what the store says of an object's content, or None where the object is not there."""

    def read(self, digest: str) -> bytes:
        """Return an object's bytes."""

    def mapped(self, digest: str) -> AbstractContextManager[bytes | mmap.mmap]:
        """Give an object's bytes for the length of a block, without holding a large one in memory."""

    def hash(self, digest: str) -> str:
        """Read an object and return the SHA-256 of what is there."""

    def size(self, digest: str) -> int | None:
        """Return an object's size in octets, or None where it is not there."""

    def objects(self) -> Iterator[StoredObject]:
        """Yield every object that is there, in no order."""

    def remove(self, digest: str) -> None:
        """Delete an object; no error where it is gone."""

    def leftovers(self) -> list[str]:
        """Return the files that runs left behind when they were killed."""

    def remove_stale(self) -> int:
        """Delete leftovers too old to belong to a living run; return how many."""

    def close(self) -> None:
        """Release what is held; temporary files are removed."""


class LocalRawStore:
    """Raw objects in a local folder.

    :param root: the archive's root folder.
    :param wrote: told the path of every object that is written; None where nobody asks.
    :raises StoreUnavailable: from every method, where the disk refuses.
    """

    def __init__(self, root: str, wrote: Callable[[str], None] | None) -> None:
        self._root = root
        self._wrote = wrote
        self._incoming = f"{root}/{INCOMING}"
        self._names = itertools.count()
        self._prefix = uuid.uuid4().hex
        self._shards: set[str] = set()
        self._made: set[str] = set()

    def new_spool(self) -> str:
        """Return the path of a new file on the archive's own disk, so that storing it is a rename."""
        self._make(self._incoming)
        return f"{self._incoming}/{self._prefix}-{next(self._names)}"

    def write(self, digest: str, body: Body) -> None:
        """Store a message's bytes under their digest; a spooled file is renamed or copied, then gone."""
        incoming, final = self.reserve(digest)
        with translated(self._root):
            if body.content is not None:
                write_file_whole(body.content, incoming, final)
            elif body.path is not None:
                self._adopt(body.path, incoming, final)
        if self._wrote is not None:
            self._wrote(final)

    def reserve(self, digest: str) -> tuple[str, str]:
        """Return the name of a new file to write an object to, and the one to rename it to."""
        shard = digest[:2]
        if shard not in self._shards:
            self._make(f"{self._root}/raw/{shard}")
            self._make(self._incoming)
            self._shards.add(shard)
        name = f"{self._incoming}/{self._prefix}-{next(self._names)}"
        return name, f"{self._root}/raw/{shard}/{digest}.eml"

    def note_written(self, digests: Sequence[str]) -> None:
        """Take note that another process has stored objects."""
        if self._wrote is not None:
            for digest in digests:
                self._wrote(self.local_path(digest))

    def local_path(self, digest: str) -> str:
        """Return the object's path, whether or not it is there."""
        return f"{self._root}/{object_path(digest)}"

    def stored_checksum(self, digest: str) -> StoredChecksum | None:
        """Return that a disk keeps none, or None where the object is not there."""
        return None if self.size(digest) is None else StoredChecksum()

    def read(self, digest: str) -> bytes:
        """Return an object's bytes, unchecked.

        :raises IntegrityError: where the object is missing.
        """
        with self._open(digest) as file, translated(self._root):
            return file.read()

    @contextmanager
    def mapped(self, digest: str) -> Iterator[bytes | mmap.mmap]:
        """Give an object's bytes for the length of a block; large ones as a memory map.

        :raises IntegrityError: where the object is missing.
        """
        with self._open(digest) as file:
            with translated(self._root):
                small = os.fstat(file.fileno()).st_size <= MAPPED_OCTETS
                content = file.read() if small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield content
            finally:
                if isinstance(content, mmap.mmap):
                    content.close()

    def hash(self, digest: str) -> str:
        """Read an object in chunks and return the SHA-256 of what is there.

        :raises IntegrityError: where the object is missing.
        """
        found = hashlib.sha256()
        with self._open(digest) as file, translated(self._root):
            while chunk := file.read(CHUNK_OCTETS):
                found.update(chunk)
        return found.hexdigest()

    def size(self, digest: str) -> int | None:
        """Return an object's size in octets, or None where it is not there."""
        with translated(self._root):
            try:
                return os.stat(self.local_path(digest)).st_size
            except FileNotFoundError:
                return None

    def objects(self) -> Iterator[StoredObject]:
        """Yield every object that is there, one shard after the other."""
        with translated(self._root):
            for shard in _listing(f"{self._root}/raw"):
                if len(shard.name) != 2 or not shard.is_dir(follow_symlinks=False):
                    continue
                for entry in _listing(shard.path):
                    name = entry.name.removesuffix(".eml")
                    if is_digest(name) and name.startswith(shard.name) and entry.name.endswith(".eml"):
                        yield name, entry.stat().st_size

    def remove(self, digest: str) -> None:
        """Delete an object; no error where it is gone."""
        with translated(self._root), suppress(FileNotFoundError):
            os.unlink(self.local_path(digest))

    def leftovers(self) -> list[str]:
        """Return the names of files in ``INCOMING``; those of a living run are among them."""
        with translated(self._root):
            return [f"{INCOMING}/{entry.name}" for entry in _listing(self._incoming)]

    def remove_stale(self) -> int:
        """Delete files of ``INCOMING`` that are older than ``STALE_SECONDS``."""
        removed = 0
        with translated(self._root):
            for entry in _listing(self._incoming):
                with suppress(FileNotFoundError):  # a living run has stored it in this moment
                    if entry.stat().st_mtime < time.time() - STALE_SECONDS:
                        os.unlink(entry.path)
                        removed += 1
        return removed

    def close(self) -> None:
        """Do nothing: what is in ``INCOMING`` belongs to callers until it is stored."""

    def _adopt(self, path: str, incoming: str, final: str) -> None:
        if os.path.dirname(path) == self._incoming:
            os.rename(path, final)
            return
        try:
            shutil.copyfile(path, incoming)
            os.rename(incoming, final)
        except OSError:
            with suppress(OSError):
                os.unlink(incoming)
            raise
        os.unlink(path)

    def _open(self, digest: str) -> IO[bytes]:
        with translated(self._root):
            try:
                return open(self.local_path(digest), "rb", buffering=0)
            except FileNotFoundError as error:
                raise missing(digest) from error

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            with translated(self._root):
                os.makedirs(folder, exist_ok=True)
            self._made.add(folder)


def missing(digest: str) -> IntegrityError:
    """Return the error for an object that should be there and is not."""
    return IntegrityError(
        f"The archived message {digest} is missing from raw/{digest[:2]}: where its mail is still on the "
        "server, mailroom check --repair fetches it again; else restore the file from a backup.",
        digest_expected=digest,
        digest_found=None,
    )


def _listing(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
