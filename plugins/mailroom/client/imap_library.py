"""IMAPClient on a connection that was opened and signed in by us.

Here: the one place that knows how IMAPClient and the standard library's imaplib work inside. For
commands that no run of ours gives (SEARCH, SORT, THREAD, IDLE, ACL …), by tasks of users. Not here:
anything that a run does; to load the two takes longer than a run with nothing new.
"""

from __future__ import annotations

import dataclasses
import imaplib
from typing import Any

from imapclient import IMAPClient

from mailroom.client.imap_sign_in import open_connection
from mailroom.client.transport import Transport
from mailroom.exceptions import ConnectionLost
from mailroom.model import Compression, Endpoint

__all__ = ["connect_library"]


def connect_library(endpoint: Endpoint) -> IMAPClient:
    """Connect and sign in; return IMAPClient on the connection, with errors of its own from then on.

    :raises MailroomError: as :func:`~mailroom.client.imap_sign_in.open_connection` does.
    """
    plain = dataclasses.replace(endpoint, compress=Compression.NEVER)
    wire, _ = open_connection(plain, with_courtesies=False)
    try:
        # imaplib begins with a greeting: this one says that nobody needs to sign in any more.
        wire.transport.pushback(b"* PREAUTH signed in\r\n")
        return _Library(wire.transport, endpoint.timeout)
    except BaseException:
        wire.transport.close()
        raise


class _Engine(imaplib.IMAP4):
    """imaplib's protocol engine over a transport.

    The methods overridden are those that the standard library names as its seam for other
    streams (as ``IMAP4_stream`` does), in Python 3.11 to 3.14 alike.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Take the transport, which is connected already."""
        self.host, self.port = host, port
        self.sock = self._transport.sock

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` octets, or none at the end of the connection."""
        try:
            return self._transport.read(size)
        except ConnectionLost as error:
            return _end(error)

    def readline(self) -> bytes:
        """Return one line, or an empty one at the end of the connection.

        :raises OSError: where nothing came in time, or at once while IMAPClient looks whether anything
            came (``idle_check``); what came of a line so far is kept.
        """
        try:
            return self._transport.readline()
        except ConnectionLost as error:
            return _end(error)

    def send(self, data: Any) -> None:  # Any: the stubs' buffer type has no public name
        """Send octets.

        :raises OSError: where the connection is gone.
        """
        try:
            self._transport.send(bytes(data))
        except ConnectionLost as error:
            _end(error)

    def shutdown(self) -> None:
        """Close the connection."""
        self._transport.close()


def _end(error: ConnectionLost) -> bytes:
    """Say what the library wants to hear of a connection: what its socket said, or no octets at its end."""
    if isinstance(error.__cause__, OSError):
        raise error.__cause__ from None
    return b""


class _Library(IMAPClient):  # type: ignore[misc]  # IMAPClient is untyped
    """IMAPClient over an engine of ours."""

    def __init__(self, transport: Transport, timeout: float) -> None:
        self._transport = transport
        self._seconds = timeout
        super().__init__(transport.where, ssl=False)

    def _create_IMAP4(self) -> _Engine:
        return _Engine(self._transport)

    def _set_read_timeout(self) -> None:
        """Wait for answers as long as the account's settings say."""
        self._transport.sock.settimeout(self._seconds)
