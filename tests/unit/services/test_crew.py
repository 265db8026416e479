"""Whose turn it is among several connections, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import pytest

from mailroom.exceptions import ConnectionLost
from mailroom.services.crew import Crew


class Line:
    """A connection to nobody."""

    def __init__(self) -> None:
        self.waiting: Callable[[], AbstractContextManager[object]] | None = None

    def while_waiting(self, block: Callable[[], AbstractContextManager[object]]) -> None:
        self.waiting = block

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting = None


class Download:
    """Something to help with."""

    def __init__(self) -> None:
        self.has_pieces = True

    def assist(self, client: Any) -> None:
        self.has_pieces = False


def crew_of(most: int, connect: Callable[[], Any] = Line) -> Crew:
    return Crew(connect, most)


def test_one_works_while_others_wait_for_the_network() -> None:
    """Whoever waits gives up the turn; nobody works at the same time as another."""
    crew = crew_of(3)
    working = 0
    most = 0
    met = threading.Barrier(3, timeout=20)

    def work() -> None:
        nonlocal working, most
        with crew.connected() as client:
            for number in range(50):
                working += 1
                most = max(most, working)
                working -= 1
                with client.waiting():  # type: ignore[attr-defined]
                    if number == 25:
                        met.wait()  # all three wait for the network at the same time

    with crew.at_work():
        crew.hire(5, work)
        work()
    assert most == 1


def test_connecting_gives_up_the_turn() -> None:
    """A slow sign-in holds nobody up."""
    entered = threading.Event()
    crew: Crew

    def connect() -> Line:
        with crew._turn:
            entered.set()
        return Line()

    crew = crew_of(1, connect)
    with crew.at_work(), crew.connected():
        assert entered.is_set()


def test_what_a_server_has_against_a_helper_ends_that_one_alone() -> None:
    """Helpers are dismissed, and no more are hired."""
    crew = crew_of(2)

    def refused() -> None:
        raise ConnectionLost("Too many connections.", reason="busy")

    with crew.at_work():
        crew.hire(1, refused)
        while not crew.is_dismissed:
            crew.wait()
        assert not crew.has_helpers
        crew.hire(1, refused)
    assert not crew.is_over


def test_a_bug_in_a_helper_is_raised_by_the_run() -> None:
    """It is no server's doing, so the run may not succeed."""
    crew = crew_of(2)

    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), crew.at_work():
        crew.hire(1, broken)


def test_helpers_are_told_where_the_run_fails() -> None:
    """They drop what is in hand, and are seen off before the error goes on."""
    crew = crew_of(2)
    ended = threading.Event()

    def work() -> None:
        while not crew.is_over:
            crew.wait()
        ended.set()

    def fail() -> None:
        with crew.at_work():
            crew.hire(1, work)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ended.is_set()


def test_a_download_is_offered_while_it_has_pieces() -> None:
    """There is nothing to help with before, after, or once all pieces are taken."""
    crew, first, second = crew_of(1), Download(), Download()
    with crew.at_work():
        assert crew.offered is None
        with crew.offer(first), crew.offer(second):
            assert crew.offered is first
            first.assist(None)
            assert crew.offered is second
            crew.withdraw(second)
            assert crew.offered is None
        assert crew.offered is None
