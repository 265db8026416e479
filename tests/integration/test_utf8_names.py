"""Folder names in UTF-8 where a server offers to speak it (RFC 6855, RFC 9755), and in modified UTF-7."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import create_folder
from tests.integration.mirrors import Odd, mail, shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.courier import Courier
from tests.support.dovecot import Dovecot
from tests.support.imap_server import CAPABILITIES, ImapServer, Mailbox
from tests.support.mail import make_message
from tests.support.unpacked import PackagesMissing

OFFERED = (*CAPABILITIES, "ENABLE", "UTF8=ACCEPT")


@pytest.fixture(scope="module")
def courier() -> Iterator[Courier]:
    """A Courier, which offers UTF-8."""
    try:
        with Courier() as server:
            yield server
    except PackagesMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("sent", "capabilities", "shown"),
    [
        ("Entwürfe & mehr", OFFERED, "Entwürfe & mehr"),
        ("Entw&APw-rfe &- mehr", OFFERED, "Entwürfe & mehr"),
        ("Entw&APw-rfe &- mehr", CAPABILITIES, "Entwürfe & mehr"),
        ("R&D", OFFERED, "R&D"),
        ("R&-D", OFFERED, "R&-D"),
        ("R&-D", CAPABILITIES, "R&D"),
        ("日本語/メール", OFFERED, "日本語/メール"),
    ],
    ids=["UTF-8", "offered and not done", "not offered", "&", "&-", "&- in UTF-7", "levels"],
)
def test_a_name_is_understood_and_sent_as_the_server_does(
    archive_root: Path, sent: str, capabilities: tuple[str, ...], shown: str
) -> None:
    """By LIST, STATUS, EXAMINE, and in each of two mirrors, of which the second finds nothing new."""
    with ImapServer(
        {"INBOX": Mailbox(), sent: Mailbox(mail=mail(1, 2))}, capabilities=capabilities
    ) as server:
        odd = Odd(server, archive_root)
        with odd.connect() as client:
            assert [folder.name for folder in client.list_folders()] == ["INBOX", shown]
            assert client.folder_status(shown)["MESSAGES"] == client.examine(shown).exists == 2
        assert odd.mirror().added == 2
        second = odd.mirror()
        assert (second.added, second.renamed_folders, second.failures) == (0, 0, ())
        assert set(odd.states(shown)) == {1, 2}


def test_a_name_is_made_in_utf8(archive_root: Path) -> None:
    """A new folder gets its name as it is where both sides speak UTF-8."""
    with ImapServer(capabilities=OFFERED) as server:
        with ImapClient.connect(server.endpoint()) as client:
            create_folder(client, "Größe & mehr")
        assert "Größe & mehr" in server.folders
    with ImapServer() as server:
        with ImapClient.connect(server.endpoint()) as client:
            create_folder(client, "Größe & mehr")
        assert "Gr&APYA3w-e &- mehr" in server.folders


def test_a_courier_that_speaks_utf8_is_mirrored_and_changed(courier: Courier, archive_root: Path) -> None:
    """Folders of such names, mail with such a header to the octet, a move into a new one of them."""
    account = TwoWayAccount(cast(Dovecot, courier), courier.add_user(), archive_root)
    unicode = make_message(subject="x", sender="a@example.org").replace(
        b"Subject: x", "Subject: Größe ñ".encode()
    )
    account.append(unicode, "INBOX.Entwürfe & mehr")
    account.append(make_message(subject="zwei"), "INBOX.Entwürfe & mehr")
    account.mirror()
    account.assert_in_step()
    account.changes.request_move(account.live("INBOX.Entwürfe & mehr", uids=[1]), "Ärzte/日本")
    report = account.mirror_both_ways(max_gone=1)
    assert (report.push.pushed, report.failures) == (1, ())
    account.assert_in_step()
    there = shown_by_server(account.server, account.user)
    assert there["INBOX.Ärzte.日本", 1][0] == hashlib.sha256(unicode).hexdigest()
    with account.connect() as client:
        assert client.wire.is_utf8
