"""Whether a message on a server is provably the one that was archived.

Here: the comparison of what the archive holds with what the server answers when it is
asked again, in the session that deletes. Not here: asking (``services``, ``client``),
and what follows from the answer (``deletion``).

A number proves nothing: UIDs and UIDLs come back for other messages after a restore or
on a broken server (RFC 3501 section 2.3.1.1, RFC 1939 section 7). What a server states
about a message (size, internal date, object id) may be wrong, so it is only ever compared
with what the same server stated before; the header fields are compared with the archived
bytes themselves.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage, Fingerprint, LocationRow

__all__ = [
    "ArchivedCopy",
    "ProofMode",
    "ProofRule",
    "ServerAnswer",
    "find_difference",
    "is_re_encoded",
    "is_telling",
]


class ProofMode(enum.Enum):
    """How the archived bytes of a message are proved before it is deleted; a closed list."""

    READ = "read"
    """Each raw object is read back, and its SHA-256 compared."""

    HEAD = "head"
    """The store is asked for the SHA-256 that it keeps; a sample is read, and what it keeps none of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRule:
    """How much proof a deletion takes.

    :param refetch: whether each message is fetched from the server once more, whole, and compared.
    """

    mode: ProofMode = ProofMode.READ
    refetch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedCopy:
    """What reading a raw object back gave.

    :param is_intact: whether it was there and its octets have the SHA-256 it is named by.
    :param has_header: whether the fingerprint is that of the header; if not, only its Message-ID is known.
    :param is_copied: whether the same holds in every second archive that was asked for.
    :param octets: how many octets it has, where it was read or the archive's table says.
    :param fingerprint: the header fields of those octets.
    """

    is_intact: bool
    is_copied: bool = True
    has_header: bool = True
    octets: int | None = None
    fingerprint: Fingerprint = field(default_factory=Fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What the server says of a message in the session that may delete it.

    :param fingerprint: size, dates and header fields, as far as the protocol gives them.
    :param sha256: digest of the whole message, where it was retrieved in this very session; it
        settles the question alone.
    :param save_date: SAVEDATE (RFC 8514), where offered.
    :param labels: those of other folders that the message is in, on a server where it is one; else None.
    """

    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    sha256: str | None = None
    flags: tuple[str, ...] = ()
    save_date: datetime | None = None
    labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, message: FetchedMessage) -> Self:
        """Return what an IMAP server says of a message that it was asked for without its body."""
        stated = replace(
            fingerprint_of_header(message.header or b""),
            octets=message.octets,
            internal_date=message.internal_date,
            object_id=message.object_id,
        )
        return cls(
            fingerprint=stated,
            flags=message.flags or (),
            save_date=message.save_date,
            labels=message.labels,
        )


def find_difference(row: LocationRow, copy: ArchivedCopy, answer: ServerAnswer) -> str | None:
    """Return the name of the first thing in which the server's message is not the archived one, or None.

    The order is the order of certainty: whole octets, then what the server itself
    stated at the time of the fetch, then the header fields. Where the exact octets may not be
    archived, nothing but whole octets proves anything.
    """
    if answer.sha256 is not None:
        return None if answer.sha256 == row.sha256 else "octets"
    if is_re_encoded(row, copy):
        return "octets"
    asked, held = answer.fingerprint, copy.fingerprint
    stated = (
        ("size", row.size, asked.octets),
        ("internal date", row.internal_date, asked.internal_date),
        ("object id", row.object_id, asked.object_id),
    )
    for name, before, now in stated:
        if before is not None and now is not None and before != now:
            return name
    fields = (
        ("Message-ID", held.message_id, asked.message_id),
        ("Date", held.date, asked.date),
        ("From", held.sender, asked.sender),
        ("Subject", held.subject, asked.subject),
    )[: None if copy.has_header else 1]
    return next((name for name, before, now in fields if before != now), None)


def is_re_encoded(row: LocationRow, copy: ArchivedCopy) -> bool:
    """Return whether the archive may hold other bytes than the server: they are not of one size.

    Mail that a new host re-encodes is kept as a place of the archived message, with the size that the
    host states; or a server states sizes that are wrong. Only fetching the message whole can tell.
    """
    return row.size is not None and copy.octets is not None and row.size != copy.octets


def is_telling(fingerprint: Fingerprint) -> bool:
    """Return whether header fields alone tell this message from others.

    >>> is_telling(Fingerprint(message_id="<1@example.org>"))
    True
    >>> is_telling(Fingerprint(subject="Hello"))
    False
    """
    if fingerprint.message_id:
        return True
    return bool(fingerprint.date and (fingerprint.sender or fingerprint.subject))
