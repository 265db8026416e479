"""What one writes without a program: loops over ``imaplib``, ``poplib`` and IMAPClient, a file a message.

Run as ``python loops.py imaplib|imapclient|poplib HOST PORT USER FOLDER [--limit N]``. The one over
``imaplib`` asks for one message at a time, as hooks of schedulers do; IMAPClient for a hundred. Nothing
is synced, indexed or remembered: that is what these loops do, and it makes them faster.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

IMAPCLIENT_MESSAGES = 100
"""Messages of one FETCH of the loop over IMAPClient."""

TIMEOUT = 120.0


def main() -> None:
    """Fetch an account with the library that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["imaplib", "imapclient", "poplib"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="messages to fetch of each mailbox; 0 only lists them")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    password = os.environ["MAILROOM_PASSWORD"]
    loop = {"imaplib": with_imaplib, "imapclient": with_imapclient, "poplib": with_poplib}[options.library]
    loop(options.host, options.port, options.user, password, options.folder, options.limit)


def with_imaplib(host: str, port: int, user: str, password: str, place: Path, limit: int | None) -> None:
    """Fetch all mailboxes, one FETCH a message."""
    import imaplib

    with imaplib.IMAP4(host, port, timeout=TIMEOUT) as client:
        client.login(user, password)
        _, listed = client.list()
        for number, line in enumerate(listed):
            assert isinstance(line, bytes)
            if b"\\NoSelect" in line or b"\\Noselect" in line:
                continue
            client.select(line.decode().rpartition(' "/" ')[2], readonly=True)
            _, found = client.uid("SEARCH", "ALL")
            for uid in found[0].split()[:limit]:
                _, answer = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
                (place / f"{number}.{uid.decode()}.mail").write_bytes(answer[0][1])


def with_imapclient(host: str, port: int, user: str, password: str, place: Path, limit: int | None) -> None:
    """Fetch all mailboxes, a FETCH for each hundred messages."""
    import imapclient

    client = imapclient.IMAPClient(host, port, ssl=False, timeout=TIMEOUT)
    client.login(user, password)
    for number, (flags, _, name) in enumerate(client.list_folders()):
        if {flag.lower() for flag in flags} & {b"\\noselect"}:
            continue
        client.select_folder(name, readonly=True)
        uids = client.search("ALL")[:limit]
        for start in range(0, len(uids), IMAPCLIENT_MESSAGES):
            answers = client.fetch(uids[start : start + IMAPCLIENT_MESSAGES], ["BODY.PEEK[]"])
            for uid, answer in answers.items():
                (place / f"{number}.{uid}.mail").write_bytes(answer[b"BODY[]"])
    client.logout()


def with_poplib(host: str, port: int, user: str, password: str, place: Path, limit: int | None) -> None:
    """Fetch the maildrop, one RETR a message."""
    import poplib

    client = poplib.POP3(host, port, timeout=TIMEOUT)
    client.user(user)
    client.pass_(password)
    _, listed, _ = client.uidl()
    for line in listed[:limit]:
        number = int(line.split()[0])
        _, lines, _ = client.retr(number)
        (place / f"{number}.mail").write_bytes(b"\r\n".join(lines) + b"\r\n")
    client.quit()


if __name__ == "__main__":
    main()
