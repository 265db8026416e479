"""Whose turn it is among several connections, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import pytest

from mailroom.exceptions import AuthenticationFailed, ConnectionLost, StoreUnavailable
from mailroom.services.mirroring import crew as crew_module
from mailroom.services.mirroring.crew import Crew


class Line:
    """A connection to nobody."""

    def __init__(self) -> None:
        self.waiting: Callable[[], AbstractContextManager[object]] | None = None
        self.is_closed = False

    def while_waiting(self, block: Callable[[], AbstractContextManager[object]]) -> None:
        self.waiting = block

    def close(self) -> None:
        self.is_closed = True

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


def hire_and_wait(crew: Crew, work: Callable[[Any], None]) -> None:
    """Let one helper work until it has failed."""
    crew.hire(1, work)
    while not crew.is_dismissed:
        crew.wait()


def test_one_works_while_others_wait_for_the_network() -> None:
    """Whoever waits gives up the turn; nobody works at the same time as another."""
    crew = crew_of(3)
    working = 0
    most = 0
    met = threading.Barrier(3, timeout=20)

    def work(client: Any) -> None:
        nonlocal working, most
        for number in range(50):
            working += 1
            time.sleep(0)  # whoever could work now would
            most = max(most, working)
            working -= 1
            with client.waiting():
                if number == 25:
                    met.wait()  # all three wait for the network at the same time

    with crew.at_work():
        crew.hire(5, work)
        with crew.connected() as client:
            work(client)
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

    def refused(client: Any) -> None:
        raise ConnectionLost("Too many connections.", reason="busy")

    with crew.at_work():
        crew.hire(1, refused)
        while not crew.is_dismissed:
            crew.wait()
        assert not crew.has_helpers
        crew.hire(1, refused)
    assert not crew.is_over


def test_a_refused_connection_sends_no_other_home() -> None:
    """A server that allows three where four were wanted has all three at work."""
    asked = threading.Lock()
    opened = 0

    def connect() -> Line:
        nonlocal opened
        with asked:
            opened += 1
            if opened == 2:
                raise AuthenticationFailed("Too many sessions.")
        return Line()

    crew = crew_of(4, connect)
    at_work = threading.Semaphore(0)

    def work(client: Any) -> None:
        at_work.release()
        crew.wait()

    with crew.at_work():
        crew.hire(3, work)
        with crew.given_up():
            assert at_work.acquire(timeout=20)
            assert at_work.acquire(timeout=20)
        assert not crew.is_dismissed
        crew.notify()
    assert opened == 3


def test_a_disk_that_refuses_a_helper_fails_the_run() -> None:
    """Storage is no server's doing, and nobody else would fare better."""
    crew = crew_of(2)

    def work(client: Any) -> None:
        raise StoreUnavailable("The disk is full.", reason="full", where="/")

    with pytest.raises(StoreUnavailable), crew.at_work():
        hire_and_wait(crew, work)


def test_a_connection_that_never_opens_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there is nothing left to do it is left alone, and hung up when it opens after all."""
    monkeypatch.setattr(crew_module, "CONNECTING_SECONDS", 0.01)
    late, line = threading.Event(), Line()

    def connect() -> Line:
        assert late.wait(timeout=60)
        return line

    crew = crew_of(2, connect)
    worked = threading.Event()
    with crew.at_work():
        crew.hire(1, lambda client: worked.set())
        (thread,) = crew._helpers
    late.set()
    thread.join(timeout=20)
    assert line.is_closed
    assert not worked.is_set()


def test_a_failing_run_hangs_up_on_whoever_waits_for_an_answer() -> None:
    """Otherwise it would end only when the server does, or a minute later."""
    crew = crew_of(2)
    begun = threading.Event()

    class Silent(Line):
        hung_up = threading.Event()

        def close(self) -> None:
            self.hung_up.set()

    def work(client: Any) -> None:
        with client.waiting():
            begun.set()
            assert client.hung_up.wait(timeout=60)
        raise ConnectionLost("Gone.", reason="closed")

    crew = crew_of(2, Silent)

    def fail() -> None:
        with crew.at_work():
            crew.hire(1, work)
            with crew.given_up():
                assert begun.wait(timeout=20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_bug_in_a_helper_is_raised_by_the_run() -> None:
    """It is no server's doing, so the run may not succeed."""
    crew = crew_of(2)

    def broken(client: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), crew.at_work():
        hire_and_wait(crew, broken)


def test_helpers_are_told_where_the_run_fails() -> None:
    """They drop what is in hand, and are seen off before the error goes on."""
    crew = crew_of(2)
    begun, ended = threading.Event(), threading.Event()

    def work(client: Any) -> None:
        begun.set()
        while not crew.is_over:
            crew.wait()
        ended.set()

    def fail() -> None:
        with crew.at_work():
            crew.hire(1, work)
            with crew.given_up():
                assert begun.wait(timeout=20)
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
