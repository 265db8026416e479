"""One archived message in a few words: who it is, and since when it is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Described"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One row of ``messages``, as far as plans need it.

    :param identity: hash over what survives a change of server.
    :param size: size of the exact bytes, in octets.
    """

    sha256: str
    identity: str
    message_id: str | None
    date: datetime | None
    archived_at: datetime
    size: int
