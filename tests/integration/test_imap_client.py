"""The IMAP client on a real Dovecot: what it lists and fetches, what it leaves alone, and how it fails."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.spool import SPOOL_OCTETS
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    CertificateRejected,
    CommandRejected,
    ConnectionLost,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Endpoint, FetchedMessage, MailProtocol, Security, SpoolFactory
from tests.support.dovecot import Dovecot, find_dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.proxy import Proxy

AT = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)

ODD_NAMES = (
    "Entwürfe",
    "日本語",
    "🏢 Gebäude 🚀",
    "a & b",
    "&-",
    'with "quotes"',
    "back\\slash",
    "007",
    "NIL",
    "per%cent",
    "(brackets) [and] {5}",
    " spaces  inside",
    "deep/er/still",
)


@pytest.fixture
def spool(tmp_path: Path) -> SpoolFactory:
    folder = tmp_path / "spool"
    folder.mkdir()
    names = iter(range(100_000))
    return lambda: str(folder / f"spool{next(names)}")


@pytest.fixture
def account(dovecot: Dovecot, user: str) -> Endpoint:
    return dovecot.endpoint(user, MailProtocol.IMAP)


@pytest.fixture
def client(account: Endpoint) -> Iterator[ImapClient]:
    with ImapClient.connect(account) as client:
        yield client


def content_of(message: FetchedMessage) -> bytes:
    assert message.body is not None
    assert message.body.content is not None
    return message.body.content


def fill(dovecot: Dovecot, user: str, count: int, octets: int) -> list[bytes]:
    contents = [message_of_size(octets, seed=str(i)) for i in range(count)]
    dovecot.fill(user, [Stored(content=content, internal_date=AT) for content in contents])
    return contents


@pytest.mark.parametrize("security", list(Security))
def test_every_protection_signs_in(
    dovecot: Dovecot, user: str, security: Security, spool: SpoolFactory
) -> None:
    """Implicit TLS, STARTTLS and plain: the same messages come out."""
    contents = [make_message(subject=f"number {i}") for i in range(5)]
    for content in contents:
        dovecot.append(user, content, flags=("\\Seen", "$Junk"), internal_date=AT)
    with ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP, security)) as client:
        assert client.supports("condstore")
        selected = client.examine("INBOX")
        assert selected.exists == 5
        assert selected.read_only
        assert selected.uid_validity
        assert selected.highest_modseq
        uids = client.search()
        fetched = list(client.fetch_messages(uids, spool))
    assert [message.uid for message in fetched] == uids.tolist()
    assert [content_of(message) for message in fetched] == contents
    assert {message.flags for message in fetched} == {("$Junk", "\\Seen")}
    assert {message.internal_date for message in fetched} == {AT}
    assert [message.octets for message in fetched] == [len(content) for content in contents]
    assert all(message.modseq for message in fetched)


def test_reading_changes_nothing(dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory) -> None:
    """EXAMINE and PEEK: \\Seen stays unset, and \\Recent is left to the next who opens the folder."""
    dovecot.fill(user, [Stored(content=make_message(subject="a"))])
    new = dovecot.home / "users" / user / "mail" / "INBOX" / "new"
    [stored] = (new.parent / "cur").iterdir()
    stored.rename(new / stored.name.partition(":")[0])
    with ImapClient.connect(account) as client:
        client.examine("INBOX")
        [message] = client.fetch_messages([1], spool)
        [fingerprint] = client.fetch_fingerprints([1])
        assert message.flags == fingerprint.flags == ()
    with dovecot.mailbox(user) as other:
        assert other.select_folder("INBOX")[b"RECENT"] == 1
        assert set(other.get_flags([1])[1]) == {b"\\Recent"}


def test_large_message_is_spooled(
    dovecot: Dovecot, user: str, client: ImapClient, spool: SpoolFactory
) -> None:
    """Three megabytes between two small messages: one file, right digest, order kept."""
    contents = [make_message(subject="before"), message_of_size(3 << 20), make_message(subject="after")]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    client.examine("INBOX")
    before, large, after = client.fetch_messages([1, 2, 3], spool)
    assert (content_of(before), content_of(after)) == (contents[0], contents[2])
    assert large.body is not None
    assert large.body.path is not None
    assert large.body.octets == len(contents[1]) > SPOOL_OCTETS
    assert large.body.sha256 == hashlib.sha256(contents[1]).hexdigest()
    assert Path(large.body.path).read_bytes() == contents[1]


def test_awkward_messages_arrive_as_they_are(
    dovecot: Dovecot, user: str, client: ImapClient, spool: SpoolFactory
) -> None:
    """8-bit, no line end, nothing at all; IMAP knows no NUL, and Dovecot sends 0x80 instead."""
    dovecot.fill(user, [Stored(content=content) for content in AWKWARD.values()])
    client.examine("INBOX")
    fetched = list(client.fetch_messages(client.search(), spool))
    for (name, content), message in zip(AWKWARD.items(), fetched, strict=True):
        expected = re.sub(rb"(?<!\r)\n", b"\r\n", content).replace(b"\0", b"\x80")
        assert content_of(message) == expected, name
        assert message.octets == len(expected), name


def test_folder_names_go_there_and_back(dovecot: Dovecot, client: ImapClient, user: str) -> None:
    """What is listed can be opened and counted, whatever the name; counts come along."""
    with dovecot.mailbox(user) as other:
        for name in ODD_NAMES:
            other.create_folder(name)
    folders = {folder.name: folder for folder in client.list_folders()}
    assert set(ODD_NAMES) <= set(folders)
    for name in ODD_NAMES:
        status = folders[name].status
        assert status is not None
        assert status["MESSAGES"] == 0
        assert client.folder_status(name) == status
        assert client.examine(name).uid_validity == status["UIDVALIDITY"]


def test_special_folders(dovecot: Dovecot, client: ImapClient, user: str) -> None:
    """RFC 6154: the trash is known by its attribute, not by its name."""
    with dovecot.mailbox(user) as other:
        other.create_folder("Trash")
    assert {folder.special_use for folder in client.list_folders() if folder.name == "Trash"} == {"\\Trash"}


def test_folder_that_is_not_there(client: ImapClient) -> None:
    """A refusal with its facts; the connection goes on."""
    for ask in (client.examine, client.select, client.folder_status):
        with pytest.raises(CommandRejected) as caught:
            ask("nowhere")
        assert caught.value.kind == "NO"
        assert "nowhere" in caught.value.text
    assert client.examine("INBOX").exists == 0
    assert client.search().tolist() == []
    assert list(client.fetch_flags()) == []


def test_shared_folders_are_listed_on_demand() -> None:
    """RFC 2342: what is shared is not the account's own."""
    said = subprocess.run([find_dovecot(), "--version"], check=True, capture_output=True, text=True).stdout
    where = "location = maildir:~/public" if said < "2.4" else "mail_driver = maildir\n  mail_path = ~/public"
    space = f"namespace public {{\n  type = public\n  separator = /\n  prefix = Public/\n  {where}\n}}\n"
    with Dovecot(extra=space) as dovecot:
        user = dovecot.add_user()
        with dovecot.mailbox(user) as other:
            other.create_folder("Public/team")
            other.create_folder("Publicity")
        with ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP)) as client:
            own = {folder.name for folder in client.list_folders()}
            every = {folder.name for folder in client.list_folders(other_namespaces=True)}
    assert own == {"INBOX", "Publicity"}
    assert every - own == {"Public", "Public/team"}


def test_search_and_changes(dovecot: Dovecot, user: str, client: ImapClient) -> None:
    """Criteria as IMAP writes them; CHANGEDSINCE brings what another client changed."""
    fill(dovecot, user, 30, 300)
    selected = client.examine("INBOX")
    assert client.search("UID", "3:5,9").tolist() == [3, 4, 5, 9]
    assert client.search("SINCE 5-Mar-2026").tolist() == []
    with dovecot.mailbox(user) as other:
        other.select_folder("INBOX")
        other.add_flags([7], ["\\Flagged"])
    changed = {
        message.uid: message.flags for message in client.fetch_flags(changed_since=selected.highest_modseq)
    }
    assert changed == {7: ("\\Flagged",)}
    with pytest.raises(CommandRejected) as caught:
        client.search("BADLY", "PUT")
    assert caught.value.kind == "BAD"


def test_who_messages_are(dovecot: Dovecot, user: str, client: ImapClient) -> None:
    """A fingerprint needs no body: header fields, size, dates."""
    content = make_message(subject="Ñandú")
    dovecot.append(user, content, internal_date=AT)
    client.examine("INBOX")
    [found] = client.fetch_fingerprints([1], with_save_date=True)
    assert found.body is None
    assert found.header is not None
    assert b"Message-ID: <" in found.header
    assert b"\r\nSubject: =?utf-8?" in found.header
    assert (found.octets, found.internal_date) == (len(content), AT)
    assert (found.save_date is not None) == client.supports("SAVEDATE")


def test_deletion_takes_only_what_is_named(dovecot: Dovecot, user: str, client: ImapClient) -> None:
    """UID EXPUNGE leaves what another client marked; a UID that is gone is not reported as marked."""
    fill(dovecot, user, 6, 300)
    with dovecot.mailbox(user) as other:
        other.select_folder("INBOX")
        other.add_flags([2], ["\\Deleted"])
    client.select("INBOX")
    assert client.mark_deleted([1, 3, 99]) == {1, 3}
    client.expunge([1, 3])
    assert client.search().tolist() == [2, 4, 5, 6]
    [answer] = client.store_flags([4], add=("\\Seen", "note"), remove=("\\Flagged",))[-1:]
    assert answer.flags is None or set(answer.flags) == {"\\Seen", "note"}
    client.expunge_all()
    assert client.search().tolist() == [4, 5, 6]


def test_nothing_can_be_changed_in_an_examined_folder(
    dovecot: Dovecot, user: str, client: ImapClient
) -> None:
    """A slip of ours is without effect, and the answer says so."""
    fill(dovecot, user, 1, 300)
    client.examine("INBOX")
    assert client.mark_deleted([1]) == set()
    client.expunge([1])
    assert client.search("UNDELETED").tolist() == [1]


def test_message_that_vanishes_stops_nothing(
    dovecot: Dovecot, user: str, client: ImapClient, spool: SpoolFactory
) -> None:
    """Expunged by another device after the listing: the rest arrives."""
    contents = fill(dovecot, user, 3, 300)
    client.examine("INBOX")
    with dovecot.mailbox(user) as other:
        other.select_folder("INBOX")
        other.delete_messages([2])
        other.expunge()
    arrived = {m.uid: m.body.content for m in client.fetch_messages([1, 2, 3], spool) if m.body}
    assert arrived[1] == contents[0]
    assert arrived[3] == contents[2]


def test_abandoned_fetch_closes_the_connection(
    dovecot: Dovecot, user: str, client: ImapClient, spool: SpoolFactory
) -> None:
    """A stop in the middle of a fetch: no hang, and a clear sentence for whoever goes on."""
    fill(dovecot, user, 300, 30_000)
    client.examine("INBOX")
    for message in client.fetch_messages(range(1, 301), spool):
        assert message.uid == 1
        break
    with pytest.raises(ConnectionLost, match="is closed"):
        client.search()


def test_memory_stays_flat(dovecot: Dovecot, user: str, client: ImapClient, spool: SpoolFactory) -> None:
    """Five thousand messages in several commands: all arrive, in order, one at a time.

    Pipelined, Dovecot answers a second command while the first one blocks.
    """
    contents = set(fill(dovecot, user, 5000, 4000))
    client.examine("INBOX")
    uids = client.search()
    arrived: list[int] = []
    tracemalloc.start()
    try:
        for message in client.fetch_messages(uids, spool):
            contents.remove(content_of(message))
            arrived.append(message.uid)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert arrived == uids.tolist()
    assert not contents
    assert peak < 4 << 20
    assert len(list(client.fetch_flags())) == 5000


def test_connection_cut_in_the_middle(
    dovecot: Dovecot, user: str, spool: SpoolFactory, tmp_path: Path
) -> None:
    """What arrived whole is given out; then ConnectionLost; half a large message leaves no file."""
    contents = [message_of_size(200_000), message_of_size(5 << 20)]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    with (
        Proxy(dovecot.host, dovecot.imaps_port, cut_after=3 << 20) as proxy,
        ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP, port=proxy.port)) as client,
    ):
        client.examine("INBOX")
        fetch = client.fetch_messages([1, 2], spool)
        assert content_of(next(fetch)) == contents[0]
        with pytest.raises(ConnectionLost):
            next(fetch)
    assert list((tmp_path / "spool").iterdir()) == []


def test_wrong_password(dovecot: Dovecot, user: str) -> None:
    """Over every protection; the sentence has the user and never the password."""
    for security in Security:
        wrong = dovecot.endpoint(user, MailProtocol.IMAP, security, secret="hunter2")
        with pytest.raises(AuthenticationFailed, match=user) as caught:
            ImapClient.connect(wrong)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ['quo"te \\', "señor 🔑"])
def test_odd_passwords(dovecot: Dovecot, secret: str) -> None:
    """Whatever it holds, it arrives."""
    user = dovecot.add_user(password=secret)
    ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP)).logout()


def test_sign_in_by_token_that_is_not_offered(dovecot: Dovecot, user: str) -> None:
    """Dovecot offers PLAIN only here; the sentence names what was asked for."""
    account = dovecot.endpoint(user, MailProtocol.IMAP, auth=AuthMethod.XOAUTH2)
    with pytest.raises(CapabilityMissing, match="XOAUTH2"):
        ImapClient.connect(account)


def test_wrong_authority_and_host_name(dovecot: Dovecot, user: str) -> None:
    """An unknown authority, or another name, is refused before the password is sent."""
    for security in (Security.SSL, Security.STARTTLS):
        with pytest.raises(CertificateRejected, match="set ca_file"):
            ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP, security, ca_file=None))
    with pytest.raises(CertificateRejected, match="is not for this host name"):
        ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP, host="127.1"))


def test_wrong_ports(dovecot: Dovecot, user: str) -> None:
    """TLS to a plain port, plain to a TLS port, and POP3: each named as such."""

    def refusal(kind: type[MailroomError], security: Security, port: int) -> str:
        with pytest.raises(kind) as caught:
            ImapClient.connect(dovecot.endpoint(user, MailProtocol.IMAP, security, port=port, timeout=2.0))
        return str(caught.value)

    assert "TLS" in refusal(ConnectionLost, Security.SSL, dovecot.imap_port)
    assert "set security to ssl" in refusal(ConnectionLost, Security.PLAIN, dovecot.imaps_port)
    assert "speaks POP3" in refusal(RemoteProtocolError, Security.PLAIN, dovecot.pop3_port)


def test_too_many_connections() -> None:
    """The server's limit is worth a retry, and no wrong password."""
    with Dovecot(imap_extra="mail_max_userip_connections = 1") as dovecot:
        user = dovecot.add_user()
        account = dovecot.endpoint(user, MailProtocol.IMAP)
        with ImapClient.connect(account), pytest.raises(ConnectionLost) as caught:
            ImapClient.connect(account)
    assert caught.value.reason == "busy"
