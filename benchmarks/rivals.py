"""The configuration of programs that fetch mail, each with its own defaults.

Mail stays on the server, goes to a Maildir, and comes over a plain connection, as ours does here.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mailroom.cli.version import reader_at_work

__all__ = ["Account", "fdm", "getmail", "mbsync", "mpop", "program_versions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where mail comes from, and the folder that it and all configuration go to."""

    host: str
    port: int
    user: str
    password: str
    place: Path

    def maildir(self) -> Path:
        """Return the Maildir to deliver to, which is there."""
        for name in ("cur", "new", "tmp"):
            (self.place / "mail" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.place / "mail"

    def write(self, name: str, text: str) -> Path:
        """Write a file of configuration that only its owner may read."""
        path = self.place / name
        path.write_text(text)
        path.chmod(0o600)
        return path


def mbsync(account: Account) -> list[str]:
    """Return the command that pulls all folders over IMAP."""
    mail = account.place / "mail"
    mail.mkdir(exist_ok=True)
    configuration = account.write(
        "mbsyncrc",
        f"""IMAPAccount a
Host {account.host}
Port {account.port}
User {account.user}
Pass {account.password}
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
""",
    )
    return ["mbsync", "-q", "-q", "-c", str(configuration), "-a"]


def mpop(account: Account) -> list[str]:
    """Return the command that fetches a maildrop over POP3."""
    configuration = account.write(
        "mpoprc",
        f"""account a
host {account.host}
port {account.port}
user {account.user}
password {account.password}
auth user
tls off
keep on
delivery maildir {account.maildir()}
uidls_file {account.place}/uidls
""",
    )
    return ["mpop", "--quiet", f"--file={configuration}", "a"]


def fdm(account: Account) -> list[str]:
    """Return the command that fetches a maildrop over POP3."""
    state = account.place / "state"
    state.mkdir(exist_ok=True)
    state.chmod(0o777)  # the half of it that talks to the server gives up its rights first
    configuration = account.write(
        "fdm.conf",
        f"""set default-user "{pwd.getpwuid(os.geteuid()).pw_name}"
set lock-file "{account.place}/lock"
set unmatched-mail keep
action "store" maildir "{account.maildir()}"
account "a" pop3 server "{account.host}" port {account.port}
    user "{account.user}" pass "{account.password}"
    new-only cache "{state}/cache" keep
match all action "store"
""",
    )
    return ["fdm", "-q", "-f", str(configuration), "fetch"]


def getmail(account: Account) -> list[str]:
    """Return the command that fetches a maildrop over POP3.

    It delivers each message in a process of its own, and where that ends before it is waited for, waits
    for as long as its timeout says and gives up; the timeout is less than usual to see that soon.
    """
    configuration = account.write(
        "getmailrc",
        f"""[retriever]
type = SimplePOP3Retriever
server = {account.host}
port = {account.port}
username = {account.user}
password = {account.password}
timeout = 15

[destination]
type = Maildir
path = {account.maildir()}/
{_as_nobody(account.place)}

[options]
read_all = false
delete = false
verbose = 0
""",
    )
    return ["getmail", f"--getmaildir={account.place}", f"--rcfile={configuration}"]


def _as_nobody(place: Path) -> str:
    """Return the line that lets getmail deliver where it is started by root, which it refuses to be."""
    if os.geteuid() != 0:
        return ""
    nobody = pwd.getpwnam("nobody")
    for path in (place, *place.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return "user = nobody"


def program_versions() -> dict[str, str]:
    """Return what of all that is measured is installed here, by name."""
    found = {name: version(name) for name in ("airflow-mailroom", "imapclient", "moto")}
    found["airflow-mailroom"] += f" ({reader_at_work()})"
    for name, words in (
        ("dovecot", ["/usr/sbin/dovecot", "--version"]),
        ("mbsync", ["mbsync", "--version"]),
        ("mpop", ["mpop", "--version"]),
        ("getmail", ["getmail", "--version"]),
        ("fdm", ["dpkg-query", "-W", "-f=${Version}", "fdm"]),  # it does not tell its version itself
    ):
        try:
            ran = subprocess.run(words, check=False, capture_output=True, text=True)
        except OSError:
            continue
        if stated := re.search(r"\d+(\.\d+)+", ran.stdout or ran.stderr):
            found[name] = stated[0]
    return found
