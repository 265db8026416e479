"""SIGKILL while mirroring: nothing lost, nothing twice, and the next run ends where one run would have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mailroom.archive import Archive
from tests.integration.killing import digests_of, kill_again_and_again, settled, small_mail
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import message_of_size
from tests.support.maildir import Stored
from tests.support.proxy import Proxy

pytestmark = pytest.mark.kill

A_ROUND = 150
ROTATING = small_mail(100_000, 20)


class Mailbox:
    """An account in which everything happens that can happen, round after round."""

    def __init__(self, account: MirrorAccount) -> None:
        self.account = account
        self.sent = digests_of(ROTATING)

    def refill(self, number: int) -> None:
        """Deliver mail, change flags, move and expunge messages, rename a folder, number one anew."""
        messages = [*small_mail(number * A_ROUND, A_ROUND), message_of_size(1_500_000, seed=str(number))]
        self.sent |= digests_of(messages)
        server, user = self.account.server, self.account.user
        server.fill(
            user, [Stored(content=content) for content in messages], stamp=1_500_000_000 + number * 10_000
        )
        with server.mailbox(user) as client:
            if client.folder_exists("Rotating"):
                client.delete_folder("Rotating")
            if client.folder_exists("Filed"):
                client.rename_folder("Filed", f"Filed in {number}")
            client.create_folder("Filed")
            client.select_folder("INBOX")
            uids = client.search()
            client.add_flags(uids[::7], [b"\\Seen", b"$%d" % number])
            if number:
                client.move(uids[-30:-10], "Filed")
                client.delete_messages(uids[:5])
                client.expunge()
        for content in ROTATING if number % 2 else reversed(ROTATING):
            self.account.append(content, "Rotating")

    def check(self) -> None:
        """Look at what a kill left: no place twice, no row without bytes."""
        settled(self.account.root)
        if not (self.account.root / "tables" / "locations").exists():
            return
        rows = Archive(self.account.root).read_table("locations").to_pylist()
        for change in ("added", "moved"):
            places = Counter(
                (row["folder"], row["uidvalidity"], row["uid"]) for row in rows if row["change"] == change
            )
            assert set(places.values()) <= {1}, f"a message was recorded as {change} twice"


@pytest.mark.parametrize(("round_trip", "rounds"), [(0.0, 8), (0.02, 5)], ids=["near", "distant"])
def test_killed_while_mirroring(
    dovecot: Dovecot, user: str, archive_root: Path, round_trip: float, rounds: int
) -> None:
    """After the last run the archive shows the server's folders, UIDs, flags, dates and bytes.

    On a distant server several connections are at work when the kill comes.
    """
    account = MirrorAccount(dovecot, user, archive_root, name=f"{user}@127.0.0.1")
    mailbox = Mailbox(account)
    with Proxy(dovecot.host, dovecot.imap_port, round_trip=round_trip) as proxy:
        url = f"imap://{user}@127.0.0.1:{proxy.port}"
        arguments = ["mirror", url, "--archive", str(archive_root), "--quiet", "--max-gone", "1"]
        killed = kill_again_and_again(arguments, mailbox.refill, mailbox.check, rounds=rounds)
        if round_trip:
            assert proxy.most_open > 1
    assert killed, "the command always finished before it was killed"
    account.assert_in_step()
    assert settled(archive_root).keys() <= mailbox.sent
