"""Reading many archived messages one after the other, from a store that answers slowly as from a disk.

Belongs here: how many objects are asked for at a time. Does not belong here: what is done with
them. A large message is never held: whoever gets none of its bytes here maps it (``RawStore.mapped``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from mailroom.archive.archive import Archive
from mailroom.archive.storage.raw import MAPPED_OCTETS
from mailroom.exceptions import IntegrityError
from mailroom.message.octets import Buffer

__all__ = ["Reading", "read_ahead"]

IN_FLIGHT = 16
"""Objects asked for at a time, each of at most a mebibyte."""

Item = TypeVar("Item")

Reading = Callable[[], AbstractContextManager[Buffer]]
"""Gives a message's bytes for the length of a block."""


def read_ahead(
    archive: Archive, items: Iterable[Item], digest_of: Callable[[Item], str]
) -> Iterator[tuple[Item, Reading]]:
    """Yield items in their order, each with a way to its message's bytes.

    On a disk nothing is read before it is asked for; from an object store the next few are on their way.

    :raises StoreUnavailable: from a reading, where the store refuses.
    """
    if archive.is_local:
        for item in items:
            yield item, _direct(archive, digest_of(item))
        return
    waiting: deque[tuple[Item, str, Future[bytes | None]]] = deque()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="mailroom-read") as threads:
        try:
            for item in items:
                digest = digest_of(item)
                waiting.append((item, digest, threads.submit(_fetched, archive, digest)))
                if len(waiting) >= IN_FLIGHT:
                    yield _handed(archive, *waiting.popleft())
            while waiting:
                yield _handed(archive, *waiting.popleft())
        finally:
            for _, _, future in waiting:
                future.cancel()


def _fetched(archive: Archive, digest: str) -> bytes | None:
    size = archive.raw.size(digest)
    return archive.raw.read(digest) if size is not None and size <= MAPPED_OCTETS else None


def _handed(archive: Archive, item: Item, digest: str, future: Future[bytes | None]) -> tuple[Item, Reading]:
    try:
        content = future.result()
    except IntegrityError:
        content = None  # it went in this moment; whoever reads it is told
    return item, _direct(archive, digest) if content is None else _held(content)


def _direct(archive: Archive, digest: str) -> Reading:
    return lambda: archive.raw.mapped(digest)


def _held(content: bytes) -> Reading:
    @contextmanager
    def reading() -> Iterator[Buffer]:
        yield content

    return reading
