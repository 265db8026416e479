"""A connection that is opened while the rest of the program loads."""

from __future__ import annotations

import threading

import pytest

from mailroom.cli import early_connection
from mailroom.cli.early_connection import EarlyConnection
from mailroom.exceptions import ConnectionLost


class Client:
    """What a connection is to whoever opens it."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()

    def close(self) -> None:
        self.is_closed.set()


class Server:
    """Opens connections when it is let; the first may be refused."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.clients: list[Client] = []
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self._refuses = refuses

    def connect(self) -> Client:
        self.is_asked.set()
        assert self.may_answer.wait(10)
        if self._refuses:
            self._refuses = False
            raise ConnectionLost("It refused the connection.", reason="refused")
        self.clients.append(Client())
        return self.clients[-1]


def test_it_is_opened_before_anybody_asks() -> None:
    """And the first who asks gets it, open; the next one gets another."""
    server = Server()
    with EarlyConnection(server.connect) as connect:
        assert server.is_asked.wait(10)
        server.may_answer.set()
        first, second = connect(), connect()
    assert [first, second] == server.clients
    assert not first.is_closed.is_set()


def test_what_prevented_it_is_raised_where_it_is_asked_for() -> None:
    """Once: whoever tries again, tries indeed."""
    server = Server(refuses=True)
    server.may_answer.set()
    with EarlyConnection(server.connect) as connect:
        with pytest.raises(ConnectionLost, match="refused"):
            connect()
        assert connect() is server.clients[0]


@pytest.mark.parametrize("is_open", [True, False])
def test_what_nobody_took_is_closed(is_open: bool) -> None:
    """Whether it was open at the end, or opened only after it."""
    server = Server()
    with EarlyConnection(server.connect) as connect:
        assert server.is_asked.wait(10)
        thread = connect._thread
        assert thread is not None
        if is_open:
            server.may_answer.set()
            thread.join(10)
    server.may_answer.set()
    thread.join(10)
    assert server.clients[0].is_closed.wait(10)


def test_what_waited_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may have hung up, or be about to."""
    monkeypatch.setattr(early_connection, "MAX_IDLE_SECONDS", -1.0)
    server = Server()
    server.may_answer.set()
    with EarlyConnection(server.connect) as connect:
        taken = connect()
    assert [taken] == server.clients[1:]
    assert server.clients[0].is_closed.is_set()


@pytest.mark.parametrize(("seconds", "is_used"), [(15, True), (25, False)])
def test_servers_of_little_patience_are_met_anew(seconds: int, is_used: bool) -> None:
    """Some hang up after half a minute, and such an end would fail a run that need not fail."""
    server = Server()
    server.may_answer.set()
    with EarlyConnection(server.connect) as connect:
        thread = connect._thread
        assert thread is not None
        thread.join(10)
        connect._opened_at -= seconds
        assert (connect() is server.clients[0]) is is_used
