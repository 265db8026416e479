"""Courier IMAP on loopback, beside Dovecot: its packages conflict, so they are unpacked and not installed.

``imapd`` serves one Maildir over standard input and output to somebody who has signed in already. The
sign-in is done here, so that neither its daemons nor its places in ``/etc`` are needed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import imapclient

from mailroom.model import Endpoint, MailProtocol, Security
from tests.support.unpacked import PackagesMissing, library_path, unpacked

__all__ = ["Courier"]

PACKAGES = ("courier-imap", "courier-base", "courier-authlib")

LIBRARIES = "libcourier-unicode|libgamin|libgdbm|libidn"

CAPABILITIES = (
    "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE SASL-IR"
)
"""As Debian configures it, and what the sign-in here takes."""

SETTINGS = {
    "IMAP_CAPABILITY": CAPABILITIES,
    "IMAP_KEYWORDS": "1",
    "IMAP_ACL": "1",
    "IMAP_USELOCKS": "0",
    "IMAP_MAILBOX_SANITY_CHECK": "0",
    "IMAP_TRASHFOLDERNAME": "Trash",
    "IMAP_UMASK": "022",
}
"""As in Debian's ``/etc/courier/imapd``, but for locks, which need a daemon that watches files."""

SOCKET_NAME_OCTETS = 108
"""The library that asks for files to be watched fills the name of its socket up to this length."""


class Courier:
    """One running server; a context manager. What tests ask of it is what they ask of ``Dovecot``.

    :raises PackagesMissing: from ``start``, if it cannot run here.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.home = Path()
        self.imap_port = 0
        self._passwords: dict[str, str] = {}
        self._root = Path()
        self._listener: socket.socket | None = None
        self._watcher: socket.socket | None = None
        self._open: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Courier:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen.

        :raises PackagesMissing: if it cannot run here.
        """
        self._root = unpacked("courier", PACKAGES, LIBRARIES)
        self.home = Path(tempfile.mkdtemp(prefix="mailroom-courier-"))
        self._watcher = _watch_for_nobody(self.home.name)
        probe = self.home / "probe"
        _make_maildir(probe / "Maildir")
        with self._spawn("probe", probe) as process:
            answer, _ = process.communicate(b"1 LOGOUT\r\n", timeout=30)
        if b"1 OK" not in answer:
            self.stop()
            raise PackagesMissing(f"Courier does not run here; it said: {answer[-300:]!r}")
        self._listener = socket.create_server((self.host, 0))
        self.imap_port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """End all sessions and remove all mail; safe to call twice."""
        for listener in (self._listener, self._watcher):
            if listener is not None:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
        self._listener = self._watcher = None
        for connection, process in self._open:
            with contextlib.suppress(OSError):
                connection.close()
            process.kill()
            process.wait()
        self._open.clear()
        shutil.rmtree(self.home, ignore_errors=True)

    def add_user(self, name: str | None = None, password: str = "secret") -> str:
        """Make an empty account and return its user name."""
        name = name or f"user{secrets.token_hex(5)}"
        self._passwords[name] = password
        _make_maildir(self.home / name / "Maildir")
        return name

    def endpoint(self, user: str, protocol: MailProtocol = MailProtocol.IMAP, **overrides: Any) -> Endpoint:
        """Return where ``user`` is found on this server, ready to connect to."""
        values: dict[str, Any] = {
            "protocol": protocol,
            "host": self.host,
            "port": self.imap_port,
            "user": user,
            "secret": self._passwords.get(user, "secret"),
            "security": Security.PLAIN,
            "timeout": 30.0,
        }
        return Endpoint(**(values | overrides))

    def mailbox(self, user: str) -> imapclient.IMAPClient:
        """Return a signed-in IMAP client, to act as the person's other device; close it yourself."""
        client = imapclient.IMAPClient(self.host, port=self.imap_port, ssl=False, timeout=30)
        client.login(user, self._passwords.get(user, "secret"))
        return client

    def append(
        self,
        user: str,
        content: bytes,
        folder: str = "INBOX",
        flags: Sequence[str] = (),
        internal_date: datetime | None = None,
    ) -> int | None:
        """Store one message through IMAP APPEND and return its UID; the folder is made if missing."""
        with self.mailbox(user) as session:
            if not session.folder_exists(folder):
                session.create_folder(folder)
            answer = session.append(folder, content, flags, internal_date)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer)
        return int(found[1]) if found else None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        """Sign somebody in, then leave the conversation to Courier."""
        with contextlib.suppress(OSError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = cast(IO[bytes], connection.makefile("rwb"))
            signed_in = self._sign_in(stream)
            if signed_in is not None:
                self._hand_over(connection, stream, signed_in)
        connection.close()

    def _sign_in(self, stream: IO[bytes]) -> tuple[str, str] | None:
        """Return who signed in and the tag of the command that did; None where nobody does."""
        _say(stream, f"* OK [CAPABILITY {CAPABILITIES} AUTH=PLAIN] Courier-IMAP ready.")
        while line := stream.readline().decode().rstrip("\r\n"):
            tag, _, command = line.partition(" ")
            word, _, rest = command.partition(" ")
            user = password = ""
            if word.upper() == "LOGIN":
                user, password = (text.strip('"').replace("\\", "") for text in rest.split(" ", 1))
            elif word.upper() == "AUTHENTICATE" and " " in rest:
                _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
            elif word.upper() == "LOGOUT":
                _say(stream, "* BYE Bye.", f"{tag} OK Done.")
                return None
            elif word.upper() == "CAPABILITY":
                _say(stream, f"* CAPABILITY {CAPABILITIES} AUTH=PLAIN", f"{tag} OK Done.")
                continue
            if user and self._passwords.get(user) == password:
                return user, tag
            _say(stream, f"{tag} NO Login failed." if user else f"{tag} BAD Sign in first.")
        return None

    def _hand_over(self, connection: socket.socket, stream: IO[bytes], signed_in: tuple[str, str]) -> None:
        user, tag = signed_in
        process = self._spawn(user, self.home / user)
        self._open.append((connection, process))
        assert process.stdin is not None
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"* PREAUTH"):
            if process.poll() is not None:
                return
        _say(stream, f"{tag} OK LOGIN Ok.")
        threading.Thread(target=_pump, args=(process.stdout, stream), daemon=True).start()
        _pump(stream, process.stdin)
        process.stdin.close()
        process.wait()

    def _spawn(self, user: str, home: Path) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": library_path(self._root),
            "AUTHENTICATED": user,
            "GAM_CLIENT_ID": self.home.name,
            **SETTINGS,
        }
        return subprocess.Popen(
            [str(self._root / "usr/bin/imapd"), "Maildir"],
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def _make_maildir(path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)


def _watch_for_nobody(client: str) -> socket.socket:
    """Hang up on whoever asks for files to be watched; Courier waits a second for a daemon that is not there.

    :param client: ``GAM_CLIENT_ID``, part of the name of the socket.
    """
    name = f"\0/tmp/fam-{pwd.getpwuid(os.geteuid()).pw_name}-{client}".encode()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name.ljust(SOCKET_NAME_OCTETS, b"\0"))
    listener.listen()

    def hang_up() -> None:
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=hang_up, daemon=True).start()
    return listener


def _say(stream: IO[bytes], *lines: str) -> None:
    for line in lines:
        stream.write(f"{line}\r\n".encode())
    stream.flush()


def _pump(source: Any, target: IO[bytes]) -> None:
    """Pass on what comes, until it ends."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.read1(65536):
            target.write(data)
            target.flush()
