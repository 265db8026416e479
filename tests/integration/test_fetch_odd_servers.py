"""POP3 fetch from servers that do what Dovecot never does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.storage.durability import DiskSync
from mailroom.client.pop3 import Headed, MaildropListing, Pop3Client, Retrieved
from mailroom.exceptions import ConfigurationError, ConnectionLost, RemoteProtocolError
from mailroom.model import SpoolFactory
from mailroom.policy.fetch_mode import FetchMode
from mailroom.services.known_accounts import check_account_known
from tests.integration.runs import DELETE, LEAVE, Account, days, digest, raw_digests
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server

MAIL = [make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n") for number in range(10)]
NO_UIDL = ("TOP", "USER", "PIPELINING")
NO_TOP = ("USER",)


@pytest.fixture
def maildrop() -> Maildrop:
    return Maildrop(messages=[(f"u{number}", content) for number, content in enumerate(MAIL)])


@pytest.fixture
def server(maildrop: Maildrop) -> Iterator[Pop3Server]:
    with Pop3Server(maildrop) as running:
        yield running


@pytest.fixture
def account(server: Pop3Server, archive_root: Path) -> Account:
    return Account(archive_root, server.endpoint())


def retrieved(server: Pop3Server) -> int:
    return sum(command.startswith("RETR") for command in server.commands)


def test_numbers_may_change_between_sessions(maildrop: Maildrop, account: Account) -> None:
    """A server that renumbers confuses nobody: the UIDL decides."""
    account.fetch()
    maildrop.messages.reverse()
    assert account.fetch().retrieved == 0
    assert account.fetch(DELETE).deleted == 10
    assert maildrop.messages == []


@pytest.fixture
def without_uidl(maildrop: Maildrop) -> Maildrop:
    maildrop.has_uidl, maildrop.capabilities = False, NO_UIDL
    return maildrop


def test_server_without_uidl_is_known_by_headers_and_the_report_says_so(
    without_uidl: Maildrop, server: Pop3Server, account: Account
) -> None:
    """TOP's header stands in for the UIDL, so nothing is downloaded twice."""
    assert account.fetch().identity == "header"
    assert all(uidl.startswith("header:") for uidl, _ in account.states())
    without_uidl.messages.append(("", make_message(subject="Nuevo")))
    report = account.fetch()
    assert (report.retrieved, report.added, report.left) == (1, 1, 10)
    assert account.fetch(DELETE).deleted == 11
    assert without_uidl.messages == []


def test_server_without_uidl_and_top_is_known_by_content(without_uidl: Maildrop, account: Account) -> None:
    """Everything is retrieved each time, and still nothing is archived or recorded twice."""
    without_uidl.has_top, without_uidl.capabilities = False, NO_TOP
    assert account.fetch().identity == "content"
    before = account.history()
    report = account.fetch()
    assert (report.retrieved, report.added, report.not_listed) == (10, 0, 0)
    assert account.history() == before
    del without_uidl.messages[3]
    assert account.fetch().not_listed == 1
    account.wait(days(10))
    assert account.fetch(FetchMode(delete_after=days(10))).deleted == 9
    assert without_uidl.messages == []


def test_server_without_capa_is_asked_for_top_all_the_same(without_uidl: Maildrop, account: Account) -> None:
    """Old servers know TOP but not CAPA."""
    without_uidl.capabilities = None
    assert account.fetch().identity == "header"


@pytest.mark.parametrize("mode", [DELETE, FetchMode(delete_after=days(0))], ids=["at once", "0 days"])
def test_delete_modes_go_through_all_windows(maildrop: Maildrop, account: Account, mode: FetchMode) -> None:
    """A server that lists the newest three only is emptied in one run."""
    maildrop.window = 3
    report = account.fetch(mode)
    assert (report.added, report.deleted, report.failures) == (10, 10, ())
    assert maildrop.messages == []
    assert raw_digests(account.root) == {digest(content) for content in MAIL}


def test_leave_mode_takes_the_window_and_stops(maildrop: Maildrop, account: Account) -> None:
    """Nothing is deleted, so another session would show the same three."""
    maildrop.window = 3
    report = account.fetch()
    assert (report.added, report.sessions) == (3, 1)


def test_message_that_leaves_the_window_is_not_called_gone(maildrop: Maildrop, account: Account) -> None:
    """Absence is recorded as not listed; when it is listed again it is not downloaded again."""
    maildrop.window = 3
    account.fetch()
    newest = ("n", make_message(subject="Nuevo"))
    maildrop.messages.append(newest)
    assert account.fetch().not_listed == 1
    assert account.states()["u7", digest(MAIL[7])] == "not_listed"
    maildrop.messages.remove(newest)
    report = account.fetch()
    assert (report.retrieved, report.not_listed) == (0, 1)
    assert account.states()["u7", digest(MAIL[7])] == "added"


def test_two_messages_under_one_uidl_are_both_archived_once(maildrop: Maildrop, account: Account) -> None:
    """They are retrieved each time and told apart by content; neither is skipped, neither doubled."""
    maildrop.messages = [("same", MAIL[0]), ("same", MAIL[1]), ("u2", MAIL[2])]
    assert account.fetch().added == 3
    before = account.history()
    report = account.fetch()
    assert (report.retrieved, report.added) == (2, 0)
    assert account.history() == before
    assert raw_digests(account.root) == {digest(content) for content in MAIL[:3]}
    assert account.fetch(DELETE).deleted == 3
    assert maildrop.messages == []


def test_one_of_two_under_one_uidl_goes_away(maildrop: Maildrop, account: Account) -> None:
    """The bytes say which one stayed; the other is not listed any more."""
    maildrop.messages = [("same", MAIL[0]), ("same", MAIL[1])]
    account.fetch()
    del maildrop.messages[0]
    report = account.fetch()
    assert (report.added, report.not_listed) == (0, 1)
    assert account.states() == {("same", digest(MAIL[0])): "not_listed", ("same", digest(MAIL[1])): "added"}
    assert account.fetch().retrieved == 0


def test_known_uidl_of_another_size_is_archived_as_another_message(
    maildrop: Maildrop, account: Account
) -> None:
    """A restored server that gives old UIDLs to other messages hides none of them."""
    account.fetch()
    other = make_message(subject="Otra cosa", text="más larga que la de antes\n" * 9)
    maildrop.messages[4] = ("u4", other)
    report = account.fetch()
    assert (report.retrieved, report.added, report.not_listed) == (1, 1, 1)
    assert digest(other) in raw_digests(account.root)


def twin_of(content: bytes) -> bytes:
    """Return another message of the very same size."""
    changed = content.replace(b"Message-ID: <", b"Message-ID: <x").replace(
        b"mail.example.org>", b"ail.example.org>"
    )
    assert len(changed) == len(content)
    assert changed != content
    return changed


def test_message_that_answers_differently_is_kept_archived_and_reported(
    maildrop: Maildrop, account: Account
) -> None:
    """Same UIDL, same size, another Message-ID: it is not deleted as what it is not."""
    account.fetch()
    twin = twin_of(MAIL[4])
    maildrop.messages[4] = ("u4", twin)
    report = account.fetch(DELETE)
    assert (report.deleted, report.differing, report.failures) == (9, 1, ())
    assert [content for _, content in maildrop.messages] == [twin]
    assert digest(twin) in raw_digests(account.root)
    assert account.states()["u4", digest(MAIL[4])] == "not_listed"
    assert account.fetch(DELETE).deleted == 1


def test_header_that_top_shows_otherwise_is_settled_by_the_bytes(
    maildrop: Maildrop, account: Account
) -> None:
    """Where TOP alters the subject but RETR gives the archived bytes, the message is the archived one."""
    account.fetch()

    class Altering(Pop3Client):
        def top(self, numbers: Sequence[int], lines: int = 0) -> Iterator[Headed]:
            for headed in super().top(numbers, lines):
                assert headed.header is not None
                yield replace(headed, header=headed.header.replace(b"Subject: ", b"Subject: [SPAM] "))

    report = account.fetch(DELETE, connect=lambda: Altering.connect(account.endpoint))
    assert (report.retrieved, report.added, report.deleted, report.differing) == (10, 0, 10, 0)


def test_server_without_top_is_asked_for_the_whole_message_before_a_deletion(
    maildrop: Maildrop, server: Pop3Server, account: Account
) -> None:
    """TOP is optional; RETR proves as well."""
    maildrop.has_top, maildrop.capabilities = False, ("UIDL", "USER", "PIPELINING")
    account.fetch()
    maildrop.messages[4] = ("u4", twin_of(MAIL[4]))
    report = account.fetch(DELETE)
    assert (report.deleted, report.differing) == (9, 1)


def test_message_with_hardly_any_header_is_proved_by_its_bytes(
    maildrop: Maildrop, server: Pop3Server, account: Account
) -> None:
    """Few header fields do not tell a message from others, so all of it is asked for."""
    maildrop.messages = [("u0", b"Subject: x\r\n\r\none\r\n"), ("u1", MAIL[1])]
    account.fetch()
    server.commands.clear()
    maildrop.messages[0] = ("u0", b"Subject: x\r\n\r\ntwo\r\n")
    report = account.fetch(DELETE)
    assert (report.deleted, report.differing) == (1, 1)
    assert retrieved(server) == 2


def test_refused_message_fails_the_run_at_its_end_and_is_tried_again(
    maildrop: Maildrop, account: Account
) -> None:
    """The other nine arrive; the refused one is recorded once and fetched when the server gives it."""
    maildrop.refused = {4: "disk error"}
    for _ in range(2):
        report = account.fetch()
        assert len(report.failures) == 1
        assert "disk error" in report.failures[0]
    assert account.changes().count("unfetchable") == 1
    assert len(raw_digests(account.root)) == 9
    maildrop.refused = {}
    assert account.fetch().failures == ()
    assert raw_digests(account.root) == {digest(content) for content in MAIL}
    assert account.fetch().retrieved == 0


def test_message_that_is_gone_at_the_next_listing_is_no_failure(
    maildrop: Maildrop, server: Pop3Server, account: Account
) -> None:
    """It vanished between listing and RETR, which is nobody's fault."""
    maildrop.refused = {4: "no such message"}

    def connect() -> Pop3Client:
        if "QUIT" in server.commands:
            maildrop.refused = {}
            del maildrop.messages[3]
        return Pop3Client.connect(account.endpoint)

    report = account.fetch(connect=connect)
    assert (report.failures, report.vanished, report.added, report.sessions) == ((), 1, 9, 2)


def test_quit_that_is_refused_counts_as_nothing_deleted(maildrop: Maildrop, account: Account) -> None:
    """The archive says deleted only after +OK to QUIT; the next run proves and deletes."""
    maildrop.quit_answer = "-ERR cannot write"
    report = account.fetch(DELETE)
    assert (report.deleted, len(report.failures)) == (0, 1)
    assert "QUIT was not confirmed" in report.failures[0]
    assert account.changes() == ["added"] * 10
    maildrop.quit_answer = "+OK"
    report = account.fetch(DELETE)
    assert (report.retrieved, report.deleted, maildrop.messages) == (0, 10, [])


def test_connection_lost_at_quit_counts_as_nothing_deleted(maildrop: Maildrop, account: Account) -> None:
    """The server may have deleted or not; the next listing tells, and nothing is lost or doubled."""
    maildrop.hang_up_at = "QUIT"
    report = account.fetch(DELETE)
    assert (report.deleted, len(report.failures), len(maildrop.messages)) == (0, 1, 10)
    assert "deleted_by_fetch" not in account.changes()
    maildrop.hang_up_at = None
    assert account.fetch(DELETE).deleted == 10
    assert account.archive.read_table("messages").num_rows == 10


def test_deletion_undone_by_a_lost_connection_is_done_in_the_next_session(
    maildrop: Maildrop, account: Account, server: Pop3Server
) -> None:
    """DELE without QUIT deletes nothing (RFC 1939 section 6); the run connects again and goes on."""
    maildrop.hang_up_at = "DELE 5"

    def connect() -> Pop3Client:
        if "DELE 5" in server.commands:
            maildrop.hang_up_at = None
        return Pop3Client.connect(account.endpoint)

    report = account.fetch(DELETE, connect=connect)
    assert (report.added, report.deleted, report.failures) == (10, 10, ())
    assert retrieved(server) == 10
    assert account.changes() == ["added"] * 10 + ["deleted_by_fetch"] * 10


def test_message_at_which_the_server_hangs_up_stops_no_other(maildrop: Maildrop, account: Account) -> None:
    """After two broken sessions at the same message it is passed over, and the run fails at its end."""
    maildrop.hang_up_at = "RETR 4"
    report = account.fetch()
    assert report.added == 9
    assert len(report.failures) == 1
    assert "'u3'" in report.failures[0]
    maildrop.hang_up_at = None
    assert account.fetch().failures == ()
    assert raw_digests(account.root) == {digest(content) for content in MAIL}


def test_message_at_which_the_server_babbles_stops_no_other(maildrop: Maildrop, account: Account) -> None:
    """What is no POP3 ends the session, but not the run."""

    class Babbling(Pop3Client):
        def retrieve(self, numbers: Sequence[int], spool: SpoolFactory) -> Iterator[Retrieved]:
            for retrieved in super().retrieve(numbers, spool):
                if retrieved.number == 4:
                    raise RemoteProtocolError("The server sent something else than a status line.")
                yield retrieved

    report = account.fetch(connect=lambda: Babbling.connect(account.endpoint))
    assert (report.added, len(report.failures)) == (9, 1)
    assert "'u3'" in report.failures[0]
    assert "status line" in report.failures[0]
    assert account.fetch().failures == ()


def test_server_that_always_hangs_up_ends_the_run(maildrop: Maildrop, account: Account) -> None:
    """Without any progress the run gives up with the connection's own error."""
    maildrop.hang_up_at = "LIST"
    with pytest.raises(ConnectionLost):
        account.fetch()


def test_sizes_that_lie_the_same_way_each_time_do_no_harm(maildrop: Maildrop, account: Account) -> None:
    """A stated size is compared with what the server stated before, never with the truth."""
    maildrop.stated = {number: 7 for number in range(1, 11)}
    account.fetch()
    assert account.fetch().retrieved == 0
    assert account.fetch(DELETE).deleted == 10


def test_message_that_comes_back_after_its_deletion_is_fetched_again(
    maildrop: Maildrop, account: Account
) -> None:
    """A server restored from a backup shows deleted mail: known bytes make no second copy."""
    before = list(maildrop.messages)
    account.fetch(DELETE)
    maildrop.messages = [*before[:2], ("u2", make_message(subject="UIDL given again"))]
    report = account.fetch(DELETE)
    assert (report.retrieved, report.deleted) == (3, 3)
    assert account.archive.read_table("messages").num_rows == 11


def test_empty_maildrop_is_fine(maildrop: Maildrop, account: Account) -> None:
    """Nothing there, nothing done, nothing written."""
    maildrop.messages = []
    assert account.fetch(LEAVE).added == 0
    assert account.fetch(DELETE).added == 0
    assert not account.root.exists() or not list(account.root.glob("tables/locations"))


def test_empty_maildrop_is_known_to_an_archive_of_others(maildrop: Maildrop, account: Account) -> None:
    """What comes after its fetch finds no mail, and no wrong account; one row of ``runs`` says so."""
    account.fetch(LEAVE)
    maildrop.messages = []
    other = Account(account.root, account.endpoint, name="other")
    with pytest.raises(ConfigurationError, match="'other'"):
        check_account_known(other.archive, "other")
    for _ in range(3):
        assert other.fetch(LEAVE).listed == 0
    check_account_known(other.archive, "other")
    assert other.archive.read_table("runs")["account"].to_pylist().count("other") == 1


def test_listing_that_is_empty_for_a_moment_costs_nothing(maildrop: Maildrop, account: Account) -> None:
    """A server that shows nothing during its maintenance makes nothing gone, nor downloaded again."""
    account.fetch()
    held, maildrop.messages = maildrop.messages, []
    assert account.fetch().not_listed == 10
    maildrop.messages = held
    report = account.fetch()
    assert (report.retrieved, report.left) == (0, 10)
    assert set(account.states().values()) == {"added"}


class Grudging(Pop3Client):
    """A server that does not let the message of UIDL u9 go, nor the first of two named same."""

    def list_messages(self) -> MaildropListing:
        listing = super().list_messages()
        names = [message.uidl for message in listing.messages]
        self.held = {names.index(name) + 1 for name in ("u9", "same") if name in names}
        return listing

    def delete(self, numbers: Sequence[int]) -> dict[int, str | None]:
        outcome = super().delete([number for number in numbers if number not in self.held])
        return outcome | {number: "not allowed" for number in numbers if number in self.held}


def test_deletion_that_the_server_refuses_is_told_once(maildrop: Maildrop, account: Account) -> None:
    """The message stays, the others go through all windows, and one sentence says so."""
    maildrop.window = 4
    report = account.fetch(DELETE, connect=lambda: Grudging.connect(account.endpoint))
    assert [uidl for uidl, _ in maildrop.messages] == ["u9"]
    assert (report.deleted, len(report.failures)) == (9, 1)
    assert "not allowed" in report.failures[0]
    assert account.states()["u9", digest(MAIL[9])] == "added"


def test_equal_messages_under_one_uidl_are_one_row_and_both_go(maildrop: Maildrop, account: Account) -> None:
    """The same bytes twice under the same UIDL cannot be told apart, nor need they be."""
    maildrop.messages = [("same", MAIL[0]), ("same", MAIL[0]), ("u1", MAIL[1])]
    assert account.fetch().added == 2
    assert account.changes() == ["added", "added"]
    assert account.fetch(DELETE).deleted == 3
    assert maildrop.messages == []
    assert account.changes() == ["added", "added", "deleted_by_fetch", "deleted_by_fetch"]


def test_equal_message_that_stays_keeps_the_row_alive(maildrop: Maildrop, account: Account) -> None:
    """While one of two twins is on the server, the archive does not say that it was deleted."""
    maildrop.messages = [("same", MAIL[0]), ("same", MAIL[0])]
    report = account.fetch(DELETE, connect=lambda: Grudging.connect(account.endpoint))
    assert (report.deleted, len(maildrop.messages)) == (1, 1)
    assert account.states() == {("same", digest(MAIL[0])): "added"}
    assert account.fetch(DELETE).deleted == 1
    assert account.states() == {("same", digest(MAIL[0])): "deleted_by_fetch"}


def test_size_that_the_server_states_anew_costs_one_more_download(
    maildrop: Maildrop, account: Account
) -> None:
    """The bytes turn out to be known; the new size is noted, and the days do not start again."""
    account.fetch()
    maildrop.stated = {3: 77}
    account.wait(days(5))
    assert account.fetch().retrieved == 1
    report = account.fetch()
    assert (report.retrieved, report.not_listed) == (0, 0)
    assert account.archive.read_table("messages").num_rows == 10
    account.wait(days(5))
    assert account.fetch(FetchMode(delete_after=days(10))).deleted == 10


def test_host_that_was_empty_for_a_while_before_re_encoded_mail_came(
    maildrop: Maildrop, account: Account
) -> None:
    """What went missing in an earlier run is recognised too, when no UIDL of the listing is known."""
    account.fetch()
    maildrop.messages = []
    account.fetch()
    maildrop.messages = [(f"new{n}", b"X-Moved: yes\r\n" + content) for n, content in enumerate(MAIL)]
    assert account.fetch().added == 10
    assert account.archive.read_table("messages").num_rows == 10


def test_what_the_first_window_hid_is_not_recorded_as_missing(maildrop: Maildrop, account: Account) -> None:
    """Later windows of the same run show it; it is deleted then, and nothing is called not listed."""
    account.fetch()
    maildrop.window = 3
    report = account.fetch(DELETE)
    assert (report.deleted, report.not_listed, maildrop.messages) == (10, 0, [])
    assert "not_listed" not in account.changes()


def test_what_a_later_window_shows_is_not_missing(maildrop: Maildrop, account: Account) -> None:
    """A message that the first window hid and that has to stay is on the server, not missing."""
    account.fetch()
    maildrop.window = 3
    (account.root / "raw" / digest(MAIL[0])[:2] / f"{digest(MAIL[0])}.eml").unlink()
    report = account.fetch(DELETE)
    assert (report.deleted, report.not_listed, len(report.failures)) == (9, 0, 1)
    assert account.states()["u0", digest(MAIL[0])] == "added"


def test_incomplete_run_by_content_calls_nothing_missing(without_uidl: Maildrop, account: Account) -> None:
    """A message that could not be retrieved has no name, so nothing can be said of absence."""
    without_uidl.has_top, without_uidl.capabilities = False, NO_TOP
    account.fetch()
    without_uidl.refused = {2: "try later"}
    report = account.fetch()
    assert (len(report.failures), report.not_listed) == (1, 0)
    assert "not_listed" not in account.changes()


def test_mail_that_says_all_in_a_header_of_its_own_is_not_taken_for_another(
    maildrop: Maildrop, account: Account
) -> None:
    """Without Message-ID an identity covers next to nothing: such mail is kept by its bytes alone."""
    first, second = b"X-Alarm: fire\r\n\r\n", b"X-Alarm: flood\r\n\r\n"
    maildrop.messages = [("u0", first), ("u1", MAIL[1])]
    account.fetch()
    maildrop.messages = [("u1", MAIL[1]), ("u2", second)]
    account.fetch(DELETE)
    assert maildrop.messages == []
    assert raw_digests(account.root) == {digest(first), digest(second), digest(MAIL[1])}


def test_re_encoded_copy_is_stored_where_the_archived_one_is_lost(
    maildrop: Maildrop, account: Account
) -> None:
    """A copy under other bytes makes do with the archived one only while that is there."""
    account.fetch()
    maildrop.messages = [("new", MAIL[0].replace(b"Subject:", b"X-Moved: yes\r\nSubject:"))]
    (account.root / "raw" / digest(MAIL[0])[:2] / f"{digest(MAIL[0])}.eml").unlink()
    account.fetch()
    assert digest(maildrop.messages[0][1]) in raw_digests(account.root)


def test_messages_without_header_are_told_apart_by_content(without_uidl: Maildrop, account: Account) -> None:
    """An empty header names nothing, so it stands in for no UIDL."""
    first, second = b"\r\nalarm 1\r\n", b"\r\nalarm 2\r\n"
    without_uidl.messages = [("", first)]
    account.fetch()
    without_uidl.messages = [("", second), ("", MAIL[1])]
    assert account.fetch().identity == "content"
    assert raw_digests(account.root) == {digest(first), digest(second), digest(MAIL[1])}
    assert account.fetch(DELETE).deleted == 2


def test_server_that_confirms_deletions_and_does_nothing_ends_the_run(
    without_uidl: Maildrop, account: Account
) -> None:
    """What this run has deleted is not deleted a second time, by whatever name it is known."""
    without_uidl.has_top, without_uidl.capabilities = False, NO_TOP

    def connect() -> Pop3Client:
        without_uidl.messages = [("", content) for content in MAIL]
        return Pop3Client.connect(account.endpoint)

    report = account.fetch(DELETE, connect=connect)
    assert (report.sessions, report.deleted) == (2, 10)
    assert account.changes() == ["added"] * 10 + ["deleted_by_fetch"] * 10


def test_archive_is_synced_before_what_an_earlier_run_committed_is_deleted(
    maildrop: Maildrop, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That run may have been killed between commit and sync, and this one may write nothing itself."""
    maildrop.messages = [("shared", MAIL[0]), ("shared", MAIL[1])]
    account.fetch()
    done: list[str] = []
    sync = DiskSync.sync

    def noted(self: DiskSync) -> None:
        done.append("sync")
        sync(self)

    monkeypatch.setattr(DiskSync, "sync", noted)

    class Recording(Pop3Client):
        def delete(self, numbers: Sequence[int]) -> dict[int, str | None]:
            done.append("DELE")
            return super().delete(numbers)

    account.archive = Archive(account.root)
    assert account.fetch(DELETE, connect=lambda: Recording.connect(account.endpoint)).deleted == 2
    assert done.index("sync") < done.index("DELE")


@pytest.mark.parametrize("mode", [LEAVE, DELETE])
def test_empty_answer_for_a_message_that_has_a_size_is_not_taken_for_it(
    maildrop: Maildrop, account: Account, mode: FetchMode
) -> None:
    """A server in trouble sends nothing and says +OK; what it sent is not archived, let alone deleted."""
    maildrop.messages = [("u0", b""), ("u1", MAIL[1]), ("u2", b"")]
    maildrop.stated = {1: len(MAIL[0])}
    report = account.fetch(mode)
    assert (report.added, len(report.failures)) == (2, 1)
    assert "came empty" in report.failures[0]
    assert ("u0", b"") in maildrop.messages
    maildrop.messages[0] = ("u0", MAIL[0])
    account.fetch(mode)
    assert digest(MAIL[0]) in raw_digests(account.root)
