"""Large bodies whose transfer broke, kept for the next session of the same run.

Belongs here: what came of such a body, what the server had said of the message before, and
under which number it was. Does not belong here: getting the rest (``imap_ranges``). Files are
removed by :meth:`HalfBodies.close` at the latest; nothing outlives the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.client.spool import BodySink
    from mailroom.model import FetchedMessage

__all__ = ["WORTH_KEEPING_OCTETS", "HalfBodies", "HalfBody", "Place"]

WORTH_KEEPING_OCTETS = 4 * 1024 * 1024
"""Less than this comes again in a moment on any line; above it, what came is kept to go on from."""

Place = tuple[str, int, int]
"""Folder, UIDVALIDITY and UID of a message."""


@dataclass(slots=True, kw_only=True)
class HalfBody:
    """The beginning of one body.

    :param message: what the server said of the message before the body.
    :param announced: how many octets it said the body has.
    :param noted: how many octets had come when the last break was noted.
    """

    message: FetchedMessage
    announced: int
    sink: BodySink
    noted: int = 0


class HalfBodies:
    """The half bodies of one run, by place; sessions side by side may share it."""

    def __init__(self) -> None:
        self._halves: dict[Place, HalfBody] = {}

    def keep(self, place: Place, half: HalfBody) -> None:
        """Keep a half body, in place of an earlier one of the same message."""
        self.drop(place)
        self._halves[place] = half

    def take(self, place: Place) -> HalfBody | None:
        """Hand a half body over to whoever goes on with it, if there is one."""
        return self._halves.pop(place, None)

    def look_at(self, place: Place) -> HalfBody | None:
        """Return a half body that stays kept, if there is one."""
        return self._halves.get(place)

    def drop(self, place: Place) -> None:
        """Forget a half body and remove its file."""
        half = self.take(place)
        if half is not None:
            half.sink.discard()

    def uids(self, folder: str, uid_validity: int) -> set[int]:
        """Return the UIDs of the half bodies of one mailbox."""
        return {
            uid for name, validity, uid in list(self._halves) if (name, validity) == (folder, uid_validity)
        }

    def close(self) -> None:
        """Forget them all and remove their files."""
        for place in list(self._halves):
            self.drop(place)
