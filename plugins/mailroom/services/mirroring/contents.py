"""Archived messages by what they contain, to recognise them under another number.

Here: from rows of a place to the identities that the archive's writer is told to expect
there. Not here: recognising (``archive``). Servers re-encode, so an account that moved to
a new host gives other bytes for the same mail; it must not be archived as a second one.

A message without Message-ID is never expected under other bytes: what its identity covers may
be next to nothing (an alarm that says all in a header field of its own), and one that no parser
could read has no identity at all. Such mail is archived a second time rather than taken for another.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailroom.archive import Archive, Described
from mailroom.model import LocationRow

__all__ = ["identities_of"]


def identities_of(archive: Archive, rows: Iterable[LocationRow]) -> dict[str, list[Described]]:
    """Return the archived messages of these rows, by the identity of their contents.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    digests = {row.sha256 for row in rows if row.sha256 is not None}
    found: dict[str, list[Described]] = {}
    for described in archive.describe(digests).values() if digests else ():
        if described.identity and described.message_id:
            found.setdefault(described.identity, []).append(described)
    return found
