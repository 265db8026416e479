"""Several connections to one account, and whose turn it is to work on what they share.

Belongs here: the turn, the number of connections, and the downloads that idle connections
can help with. Not here: what a connection is used for (``mirror_run``, ``mailbox_download``).

Threads wait for the network side by side and think one at a time: whoever works holds the
turn, and gives it up for as long as the network is waited for. So everything but the
network, the archive's writer and all tallies included, is used by one thread at a time.
Connections are opened outside of it, for they share nothing yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from mailroom.exceptions import (
    CommandRejected,
    ConnectionLost,
    LimitExceeded,
    MailroomError,
    RemoteProtocolError,
)

if TYPE_CHECKING:
    from mailroom.client.imap import ImapClient

__all__ = ["BREAKING_ERRORS", "WORTHWHILE_SECONDS", "Crew", "Shareable"]

WORTHWHILE_SECONDS = 0.005
"""Round trip from which on more connections pay: below it one of them keeps this process busy."""

BREAKING_ERRORS = (ConnectionLost, CommandRejected, RemoteProtocolError, LimitExceeded)
"""After these a session cannot go on."""

CONNECTING_SECONDS = 1.0
"""How long the end of a run waits for connections that are still being opened, before it leaves them."""

_log = logging.getLogger(__name__)


class Shareable(Protocol):
    """A download that other connections can take pieces of."""

    @property
    def has_pieces(self) -> bool:
        """Whether there is anything to help with."""

    def assist(self, client: ImapClient) -> None:
        """Fetch pieces until there are none left; the turn is held."""


class Crew:
    """The connections of one run.

    :param connect: opens a connection.
    :param most: how many may be open at once.
    """

    def __init__(self, connect: Callable[[], ImapClient], most: int) -> None:
        self._connect = connect
        self._most = most
        self._turn = threading.Lock()
        self._changed = threading.Condition(self._turn)
        self._helpers: list[threading.Thread] = []
        self._clients: list[ImapClient] = []
        self._is_closed = False
        self._shareable: list[Shareable] = []
        self._failure: BaseException | None = None
        self.is_dismissed = False
        """Whether helpers are to end: a connection broke, and more than one may be more than is allowed."""
        self.is_over = False
        """Whether everybody is to drop what is in hand: the run has failed."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold the turn for the length of a block, and see all helpers off at its end.

        :raises MailroomError: whatever ended a helper, where that was no server's doing.
        """
        with self._turn:
            try:
                yield
            except BaseException:
                self.is_over = True
                self.dismiss()
                raise
            finally:
                self.part()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Leave the turn, which is held, to others for the length of a block."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    @contextmanager
    def connected(self) -> Iterator[ImapClient]:
        """Open a connection that gives up the turn, which is held, wherever it waits.

        :raises MailroomError: as ``connect`` does.
        """
        with self.given_up():
            client = self._connect()
        client.while_waiting(self.given_up)
        with client:
            yield client

    def hire(self, helpers: int, work: Callable[[ImapClient], None]) -> None:
        """Start up to so many helpers, each of which does ``work`` by a connection, with the turn in hand.

        They connect at once, while others are at work. A connection that is refused is done without.
        Where one breaks at work, all helpers are dismissed: it may have been one too many.
        """
        for number in range(min(helpers, self._most - 1) - len(self._helpers)):
            thread = threading.Thread(
                target=self._help, args=(work,), name=f"mailroom-mirror-{number}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # no thread is left to us: slower, but it goes on
                _log.warning("no further connection is opened: %s", error)
                return
            self._helpers.append(thread)

    def dismiss(self) -> None:
        """Have the helpers end soon; none is hired any more."""
        self.is_dismissed = True
        self._most = 1
        self._changed.notify_all()

    def part(self) -> None:
        """Wait until all helpers have ended; the turn is held, and given up meanwhile.

        Connections that are only being opened are not waited for; nobody needs them any more.

        :raises ArchiveError: where a helper could not write, or whatever else was no server's doing.
        """
        self._is_closed = True
        if self.is_over:
            for client in self._clients:
                client.close()
        while self._clients:
            self._changed.wait()
        with self.given_up():
            until = time.monotonic() + CONNECTING_SECONDS
            for thread in self._helpers:
                thread.join(timeout=max(0.0, until - time.monotonic()))
        self._helpers.clear()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def wait(self) -> None:
        """Wait for somebody to finish or to offer something; the turn is held, and given up meanwhile."""
        self._changed.wait(timeout=1.0)

    def notify(self) -> None:
        """Tell who waits that something has changed."""
        self._changed.notify_all()

    @contextmanager
    def offer(self, download: Shareable) -> Iterator[None]:
        """Let others take pieces of a download for the length of a block."""
        self._shareable.append(download)
        self.notify()
        try:
            yield
        finally:
            self.withdraw(download)

    @property
    def has_helpers(self) -> bool:
        """Whether there is more than one connection."""
        return bool(self._helpers) and not self.is_dismissed

    def withdraw(self, download: Shareable) -> None:
        """Let nobody begin to help with a download any more."""
        if download in self._shareable:
            self._shareable.remove(download)

    @property
    def offered(self) -> Shareable | None:
        """The download to help with, if there is one."""
        return next((download for download in self._shareable if download.has_pieces), None)

    def _help(self, work: Callable[[ImapClient], None]) -> None:
        client = self._further_connection()
        with self._turn:
            if client is None:
                return
            if self._is_closed or self.is_dismissed:  # it comes too late
                client.close()
                return
            client.while_waiting(self.given_up)
            self._clients.append(client)
            try:
                with client:
                    work(client)
            except BREAKING_ERRORS as error:
                _log.info("a further connection ended: %s", error)
                self.dismiss()
            except BaseException as error:  # noqa: BLE001 (raised again by the run's own thread)
                self._failure = error
                self.dismiss()
            finally:
                self._clients.remove(client)
                self.notify()

    def _further_connection(self) -> ImapClient | None:
        """Open one connection more, whoever has the turn; None where the server refuses it."""
        try:
            return self._connect()
        except MailroomError as error:
            _log.info("a further connection was refused: %s", error)
        except BaseException as error:  # noqa: BLE001 (raised again by the run's own thread)
            self._failure = error
        return None
