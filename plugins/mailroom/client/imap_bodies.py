"""Messages with their bodies: a run of FETCH commands, and a half body finished in its turn.

Belongs here: cutting what is asked for into commands, in the order in which it is wanted. Does
not belong here: sending and reading (``imap_fetch``), and the rest of a body (``imap_ranges``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mailroom.client.half_bodies import HalfBodies, HalfBody
from mailroom.client.imap_fetch import stream_commands
from mailroom.client.imap_ranges import continue_body
from mailroom.client.imap_wire import ImapWire
from mailroom.model import FetchedMessage, SpoolFactory
from mailroom.protocol.sequence_set import Uids, sequence_sets

__all__ = ["MESSAGES_A_COMMAND", "MailboxHalves", "fetch_bodies"]

MESSAGES_A_COMMAND = 1000
"""How many bodies one FETCH asks for: a round trip for that many costs nothing, and a NO loses only them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxHalves:
    """The half bodies of the mailbox that is open."""

    halves: HalfBodies
    folder: str
    uid_validity: int

    def keep(self, half: HalfBody) -> None:
        """Keep a half body for the next session."""
        self.halves.keep((self.folder, self.uid_validity, half.message.uid), half)

    def take(self, uid: int) -> HalfBody | None:
        """Hand over the half body of a message, if there is one."""
        return self.halves.take((self.folder, self.uid_validity, uid))

    def among(self, uids: Uids) -> Iterator[int]:
        """Yield where in a list of UIDs there are some with half bodies."""
        begun = self.halves.uids(self.folder, self.uid_validity)
        return iter(np.flatnonzero(np.isin(uids, sorted(begun))).tolist() if begun else ())


def fetch_bodies(
    wire: ImapWire,
    uids: Iterable[int] | Uids,
    items: str,
    spool: SpoolFactory,
    halves: MailboxHalves | None = None,
) -> Iterator[FetchedMessage]:
    """Yield messages with their bodies, in the order in which they are asked for.

    :param items: what FETCH asks for, ``BODY.PEEK[]`` among it.
    :param halves: bodies of which the rest is to be had, and where those go that break now.
    :raises ConnectionLost: if the server goes away.
    """
    wanted = uids if isinstance(uids, np.ndarray) else np.fromiter(uids, dtype=np.int64)
    if halves is None:
        yield from stream_commands(wire, _commands(wanted, items), spool)
        return
    start = 0
    for place in halves.among(wanted):
        yield from stream_commands(wire, _commands(wanted[start:place], items), spool, halves.keep)
        half = halves.take(int(wanted[place]))
        message = None if half is None else continue_body(wire, half, items, spool, halves.keep)
        if message is not None:
            yield message
        # One that does not go on as it began is the first of the others.
        start = place if message is None else place + 1
    yield from stream_commands(wire, _commands(wanted[start:], items), spool, halves.keep)


def _commands(uids: Uids, items: str) -> Iterator[str]:
    for start in range(0, len(uids), MESSAGES_A_COMMAND):
        for text in sequence_sets(uids[start : start + MESSAGES_A_COMMAND]):
            yield f"UID FETCH {text} {items}"
