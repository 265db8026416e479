"""Cyrus IMAP on loopback, beside Dovecot: its packages conflict, so they are unpacked and not installed.

Everything lies in one temporary folder. Passwords are checked here, by way of the socket that Cyrus asks
``saslauthd`` at. It is gone when the ``with`` block ends, and also when the process that started it is
killed: a shell waits for that.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import imapclient

from mailroom.model import Endpoint, MailProtocol, Security
from tests.support.unpacked import PackagesMissing, library_path, unpacked

__all__ = ["Cyrus"]

PACKAGES = ("cyrus-imapd", "cyrus-common")

LIBRARIES = "libxapian|libpcre3|libical"

PORTS = range(15000, 32000)
"""Below the ports that Linux hands out for outgoing connections, so that nobody takes ours meanwhile."""

START_SECONDS = 20.0

IMAPD_CONF = """\
configdirectory: {home}/config
partition-default: {home}/mail
defaultpartition: default
admins: cyrus
altnamespace: no
unixhierarchysep: no
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {home}/run/mux
sasl_mech_list: PLAIN
autocreate_quota: 0
autocreate_users: anyone
cyrus_user: {owner}
proc_path: {home}/run/proc
idlesocket: {home}/run/idle
notifysocket: {home}/run/notify
mboxname_lockpath: {home}/run/lock
maxlogins_per_user: 0
"""
"""Names of folders as Cyrus has had them from its beginning: below ``INBOX.``."""

CYRUS_CONF = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {home}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {home}/imapd.conf" listen="127.0.0.1:{port}" prefork=0
}}
EVENTS {{
  checkpoint cmd="{bin}/ctl_cyrusdb -C {home}/imapd.conf -c" period=600
}}
"""

KEEPER = '"$@" & master=$!; cat >/dev/null; kill -TERM "$master"; wait "$master"'
"""Starts Cyrus and ends it when standard input closes, that is when whoever holds it ends or is killed."""


class Cyrus:
    """One running server; a context manager. What tests ask of it is what they ask of ``Dovecot``.

    :raises PackagesMissing: from ``start``, if it cannot run here.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.home = Path()
        self.imap_port = 0
        self._passwords: dict[str, str] = {}
        self._listener: socket.socket | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cyrus:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises PackagesMissing: if it cannot run here.
        """
        root = unpacked("cyrus", PACKAGES, LIBRARIES)
        self.home = Path(tempfile.mkdtemp(prefix="mailroom-cyrus-", dir="/tmp"))
        self.imap_port = random.SystemRandom().choice(PORTS)
        self._prepare(root)
        self._keeper = subprocess.Popen(
            [
                *("/bin/sh", "-c", KEEPER, "keeper", str(root / "usr/lib/cyrus/bin/master"), "-D"),
                *("-C", str(self.home / "imapd.conf"), "-M", str(self.home / "cyrus.conf")),
                *("-p", str(self.home / "run/master.pid")),
            ],
            env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": library_path(root), "CYRUS_USER": _owner()},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not self._answers():
            self.stop()
            raise PackagesMissing("Cyrus does not start here.")

    def stop(self) -> None:
        """End the server and remove all mail; safe to call twice."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
        self._keeper = None
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        shutil.rmtree(self.home, ignore_errors=True)

    def add_user(self, name: str | None = None, password: str = "secret") -> str:
        """Make an account and return its user name; Cyrus makes its inbox at the first sign-in."""
        name = name or f"user{secrets.token_hex(5)}"
        self._passwords[name] = password
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

    def _prepare(self, root: Path) -> None:
        self.home.chmod(0o755)
        for name in ("config", "mail", "run"):
            (self.home / name).mkdir()
        facts = {
            "home": self.home,
            "owner": _owner(),
            "bin": root / "usr/lib/cyrus/bin",
            "port": self.imap_port,
        }
        (self.home / "imapd.conf").write_text(IMAPD_CONF.format(**facts))
        (self.home / "cyrus.conf").write_text(CYRUS_CONF.format(**facts))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.home / "run/mux"))
        self._listener.listen()
        (self.home / "run/mux").chmod(0o777)
        threading.Thread(target=self._check_passwords, args=(self._listener,), daemon=True).start()
        if os.geteuid() == 0:
            account = pwd.getpwnam(_owner())
            for folder in (self.home, *self.home.iterdir()):
                os.chown(folder, account.pw_uid, account.pw_gid)

    def _check_passwords(self, listener: socket.socket) -> None:
        """Answer as ``saslauthd`` does: user, password, service and realm in, ``OK`` or ``NO`` out."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, struct.error), connection.makefile("rb") as stream:
                words = [stream.read(struct.unpack("!H", stream.read(2))[0]).decode() for _ in range(4)]
                answer = b"OK" if self._passwords.get(words[0]) == words[1] else b"NO"
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((self.host, self.imap_port), timeout=5) as connection:
                    if connection.recv(100).startswith(b"* OK"):
                        return True
            except OSError:
                time.sleep(0.05)
        return False


def _owner() -> str:
    """Return whom the mail belongs to: Cyrus does not run as root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
