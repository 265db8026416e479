"""Raw objects proved by the checksum that their store keeps, where reading them is slow or dear.

Here: asking the store, reading a sample all the same, and reading what it cannot vouch for. Not here: what
follows from it (``policy.deletion``).

The checksum is SHA-256 as S3 computes it of what it received, and keeps beside the object
(``ChecksumAlgorithm``); a frozen object answers for it without being thawed. The header of such a message is
not read, so the Message-ID that the archive's table has stands in for it.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from mailroom.archive import Archive
from mailroom.model import Fingerprint
from mailroom.policy.proof import ArchivedCopy
from mailroom.services.deleting.archived_copies import read_copies

__all__ = ["SAMPLE", "head_copies"]

ASKERS = 16
"""Requests at once; each is answered in tens of milliseconds and costs next to nothing."""

SAMPLE = 0.02
"""The share of vouched-for objects that is read all the same, at least one: a store may be wrong as well."""


def head_copies(archive: Archive, digests: Collection[str], *, with_headers: bool) -> dict[str, ArchivedCopy]:
    """Ask the store for the checksums of these raw objects, and read what it has none of.

    An object that is frozen, and for which there is no checksum or no Message-ID, is not intact: nothing
    proves it, and it cannot be read.

    :param with_headers: whether who each message is will be compared with the server.
    :raises StoreUnavailable: if the store cannot be asked.
    """
    wanted = sorted(set(digests))
    if not wanted or archive.is_local:
        return read_copies(archive, wanted, with_headers=with_headers)
    with ThreadPoolExecutor(min(ASKERS, len(wanted)), thread_name_prefix="head") as askers:
        stored = dict(zip(wanted, askers.map(archive.raw.stored_checksum, wanted), strict=True))
    described = archive.describe(wanted) if with_headers else {}
    found: dict[str, ArchivedCopy] = {}
    to_read: list[str] = []
    vouched: list[str] = []
    for digest, said in stored.items():
        message_id = described[digest].message_id if digest in described else None
        if said is None:
            found[digest] = ArchivedCopy(is_intact=False)
        elif said.sha256 is None or (with_headers and message_id is None):
            found[digest] = ArchivedCopy(is_intact=False)
            to_read += [] if said.is_frozen else [digest]
        else:
            found[digest] = ArchivedCopy(
                is_intact=said.sha256 == digest,
                has_header=not with_headers,
                octets=described[digest].size if digest in described else None,
                fingerprint=Fingerprint(message_id=message_id),
            )
            vouched += [] if said.is_frozen else [digest]
    to_read += random.sample(vouched, min(len(vouched), max(1, round(len(vouched) * SAMPLE))))
    return {**found, **read_copies(archive, to_read, with_headers=with_headers)}
