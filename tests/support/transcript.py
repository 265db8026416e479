"""Conversations written down line by line, played by a real server on loopback.

One step a line: ``C:`` what the client must send (``*``: any line), ``S:`` what the server
says (both with CRLF added), ``S~`` octets with escapes as in a bytes literal and nothing added, ``TLS``
the server's side of a handshake, ``DEFLATE`` everything is compressed from here on (RFC 4978), ``RAW~``
octets that are not, ``CLOSE`` the server hangs up, ``#`` a comment. IMAP's clients
choose their tags: ``C: <1> NOOP`` takes any tag, and ``<1>`` stands for it from there on. Before it
answers, the player makes sure that the client sent nothing more than the transcript says.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import zlib
from pathlib import Path
from typing import Self

__all__ = ["TRANSCRIPTS", "TranscriptServer"]

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"

PATIENCE = 10.0


class TranscriptServer:
    """Plays one transcript to the first client that connects; a context manager.

    Leaving the ``with`` block raises ``AssertionError`` where the client departed from it.
    """

    def __init__(self, transcript: str | Path, *, tls: ssl.SSLContext | None = None) -> None:
        text = transcript.read_text() if isinstance(transcript, Path) else transcript
        self._steps = [line.rstrip("\n") for line in text.splitlines() if line.strip() and line[0] != "#"]
        self._tls = tls
        self._problem: str | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()
        if self._problem is not None and kind is None:
            raise AssertionError(self._problem)

    def _run(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            self._problem = "nobody connected"
            return
        connection.settimeout(PATIENCE)
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: connection.close())
            line_of: socket.socket | _Deflated = connection
            received = b""
            tags: dict[str, str] = {}
            for step in self._steps:
                kind, _, line = step.partition(" ")
                try:
                    if kind == "TLS":
                        assert self._tls is not None, "the transcript needs a certificate"
                        line_of = connection = self._tls.wrap_socket(connection, server_side=True)
                    elif kind == "DEFLATE":
                        line_of = _Deflated(connection)
                    elif kind == "CLOSE":
                        return
                    elif kind == "C:":
                        received = _expect(line_of, received, line, tags)
                    elif received:
                        self._problem = f"the client sent {received!r} too early, before {step!r}"
                        return
                    elif kind == "RAW~":
                        connection.sendall(_octets("S~", _tagged(line, tags)))
                    else:
                        line_of.sendall(_octets(kind, _tagged(line, tags)))
                except (AssertionError, OSError) as error:
                    self._problem = f"at {step!r}: {error!r}"
                    return


class _Deflated:
    """A connection whose octets are deflated both ways."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    def sendall(self, data: bytes) -> None:
        self._connection.sendall(self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, limit: int) -> bytes:
        data = b""
        while not data and (received := self._connection.recv(limit)):
            data = self._inflate.decompress(received)
        return data


def _octets(kind: str, line: str) -> bytes:
    if kind == "S:":
        return line.encode() + b"\r\n"
    assert kind == "S~", f"{kind!r} is no step"
    return line.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _tagged(line: str, tags: dict[str, str]) -> str:
    for name, tag in tags.items():
        line = line.replace(name, tag)
    return line


def _expect(connection: socket.socket | _Deflated, received: bytes, line: str, tags: dict[str, str]) -> bytes:
    while b"\n" not in received:
        data = connection.recv(65536)
        assert data, f"the client hung up instead of sending {line!r}"
        received += data
    found, _, rest = received.partition(b"\n")
    if line.startswith("<"):
        tags[line.partition(" ")[0]] = found.partition(b" ")[0].decode()
    wanted = _tagged(line, tags).encode() + b"\r"
    assert line == "*" or found == wanted, f"the client sent {found!r} instead of {wanted!r}"
    return rest
