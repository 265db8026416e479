"""The messages of one folder of another account, brought over without an archive in between.

Here: what the source says of them, and their octets on the way, a few megabytes at a time. Not here:
which of them the target holds (``live_presence``), what is done with them (``mailbox_restore``). Nothing
changes at the source: EXAMINE and BODY.PEEK only.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

import numpy as np

from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import Outgoing
from mailroom.client.imap_selected import SelectedFolder
from mailroom.in_step import FolderMark, InStep
from mailroom.model import Body, FetchedMessage
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.protocol.sequence_set import Uids, decode_sequence_set, encode_sequence_set, merged
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.live_presence import find_live_present
from mailroom.services.restoring.looks import Presence, Told
from mailroom.services.restoring.received import opened
from mailroom.services.restoring.restore_supply import EARLIEST, Unfit, Wanted

__all__ = ["LiveSupply"]

PIECE = 200
"""How many messages are asked of the source in one command."""

MAX_REST_OCTETS = 64 * 1024
"""How long a set of messages may be that is remembered; a longer one would cost more than it saves."""


@dataclass(slots=True, kw_only=True)
class LiveSupply:
    """One folder of the source; a context manager, for its octets on the way lie in a temporary folder.

    :param source: a session whose open folder is this one, and stays so.
    :param opened: the folder as it was opened.
    :param in_step: what it and its copy looked like when the copy last held all of it. While the same
        messages are there on both sides, only later ones are looked at, and those of the copy that were
        none of the folder's.
    """

    source: ImapClient
    opened: SelectedFolder
    in_step: InStep | None = None
    held: Told = field(default_factory=Told)
    flags: list[tuple[str, ...]] = field(default_factory=list)
    known: int = 0
    rest: str | None = None
    _bodies: dict[str, Body] = field(default_factory=dict)
    _uses: Counter[str] = field(default_factory=Counter)
    _place: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="mailroom-copy-")
    )
    _numbers: Iterator[int] = field(default_factory=count)

    def __enter__(self) -> Self:
        """Ask the source what it has.

        :raises ConnectionLost: if it goes away.
        """
        listed = self.source.search("ALL")
        before = None if self.in_step is None or self.in_step.rest is None else self.in_step.source
        if isinstance(before, FolderMark) and self._is_as_before(before, self.opened, listed):
            self.known = before.messages
            self._load(listed[listed >= before.uid_next])
        else:
            self.in_step = None
            self._load(listed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.cleanup()

    @property
    def note(self) -> str | None:
        """What is to be said of the folder: that the source shows fewer messages than it says it has."""
        if self._is_whole:
            return None
        shown = self.known + len(self.held)
        return f"the source says that it has {self.opened.exists:,} messages and shows {shown:,}"

    @property
    def _is_whole(self) -> bool:
        return self.known + len(self.held) >= self.opened.exists

    def mark(self) -> FolderMark | None:
        """Return the counts of the folder; None where it shows a part only, or the server does not tell."""
        return FolderMark.of(self.opened.counts) if self._is_whole else None

    def sizes(self) -> Iterator[int | None]:
        """Yield the size of each message as the source states it."""
        yield from self.held.octets

    def known_flags(self) -> Sequence[tuple[str, ...]]:
        """Return the flags of each message."""
        return self.flags

    def find_present(self, client: ImapClient) -> Presence:
        """Ask the open folder which of the messages it holds; nothing in it changes."""
        listed = client.search("ALL")
        if self.in_step is not None:
            before, opened = self.in_step.target, client.selected
            if opened is not None and self._is_as_before(before, opened, listed):
                strangers = decode_sequence_set(self.in_step.rest or "")
                listed = merged([strangers, listed[listed >= before.uid_next]])
            else:
                self._forget()
        presence = find_live_present(self.source, self.held, client, listed)
        rest = encode_sequence_set(np.setdiff1d(listed, presence.uids))
        self.rest = rest if len(rest) <= MAX_REST_OCTETS else None
        return presence

    def _forget(self) -> None:
        """Look at all of the folder, for what was in step is so no more."""
        self.in_step, self.known = None, 0
        self.held, self.flags = Told(), []
        self._load(self.source.search("ALL"))

    @staticmethod
    def _is_as_before(before: FolderMark, opened: SelectedFolder, listed: Uids) -> bool:
        """Return whether all messages of a folder are there that were, whatever came since."""
        is_same = opened.uid_validity == before.uid_validity
        return is_same and int((listed < before.uid_next).sum()) == before.messages

    def _load(self, uids: Uids) -> None:
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for message in self.source.fetch_fingerprints(uids):
            flags = normal_flags(message.flags)
            self.held.add(message)
            self.flags.append(known.setdefault(flags, flags))

    def missing(self, presence: Presence, unfit: Unfit) -> Iterator[Wanted]:
        """Yield the messages that are not there, as they arrive from the source."""
        fit: list[int] = []
        for place in np.flatnonzero(presence.uids == 0).tolist():
            problem = unfit(self.held.octets[place])
            if problem is not None:
                yield Wanted(place=place, digest="", problem=problem)
                continue
            fit.append(place)
            if len(fit) >= PIECE:
                yield from self._fetch(fit)
                fit = []
        yield from self._fetch(fit)

    def ahead(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages as they come: the source sends them ahead by itself."""
        yield from messages

    @contextmanager
    def open(self, digest: str) -> Iterator[bytes | mmap.mmap]:
        """Give the octets of a message that ``missing`` has yielded and ``release`` has not seen."""
        body = self._bodies[digest]
        with opened(body) as content:
            yield content

    def release(self, digest: str) -> None:
        """Let go of a message of which it is known what became of it."""
        self._uses[digest] -= 1
        if self._uses[digest] <= 0:
            del self._uses[digest]
            discard(self._bodies.pop(digest))

    def _fetch(self, places: list[int]) -> Iterator[Wanted]:
        waiting = {self.held.uids[place]: place for place in places}
        if not waiting:
            return
        for message in self.source.fetch_messages(sorted(waiting), self._new_spool):
            place = waiting.pop(message.uid, None) if message.body is not None else None
            if place is not None and message.body is not None:
                yield self._take(place, message, message.body)
        for place in waiting.values():
            yield Wanted(place=place, digest="", problem="the source lists it and does not deliver it")

    def _take(self, place: int, message: FetchedMessage, body: Body) -> Wanted:
        digest = digest_of(body)
        self._uses[digest] += 1
        if digest in self._bodies:
            discard(body)
        else:
            self._bodies[digest] = body._replace(sha256=digest)
        return Wanted(
            place=place,
            digest=digest,
            octets=body.octets,
            flags=normal_flags(message.flags),
            date=message.internal_date or EARLIEST,
        )

    def _new_spool(self) -> str:
        return os.path.join(self._place.name, str(next(self._numbers)))
