"""Raw objects copied from one archive to another, each compared with its name on the way.

Belongs here: one object at a time on several threads, in little memory. Does not belong here: which
objects (``replication``).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from mailroom.archive.archive import Archive
from mailroom.archive.failures import translated
from mailroom.archive.storage.raw import CHUNK_OCTETS, object_path
from mailroom.exceptions import IntegrityError
from mailroom.model import Body

__all__ = ["ObjectCopies"]

DISK_THREADS = 2
"""Threads that copy from disk to disk; more only fight for it."""

STORE_THREADS = 16
"""Threads that copy where one side is an object store, each holding at most a mebibyte."""


class ObjectCopies:
    """Copies raw objects; what is damaged or missing at the source is left out and named.

    :param resumes: whether a run before this one was cut off, so that objects may lie in the copy already.
    """

    def __init__(self, source: Archive, copy: Archive, *, resumes: bool) -> None:
        self._source = source.raw
        self._copy = copy.raw
        self._where = copy.url
        self._resumes = resumes
        self._is_local = copy.is_local
        self._threads = DISK_THREADS if source.is_local and copy.is_local else STORE_THREADS

    def copy(
        self, digests: Iterable[str], stop: threading.Event
    ) -> Iterator[tuple[str, int | None, str | None]]:
        """Yield each digest when its object is in the copy: how many octets were written, or what is wrong.

        :param stop: when set, those under way are finished, and no more are begun.
        :raises StoreUnavailable: where a store refuses.
        """
        waiting: deque[tuple[str, Future[tuple[int | None, str | None]]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="mailroom-replicate") as pool:
            try:
                for digest in digests:
                    if stop.is_set():
                        break
                    waiting.append((digest, pool.submit(self.copy_one, digest)))
                    if len(waiting) > 4 * self._threads:
                        first, future = waiting.popleft()
                        yield first, *future.result()
                while waiting:
                    first, future = waiting.popleft()
                    yield first, *future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

    def copy_one(self, digest: str) -> tuple[int | None, str | None]:
        """Copy one object; return how many octets were written, or what is wrong with it."""
        if self._resumes and self._is_there(digest):
            return 0, None
        try:
            with self._source.mapped(digest) as content:
                body = self._checked(digest, content)
                if body is None:
                    return None, (
                        f"{object_path(digest)} is damaged, so it was not copied; restore it from a backup."
                    )
                octets = body.octets
                self._copy.write(digest, body)
        except IntegrityError:
            return None, f"{object_path(digest)} is missing, so it was not copied; restore it from a backup."
        return octets, None

    def _is_there(self, digest: str) -> bool:
        """Say whether an object was copied whole; a put to an object store is whole or not there."""
        size = self._copy.size(digest)
        if size is None or size != self._source.size(digest):
            return False
        return not self._is_local or self._copy.hash(digest) == digest

    def _checked(self, digest: str, content: bytes | mmap.mmap) -> Body | None:
        """Return an object's bytes to be written, or None where they are not what the name says."""
        if isinstance(content, bytes):
            if hashlib.sha256(content).hexdigest() != digest:
                return None
            return Body(octets=len(content), content=content, sha256=digest)
        path = self._copy.new_spool()
        try:
            with translated(self._where):
                found = _copied_to(path, content)
            if found == digest:
                return Body(octets=len(content), path=path, sha256=digest)
        except BaseException:
            os.unlink(path)
            raise
        os.unlink(path)
        return None


def _copied_to(path: str, content: mmap.mmap) -> str:
    """Write a mapped object to a file, letting go of its pages on the way; return its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(content), CHUNK_OCTETS):
            piece = content[start : start + CHUNK_OCTETS]
            digest.update(piece)
            file.write(piece)
            if hasattr(mmap, "MADV_DONTNEED"):
                content.madvise(mmap.MADV_DONTNEED, start, len(piece))
    return digest.hexdigest()
