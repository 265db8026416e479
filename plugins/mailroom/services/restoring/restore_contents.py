"""Archived bytes on their way back to a server: checked, and read ahead where that takes time.

Here: an object is compared with its name before it is sent. Not here: what is sent and where.
"""

from __future__ import annotations

import hashlib
import mmap
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from mailroom.archive import Archive
from mailroom.client.imap_append import Outgoing
from mailroom.exceptions import IntegrityError

__all__ = ["ArchivedContents"]

READERS = 16
"""Objects read at a time from a store that answers one by one in tens of milliseconds."""

READ_AHEAD_OCTETS = 16 * 1024 * 1024
"""Octets that may wait to be sent; larger objects are not read ahead."""

MAX_AHEAD_OCTETS = 1024 * 1024

CHUNK_OCTETS = 1024 * 1024


class ArchivedContents:
    """The raw objects of an archive, as a context manager."""

    def __init__(self, archive: Archive) -> None:
        self._raw = archive.raw
        self._readers = None if archive.is_local else ThreadPoolExecutor(READERS, "restore-read")
        self._ahead: dict[str, Future[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._readers is not None:
            self._readers.shutdown(cancel_futures=True)

    def ahead(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages as they come, their objects being read meanwhile where the store is far."""
        if self._readers is None:
            yield from messages
            return
        waiting: deque[Outgoing] = deque()
        octets = 0
        for message in messages:
            if message.octets <= MAX_AHEAD_OCTETS and message.digest not in self._ahead:
                self._ahead[message.digest] = self._readers.submit(self._raw.read, message.digest)
            waiting.append(message)
            octets += min(message.octets, MAX_AHEAD_OCTETS)
            while len(waiting) > READERS or octets > READ_AHEAD_OCTETS:
                octets -= min(waiting[0].octets, MAX_AHEAD_OCTETS)
                yield waiting.popleft()
        yield from waiting

    @contextmanager
    def open(self, digest: str) -> Iterator[bytes | mmap.mmap]:
        """Give the octets of a message, which are those it is named by.

        :raises IntegrityError: where the object is missing or damaged.
        :raises StoreUnavailable: where the store cannot be read.
        """
        ahead = self._ahead.pop(digest, None)
        if ahead is not None:
            content = ahead.result()
            _check(digest, content)
            yield content
            return
        with self._raw.mapped(digest) as mapped:
            _check(digest, mapped)
            yield mapped


def _check(digest: str, content: bytes | mmap.mmap) -> None:
    found = hashlib.sha256()
    if isinstance(content, bytes):
        found.update(content)
    else:
        for start in range(0, len(content), CHUNK_OCTETS):
            piece = content[start : start + CHUNK_OCTETS]
            found.update(piece)
            if hasattr(mmap, "MADV_DONTNEED"):  # no message is held whole
                content.madvise(mmap.MADV_DONTNEED, start, len(piece))
    if found.hexdigest() != digest:
        raise IntegrityError(
            f"The archived message {digest} is damaged; run mailroom verify.",
            digest_expected=digest,
            digest_found=found.hexdigest(),
        )
