"""What is compared: how each program is told to fetch the same account into an empty place.

Each runs with its own defaults; only where mail comes from and goes to is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.dovecot import Dovecot

__all__ = ["PROGRAMS", "Program", "Task"]

PASSWORD = "secret"
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One account to fetch to one place.

    :param place: an empty folder, which is the program's own.
    """

    server: Dovecot
    user: str
    place: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One way to fetch mail.

    :param protocol: ``imap`` (the whole account) or ``pop3`` (the inbox).
    :param command: writes the configuration into the task's place and returns the command.
    """

    name: str
    protocol: str
    command: Callable[[Task], list[str]]
    is_ours: bool = False

    def fetched(self, place: Path) -> int:
        """Return how many messages lie in the task's place: one that fetches less would win."""
        parents = {path.parent.name for path in place.rglob("*.eml")} if self.is_ours else {"cur", "new"}
        return sum(1 for path in place.rglob("*") if path.parent.name in parents and path.is_file())


def environment() -> dict[str, str]:
    """Return the environment that all programs run in."""
    return {**os.environ, "MAILROOM_PASSWORD": PASSWORD}


def _mailroom_mirror(task: Task) -> list[str]:
    url = f"imap://{task.user}@{task.server.host}:{task.server.imap_port}"
    return [str(BIN / "mailroom"), "mirror", url, "--archive", str(task.place / "archive"), "--json"]


def _mailroom_fetch(task: Task) -> list[str]:
    url = f"pop3://{task.user}@{task.server.host}:{task.server.pop3_port}"
    return [str(BIN / "mailroom"), "fetch", url, "--archive", str(task.place / "archive"), "--json"]


def _mbsync(task: Task) -> list[str]:
    mail = task.place / "mail"
    mail.mkdir(exist_ok=True)
    configuration = task.place / "mbsyncrc"
    configuration.write_text(
        f"""IMAPAccount a
Host {task.server.host}
Port {task.server.imap_port}
User {task.user}
Pass {PASSWORD}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""
    )
    return ["mbsync", "-q", "-q", "-c", str(configuration), "-a"]


def _mpop(task: Task) -> list[str]:
    mail = task.place / "mail"
    for name in ("cur", "new", "tmp"):
        (mail / name).mkdir(parents=True, exist_ok=True)
    configuration = task.place / "mpoprc"
    configuration.write_text(
        f"""account a
host {task.server.host}
port {task.server.pop3_port}
user {task.user}
password {PASSWORD}
auth user
tls off
keep on
delivery maildir {mail}
uidls_file {task.place}/uidls
"""
    )
    configuration.chmod(0o600)
    return ["mpop", "--quiet", f"--file={configuration}", "a"]


PROGRAMS = (
    Program(name="mailroom mirror", protocol="imap", command=_mailroom_mirror, is_ours=True),
    Program(name="mbsync", protocol="imap", command=_mbsync),
    Program(name="mailroom fetch", protocol="pop3", command=_mailroom_fetch, is_ours=True),
    Program(name="mpop", protocol="pop3", command=_mpop),
)
"""The first of each protocol is ours."""
