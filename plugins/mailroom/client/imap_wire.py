"""IMAPClient on our own connection, and its errors in our words.

Belongs here: the one place that knows how IMAPClient and the standard library's imaplib
work inside. They read and write through a ``Transport``, so that the FETCH stream can take
over the same connection, and a refused command is a ``CommandRejected`` with its facts.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError as ImapClientProtocolError

from mailroom.client.transport import Transport
from mailroom.exceptions import (
    MAX_QUOTED_OCTETS,
    CommandRejected,
    ConnectionLost,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.protocol.modified_utf7 import RAW, decode_mailbox_name, encode_mailbox_name, name_in_utf8

__all__ = [
    "BUSY_CODES",
    "ImapWire",
    "Library",
    "farewell",
    "rejection",
    "translated",
]

BUSY_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT"})
"""Response codes that say "later" instead of "no" (RFC 9051 section 7.1)."""

_TIMING = re.compile(rb" *\(\d+\.\d+ \+ [^)]*secs\)\.?\s*\Z")
"""What Dovecot adds to its answers; of no use to a reader."""

_NO_IMAP = re.compile(r"unexpected |socket error: ")
"""How imaplib's own words begin where it raises abort; anything else is what the server said with BYE."""

_CODE = re.compile(rb"\[([A-Za-z0-9\-]+)(?: [^\]]*)?\] ?")

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
"""What no quoted string may hold, or imaplib from Python 3.14 on does not send."""


class ImapWire(imaplib.IMAP4):
    """imaplib's protocol engine over a transport.

    The five methods overridden are those the standard library names as its seam for other
    streams (as ``IMAP4_stream`` does), in Python 3.11 to 3.14 alike; neither ``file`` nor the
    read buffer that 3.14 brought is ever touched. The other two save a round trip, and turn
    NO and BAD into one error with facts.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.is_streaming = False
        """Whether the answers to commands are being read elsewhere (``imap_fetch``)."""
        self.is_utf8 = False
        """Whether folder names go both ways in UTF-8 (RFC 9755); else in modified UTF-7."""
        self._sent_otherwise: dict[str, bytes] = {}
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

    def folder_name(self, octets: bytes) -> str:
        """Return the name of a folder for people, as the server sent it.

        A server that says it speaks UTF-8 and sends modified UTF-7 is understood, and answered likewise.
        """
        name = decode_mailbox_name(octets)
        if not self.is_utf8:
            return name
        plain = name_in_utf8(octets)
        if octets.isascii() and not name.isascii() and not name.startswith(RAW):
            self._sent_otherwise[name] = octets
            return name
        return plain

    def quoted_name(self, name: str, command: str = "EXAMINE") -> bytes:
        """Return a folder's name as commands take it.

        ``quoted = DQUOTE *QUOTED-CHAR DQUOTE`` (RFC 3501 section 9). Octets above ASCII go out where
        both sides speak UTF-8, or as the server sent them, for only such a server has them.

        :param command: which one, for the error.
        :raises CommandRejected: if the name holds what cannot be sent.
        """
        is_plain = self.is_utf8 and not name.startswith(RAW)
        octets = name.encode("utf-8", "replace") if is_plain else encode_mailbox_name(name)
        octets = self._sent_otherwise.get(name, octets)
        if _CONTROLS.search(octets):
            why = "a name with control characters cannot be sent"
            raise CommandRejected(
                f"Folder {name!r}: {why}.", command=command, kind="NO", code="CANNOT", text=why
            )
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def _get_capabilities(self) -> None:
        """Learn what the server offers: from its greeting, or by asking where that does not say."""
        told = self.untagged_responses.get("CAPABILITY")
        if not told or not told[-1]:
            _, told = self.capability()
        words = told[-1] if told and isinstance(told[-1], bytes) else b""
        self.capabilities = tuple(words.decode("ascii", "replace").upper().split())

    def _command_complete(self, name: str, tag: bytes) -> tuple[str, list[Any]]:
        """Return the completion of a command; NO and BAD are errors with facts."""
        is_logout = name.upper() == "LOGOUT"
        kind, data = self._get_tagged_response(tag, expect_bye=is_logout)
        if not is_logout:
            self._check_bye()
        if kind != ("BYE" if is_logout else "OK"):
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

    def remember(self, capabilities: Iterable[str]) -> None:
        """Take over what the server offers, so that IMAPClient does not ask again."""
        self._cached_capabilities = tuple(name.encode("ascii", "replace") for name in capabilities)

    def _create_IMAP4(self) -> ImapWire:
        return ImapWire(self._transport)

    def _set_read_timeout(self) -> None:
        """Leave the transport's own timeout."""


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the libraries' errors inside the block into ours.

    :raises ConnectionLost: where the server said BYE or hung up.
    :raises RemoteProtocolError: where it did not speak IMAP.
    :raises LocalProtocolError: where a command was called that the state of the connection forbids.
    """
    try:
        yield
    except imaplib.IMAP4.abort as error:
        if _NO_IMAP.match(str(error)):
            raise _no_imap(where) from error
        raise farewell(where, str(error).encode()) from error
    except imaplib.IMAP4.error as error:
        if "illegal in state" in str(error):
            raise LocalProtocolError("No folder is open for this command: open one first.") from error
        raise _no_imap(where) from error
    except (ImapClientProtocolError, ValueError) as error:
        raise _no_imap(where) from error


def _no_imap(where: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{where} sent what is no IMAP: check the port (993 with TLS, 143 without).")


def rejection(where: str, command: str, kind: str, text: bytes) -> CommandRejected:
    """Return the error for a command that was answered with NO or BAD."""
    code, words = _read(text)
    return CommandRejected(
        f"{where} answered {command} with {kind}: {words or 'no reason given'}.",
        command=command,
        kind=kind,
        code=code,
        text=words,
    )


def farewell(where: str, text: bytes) -> ConnectionLost:
    """Return the error for a connection that the server ended with BYE."""
    code, words = _read(text.strip())
    reason = "busy" if code in BUSY_CODES else "closed"
    return ConnectionLost(f"{where} ended the connection: {words or 'no reason given'}.", reason=reason)


def _read(text: bytes) -> tuple[str | None, str]:
    """Return the response code, and the server's words on one line, shortened."""
    match = _CODE.match(text)
    words = _TIMING.sub(b"", text[match.end() if match else 0 :])[:MAX_QUOTED_OCTETS].decode(
        "utf-8", "replace"
    )
    words = "".join(character if character.isprintable() else " " for character in words).strip().rstrip(".")
    return (match[1].decode().upper() if match else None), words
