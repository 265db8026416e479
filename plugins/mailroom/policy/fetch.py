"""POP3 fetch: what to retrieve, what may go, what the archive has to learn.

Here: the plan for a listing. Not here: the three modes (``fetch_mode``), the conversation
(``services``), the proof before a deletion (``deletion``). RFC 1939.

What is trusted how far. A UIDL that the archive knows as being on the server, stated
with the size it had then, is taken for the same message and not retrieved again; before a
deletion it is asked who it is. Everything that does not fit (another size, two messages
under one UIDL, a UIDL that was deleted once) is retrieved again, because bytes are the
only thing that can be told apart for certain; the archive stores equal bytes once.

What absence means. A POP3 server may show a window (the newest 250, the last 30 days)
without saying so, and a window cannot be told from a whole maildrop. So a UIDL that is
no longer listed is recorded as `Change.NOT_LISTED`, never as expunged.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailroom.model import Change, LocationRow
from mailroom.policy.deletion import Candidate
from mailroom.policy.fetch_mode import FetchMode

__all__ = [
    "CONTENT_PREFIX",
    "HEADER_PREFIX",
    "FetchPlan",
    "Listed",
    "Retrieval",
    "Why",
    "may_be_there",
    "plan_fetch",
    "shared_uidls",
    "uidl_of_content",
    "uidl_of_header",
]

HEADER_PREFIX = "header:"
"""Begins the stand-in for a UIDL that is a digest of the header, on servers without UIDL."""

CONTENT_PREFIX = "sha256:"
"""Begins the stand-in for a UIDL that is the digest of the message, on servers without UIDL and TOP."""

CHANGING_FIELDS = (b"status:", b"x-status:", b"x-keywords:", b"x-uid:", b"x-mozilla-", b"content-length:")
"""Header fields that old servers rewrite as a message is read; no part of who it is."""


class Listed(Protocol):
    """One message of a POP3 listing: its number in this session, its size, its UIDL."""

    @property
    def number(self) -> int:
        """Return the message number; valid in this session only."""

    @property
    def octets(self) -> int:
        """Return the size as the server states it."""

    @property
    def uidl(self) -> str | None:
        """Return the unique id, or None where the server offers none."""


class Why(enum.Enum):
    """Why a message is retrieved; a closed list."""

    NEW = "new"
    SHARED_UIDL = "shares its UIDL with another"
    SIZE_CHANGED = "known UIDL, another size"
    CAME_BACK = "was deleted once and is listed again"
    SEVERAL_ROWS = "UIDL stands for several archived messages"
    DIFFERS = "answered differently when asked who it is"
    RE_ENCODED = "archived with other bytes"
    NO_UIDL = "the server states no identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """One message to retrieve.

    :param uidl: None where only the content can tell who it is.
    """

    number: int
    octets: int
    uidl: str | None
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What to do with a listing.

    :param retrieve: to be retrieved, in the order of the listing.
    :param due: archived in an earlier session and due to go, once they have proved who they are.
    :param listed_again: rows of messages that were missing from a listing and are back.
    :param left: how many known messages stay as they are.
    """

    retrieve: tuple[Retrieval, ...] = ()
    due: tuple[Candidate, ...] = ()
    listed_again: tuple[LocationRow, ...] = ()
    left: int = 0


def may_be_there(row: LocationRow) -> bool:
    """Return whether the message of a row may be on the server, listed or hidden by a window."""
    return row.sha256 is not None and (row.change.is_live or row.change is Change.NOT_LISTED)


def shared_uidls(messages: Iterable[Listed]) -> frozenset[str]:
    """Return the UIDLs that stand for more than one message of a listing."""
    counts = Counter(message.uidl for message in messages if message.uidl is not None)
    return frozenset(uidl for uidl, count in counts.items() if count > 1)


def plan_fetch(
    messages: Iterable[Listed],
    rows: Mapping[str, Sequence[LocationRow]],
    mode: FetchMode,
    now: datetime,
    *,
    shared: frozenset[str] = frozenset(),
) -> FetchPlan:
    """Plan for a listing, or for a part of one.

    :param rows: the newest row of each (UIDL, SHA-256) that the archive knows, by UIDL.
    :param shared: what `shared_uidls` says of the whole listing.
    """
    retrieve: list[Retrieval] = []
    due: list[Candidate] = []
    listed_again: list[LocationRow] = []
    left = 0
    for message in messages:
        known = rows.get(message.uidl, ()) if message.uidl is not None else ()
        why, row = _recognise(message, known, shared)
        if why is not None:
            retrieve.append(
                Retrieval(number=message.number, octets=message.octets, uidl=message.uidl, why=why)
            )
        elif row is not None:
            if row.change is Change.NOT_LISTED:
                row = row._replace(change=Change.ADDED)
                listed_again.append(row)
            if mode.is_due(row.archived_at, now):
                due.append(Candidate(key=message.number, row=row, since=row.archived_at))
            else:
                left += 1
    return FetchPlan(retrieve=tuple(retrieve), due=tuple(due), listed_again=tuple(listed_again), left=left)


def _recognise(
    message: Listed, known: Sequence[LocationRow], shared: frozenset[str]
) -> tuple[Why | None, LocationRow | None]:
    """Return why to retrieve a message, or else the row it is known by."""
    if message.uidl is None:
        return Why.NO_UIDL, None
    if message.uidl in shared:
        return Why.SHARED_UIDL, None
    archived = [row for row in known if row.sha256 is not None]
    if not archived:
        return Why.NEW, None
    present = [row for row in archived if row.change.is_live]
    present = present or [row for row in archived if row.change is Change.NOT_LISTED]
    if not present:
        return Why.CAME_BACK, None
    if len(present) > 1:
        return Why.SEVERAL_ROWS, None
    if present[0].size is not None and present[0].size != message.octets:
        return Why.SIZE_CHANGED, None
    return None, present[0]


def uidl_of_header(header: bytes) -> str:
    """Return the stand-in for a UIDL on a server that has TOP but not UIDL.

    Fields that servers rewrite as mail is read do not count, nor do line ends.
    """
    digest = hashlib.sha256()
    skipping = False
    for line in header.splitlines():
        if not line:
            break
        if line[:1] not in b" \t":
            skipping = line.lower().startswith(CHANGING_FIELDS)
        if not skipping:
            digest.update(line + b"\r\n")
    return HEADER_PREFIX + digest.hexdigest()


def uidl_of_content(sha256: str) -> str:
    """Return the stand-in for a UIDL on a server that has neither UIDL nor TOP."""
    return CONTENT_PREFIX + sha256
