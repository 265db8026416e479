"""Taking messages in: when one counts as ready, and as which."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mailroom.archive.reading.described import Described
from mailroom.archive.storage.raw import LocalRawStore
from mailroom.archive.writing.arrivals import Expected
from mailroom.archive.writing.intake import LOAD_MESSAGES, Intake
from mailroom.model import Body
from tests.support.archives import NOW, body, digest
from tests.support.parsed import unpacked


class SlowRawStore(LocalRawStore):
    """A disk that stores a message when it is let."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), lambda _: None)
        self.asked, self.allowed = threading.Event(), threading.Event()

    def write(self, digest: str, body: Body) -> None:
        self.asked.set()
        self.allowed.wait(10)
        super().write(digest, body)


@contextmanager
def intake(raw: LocalRawStore, known: dict[str, datetime], *, process_after: int = 1000) -> Iterator[Intake]:
    """Open an intake; what its threads fail with fails the test."""
    errors: list[BaseException] = []
    running = Intake(
        raw,
        lambda digests: [known.get(one) for one in digests],
        errors.append,
        threads=1,
        process_after=process_after,
    )
    try:
        yield running
    finally:
        running.stop()
    assert errors == []


def test_archived_message_whose_file_was_lost_is_ready_when_the_file_is_back(tmp_path: Path) -> None:
    """Its row must not be committed, nor the mail deleted, while the file is only being written."""
    raw = SlowRawStore(tmp_path)
    with intake(raw, {digest(1): NOW}) as running:
        arrival = running.add(body(1), {})
        running.hand_over()
        assert raw.asked.wait(10)
        assert not arrival.is_ready
        raw.allowed.set()
        assert running.wait_for(arrival)
    assert arrival.held_as == (digest(1), NOW)
    assert raw.hash(digest(1)) == digest(1)


def test_archived_message_whose_file_is_whole_is_not_written_again(tmp_path: Path) -> None:
    """The bytes are there; only their row is new."""
    raw = SlowRawStore(tmp_path)
    raw.allowed.set()
    raw.write(digest(1), body(1))
    raw.asked.clear()
    with intake(raw, {digest(1): NOW}) as running:
        arrival = running.add(body(1), {})
        running.hand_over()
        assert running.wait_for(arrival)
    assert not raw.asked.is_set()


def described(number: int, identity: str) -> Described:
    held = body(number)
    return Described(
        sha256=digest(number),
        identity=identity,
        message_id=f"<{number}@example.org>",
        date=NOW,
        archived_at=NOW,
        size=held.octets,
    )


def held_as(tmp_path: Path, expected: Expected, arriving: Body, *, keeps_bytes: bool = False) -> str | None:
    """Return as which message one is taken in, beside message 1, which is archived."""
    raw = LocalRawStore(str(tmp_path), lambda _: None)
    raw.write(digest(1), body(1))
    with intake(raw, {digest(1): NOW}) as running:
        arrival = running.add(arriving, expected, keeps_bytes=keeps_bytes)
        running.hand_over()
        assert running.wait_for(arrival)
    return arrival.held_as[0]


def test_message_that_is_expected_under_other_bytes_is_the_archived_one(tmp_path: Path) -> None:
    """The identity decides."""
    from mailroom.archive.writing.indexed import index_content

    identity = index_content(body(2, 400).content or b"").identity or ""
    assert held_as(tmp_path, {identity: [described(1, identity)]}, body(2, 400)) == digest(1)


def test_other_bytes_of_one_size_are_stored(tmp_path: Path) -> None:
    """So that the size of a place tells whether its exact bytes are archived."""
    from mailroom.archive.writing.indexed import index_content

    identity = index_content(body(2).content or b"").identity or ""
    assert held_as(tmp_path, {identity: [described(1, identity)]}, body(2)) == digest(2)


def test_expected_message_is_stored_too_where_its_bytes_are_wanted(tmp_path: Path) -> None:
    """Where mail is deleted, no other bytes stand in for what goes."""
    from mailroom.archive.writing.indexed import index_content

    identity = index_content(body(2, 400).content or b"").identity or ""
    known = {identity: [described(1, identity)]}
    assert held_as(tmp_path, known, body(2, 400), keeps_bytes=True) == digest(2, 400)
    assert LocalRawStore(str(tmp_path), lambda _: None).hash(digest(2, 400)) == digest(2, 400)


def test_expected_message_whose_bytes_are_not_there_is_no_reason_to_drop_a_copy(tmp_path: Path) -> None:
    """The copy at hand may be the last one."""
    from mailroom.archive.writing.indexed import index_content

    identity = index_content(body(2).content or b"").identity or ""
    assert held_as(tmp_path, {identity: [described(3, identity)]}, body(2)) == digest(2)
    both = {identity: [described(3, identity), described(1, identity)]}
    assert held_as(tmp_path, both, body(2)) in (digest(1), digest(2))


def test_message_that_nobody_could_read_is_taken_for_no_other(tmp_path: Path) -> None:
    """Without an identity there are only the bytes."""
    unread = Body(octets=0, content=None, path=str(tmp_path / "spool"), sha256="0" * 64)
    Path(unread.path or "").write_bytes(b"")
    assert held_as(tmp_path, {"": [described(1, "")]}, unread) == "0" * 64


def test_a_load_is_taken_in_once_it_is_full(tmp_path: Path) -> None:
    """Messages wait for others to go with, not for somebody to ask for them."""
    with intake(LocalRawStore(str(tmp_path), lambda _: None), {}) as running:
        arrivals = [running.add(body(number), {}) for number in range(LOAD_MESSAGES)]
        assert all(running.wait_for(arrival) for arrival in arrivals)
    assert [arrival.digest for arrival in arrivals] == [digest(n) for n in range(LOAD_MESSAGES)]


def test_equal_messages_of_a_load_are_stored_once(tmp_path: Path) -> None:
    """The second is a place of the first."""
    written: list[str] = []
    with intake(LocalRawStore(str(tmp_path), written.append), {}) as running:
        arrivals = [running.add(body(1), {}) for _ in range(3)]
        running.hand_over()
        assert all(running.wait_for(arrival) for arrival in arrivals)
    assert len(written) == 1
    assert len({id(arrival.message) for arrival in arrivals}) == 1


def test_other_processes_store_what_they_parse(tmp_path: Path) -> None:
    """With a process from the first message on, files and rows are the same as without."""
    written: list[str] = []
    raw = LocalRawStore(str(tmp_path), written.append)
    with intake(raw, {}, process_after=0) as running:
        arrivals = [running.add(body(number), {}) for number in range(100)]
        running.hand_over()
        assert all(running.wait_for(arrival) for arrival in arrivals)
        found = [arrival.message for arrival in arrivals if arrival.message is not None]
        subjects = [unpacked(one.load)[one.number].subject for one in found if one.load is not None]
    assert subjects == [f"message {n}" for n in range(100)]
    assert [raw.hash(digest(n)) for n in range(100)] == [digest(n) for n in range(100)]
    assert sorted(written) == sorted(raw.local_path(digest(n)) for n in range(100))
    assert raw.leftovers() == []


def test_an_empty_message_is_noted_for_the_sync_too(tmp_path: Path) -> None:
    """Whatever another process stored has to survive a power cut, however small it is."""
    written: list[str] = []
    raw = LocalRawStore(str(tmp_path), written.append)
    with intake(raw, {}, process_after=0) as running:
        arrival = running.add(Body(octets=0, content=b""), {})
        running.hand_over()
        assert running.wait_for(arrival)
    assert written == [raw.local_path(arrival.digest or "")]


def test_a_disk_that_refuses_another_process_fails_the_run(tmp_path: Path) -> None:
    """What was not stored is never ready, and the error is the disk's."""
    errors: list[BaseException] = []
    raw = LocalRawStore(str(tmp_path), lambda _: None)
    running = Intake(raw, lambda digests: [None for _ in digests], errors.append, threads=1, process_after=0)
    raw.write(digest(0), body(0))
    (tmp_path / "raw" / digest(1)[:2]).write_bytes(b"a file where a folder should be")
    raw._shards.add(digest(1)[:2])
    arrival = running.add(body(1), {})
    running.hand_over()
    assert not running.wait_for(arrival)
    running.stop()
    assert [type(error) for error in errors] == [NotADirectoryError]
