"""IMAPClient on our own connection, and its errors in our words.

Belongs here: the one place that knows how IMAPClient and the standard library's imaplib
work inside. They read and write through a ``Transport``, so that the FETCH stream can take
over the same connection, and a refused command is a ``CommandRejected`` with its facts.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Iterator
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError as ImapClientProtocolError

from mailroom.client.transport import Transport
from mailroom.exceptions import MAX_QUOTED_OCTETS, CommandRejected, ConnectionLost, RemoteProtocolError

__all__ = ["ImapWire", "Library", "rejection", "translated"]

_TIMING = re.compile(rb" *\(\d+\.\d+ \+ [^)]*secs\)\.?\s*\Z")
"""What Dovecot adds to its answers; of no use to a reader."""

_CODE = re.compile(rb"\[([A-Za-z0-9\-]+)(?: [^\]]*)?\] ?")


class ImapWire(imaplib.IMAP4):
    """imaplib's protocol engine over a transport.

    The five methods overridden are those the standard library names as its seam for other
    streams (as ``IMAP4_stream`` does); the sixth turns NO and BAD into one error with facts.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Take the transport, which is connected already."""
        self.host = host
        self.port = port
        self.sock = self.transport.sock

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` octets."""
        return self.transport.read(size)

    def readline(self) -> bytes:
        """Return one line."""
        return self.transport.readline()

    def send(self, data: Any) -> None:  # Any: the stubs' buffer type has no public name
        """Send octets."""
        self.transport.send(bytes(data))

    def shutdown(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _command_complete(self, name: str, tag: bytes) -> tuple[str, list[Any]]:
        """Return the completion of a command; NO and BAD are errors with facts."""
        is_logout = name.upper() == "LOGOUT"
        kind, data = self._get_tagged_response(tag, expect_bye=is_logout)
        if not is_logout:
            self._check_bye()
        if kind != "OK":
            raise rejection(self.transport.where, name, kind, data[0] if data and data[0] else b"")
        return kind, data


class Library(IMAPClient):  # type: ignore[misc]  # IMAPClient is untyped
    """IMAPClient over an ``ImapWire``; folder names go in and out as octets."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        super().__init__(transport.where, 0, ssl=False)
        self.folder_encode = False
        # It formats every line for a log nobody reads, passwords among them.
        self._imap.debug = 0

    @property
    def wire(self) -> ImapWire:
        """The protocol engine."""
        wire: ImapWire = self._imap
        return wire

    def _create_IMAP4(self) -> ImapWire:
        return ImapWire(self._transport)

    def _set_read_timeout(self) -> None:
        """Leave the transport's own timeout."""


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the libraries' errors inside the block into ours.

    :raises ConnectionLost: where the server said BYE or hung up.
    :raises RemoteProtocolError: where it did not speak IMAP.
    """
    try:
        yield
    except imaplib.IMAP4.abort as error:
        if "unexpected response" in str(error):
            raise _no_imap(where) from error
        raise ConnectionLost(f"{where} ended the connection.", reason="closed") from error
    except (imaplib.IMAP4.error, ImapClientProtocolError, ValueError) as error:
        raise _no_imap(where) from error


def _no_imap(where: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{where} sent what is no IMAP: check the port (993 with TLS, 143 without).")


def rejection(where: str, command: str, kind: str, text: bytes) -> CommandRejected:
    """Return the error for a command that was answered with NO or BAD."""
    match = _CODE.match(text)
    words = _TIMING.sub(b"", text[match.end() if match else 0 :])[:MAX_QUOTED_OCTETS].decode(
        "utf-8", "replace"
    )
    words = "".join(character if character.isprintable() else " " for character in words).strip().rstrip(".")
    return CommandRejected(
        f"{where} answered {command} with {kind}: {words or 'no reason given'}.",
        command=command,
        kind=kind,
        code=match[1].decode().upper() if match else None,
        text=words,
    )
