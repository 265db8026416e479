"""Messages, or what is known of them, as servers send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

__all__ = ["Body", "FetchedMessage", "Fingerprint", "SpoolFactory"]


class Body(NamedTuple):
    """The exact octets of one message as the server sent them (CRLF, dot-unstuffed).

    Small ones are in memory; large ones were spooled to a file while they arrived, so
    that no message is held twice. Exactly one of ``content`` and ``path`` is set.

    :param sha256: hex digest, set where it was computed on the way (always when spooled).
    """

    octets: int
    content: bytes | None = None
    path: str | None = None
    sha256: str | None = None

    def __repr__(self) -> str:
        """Return all but the content: what mail says reaches no log."""
        return f"Body(octets={self.octets}, path={self.path!r}, sha256={self.sha256!r})"


SpoolFactory = Callable[[], str]
"""Returns the path of a new file to spool one large message to; the archive provides it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a server says cheaply of who a message is, to recognise it under another number.

    :param octets: size as the server states it (RFC822.SIZE or LIST), which may be wrong.
    :param message_id: the Message-ID header as it stands, unfolded and stripped, or None.
    :param object_id: EMAILID (RFC 8474) or X-GM-MSGID, where offered.
    """

    octets: int | None = None
    internal_date: datetime | None = None
    message_id: str | None = None
    object_id: str | None = None
    date: str | None = None
    sender: str | None = None
    subject: str | None = None


class FetchedMessage(NamedTuple):
    """One IMAP message (or part of what is known of it) from a FETCH response.

    ``body`` is None where it was not asked for or not delivered. A tuple, like its body and its
    row, because a million of them are made.

    :param labels: X-GM-LABELS, sorted, where offered; Gmail leaves out the label of the folder itself.
    :param origin: where in the message ``body`` begins, if it is a range of it; None if it is the whole.
    """

    uid: int
    flags: tuple[str, ...] | None = None
    internal_date: datetime | None = None
    octets: int | None = None
    modseq: int | None = None
    body: Body | None = None
    object_id: str | None = None
    save_date: datetime | None = None
    header: bytes | None = None
    origin: int | None = None
    labels: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Return all but the header: what mail says reaches no log."""
        told = (
            f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True) if name != "header"
        )
        return f"FetchedMessage({', '.join(told)})"
