"""Where messages are on servers, and what became of them there."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import NamedTuple

from mailroom.model.accounts import MailProtocol

__all__ = ["Change", "LocationRow", "return_of"]


class Change(enum.Enum):
    """What a row of ``locations`` says happened to a message at its place; a closed list."""

    ADDED = "added"
    FLAGS = "flags"
    MOVED = "moved"
    EXPUNGED = "expunged"
    NOT_LISTED = "not_listed"
    UNFETCHABLE = "unfetchable"
    DELETED_BY_FETCH = "deleted_by_fetch"
    DELETED_BY_RETENTION = "deleted_by_retention"
    DELETED_BY_REQUEST = "deleted_by_request"

    @property
    def is_live(self) -> bool:
        """Whether a message whose newest row says this is on the server, its bytes in the archive."""
        return self in (Change.ADDED, Change.FLAGS, Change.MOVED)


class LocationRow(NamedTuple):
    """One row of the ``locations`` log: what happened to a message at one place.

    The key is (account, protocol, folder, uid_validity, uid) for IMAP and (account,
    protocol, folder, uidl, sha256) for POP3, where a server may give one UIDL twice. For an
    import it is (account, protocol, folder, sha256), and ``uidl`` says where it was read.
    ``sha256`` is None only for ``unfetchable``. ``archived_at`` is when this archive
    first stored the message, wherever it was then. ``seq`` is filled in by the archive:
    it grows with each commit of a folder, so the newest row of a key is the one with
    the highest ``seq``, whatever clocks did. ``moved_from`` is the folder that a ``moved``
    message was in before. ``labels`` are Gmail's.
    """

    account: str
    protocol: MailProtocol
    folder: str
    change: Change
    at: datetime
    run_id: str
    uid_validity: int | None = None
    uid: int | None = None
    uidl: str | None = None
    sha256: str | None = None
    size: int | None = None
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    modseq: int | None = None
    object_id: str | None = None
    archived_at: datetime | None = None
    moved_from: str | None = None
    labels: tuple[str, ...] = ()


def return_of(seen: datetime | None, taken: datetime | None) -> datetime | None:
    """Return when somebody brought a message back, from which its days count anew; None where nobody did.

    :param seen: when it was seen first at the place where it is now.
    :param taken: when it was last deleted elsewhere, or here under another number or UIDL.
    """
    return seen if seen is not None and taken is not None and seen > taken else None
