"""Raw objects read back before anything is deleted on a server.

Here: reading each object whole, comparing its SHA-256 with its name, and taking the
header fields of what was read. Not here: what follows from it (``policy.deletion``).
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from mailroom.archive import Archive
from mailroom.exceptions import IntegrityError
from mailroom.message import fingerprint_of_header
from mailroom.policy.proof import ArchivedCopy

__all__ = ["MAX_HEADER_OCTETS", "READERS", "read_copies"]

READERS = 8
"""Threads that read back; object stores answer slowly, and hashing leaves the interpreter's lock."""

MAX_HEADER_OCTETS = 4 * 1024 * 1024
"""How much of an object is looked through for its header; as much as TOP may answer."""

HEADER_END = b"\r\n\r\n"

CHUNK_OCTETS = 1024 * 1024
"""How much is hashed at a time; a multiple of every page size."""


def read_copies(
    archive: Archive, digests: Collection[str], *, with_headers: bool = True
) -> dict[str, ArchivedCopy]:
    """Read the raw objects of these SHA-256 digests back and say whether they are whole.

    One that is missing or is not what its name says is not intact; nothing is raised for it.

    :param with_headers: whether to take the header fields too, for a comparison with the server.

    :raises StoreUnavailable: if the store cannot be read.
    """
    wanted = sorted(set(digests))
    if not wanted:
        return {}
    with ThreadPoolExecutor(min(READERS, len(wanted)), thread_name_prefix="read-back") as readers:
        copies = readers.map(lambda digest: _read_copy(archive, digest, with_headers), wanted)
        return dict(zip(wanted, copies, strict=True))


def _read_copy(archive: Archive, digest: str, with_header: bool) -> ArchivedCopy:
    try:
        with archive.raw.mapped(digest) as content:
            if _digest_of(content) != digest:
                return ArchivedCopy(is_intact=False)
            octets = len(content)
            if not with_header:
                return ArchivedCopy(is_intact=True, octets=octets)
            end = content.find(HEADER_END, 0, MAX_HEADER_OCTETS)
            header = bytes(content[: end + len(HEADER_END) if end >= 0 else MAX_HEADER_OCTETS])
    except IntegrityError:
        return ArchivedCopy(is_intact=False)
    return ArchivedCopy(is_intact=True, octets=octets, fingerprint=fingerprint_of_header(header))


def _digest_of(content: bytes | mmap.mmap) -> str:
    """Return the SHA-256, letting go of mapped pages on the way: several large objects are read at once."""
    digest = hashlib.sha256()
    for start in range(0, len(content), CHUNK_OCTETS):
        piece = content[start : start + CHUNK_OCTETS]
        digest.update(piece)
        if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            content.madvise(mmap.MADV_DONTNEED, start, len(piece))
    return digest.hexdigest()
