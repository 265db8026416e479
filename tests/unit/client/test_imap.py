"""The IMAP client's folders, searches and messages against conversations written down, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.spool import SPOOL_OCTETS
from mailroom.exceptions import (
    CapabilityMissing,
    CommandRejected,
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.model import SpoolFactory
from mailroom.protocol.modified_utf7 import RAW
from tests.support.transcript import TRANSCRIPTS, TranscriptServer
from tests.unit.client.test_imap_sign_in import endpoint

PREAMBLE = """\
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
C: <0> AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0
S: <0> OK [CAPABILITY IMAP4rev1 {}] signed in
"""

LARGE = "x" * (SPOOL_OCTETS + 1)

OPENING = """\
C: <9> SELECT "INBOX"
S: * 9 EXISTS
S: <9> OK [READ-WRITE] opened
"""


class Session:
    """A signed-in client with a folder open or not, and the server that plays one transcript to it."""

    def __init__(self, name: str, capabilities: str = "", *, opened: bool = False) -> None:
        body = (TRANSCRIPTS / "imap" / f"{name}.txt").read_text().replace("nLARGE ", f"n{LARGE} ")
        self._server = TranscriptServer(PREAMBLE.format(capabilities) + OPENING * opened + body)
        self._opened = opened

    def __enter__(self) -> ImapClient:
        self._server.__enter__()
        self._client = ImapClient.connect(endpoint(self._server.port))
        if self._opened:
            self._client.select("INBOX")
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()
        self._server.__exit__(*error)  # type: ignore[arg-type]  # passed on as it came


def no_spool() -> str:
    raise AssertionError("nothing here is large")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SpoolFactory]:
    """File names in an empty folder, which must be empty again at the end."""
    names = iter(range(10))
    yield lambda: str(tmp_path / f"spool{next(names)}")
    assert list(tmp_path.iterdir()) == []


def test_server_without_extensions() -> None:
    """RFC 3501 alone is enough; no command names an extension that was not offered."""
    with Session("no_extensions") as client:
        assert not client.states_modseq
        assert [folder.name for folder in client.list_folders()] == ["INBOX", "007"]
        selected = client.examine("007")
        assert (selected.exists, selected.uid_validity, selected.uid_next) == (3, 9, 12)
        assert (selected.highest_modseq, selected.read_only) == (None, True)
        assert client.search().tolist() == [3, 7, 11]
        flags = {message.uid: message.flags for message in client.fetch_flags([11, 3, 7])}
        assert flags == {3: ("\\Seen",), 7: (), 11: ("a", "b")}


def test_folder_names_of_every_form() -> None:
    """Atoms, quoted strings and literals; numbers, NIL and 8-bit octets are names like any other."""
    with Session("names_of_every_form") as client:
        folders = {folder.name: folder for folder in client.list_folders()}
    assert list(folders) == [
        "INBOX",
        "007",
        "NIL",
        'with "quotes" and \\',
        'literal {3} "a"',
        "Entwürfe",
        "🎰",
        RAW + RAW + "Köln",
        RAW + "Köln",
        "flat",
        "Windows\\Sent",
        "[Gmail]",
        "a",
    ]
    assert folders["flat"].delimiter is None
    assert folders["Windows\\Sent"].delimiter == "\\"
    assert not folders["[Gmail]"].is_selectable


def test_counts_of_a_folder() -> None:
    """The name may come back as a literal; a folder that is not there is a refusal with its facts."""
    with Session("status_by_literal") as client:
        assert client.folder_status('q"x') == {"MESSAGES": 3, "UIDNEXT": 10, "UIDVALIDITY": 77}
        with pytest.raises(CommandRejected) as caught:
            client.folder_status("none")
    assert (caught.value.kind, caught.value.code) == ("NO", "NONEXISTENT")
    assert caught.value.text == "Mailbox doesn't exist: none"


def test_cyrus_is_not_asked_for_ids_in_lists() -> None:
    """It fills in octets of freed memory, which may end the line."""
    with Session("list_status_of_cyrus", "LIST-EXTENDED LIST-STATUS OBJECTID X-REPLICATION") as client:
        (inbox,) = client.list_folders()
    assert (inbox.status, inbox.mailbox_id) == ({"MESSAGES": 2, "UIDNEXT": 5, "UIDVALIDITY": 1}, None)


def test_counts_come_along_with_the_list() -> None:
    """RFC 5819: joined by name, however each response writes it."""
    offered = "LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE OBJECTID"
    with Session("list_status", offered) as client:
        trash, parent, child = client.list_folders(with_subscriptions=True)
    assert trash.status == {"MESSAGES": 2, "UIDNEXT": 5, "UIDVALIDITY": 1, "HIGHESTMODSEQ": 9_000_000_000}
    assert trash.special_use == "\\Trash"
    assert [(f.mailbox_id, f.subscribed) for f in (trash, child)] == [("F2212ea87-6097", True), (None, False)]
    assert parent.status is None
    assert not parent.is_selectable
    assert child.status is not None
    assert child.status["MESSAGES"] == 0


def test_folders_of_others_are_left_out() -> None:
    """RFC 2342: only the personal namespace, but not what merely begins with the same letters."""
    with Session("foreign_namespaces", "NAMESPACE") as client:
        assert [folder.name for folder in client.list_folders()] == ["INBOX", "Sharedness"]


def test_change_numbers_of_a_folder() -> None:
    """RFC 7162: asked for on opening; UIDVALIDITY 0 and NOMODSEQ are no numbers to rely on."""
    with Session("examine_condstore", "CONDSTORE") as client:
        selected = client.examine("INBOX")
        assert selected.uid_validity == 3857529045
        assert selected.highest_modseq == 715194045007
        [changed] = client.fetch_flags(changed_since=7)
        assert (changed.uid, changed.modseq, changed.flags) == (4, 9, ("\\Seen",))
        other = client.examine("other")
        assert (other.uid_validity, other.uid_next, other.highest_modseq) == (None, None, None)
        assert list(client.fetch_flags()) == []
        with pytest.raises((ConnectionLost, RemoteProtocolError)):
            client.examine("third")


def test_read_only_and_missing_folders() -> None:
    """A folder that cannot be opened is a refusal; one that cannot be changed says so."""
    with Session("examine_refused") as client:
        with pytest.raises(CommandRejected, match="No such mailbox") as caught:
            client.examine("gone")
        assert caught.value.command == "EXAMINE"
        assert client.select("readable").read_only
        assert not client.select("writable").read_only


def test_server_that_demands_to_know_the_client() -> None:
    """Its own words reach the user."""
    with Session("id_demanded") as client, pytest.raises(CommandRejected, match="Unsafe Login"):
        client.examine("INBOX")


def test_search_by_ranges() -> None:
    """RFC 4731; an answer that lists more than any mailbox holds is refused."""
    with Session("esearch", "ESEARCH", opened=True) as client:
        assert client.search().tolist() == [2, 5, 10, 11, 12]
        assert client.search("SINCE 1-Jan-2026").tolist() == []
        with pytest.raises(LimitExceeded):
            client.search()


def test_search_by_numbers() -> None:
    """RFC 3501 section 7.2.5: none, one or several untagged answers."""
    with Session("search_forms", opened=True) as client:
        assert client.search().tolist() == []
        assert client.search().tolist() == []
        assert client.search().tolist() == [3, 4, 9]
        with pytest.raises(CommandRejected) as caught:
            client.search("X-WHAT")
    assert caught.value.kind == "BAD"


def test_messages_among_what_others_do() -> None:
    """Unasked answers pass by; items come in any order, case and spelling; nothing is made up."""
    with Session("fetch_in_odd_company") as client:
        first, second, third, fifth = client.fetch_messages(range(1, 6), no_spool)
    assert first.body is not None
    assert first.body.content == b"a\r\nb\r\n\r"
    assert first.flags == ("\\Flagged", "x")
    assert first.octets == 8
    assert str(first.internal_date) == "1996-07-17 09:44:25+00:00"
    assert second.body is not None
    assert second.body.content == b"short"
    assert (third.uid, third.body, third.internal_date) == (3, None, None)
    assert fifth.body is not None
    assert (fifth.uid, fifth.body.octets, fifth.body.content) == (5, 0, b"")


def test_fetch_answered_with_no() -> None:
    """What came is given out, the rest is missing; a server that is down is worth a retry."""
    with Session("fetch_refused") as client:
        assert [message.uid for message in client.fetch_messages([1, 2, 3], no_spool)] == [1]
        with pytest.raises(ConnectionLost) as caught:
            list(client.fetch_messages([1, 2, 3], no_spool))
    assert caught.value.reason == "busy"


def test_fetch_answered_with_bad() -> None:
    """A command that the server does not understand must not look like an empty folder."""
    with Session("fetch_is_bad") as client, pytest.raises(CommandRejected) as caught:
        list(client.fetch_messages([1], no_spool))
    assert (caught.value.command, caught.value.kind) == ("UID FETCH", "BAD")


def test_farewell_in_the_middle() -> None:
    """BYE between two messages ends the connection; in a message it is mail."""
    with Session("bye_in_fetch") as client:
        fetch = client.fetch_messages([1, 2], no_spool)
        body = next(fetch).body
        assert body is not None
        assert body.content == b"* BYE"
        with pytest.raises(ConnectionLost, match="Server is going down"):
            next(fetch)


def test_connection_cut_in_a_literal(spool: SpoolFactory) -> None:
    """What arrived whole is given out, half a message never is, and its file is removed."""
    with Session("cut_in_literal") as client:
        fetch = client.fetch_messages([1, 2], spool)
        assert next(fetch).uid == 1
        with pytest.raises(ConnectionLost) as caught:
            next(fetch)
    assert caught.value.reason == "closed"


def test_miscounted_literal_is_not_quoted() -> None:
    """What follows too short a literal is mail: no error may hold a word of it."""
    with Session("literal_too_short") as client, pytest.raises(RemoteProtocolError) as caught:
        list(client.fetch_messages([1], no_spool))
    assert "Private" not in f"{caught.value} {caught.value.facts}"


def test_body_that_nobody_owns(spool: SpoolFactory) -> None:
    """An answer without UID belongs to no message; a file made for it is removed."""
    with Session("body_without_uid") as client:
        assert list(client.fetch_messages([1], spool)) == []


def test_completion_of_another_command() -> None:
    """A tag that was never sent is no answer."""
    with Session("wrong_tag") as client, pytest.raises(RemoteProtocolError):
        list(client.fetch_messages([1], no_spool))


def test_fetch_left_early() -> None:
    """The rest of the answer is still on its way, so the connection is closed, and says so."""
    with Session("left_early", opened=True) as client:
        fetch = client.fetch_messages([1, 2], no_spool)
        assert next(fetch).uid == 1
        with pytest.raises(LocalProtocolError):
            list(client.fetch_flags("1:*"))
        with pytest.raises(LocalProtocolError):
            client.search()
        fetch.close()  # type: ignore[attr-defined]  # a generator behind its Iterator
        with pytest.raises(ConnectionLost, match="is closed"):
            client.search()


def test_leaving_in_the_middle_of_an_answer() -> None:
    """No LOGOUT, behind which the whole rest of the answer would have to be read."""
    with Session("left_early") as client, client:
        fetch = client.fetch_messages([1, 2], no_spool)
        assert next(fetch).uid == 1
    with pytest.raises(ConnectionLost):
        next(fetch)


def test_search_without_an_open_folder() -> None:
    """A bug of ours is named as such, and nothing is sent."""
    with Session("goodbye") as client:
        with pytest.raises(LocalProtocolError):
            client.search()
        client.logout()


def test_nothing_asked_is_nothing_sent() -> None:
    """No UIDs: no command, which would be a syntax error."""
    with Session("goodbye") as client:
        assert list(client.fetch_messages([], no_spool)) == []
        assert list(client.fetch_fingerprints([])) == []
        assert client.mark_deleted([]) == set()
        client.logout()
        client.close()


def test_who_a_message_is() -> None:
    """RFC 8474 and 8514, where offered; the header as the server sent it."""
    with Session("identifiers", "OBJECTID SAVEDATE") as client:
        [found] = client.fetch_fingerprints([7], with_save_date=True)
    assert found.object_id == "M6d99"
    assert found.header == b"Subject: a]\r\n\r\n"
    assert str(found.save_date) == "2025-12-31 23:00:00+00:00"
    with Session("gmail_identifier", "X-GM-EXT-1 OBJECTID") as client:
        [message] = client.fetch_messages([7], no_spool)
    assert message.object_id == "1278455344230334865"
    assert message.labels == ("Café", "Muy", "\\Inbox")


def test_deletion_names_its_messages() -> None:
    """RFC 4315: marked is what the server says is marked; EXPUNGE names UIDs."""
    with Session("delete_by_uid", "UIDPLUS", opened=True) as client:
        assert client.mark_deleted([1, 2, 3, 9]) == {1, 2}
        client.expunge([1, 2])
        with pytest.raises(CommandRejected, match="Not yours"):
            client.expunge([3])


def test_expunge_by_name_needs_uidplus() -> None:
    """EXPUNGE would take along what others marked; nothing is sent."""
    with Session("goodbye") as client:
        with pytest.raises(CapabilityMissing) as caught:
            client.expunge([1])
        client.logout()
    assert caught.value.capability == "UIDPLUS"


def test_flags_set_and_taken_away() -> None:
    """Each change is its own command; EXPUNGE for all is another, named so."""
    with Session("store_both_ways", opened=True) as client:
        answers = client.store_flags([5], add=("\\Seen",), remove=("\\Flagged",))
        assert [answer.flags for answer in answers] == [("\\Flagged", "\\Seen"), ("\\Seen",)]
        client.expunge_all()


def test_leaving_logs_out() -> None:
    """Without an error the server hears LOGOUT; after one the connection is just closed."""
    with Session("goodbye", "UIDPLUS") as client, client:
        assert client.capabilities == {"IMAP4REV1", "UIDPLUS"}
        assert client.supports("uidplus")


def test_messages_that_vanish_in_between() -> None:
    """VANISHED is told to those who asked for it; keywords are kept as they came."""
    with Session("vanished_between") as client:
        [message] = client.fetch_flags()
    assert (message.uid, message.flags) == (41, ("$Junk", "odd"))
