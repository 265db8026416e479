"""Deliveries in flight: loads of attachments, a few at a time, and what became of those before.

Here: which are worked on side by side, in how much memory, and names for those whose name is
taken. Not here: the choice (``attachment_choice``), exactly-once storing (``archive.deliveries``).

Attachments travel in loads, of one message side by side: a message is read once for all of
them, and a hand-over from thread to thread costs as much as decoding a small attachment.
Members of a zip archive travel in several, which share the opened archive.
"""

from __future__ import annotations

import itertools
import queue
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

from mailroom.archive import Archive
from mailroom.archive.delivering.delivery_row import DeliveryOutcome, DeliveryRow
from mailroom.archive.delivering.delivery_store import DeliveryStore
from mailroom.archive.storage.raw import RawStore
from mailroom.exceptions import ConfigurationError, MailroomError, StoreUnavailable
from mailroom.message import iter_attachment
from mailroom.model import RunContext
from mailroom.policy.attachments import Attachment, Choice, Place
from mailroom.policy.destinations import Collision, DestinationTemplate
from mailroom.policy.filenames import numbered
from mailroom.services.delivering.delivery_report import DeliveryTally
from mailroom.services.delivering.delivery_targets import Target
from mailroom.services.delivering.shared_archives import SharedArchive, SharedArchives
from mailroom.services.delivering.zip_contents import split_part
from mailroom.services.progress import Progress

__all__ = ["DeliveryRun"]

IN_FLIGHT_OCTETS = 8 * 1024 * 1024
"""How much of attachments may be on its way at once, of which none counts for more than half. Octets."""

LOAD_ATTACHMENTS = 8
"""Most attachments of a load."""

LOAD_OCTETS = 256 * 1024
"""Octets after which a load is handed over."""

MAX_REFUSALS = 5
"""After so many refusals in a row the store is taken to be away, and the run ends."""


class _Item(NamedTuple):
    attachment: Attachment
    place: Place
    target: Target
    names: DestinationTemplate
    path: str
    quarantine: str | None
    archive: SharedArchive | None

    @property
    def key(self) -> str:
        """The path with the destination it is below."""
        return f"{self.target.deliveries.url}\0{self.path}"


_Outcome = DeliveryOutcome | MailroomError
_Working = Future[list[_Outcome]]


@dataclass(slots=True, kw_only=True)
class DeliveryRun:
    """One run of deliveries, to where each rule sends what it chooses.

    :param targets: one a rule, in the order of the rules.
    """

    archive: Archive
    targets: Sequence[Target]
    context: RunContext
    tally: DeliveryTally
    now: Callable[[], datetime]
    progress: Progress
    collision: Collision = Collision.NUMBER
    unzip_password: str | None = None
    refusals: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    _waiting: dict[_Working, list[_Item]] = field(default_factory=dict)
    _ended: queue.SimpleQueue[_Working] = field(default_factory=queue.SimpleQueue)
    _paths: Counter[str] = field(default_factory=Counter)
    _octets: int = 0

    def deliver(self, chosen: Iterable[Choice], stop: threading.Event) -> None:
        """Deliver all that is chosen, a few at a time, in the order chosen where names meet.

        :param stop: when set, what is in flight is delivered, and no more.
        :raises ConfigurationError: where no attachment will fare better than one that failed.
        :raises StoreUnavailable: where a store has refused many times in a row.
        """
        at_once = max(target.deliveries.at_once for target in self.targets)
        with ThreadPoolExecutor(at_once, thread_name_prefix="mailroom-delivery") as threads:
            try:
                for load in self._loads(chosen, stop):
                    size = _octets_of(load)
                    while self._waiting and (
                        len(self._waiting) >= 2 * at_once
                        or self._octets + size > IN_FLIGHT_OCTETS
                        or any(item.key in self._paths for item in load)
                    ):
                        self._take_in(self._ended.get())
                    self._octets += size
                    self._paths.update(item.key for item in load)
                    working = threads.submit(self._deliver_load, load)
                    self._waiting[working] = load
                    working.add_done_callback(self._ended.put)
                while self._waiting:
                    self._take_in(self._ended.get())
            finally:
                for working, load in self._waiting.items():
                    if working.cancel():
                        _let_go_of_archives(load)

    def _loads(self, chosen: Iterable[Choice], stop: threading.Event) -> Iterator[list[_Item]]:
        """Yield what is chosen in loads."""
        load: list[_Item] = []
        with closing(SharedArchives(self.archive.raw, self.unzip_password)) as archives:
            for choice in chosen:
                if stop.is_set():
                    break
                load.append(self._item(choice, archives))
                if len(load) >= LOAD_ATTACHMENTS or _octets_of(load) >= LOAD_OCTETS:
                    yield load
                    load = []
            if load:
                yield load

    def _item(self, choice: Choice, archives: SharedArchives) -> _Item:
        attachment, place, number, quarantine = choice
        target = self.targets[number]
        names = target.names_for(choice)
        self.tally.count_chosen(target.label, is_quarantined=quarantine is not None)
        return _Item(
            attachment=attachment,
            place=place,
            target=target,
            names=names,
            path=names.render(attachment, place),
            quarantine=quarantine,
            archive=archives.of(attachment),
        )

    def _deliver_load(self, load: list[_Item]) -> list[_Outcome]:
        """Deliver one after the other; what cannot be delivered stops no other."""
        outcomes: list[_Outcome] = []
        with _Messages(self.archive.raw) as messages:
            for item in load:
                try:
                    outcomes.append(self._deliver(item, messages))
                except MailroomError as error:
                    _let_go(error)
                    outcomes.append(error)
                _let_go_of_archives([item])
        return outcomes

    def _deliver(self, item: _Item, messages: _Messages) -> DeliveryOutcome:
        """Deliver one attachment under the first name that is free."""
        names, deliveries = item.names, item.target.deliveries
        turn = self.turns.get(item.key, 1)
        renamed: dict[int, str] = {}
        path = item.path if turn == 1 else names.render(item.attachment, item.place, turn)
        while True:
            outcome = deliveries.deliver(self._row(item, path), lambda: messages.decoded(item))
            if outcome is not DeliveryOutcome.TAKEN or self.collision is Collision.SKIP:
                break
            if self.collision is Collision.FAIL:
                raise MailroomError(f"the name {path!r} is taken at {deliveries.url}.")
            level = deliveries.store.blocked_level(path)
            if level is None:
                turn += 1
                path = names.render(item.attachment, item.place, turn)
            else:
                renamed[level] = _free_level(deliveries.store, path, level)
            path = _with_levels(path, renamed)
        if turn > 1:
            self.turns[item.key] = turn
        return outcome

    def _take_in(self, working: _Working) -> None:
        """Count the deliveries of a load that has ended, or note why there were none."""
        load = self._waiting.pop(working)
        for item, outcome in zip(load, working.result(), strict=True):
            self._count(item.attachment, item.target.label, outcome)
        self._octets -= _octets_of(load)
        self._paths.subtract(item.key for item in load)
        for item in load:
            if not self._paths[item.key]:
                del self._paths[item.key]

    def _count(self, attachment: Attachment, label: str | None, outcome: _Outcome) -> None:
        if isinstance(outcome, ConfigurationError):
            raise outcome
        if isinstance(outcome, MailroomError):
            self.refusals += isinstance(outcome, StoreUnavailable)
            if self.refusals >= MAX_REFUSALS:
                raise outcome
            self.tally.failed_messages.add(attachment.message_sha256)
            self.tally.count_failed(
                label,
                f"Part {attachment.part} of message {attachment.message_sha256} was not delivered: {outcome}",
            )
            return
        self.refusals = 0
        if outcome is DeliveryOutcome.ALREADY:
            self.tally.already += 1
            return
        if outcome is DeliveryOutcome.TAKEN:
            self.tally.skipped += 1
            return
        self.tally.count_delivered(label, attachment.size, is_adopted=outcome is DeliveryOutcome.ADOPTED)
        self.progress.advance(1, attachment.size)

    def _row(self, item: _Item, path: str) -> DeliveryRow:
        attachment = item.attachment
        return DeliveryRow(
            path=path,
            message_sha256=attachment.message_sha256,
            part=attachment.part,
            sha256=attachment.sha256,
            size=attachment.size,
            content_type=attachment.content_type or "application/octet-stream",
            filename=attachment.filename,
            account=item.place.account,
            sender=attachment.sender,
            subject=attachment.subject,
            date=attachment.date,
            at=self.now(),
            run_id=self.context.run_id,
            rule=item.target.label,
            quarantine=item.quarantine,
        )


class _Messages:
    """Archived messages for one thread; the last one stays open."""

    def __init__(self, raw: RawStore) -> None:
        self._raw = raw
        self._open = ExitStack()
        self._digest: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def decoded(self, item: _Item) -> Iterator[bytes]:
        """Return the content of an attachment in pieces."""
        attachment = item.attachment
        if item.archive is not None:
            return item.archive.read(split_part(attachment.part)[1][-1])
        if self._digest != attachment.message_sha256:
            self._open.close()
            self._digest = None
            self._content = self._open.enter_context(self._raw.mapped(attachment.message_sha256))
            self._digest = attachment.message_sha256
        return iter_attachment(self._content, attachment.part)


def _free_level(store: DeliveryStore, path: str, level: int) -> str:
    """Return another name for a folder of a path that a file has the name of."""
    name = path.split("/")[level]
    for number in itertools.count(2):
        found = numbered(name, number)
        blocked = store.blocked_level(_with_levels(path, {level: found}))
        if blocked is None or blocked > level:
            break
    return found


def _with_levels(path: str, renamed: Mapping[int, str]) -> str:
    return "/".join(renamed.get(level, name) for level, name in enumerate(path.split("/")))


def _let_go(error: BaseException | None) -> None:
    """Make an error let go of the message it was raised over, which could not be closed before."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _let_go_of_archives(load: Iterable[_Item]) -> None:
    for item in load:
        if item.archive is not None:
            item.archive.let_go()


def _octets_of(load: Iterable[_Item]) -> int:
    """Return what counts as on its way: the largest leave room for others, which go on beside them."""
    return sum(min(item.attachment.size, IN_FLIGHT_OCTETS // 2) for item in load)
