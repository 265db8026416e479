"""A small POP3 server on loopback whose faults can be chosen, for what Dovecot never does.

It has no UIDL, renumbers, shows only a window, lies about sizes, refuses single messages,
hangs up in the middle, does not confirm QUIT: as its :class:`Maildrop` says. Deletions
happen at a good QUIT only, as RFC 1939 demands.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from mailroom.model import Endpoint, MailProtocol, Security

__all__ = ["Maildrop", "Pop3Server"]

CAPABILITIES = ("TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE")


@dataclass(kw_only=True)
class Maildrop:
    """What the server holds, and how it behaves; change it between sessions at will.

    :param messages: (unique id, content) with CRLF; dots not stuffed.
    :param capabilities: what CAPA says; None makes CAPA an unknown command.
    :param window: show only the newest so many messages.
    :param stated: sizes to state in LIST instead of the true ones, by message number.
    :param refused: -ERR texts for RETR, TOP and DELE, by message number.
    :param quit_removes: how many of the marked messages QUIT removes; None removes all, or none with -ERR.
    :param hang_up_at: command line at which the connection is closed without an answer.
    :param hangs_up_after_quit: whether QUIT is carried out and never answered.
    """

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    capabilities: tuple[str, ...] | None = CAPABILITIES
    has_uidl: bool = True
    has_top: bool = True
    window: int | None = None
    stated: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    quit_answer: str = "+OK bye"
    quit_removes: int | None = None
    hang_up_at: str | None = None
    hangs_up_after_quit: bool = False


class Pop3Server:
    """Serves one maildrop to any user with password ``secret``, one session after another; a context manager.

    ``commands`` records what clients sent, the password left out; ``unanswered`` is the most
    commands that were waiting in the server's buffer at once.
    """

    def __init__(self, maildrop: Maildrop) -> None:
        self.maildrop = maildrop
        self.commands: list[str] = []
        self.unanswered = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._open: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, self._open):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(10)

    def endpoint(self, user: str = "user", **overrides: Any) -> Endpoint:
        """Return where the maildrop is found, with no encryption."""
        values: dict[str, Any] = {
            "protocol": MailProtocol.POP3,
            "host": "127.0.0.1",
            "port": self._listener.getsockname()[1],
            "user": user,
            "secret": "secret",
            "security": Security.PLAIN,
            "timeout": 10.0,
        }
        return Endpoint(**(values | overrides))

    def _serve(self) -> None:
        while True:
            try:
                self._open, _ = self._listener.accept()
            except OSError:
                return
            with self._open, contextlib.suppress(OSError):
                _Session(self, self.maildrop, self._open).run()


class _Session:
    def __init__(self, server: Pop3Server, maildrop: Maildrop, connection: socket.socket) -> None:
        self._server, self._drop, self._connection = server, maildrop, connection
        start = max(0, len(maildrop.messages) - maildrop.window) if maildrop.window is not None else 0
        self._shown = list(enumerate(maildrop.messages[start:], 1))
        self._deleted: set[int] = set()

    def run(self) -> None:
        self._connection.sendall(b"+OK ready\r\n")
        received = b""
        while data := self._connection.recv(65536):
            received += data
            self._server.unanswered = max(self._server.unanswered, received.count(b"\n"))
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                command = line.decode().strip()
                self._server.commands.append("PASS" if command.startswith("PASS") else command)
                if command == self._drop.hang_up_at:
                    return
                answer = self._answer(*command.split())
                if command == "QUIT" and self._drop.hangs_up_after_quit:
                    return
                self._connection.sendall(answer)
                if command == "QUIT":
                    return

    def _answer(self, name: str, *arguments: str) -> bytes:
        method: Callable[..., bytes] | None = getattr(self, f"_{name.lower()}", None)
        return method(*arguments) if method else b"-ERR unknown command\r\n"

    def _capa(self) -> bytes:
        if self._drop.capabilities is None:
            return b"-ERR unknown command\r\n"
        return _block("\r\n".join(self._drop.capabilities).encode() + b"\r\n")

    def _user(self, name: str) -> bytes:
        return b"+OK\r\n"

    def _pass(self, password: str = "") -> bytes:
        return b"+OK\r\n" if password == "secret" else b"-ERR [AUTH] no\r\n"

    def _left(self) -> list[tuple[int, tuple[str, bytes]]]:
        return [(number, message) for number, message in self._shown if number not in self._deleted]

    def _stat(self) -> bytes:
        left = self._left()
        return b"+OK %d %d\r\n" % (len(left), sum(len(content) for _, (_, content) in left))

    def _list(self) -> bytes:
        sizes = self._drop.stated
        return _block(b"".join(b"%d %d\r\n" % (n, sizes.get(n, len(m[1]))) for n, m in self._left()))

    def _uidl(self) -> bytes:
        if not self._drop.has_uidl:
            return b"-ERR unknown command\r\n"
        return _block(b"".join(b"%d %s\r\n" % (n, unique.encode()) for n, (unique, _) in self._left()))

    def _retr(self, number: str) -> bytes:
        content = self._content(int(number))
        return content if content.startswith(b"-ERR") else _block(content[1:])

    def _top(self, number: str, lines: str) -> bytes:
        if not self._drop.has_top:
            return b"-ERR unknown command\r\n"
        content = self._content(int(number))
        if content.startswith(b"-ERR"):
            return content
        header, blank, body = content[1:].partition(b"\r\n\r\n")
        return _block(header + blank + b"".join(body.splitlines(keepends=True)[: int(lines)]))

    def _dele(self, number: str) -> bytes:
        content = self._content(int(number))
        if content.startswith(b"-ERR"):
            return content
        self._deleted.add(int(number))
        return b"+OK marked\r\n"

    def _rset(self) -> bytes:
        self._deleted.clear()
        return b"+OK\r\n"

    def _noop(self) -> bytes:
        return b"+OK\r\n"

    def _quit(self) -> bytes:
        marked = [message for number, message in self._shown if number in self._deleted]
        count = self._drop.quit_removes
        if count is None:
            count = len(marked) if self._drop.quit_answer.startswith("+OK") else 0
        if count:
            gone = {id(message) for message in marked[:count]}
            self._drop.messages = [message for message in self._drop.messages if id(message) not in gone]
        return self._drop.quit_answer.encode() + b"\r\n"

    def _content(self, number: int) -> bytes:
        """Return the message with one octet in front, or an -ERR line."""
        if number in self._drop.refused:
            return b"-ERR " + self._drop.refused[number].encode() + b"\r\n"
        if number in self._deleted or not 0 < number <= len(self._shown):
            return b"-ERR no such message\r\n"
        return b" " + self._shown[number - 1][1][1]


def _block(content: bytes) -> bytes:
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    return b"+OK\r\n" + stuffed + (b"" if not stuffed or stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n"
