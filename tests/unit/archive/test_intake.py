"""Taking messages in: when one counts as ready, and as which."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mailroom.archive.described import Described
from mailroom.archive.intake import Expected, Intake
from mailroom.archive.raw import LocalRawStore
from mailroom.model import Body
from tests.support.archives import NOW, body, digest


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
def intake(raw: LocalRawStore, known: dict[str, datetime]) -> Iterator[Intake]:
    """Open an intake; what its threads fail with fails the test."""
    errors: list[BaseException] = []
    running = Intake(raw, known.get, errors.append, threads=1)
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
        assert running.wait_for(running.add(body(1), {}))
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


def held_as(tmp_path: Path, expected: Expected, arriving: Body) -> str | None:
    """Return as which message one is taken in, beside message 1, which is archived."""
    raw = LocalRawStore(str(tmp_path), lambda _: None)
    raw.write(digest(1), body(1))
    with intake(raw, {digest(1): NOW}) as running:
        arrival = running.add(arriving, expected)
        assert running.wait_for(arrival)
    return arrival.held_as[0]


def test_message_that_is_expected_under_other_bytes_is_the_archived_one(tmp_path: Path) -> None:
    """The identity decides."""
    from mailroom.archive.indexed import index_content

    identity = index_content(body(2).content or b"").identity or ""
    assert held_as(tmp_path, {identity: [described(1, identity)]}, body(2)) == digest(1)


def test_expected_message_whose_bytes_are_not_there_is_no_reason_to_drop_a_copy(tmp_path: Path) -> None:
    """The copy at hand may be the last one."""
    from mailroom.archive.indexed import index_content

    identity = index_content(body(2).content or b"").identity or ""
    assert held_as(tmp_path, {identity: [described(3, identity)]}, body(2)) == digest(2)
    both = {identity: [described(3, identity), described(1, identity)]}
    assert held_as(tmp_path, both, body(2)) in (digest(1), digest(2))


def test_message_that_nobody_could_read_is_taken_for_no_other(tmp_path: Path) -> None:
    """Without an identity there are only the bytes."""
    unread = Body(octets=0, content=None, path=str(tmp_path / "spool"), sha256="0" * 64)
    Path(unread.path or "").write_bytes(b"")
    assert held_as(tmp_path, {"": [described(1, "")]}, unread) == "0" * 64
