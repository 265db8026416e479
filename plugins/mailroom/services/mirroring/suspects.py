"""Messages at which connections broke in one run, and how much of them had come by then.

Belongs here: whether a break was a step forward or speaks against the message. Does not
belong here: what follows from it (``mailbox_download``), and the octets themselves
(``client.half_bodies``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mailroom.client.half_bodies import HalfBodies, Place

__all__ = ["STEP_OCTETS", "Suspects"]

STEP_OCTETS = 1024 * 1024
"""Growth of a half body from one break to the next that counts as a step forward."""


class Suspects(Counter[Place]):
    """How often each message was the next to come when a connection broke, and nothing of it had come."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = HalfBodies()
        """What had come of large ones."""

    def note(self, folder: str, uid_validity: int, waiting: Mapping[int, object]) -> bool:
        """Note that a connection broke; return whether more of a message had come than ever, even so.

        Otherwise the one that was next is suspected. If a half of it was kept, it is dropped:
        perhaps the server can send the message whole only.

        :param waiting: the UIDs that were asked for and did not come, first things first.
        """
        for uid in self.halves.uids(folder, uid_validity) & waiting.keys():
            place = (folder, uid_validity, uid)
            half = self.halves.look_at(place)
            if half is not None and half.sink.octets >= half.noted + STEP_OCTETS:
                half.noted = half.sink.octets
                self.pop(place, None)
                return True
        if waiting:
            place = (folder, uid_validity, next(iter(waiting)))
            self.halves.drop(place)
            self[place] += 1
        return False

    def aside(self) -> Suspects:
        """Return a copy for a connection whose breaks speak against no message; half bodies are shared."""
        found = Suspects()
        found.update(self)
        found.halves = self.halves
        return found

    def close(self) -> None:
        """Forget all half bodies, and remove their files."""
        self.halves.close()
