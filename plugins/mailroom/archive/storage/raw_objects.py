"""Raw objects in an object store.

Belongs here: puts and gets of whole messages. How many run at once is the caller's number
of threads. A put is atomic, so no temporary name is needed. Does not belong here: what counts as archived
(see ``raw``).
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from mailroom.archive.failures import translated
from mailroom.archive.storage.object_store import ObjectStore
from mailroom.archive.storage.raw import (
    MAPPED_OCTETS,
    StoredChecksum,
    StoredObject,
    is_digest,
    missing,
    object_path,
)
from mailroom.model import Body

__all__ = ["ObjectRawStore"]

MEDIA_TYPE = "message/rfc822"
"""What the store is told about an object."""

LISTINGS = 8
"""Shards that are listed side by side."""


FROZEN = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes of S3 whose objects cannot be read at once."""


class ObjectRawStore:
    """Raw objects under a prefix of a bucket.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._fs = store.fs
        self._requests = store.requests()
        self._lock = threading.Lock()
        self._folder: str | None = None

    def new_spool(self) -> str:
        """Return the path of a new file in a temporary folder of this machine."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="mailroom-")
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        os.close(descriptor)
        return name

    def write(self, digest: str, body: Body) -> None:
        """Put a message's bytes under their digest; a spooled file is uploaded in parts, then gone."""
        key = self._store.absolute(object_path(digest))
        with translated(self._store.url):
            if body.content is not None:
                self._requests.put(key, body.content, content_type=MEDIA_TYPE)
            elif body.path is not None:
                self._put_file(body.path, key)
                os.unlink(body.path)

    def _put_file(self, path: str, key: str) -> None:
        if os.path.getsize(path) > MAPPED_OCTETS:
            self._requests.put_file(path, key, content_type=MEDIA_TYPE)
            return
        with open(path, "rb") as file:
            self._requests.put(key, file.read(), content_type=MEDIA_TYPE)

    def local_path(self, digest: str) -> None:
        """Return None: the object is not on this machine."""
        return

    def reserve(self, digest: str) -> None:
        """Return None: a put is for those who hold the store's connections."""
        return

    def note_written(self, digests: Sequence[str]) -> None:
        """Do nothing: a put is durable when it is answered."""

    def stored_checksum(self, digest: str) -> StoredChecksum | None:
        """Return the checksum that S3 keeps of an object, or None where the object is not there.

        Other stores keep none that tells as much; of an object put in parts, S3 has only one over those.
        """
        if self._store.scheme != "s3":
            return None if self.size(digest) is None else StoredChecksum()
        bucket, _, key = self._store.absolute(object_path(digest)).partition("/")
        with translated(self._store.url):
            try:
                said = self._fs.call_s3("head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            except FileNotFoundError:
                return None
        return _checksum_of(said)

    def read(self, digest: str) -> bytes:
        """Return an object's bytes, unchecked.

        :raises IntegrityError: where the object is missing.
        """
        with self._fetched(digest) as (_, pieces):
            return b"".join(pieces)

    @contextmanager
    def mapped(self, digest: str) -> Iterator[bytes | mmap.mmap]:
        """Give an object's bytes for the length of a block; a large one through a temporary file.

        :raises IntegrityError: where the object is missing.
        """
        with self._fetched(digest) as (size, pieces):
            name = None if size <= MAPPED_OCTETS else self._spooled(pieces)
            content = b"".join(pieces) if name is None else b""
        if name is None:
            yield content
            return
        try:
            with open(name, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
                yield mapping
        finally:
            os.unlink(name)

    def _spooled(self, pieces: Iterator[bytes]) -> str:
        """Write an object to a file of this machine, and return its path."""
        name = self.new_spool()
        try:
            with open(name, "wb") as file:
                file.writelines(pieces)
        except BaseException:
            os.unlink(name)
            raise
        return name

    def hash(self, digest: str) -> str:
        """Read an object in chunks and return the SHA-256 of what is there.

        :raises IntegrityError: where the object is missing.
        """
        found = hashlib.sha256()
        with self._fetched(digest) as (_, pieces):
            for piece in pieces:
                found.update(piece)
        return found.hexdigest()

    @contextmanager
    def _fetched(self, digest: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Give an object's size and pieces, to be read inside the block."""
        with translated(self._store.url):
            try:
                yield self._requests.fetch(self._store.absolute(object_path(digest)))
            except FileNotFoundError as error:
                raise missing(digest) from error

    def size(self, digest: str) -> int | None:
        """Return an object's size in octets, or None where it is not there."""
        with translated(self._store.url):
            try:
                return int(self._fs.info(self._store.absolute(object_path(digest)), refresh=True)["size"])
            except FileNotFoundError:
                return None

    def objects(self) -> Iterator[StoredObject]:
        """Yield every object that is there; shards are listed some ahead, as a store answers slowly."""
        with translated(self._store.url):
            try:
                shards = self._fs.ls(self._store.absolute("raw"), detail=False, refresh=True)
            except FileNotFoundError:
                return
        ahead: deque[Future[list[StoredObject]]] = deque()
        with ThreadPoolExecutor(LISTINGS, thread_name_prefix="mailroom-list") as pool:
            for shard in shards:
                ahead.append(pool.submit(self._shard, shard))
                if len(ahead) > 2 * LISTINGS:
                    yield from ahead.popleft().result()
            for listing in ahead:
                yield from listing.result()

    def _shard(self, shard: str) -> list[StoredObject]:
        found = []
        with translated(self._store.url):
            self._fs.invalidate_cache(shard)
            listed = self._fs.find(shard, detail=True)
        for key, facts in listed.items():
            name = key.rpartition("/")[2].removesuffix(".eml")
            if key.endswith(".eml") and is_digest(name):
                found.append((name, int(facts["size"])))
        return found

    def remove(self, digest: str) -> None:
        """Delete an object; no error where it is gone."""
        with translated(self._store.url):
            self._store.remove(object_path(digest))

    def leftovers(self) -> list[str]:
        """Return nothing: an object is there whole or not at all."""
        return []

    def remove_stale(self) -> int:
        """Delete nothing, and return 0."""
        return 0

    def close(self) -> None:
        """Remove the temporary folder, if one was made."""
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder)


def _checksum_of(said: dict[str, Any]) -> StoredChecksum:  # Any: as botocore answers
    """Return what HEAD says of an object's content; a checksum over parts ends in their number."""
    encoded = said.get("ChecksumSHA256") or ""
    is_whole = encoded and "-" not in encoded and said.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    is_thawed = 'ongoing-request="false"' in (said.get("Restore") or "")
    return StoredChecksum(
        sha256=base64.b64decode(encoded).hex() if is_whole else None,
        is_frozen=said.get("StorageClass") in FROZEN and not is_thawed,
    )
