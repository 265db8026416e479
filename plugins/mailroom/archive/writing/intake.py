"""Take messages in: hash, recognise, store the bytes, have them parsed.

Belongs here: everything between the network and a row that can be committed, on a few
threads, with bounded memory. Does not belong here: commits (``committer``).

Messages travel in loads: a hand-over from thread to thread or from process to process
costs as much as parsing a small message. Hashing leaves the interpreter's lock, so threads
serve; parsing does not and goes to ``indexing``, and so does writing to a local disk.
A message that is held already is neither stored nor parsed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.archive.reading.described import Described
from mailroom.archive.storage.raw import CHUNK_OCTETS, RawStore
from mailroom.archive.writing.arrivals import Arrival, Expected, NewMessage
from mailroom.archive.writing.columns import PackedColumns
from mailroom.archive.writing.indexing import Indexer, Load
from mailroom.archive.writing.worker_start import MANY_MESSAGES
from mailroom.exceptions import ArchiveError
from mailroom.model import Body

if TYPE_CHECKING:
    from mailroom.archive.writing.worker_start import Worker

__all__ = ["IN_FLIGHT_OCTETS", "LOAD_MESSAGES", "Intake"]

log = logging.getLogger(__name__)

IN_FLIGHT_OCTETS = 8 * 1024 * 1024
"""How much of message contents may wait in memory for disk or parser. Octets."""

LOAD_MESSAGES = 64
"""Most messages of a load."""

LOAD_OCTETS = 512 * 1024
"""Octets after which a load is handed over."""

KNOWN_OCTETS = 1024 * 1024
"""Octets of messages after which their share of text is a fair guess for the next."""


class Intake:
    """The threads that take messages in.

    :param find: says for each digest when that message was archived, or None; called under ``lock``.
    :param failed: told the first error of any thread.
    :param threads: how many; where a store is asked over a network, each brings one message at a time.
    """

    def __init__(
        self,
        raw: RawStore,
        find: Callable[[Sequence[str]], list[datetime | None]],
        failed: Callable[[BaseException], None],
        *,
        threads: int,
        in_flight: int = IN_FLIGHT_OCTETS,
        process_after: int = MANY_MESSAGES,
        workers: Sequence[Worker] = (),
    ) -> None:
        self.lock = threading.Lock()
        self._room = threading.Condition(self.lock)
        self._ready = threading.Condition(self.lock)
        self._awaited: Arrival | None = None
        self.pending: dict[str, NewMessage] = {}
        self._text_octets = 0
        self._parsed_octets = 0
        self._raw = raw
        self._find = find
        self._failed = failed
        self._in_flight = 0
        self._most_in_flight = in_flight
        self._stopping = False
        self._load: list[Arrival] = []
        self._load_octets = 0
        self._most_a_load = LOAD_MESSAGES if threads == 1 else 1
        self._work: queue.SimpleQueue[list[Arrival] | NewMessage | None] = queue.SimpleQueue()
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._indexer: Indexer[tuple[NewMessage, int]] = Indexer(
            self._indexed, self._fail, process_after=process_after, workers=workers
        )

    def add(self, body: Body, expected: Expected, *, keeps_bytes: bool = False) -> Arrival:
        """Take a message, which is worked on once its load is full or handed over.

        :param keeps_bytes: whether its bytes are stored even where it is an expected message.
        """
        arrival = Arrival(body, expected, keeps_bytes=keeps_bytes)
        self._load.append(arrival)
        if body.content is not None:
            self._load_octets += len(body.content)
        if len(self._load) >= self._most_a_load or self._load_octets >= LOAD_OCTETS:
            self.hand_over()
        return arrival

    def hand_over(self) -> None:
        """Have the messages taken so far worked on; blocks while too much is in flight."""
        if not self._load:
            return
        self._start()
        load, octets = self._load, self._load_octets
        self._load, self._load_octets = [], 0
        with self.lock:
            while self._in_flight and self._in_flight + octets > self._most_in_flight and not self._stopping:
                self._room.wait()
            self._in_flight += octets
        self._work.put(load)

    def hurry(self, *, on: bool) -> None:
        """Use this process too for what is left to parse, while the caller brings nothing."""
        self._indexer.hurry(on=on)

    def share_of_text(self) -> float:
        """Return how much of the messages so far was text; all of it while little is known."""
        if self._parsed_octets < KNOWN_OCTETS:
            return 1.0
        return min(1.0, self._text_octets / self._parsed_octets)

    def wait_for(self, arrival: Arrival) -> bool:
        """Block until an arrival is ready; False where the intake stopped before."""
        if arrival.is_ready:
            return True
        with self.lock:
            self._awaited = arrival
            while not arrival.is_ready and not self._stopping:
                self._ready.wait()
            self._awaited = None
            return arrival.is_ready

    def settle(self, messages: Sequence[NewMessage]) -> None:
        """Forget messages whose rows are committed; the caller holds ``lock``."""
        for message in messages:
            self.pending.pop(message.digest, None)
            message.load = None

    def stop(self) -> None:
        """End all threads; what is not ready by now is given up."""
        self._give_up()
        self._indexer.close()
        if self._pool is not None:
            for _ in range(self._threads):
                self._work.put(None)
            self._pool.shutdown(wait=True)
            self._pool = None

    def _start(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="mailroom-intake")
            for _ in range(self._threads):
                self._pool.submit(self._run).add_done_callback(self._ended)

    def _ended(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failed(error)
        self._give_up()

    def _give_up(self) -> None:
        with self.lock:
            self._stopping = True
            self._room.notify_all()
            self._ready.notify_all()

    def _run(self) -> None:
        while not self._stopping:
            work = self._work.get()
            if work is None:
                return
            if isinstance(work, list):
                self._take(work)
            else:
                self._store_staged(work)

    def _take(self, load: list[Arrival]) -> None:
        """Find out which messages of a load are new, and have those stored and parsed."""
        bodies = [_taken(arrival) for arrival in load]
        digests = [body.sha256 or _digest_of(body) for body in bodies]
        fresh: Load[tuple[NewMessage, int]] = Load()
        for arrival, body, digest, message in zip(
            load, bodies, digests, self._claim(load, bodies, digests), strict=True
        ):
            if message is None:
                self._pass_over(arrival, body, digest)
            elif message.expected:
                self._stage(message, body)
            else:
                self._put(message, body, fresh)
        if len(fresh):
            self._indexer.submit(fresh)

    def _pass_over(self, arrival: Arrival, body: Body, digest: str) -> None:
        """Leave a message alone that is held or on its way in already, unless its file is damaged."""
        if arrival.message is None and self._is_cut(digest, body.octets):
            log.warning("The file of archived message %s was missing or cut; it is written again", digest)
            self._raw.write(digest, body)
        elif body.path is not None:
            os.unlink(body.path)
        self._release(_held(body))
        if arrival.message is None:
            self._resolve(arrival, digest)

    def _is_cut(self, digest: str, octets: int) -> bool:
        """Say whether an archived message's file is gone or cut; disks only, where asking costs nothing."""
        return self._raw.local_path(digest) is not None and self._raw.size(digest) != octets

    def _claim(
        self, load: Sequence[Arrival], bodies: Sequence[Body], digests: Sequence[str]
    ) -> list[NewMessage | None]:
        """Return each message for this thread to store, or None where that is done or being done."""
        claimed: list[NewMessage | None] = []
        with self.lock:
            held = self._find(digests)
            for arrival, body, digest, moment in zip(load, bodies, digests, held, strict=True):
                arrival.digest = digest
                message = None
                if moment is None:
                    arrival.message = self.pending.get(digest)
                    if arrival.message is None:
                        message = NewMessage(
                            digest, body.octets, arrival.expected, keeps_bytes=arrival.keeps_bytes
                        )
                        arrival.message = self.pending[digest] = message
                claimed.append(message)
            self._wake()
        return claimed

    def _resolve(self, arrival: Arrival, digest: str) -> None:
        """Note that a message is held; not before its file is whole, for its row is committed then."""
        with self.lock:
            arrival.archived_at = self._find((digest,))[0]
            self._wake()

    def _put(self, message: NewMessage, body: Body, load: Load[tuple[NewMessage, int]]) -> None:
        """Have a new message indexed with a load; what the indexer cannot store itself is stored here."""
        if body.content is not None:
            place = self._raw.reserve(message.digest)
            if place is None:
                self._raw.write(message.digest, body)
            load.add((message, body.octets), body.content, place)
            return
        path = self._raw.local_path(message.digest)
        if path is None:
            message.staged = path = body.path  # parsed from the spool file before the upload consumes it
        else:
            self._raw.write(message.digest, body)
        load.add_file((message, 0), message.octets, path or "")

    def _stage(self, message: NewMessage, body: Body) -> None:
        """Have a message parsed before it is stored: it may be one the archive holds under other bytes."""
        message.staged = body.path
        if body.content is not None:
            message.staged = self._raw.new_spool()
            with open(message.staged, "wb") as file:
                file.write(body.content)
            self._release(len(body.content))
        load: Load[tuple[NewMessage, int]] = Load()
        load.add_file((message, 0), message.octets, message.staged or "")
        self._indexer.submit(load)

    def _indexed(self, messages: Sequence[tuple[NewMessage, int]], load: PackedColumns) -> None:
        released = 0
        staged = []
        written: list[NewMessage] = []
        with self.lock:
            self._text_octets += load.text_octets
            for number, (message, held) in enumerate(messages):
                message.load, message.number = load, number
                self._parsed_octets += message.octets
                released += held
                if message.staged is not None:
                    staged.append(message)
                    continue
                written.append(message)
            self._raw.note_written([message.digest for message in written])
            for message in written:  # noted first: whoever finds one ready may sync what is noted
                message.is_ready = True
            self._in_flight -= released
            self._room.notify_all()
            self._wake()
        for message in staged:
            self._work.put(message)

    def _store_staged(self, message: NewMessage) -> None:
        staged, message.staged = message.staged, None
        if staged is None or message.load is None:
            raise ArchiveError("A message was stored before it was parsed; this is a bug in Mailroom.")
        message.is_ = self._find_expected(message)
        if message.is_adopted:
            message.load = None
            os.unlink(staged)
        else:
            self._raw.write(message.digest, Body(octets=message.octets, path=staged))
        with self.lock:
            message.is_ready = True
            self._wake()

    def _find_expected(self, message: NewMessage) -> Described | None:
        """Return the archived message that one is, if its bytes are there; none has no identity.

        Other bytes of the same size are no re-encoding and are kept, so that it is the size of a place
        that tells, before anything is deleted there, whether its exact bytes are archived.
        """
        identity = None if message.load is None else message.load.identity(message.number)
        found = message.expected.get(identity, ()) if identity else ()
        others = (held for held in found if held.size != message.octets)
        return next((held for held in others if self._raw.size(held.sha256) == held.size), None)

    def _release(self, octets: int) -> None:
        with self.lock:
            self._in_flight -= octets
            self._room.notify_all()

    def _wake(self) -> None:
        if self._awaited is not None and self._awaited.is_ready:
            self._ready.notify_all()


def _held(body: Body) -> int:
    """Return the octets of a message that are held in memory."""
    return 0 if body.content is None else len(body.content)


def _taken(arrival: Arrival) -> Body:
    """Return a message's body; from now on nothing else holds it."""
    body, arrival.body = arrival.body, None
    if body is None:
        raise ArchiveError("A message was taken in twice; this is a bug in Mailroom.")
    return body


def _digest_of(body: Body) -> str:
    if body.content is not None:
        return hashlib.sha256(body.content).hexdigest()
    digest = hashlib.sha256()
    with open(body.path or "", "rb", buffering=0) as file:
        while chunk := file.read(CHUNK_OCTETS):
            digest.update(chunk)
    return digest.hexdigest()
