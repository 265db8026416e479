"""A throwaway Dovecot on loopback: real POP3 and IMAP for tests, demo and benchmarks.

It needs no rights and no system configuration: everything lies in one temporary folder,
on free ports, with a certificate of its own authority. It is gone when the ``with`` block
ends, and also when the process that started it is killed: a keeper process waits for that.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import imapclient
import trustme

from mailroom.model import Endpoint, MailProtocol, Security
from tests.support.dovecot_config import DovecotSettings, render
from tests.support.maildir import Stored, write_maildir

__all__ = ["Dovecot", "DovecotMissing", "find_dovecot"]

START_SECONDS = 20.0
"""How long a start may take before it counts as failed; it takes 0.2 s on an idle machine."""

PORTS = range(15000, 32000)
"""Below the ports that Linux hands out for outgoing connections, so that nobody takes ours meanwhile."""

KEEPER = """
( "$1" -F -c "$2/dovecot.conf" >"$2/output.log" 2>&1 & echo $! >"$2/master.pid"; wait; : >"$2/ended" ) &
server=$!
cat >/dev/null
kill -TERM "$(cat "$2/master.pid")"
( sleep 5; kill -KILL 0 ) &
wait "$server"
rm -rf -- "$2"
kill -KILL 0
"""
"""Starts Dovecot and ends it when standard input closes, that is when whoever holds it ends or is killed."""


class DovecotMissing(RuntimeError):
    """Dovecot is not installed here, or it would not start."""


def find_dovecot() -> str:
    """Return the path of the ``dovecot`` program.

    :raises DovecotMissing: if it or its POP3 or IMAP part is not installed.
    """
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    libexec = [Path(base) / "dovecot" for base in ("/usr/lib", "/usr/libexec", "/usr/local/libexec")]
    if program is None or not any((d / "imap").exists() and (d / "pop3").exists() for d in libexec):
        raise DovecotMissing(
            "Dovecot is not installed; install it with: apt-get install dovecot-imapd dovecot-pop3d"
        )
    return program


class Dovecot:
    """One running server; use it as a context manager.

    ``extra``, ``imap_extra`` and ``pop3_extra`` are lines of configuration for the whole
    server and for one protocol; the other options are those of ``DovecotSettings``.

    :raises DovecotMissing: from ``start``, if Dovecot is not installed or does not start.
    """

    host = "127.0.0.1"

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._keeper: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}
        self._sessions: dict[str, imapclient.IMAPClient] = {}
        self._ports: dict[str, int] = {}
        self.home = Path()

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def imap_port(self) -> int:
        """The plain port, which offers STARTTLS."""
        return self._ports["imap"]

    @property
    def imaps_port(self) -> int:
        """The port with implicit TLS."""
        return self._ports["imaps"]

    @property
    def pop3_port(self) -> int:
        """The plain port, which offers STLS."""
        return self._ports["pop3"]

    @property
    def pop3s_port(self) -> int:
        """The port with implicit TLS."""
        return self._ports["pop3s"]

    @property
    def ca_file(self) -> str:
        """Path of the PEM file with the authority that signed the server's certificate."""
        return str(self.home / "ca.pem")

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        path = self.home / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server and wait until all its ports answer.

        :raises DovecotMissing: if it is not installed or does not start.
        """
        program = find_dovecot()
        for attempt in range(5):
            self._prepare(program)
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", program, str(self.home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if self._answers():
                return
            said = (self.home / "output.log").read_text(errors="replace") + self.log
            self.stop()
            if "Address already in use" not in said or attempt == 4:
                raise DovecotMissing(f"Dovecot did not start; it said: {said[-2000:] or 'nothing'}")

    def stop(self) -> None:
        """End the server and all its processes and remove its files; safe to call twice."""
        for session in self._sessions.values():
            with contextlib.suppress(Exception):
                session.shutdown()
        self._sessions.clear()
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
        self._keeper = None
        if self.home != Path():
            shutil.rmtree(self.home, ignore_errors=True)

    def add_user(self, name: str | None = None, password: str = "secret") -> str:
        """Make an empty account and return its user name."""
        name = name or f"user{secrets.token_hex(5)}"
        self._passwords[name] = password
        (self.home / "passwords" / name).write_text(f"{name}:{{PLAIN}}{password}\n")
        home = self.home / "users" / name
        home.mkdir(exist_ok=True)
        self._give(home)
        return name

    def endpoint(
        self, user: str, protocol: MailProtocol, security: Security = Security.SSL, **overrides: Any
    ) -> Endpoint:
        """Return where ``user`` is found on this server, ready to connect to."""
        port = self._ports[protocol.value + ("s" if security is Security.SSL else "")]
        values: dict[str, Any] = {
            "protocol": protocol,
            "host": self.host,
            "port": port,
            "user": user,
            "secret": self._passwords.get(user, "secret"),
            "security": security,
            "ca_file": self.ca_file,
            "timeout": 20.0,
        }
        return Endpoint(**(values | overrides))

    def mailbox(self, user: str) -> imapclient.IMAPClient:
        """Return a signed-in IMAP client, to act as the person's other device; close it yourself."""
        client = imapclient.IMAPClient(self.host, port=self.imap_port, ssl=False, timeout=20)
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
        session = self._sessions.get(user)
        if session is None:
            session = self._sessions[user] = self.mailbox(user)
        try:
            answer = session.append(folder, content, flags, internal_date)
        except imapclient.exceptions.IMAPClientError as refusal:
            if "TRYCREATE" not in str(refusal):
                raise
            session.create_folder(folder)
            answer = session.append(folder, content, flags, internal_date)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer)
        return int(found[1]) if found else None

    def fill(
        self, user: str, messages: Iterable[Stored], folder: str = "INBOX", *, stamp: int = 1_600_000_000
    ) -> int:
        """Write many messages straight into a Maildir folder, bytes as they are; return how many.

        Ten times as fast as APPEND, and the only way to store what IMAP would refuse or
        change (NUL bytes, bare LF). Only for ``storage="maildir"``.

        :param stamp: begins the file names; another one each time where messages are deleted in between.
        """
        place = self.home / "users" / user / "mail" / folder
        count = write_maildir(place, messages, stamp=stamp)
        self._give(self.home / "users" / user)
        return count

    def doveadm(self, *arguments: str) -> str:
        """Run ``doveadm`` on this server and return what it printed."""
        command = ["doveadm", "-c", str(self.home / "dovecot.conf"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _prepare(self, program: str) -> None:
        # Unix sockets must have a path under 108 octets, so a long TMPDIR will not do.
        self.home = Path(tempfile.mkdtemp(prefix="mailroom-", dir="/tmp"))
        self.home.chmod(0o755)
        (self.home / "users").mkdir()
        self._ports = dict(zip(("imap", "imaps", "pop3", "pop3s"), _free_ports(4), strict=True))
        rootless = os.geteuid() != 0
        account = pwd.getpwuid(os.geteuid()) if rootless else pwd.getpwnam("nobody")
        self._owner = (account.pw_name, account.pw_uid, account.pw_gid)
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        major, minor = said.split(".")[:2]
        settings = DovecotSettings(
            version=(int(major), int(minor)),
            home=self.home,
            owner=self._owner,
            rootless=rootless,
            group=grp.getgrgid(account.pw_gid).gr_name,
            ports=self._ports,
            **self._options,
        )
        (self.home / "dovecot.conf").write_text(render(settings))
        (self.home / "passwords").mkdir()
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(str(self.home / "ca.pem"))
        certificate.private_key_pem.write_to_path(str(self.home / "server.key"))
        (self.home / "server.key").chmod(0o600)
        for number, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(str(self.home / "server.pem"), append=number > 0)

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (self.home / "ended").exists():
                return False
            try:
                for name, greeting in (("pop3", b"+OK"), ("imap", b"* OK")):
                    with socket.create_connection((self.host, self._ports[name]), timeout=5) as connection:
                        if not connection.recv(100).startswith(greeting):
                            raise OSError("no greeting yet")
            except OSError:
                time.sleep(0.02)
            else:
                return True
        return False

    def _give(self, path: Path) -> None:
        if os.geteuid() != 0:
            return
        _, uid, gid = self._owner
        while True:
            # The server may be at work in there, for a client that was killed: look again.
            with contextlib.suppress(FileNotFoundError):
                for base, _, files in os.walk(path):
                    os.chown(base, uid, gid)
                    for name in files:
                        os.chown(os.path.join(base, name), uid, gid)
                return


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, found by binding them all at once."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = random.SystemRandom().choice(PORTS)
            bound = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                bound.bind(("127.0.0.1", port))
                found.append(port)
    return found
