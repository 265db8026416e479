"""Messages on their way into the archive, and what is known of each by now.

Belongs here: the states of one message. Does not belong here: what moves it on (``intake``,
``committer``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mailroom.archive.reading.described import Described
from mailroom.archive.writing.columns import PackedColumns
from mailroom.model import Body

__all__ = ["Arrival", "Expected", "NewMessage"]

Expected = Mapping[str, Sequence[Described]]
"""Archived messages by identity, one of which an incoming message may turn out to be."""


class NewMessage:
    """A message that is not in the archive's tables yet; several arrivals may share it.

    :ivar load: what was found of it and of others that were parsed with it; ``number`` says which of them
        it is. Set when it is parsed.
    :ivar archived_at: set when its row is committed.
    :ivar is_: the archived message it turned out to be, under other bytes.
    :ivar keeps_bytes: whether its own bytes are stored all the same.
    """

    __slots__ = (
        "archived_at",
        "digest",
        "expected",
        "is_",
        "is_ready",
        "keeps_bytes",
        "load",
        "number",
        "octets",
        "staged",
    )

    def __init__(self, digest: str, octets: int, expected: Expected, *, keeps_bytes: bool = False) -> None:
        self.digest = digest
        self.octets = octets
        self.expected = expected
        self.keeps_bytes = keeps_bytes
        self.staged: str | None = None
        self.load: PackedColumns | None = None
        self.number = 0
        self.archived_at: datetime | None = None
        self.is_: Described | None = None
        self.is_ready = False

    @property
    def is_adopted(self) -> bool:
        """Whether it is but a place of an archived message, so that nothing of its own is stored."""
        return self.is_ is not None and not self.keeps_bytes


class Arrival:
    """One message handed in; resolved when it is known which message of the archive it is."""

    __slots__ = ("archived_at", "body", "digest", "expected", "keeps_bytes", "message")

    def __init__(self, body: Body, expected: Expected, *, keeps_bytes: bool = False) -> None:
        self.body: Body | None = body
        self.expected = expected
        self.keeps_bytes = keeps_bytes
        self.digest: str | None = None
        self.archived_at: datetime | None = None
        self.message: NewMessage | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the message is held, or its bytes are stored and parsed."""
        return self.archived_at is not None or (self.message is not None and self.message.is_ready)

    @property
    def held_as(self) -> tuple[str | None, datetime | None]:
        """Digest and time of archiving of the message it is; only once it is ready and committed."""
        if self.message is None:
            return self.digest, self.archived_at
        if self.message.is_ is not None:
            digest = self.digest if self.message.keeps_bytes else self.message.is_.sha256
            return digest, self.message.is_.archived_at
        return self.digest, self.message.archived_at
