"""Servers that lie, forget, withhold and hang up: the mirror says so and loses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError, ConnectionLost
from mailroom.services.mirroring import mirror_run
from tests.integration.mirrors import Odd, mail
from tests.support.imap_server import CAPABILITIES, ImapServer, Mail, Mailbox
from tests.support.mail import make_message, message_of_size


@pytest.fixture
def odd(archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Odd]:
    """A server with five messages in INBOX."""
    monkeypatch.setattr(mirror_run, "BREAK_SECONDS", 0.01)
    with ImapServer({"INBOX": Mailbox(mail=mail(1, 2, 3, 4, 5))}) as server:
        yield Odd(server, archive_root)


@pytest.mark.parametrize("fault", ["withheld", "refused"])
def test_message_listed_and_never_delivered_stops_nothing(odd: Odd, fault: str) -> None:
    """It is recorded once, shown as a warning in each run, and archived as soon as it comes."""
    setattr(odd.inbox, fault, {3})
    for _ in range(2):
        report = odd.mirror()
        assert (report.unfetchable, len(report.warnings), report.failures) == (1, 1, ())
    assert odd.states() == {1: "added", 2: "added", 3: "unfetchable", 4: "added", 5: "added"}
    assert odd.count("locations") == 5
    assert not Archive(odd.root).last_folders("a")["INBOX"].complete
    setattr(odd.inbox, fault, set())
    assert (odd.mirror().added, odd.states()[3]) == (1, "added")
    assert Archive(odd.root).last_folders("a")["INBOX"].complete


def test_message_never_delivered_and_then_gone_is_given_up(odd: Odd) -> None:
    """What was never here and is no longer there needs no further trying."""
    odd.inbox.withheld = {3}
    odd.mirror()
    del odd.inbox.mail[3]
    assert odd.mirror().unfetchable == 0
    assert odd.states()[3] == "expunged"


def test_connection_that_breaks_at_one_message_passes_it_over(odd: Odd) -> None:
    """After two breaks at the same message the run goes on without it, in new sessions."""
    odd.inbox.hangs_up_at = {3: 99}
    report = odd.mirror()
    assert (report.added, report.unfetchable, report.failures) == (4, 1, ())
    assert odd.states()[3] == "unfetchable"
    odd.inbox.hangs_up_at = {}
    assert odd.mirror().added == 1


def test_connection_that_breaks_once_costs_nothing(odd: Odd) -> None:
    """The next session goes on where the last one broke."""
    odd.inbox.hangs_up_at = {1: 1, 4: 1}
    report = odd.mirror()
    assert (report.added, report.unfetchable, report.warnings) == (5, 0, ())
    assert odd.count("locations") == 5


def test_server_that_always_hangs_up_is_an_error(odd: Odd) -> None:
    """Where no session brings anything, the run ends and a later try goes on."""
    odd.inbox.hangs_up_at = {uid: 99 for uid in odd.inbox.mail}
    odd.inbox.mail = {1: Mail(content=message_of_size(5000))}
    odd.inbox.arrivals = _hang_up
    with pytest.raises(ConnectionLost):
        odd.mirror()


def _hang_up(mailbox: Mailbox, search: int) -> None:
    raise OSError


def test_folder_that_breaks_every_session_leaves_the_others_alone(odd: Odd) -> None:
    """One sick folder is a failure of the run, after all others were mirrored."""
    odd.inbox.arrivals = _hang_up
    odd.server.folders["Other"] = Mailbox(mail=mail(7))
    report = odd.mirror()
    assert report.added == 1
    assert len(report.failures) == 1
    assert "'INBOX'" in report.failures[0]
    assert odd.states("Other") == {7: "added"}


def test_folder_that_does_not_open_is_a_failure_of_its_own(odd: Odd) -> None:
    """The others are mirrored, and its messages are not taken for gone."""
    odd.mirror()
    odd.inbox.is_broken = True
    odd.server.folders["Other"] = Mailbox(mail=mail(7))
    report = odd.mirror()
    assert (report.added, report.expunged) == (1, 0)
    assert "'INBOX' of a was not mirrored: the server does not open it: broken" in report.failures[0]


def test_folder_deleted_since_it_was_listed_is_no_failure(odd: Odd) -> None:
    """The folders are listed once more, and it is recorded as gone."""
    odd.server.folders["Work"] = Mailbox(mail=mail(7, 8))
    odd.mirror()
    odd.inbox.arrivals = lambda mailbox, searches: odd.server.folders.pop("Work", None)
    report = odd.mirror()
    assert (report.failures, report.warnings, report.deleted_folders) == ((), (), 1)
    assert odd.states("Work") == {7: "expunged", 8: "expunged"}
    odd.inbox.arrivals = None
    assert odd.mirror().deleted_folders == 0


def test_window_is_no_proof_that_mail_is_gone(odd: Odd) -> None:
    """What a windowed listing lacks is recorded as not listed, and comes back when it is shown."""
    odd.mirror()
    odd.inbox.window = 2
    odd.inbox.mail |= mail(6)
    report = odd.mirror()
    assert (report.added, report.expunged, report.not_listed) == (1, 0, 4)
    assert "counts 6 messages and lists 2" in report.warnings[0]
    assert Archive(odd.root).last_folders("a")["INBOX"].windowed
    odd.inbox.window = None
    assert odd.mirror().added == 4
    assert set(odd.states().values()) == {"added"}
    assert odd.count("messages") == 6


def test_window_over_a_large_folder_is_not_taken_for_a_loss(odd: Odd) -> None:
    """A server that begins to show a part only does not stop the run."""
    odd.inbox.mail = mail(*range(1, 121))
    odd.mirror()
    odd.inbox.window = 10
    report = odd.mirror()
    assert (report.not_listed, report.expunged) == (110, 0)


def test_messages_that_search_leaves_out_are_found(odd: Odd) -> None:
    """Where EXISTS counts more than SEARCH lists, the flags of all are asked for instead."""
    odd.inbox.search_misses = {2, 3}
    report = odd.mirror()
    assert (report.added, report.warnings) == (5, ())
    assert odd.mirror().expunged == 0


def test_mail_that_comes_and_goes_meanwhile_is_no_failure(odd: Odd) -> None:
    """New mail is taken along, a message that vanished is left out, and nothing is reported."""

    def change(mailbox: Mailbox, search: int) -> None:
        if search == 2:
            mailbox.mail |= mail(6)
            mailbox.withheld = set()

    odd.inbox.arrivals = change
    report = odd.mirror()
    assert (report.added, report.warnings, report.failures) == (6, (), ())
    odd.inbox.arrivals = None
    assert odd.mirror().added == 0


def test_message_listed_only_at_second_sight_is_archived_and_told(odd: Odd) -> None:
    """A server that shows older mail late must not lose it, and the report says what happened."""

    def reveal(mailbox: Mailbox, search: int) -> None:
        if search == 2:
            mailbox.mail |= mail(2)

    del odd.inbox.mail[2]
    odd.inbox.arrivals = reveal
    report = odd.mirror()
    assert report.added == 5
    assert "only at second sight" in report.warnings[0]


def test_message_that_vanishes_while_it_is_fetched_is_counted(odd: Odd) -> None:
    """It is neither unfetchable nor archived."""
    odd.inbox.withheld = {3}

    def expunge(mailbox: Mailbox, search: int) -> None:
        if search == 2:
            mailbox.mail.pop(3, None)

    odd.inbox.arrivals = expunge
    report = odd.mirror()
    assert (report.added, report.vanished, report.unfetchable) == (4, 1, 0)
    assert 3 not in odd.states()


def test_empty_answer_for_a_message_that_has_a_size_is_not_taken_for_it(odd: Odd) -> None:
    """A server in trouble sends nothing and says OK; the message is asked for again until it comes."""
    content, odd.inbox.mail[3].octets = odd.inbox.mail[3].content, len(odd.inbox.mail[3].content)
    odd.inbox.mail[3].content = b""
    odd.inbox.mail[4].content = b""
    assert odd.mirror().unfetchable == 1
    assert (odd.states()[3], odd.states()[4]) == ("unfetchable", "added")
    odd.inbox.mail[3].content = content
    odd.mirror()
    assert odd.states()[3] == "added"


def test_wrong_sizes_are_no_reason_to_refuse(odd: Odd) -> None:
    """RFC822.SIZE is recorded as stated and believed in nothing."""
    odd.inbox.mail[1].octets = 1
    odd.inbox.mail[2].octets = 10_000_000
    assert (odd.mirror().added, odd.mirror().added) == (5, 0)


def test_plain_server_without_extensions_is_mirrored(archive_root: Path) -> None:
    """IMAP4rev1 alone is enough: SEARCH in one line, all flags compared."""
    inbox = Mailbox(mail=mail(*range(1, 50)))
    with ImapServer({"INBOX": inbox}, capabilities=("IMAP4rev1",)) as server:
        odd = Odd(server, archive_root)
        assert odd.mirror().added == 49
        inbox.mail[7].flags = "\\Seen $x"
        del inbox.mail[9]
        report = odd.mirror()
        assert (report.flags, report.expunged) == (1, 1)
        assert odd.mirror().flags == 0
        assert odd.count("locations") == 51


def test_server_without_uidvalidity_proves_nothing_gone(odd: Odd) -> None:
    """Each message is asked who it is; renumbered ones are recognised, missing ones are not called gone."""
    odd.inbox.uid_validity = None
    odd.mirror()
    kept = odd.inbox.mail
    odd.inbox.mail = {1: kept[2], 2: kept[3], 8: kept[4], **mail(9)}
    report = odd.mirror()
    assert (report.expunged, report.not_listed) == (0, 3)
    assert odd.count("messages") == 6
    assert odd.states() == {
        1: "added",
        2: "added",
        3: "not_listed",
        4: "not_listed",
        5: "not_listed",
        8: "added",
        9: "added",
    }
    rows = Archive(odd.root).read_table("locations").num_rows
    odd.mirror()
    assert Archive(odd.root).read_table("locations").num_rows == rows


def test_server_that_stops_stating_uidvalidity_keeps_its_messages(odd: Odd) -> None:
    """A message of the same number is recorded under the numbering of none, not closed with the old one."""
    odd.mirror()
    odd.inbox.uid_validity = None
    report = odd.mirror()
    assert (report.recognised, report.octets, report.warnings) == (5, 0, ())
    live = Archive(odd.root).folder_state("a", "INBOX").live
    assert live.tolist() == [1, 2, 3, 4, 5]


def later(*uids: int) -> dict[int, Mail]:
    """Return messages that came a day after those of `mail`."""
    return {
        uid: Mail(content=make_message(subject=f"later {uid}"), date="05-Mar-2026 10:30:00 +0000")
        for uid in uids
    }


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_numbers_given_twice_hide_no_mail(odd: Odd, order: str) -> None:
    """A folder restored from a copy keeps its UIDVALIDITY and gives UIDs again that the archive knows."""
    odd.mirror()
    before = odd.inbox.mail
    odd.inbox.mail = {1: before[1], 2: before[2], **later(3, 4, 8)}
    report = odd.mirror(order=order)
    assert (report.added, report.expunged, len(report.warnings)) == (3, 1, 1)
    assert odd.count("messages") == 8
    assert odd.states() == {1: "added", 2: "added", 3: "added", 4: "added", 5: "expunged", 8: "added"}
    state = Archive(odd.root).folder_state("a", "INBOX")
    held = {row.uid: row.sha256 for row in state.live_rows()}
    assert held == {uid: hashlib.sha256(m.content).hexdigest() for uid, m in odd.inbox.mail.items()}
    rows = odd.count("locations")
    report = odd.mirror()
    assert (report.added, report.warnings, odd.count("locations")) == (0, (), rows)


def test_numbers_given_twice_hide_no_mail_from_a_selection(odd: Odd) -> None:
    """What lies behind known numbers is compared even where the selection would leave it out."""
    odd.mirror()
    odd.inbox.mail = {uid: odd.inbox.mail[uid] for uid in (1, 2, 3)} | later(4, 5)
    odd.inbox.unwanted = {3, 4}
    report = odd.mirror(since=date(2026, 3, 5))
    assert (report.added, len(report.warnings), report.failures) == (2, 1, ())
    assert Archive(odd.root).folder_state("a", "INBOX").live.tolist() == [1, 2, 3, 4, 5]
    assert odd.count("messages") == 7


def test_folders_that_swapped_their_names_hide_no_mail(odd: Odd) -> None:
    """Some servers give all folders one UIDVALIDITY; new mail may then lie behind the other's numbers."""
    odd.server.folders["Archive"] = Mailbox(mail=later(1, 2))
    odd.mirror()
    folders = odd.server.folders
    folders["INBOX"], folders["Archive"] = folders["Archive"], folders["INBOX"]
    folders["INBOX"].mail |= mail(3)
    folders["INBOX"].mail[3].content = make_message(subject="new")
    odd.mirror()
    assert odd.count("messages") == 8
    live = {row.uid: row.sha256 for row in Archive(odd.root).folder_state("a", "INBOX").live_rows()}
    assert live == {uid: hashlib.sha256(m.content).hexdigest() for uid, m in odd.inbox.mail.items()}


def test_server_that_corrects_sizes_and_dates_has_given_no_number_twice(odd: Odd) -> None:
    """The Message-ID says that it is the same message, and nothing is downloaded again."""
    odd.mirror()
    odd.inbox.mail[5].octets = 99_999
    odd.inbox.mail[5].date = "05-Mar-2026 10:30:00 +0000"
    report = odd.mirror()
    assert (report.added, report.warnings) == (0, ())


def test_flags_of_a_restored_folder_are_compared_in_the_next_run(odd: Odd) -> None:
    """The run that finds numbers given twice compares messages; flags follow."""
    odd.mirror()
    before = odd.inbox.mail
    before[1].flags = "\\Seen"
    odd.inbox.mail = {1: before[1], **later(2)}
    odd.mirror()
    assert odd.mirror().flags == 1


def test_run_stopped_among_numbers_given_twice_is_continued(odd: Odd) -> None:
    """The highest of them comes last, so that the next run finds out as well."""
    odd.mirror()
    odd.inbox.mail = {1: odd.inbox.mail[1], **later(2, 3, 4)}
    odd.inbox.hangs_up_at = {3: 1}
    odd.mirror(order="newest")
    assert odd.count("messages") == 8
    assert Archive(odd.root).folder_state("a", "INBOX").live.tolist() == [1, 2, 3, 4]


def test_object_ids_recognise_messages_without_message_id(archive_root: Path) -> None:
    """EMAILID saves the download where a folder is numbered anew."""
    content = [b"Subject: %d\r\n\r\nno name\r\n" % number for number in range(5)]
    inbox = Mailbox(
        mail={n + 1: Mail(content=one, object_id=f"M{n}") for n, one in enumerate(content)}, uid_validity=1
    )
    with ImapServer({"INBOX": inbox}, capabilities=(*CAPABILITIES, "OBJECTID")) as server:
        odd = Odd(server, archive_root)
        odd.mirror()
        inbox.uid_validity = 2
        inbox.mail = {uid + 100: one for uid, one in inbox.mail.items()}
        report = odd.mirror()
        assert (report.recognised, report.octets, report.expunged) == (5, 0, 5)


def test_account_on_a_new_server_that_lost_its_mail_is_not_mirrored_away(archive_root: Path) -> None:
    """An empty server in place of a full one stops the run with a sentence."""
    with ImapServer({"INBOX": Mailbox(mail=mail(*range(1, 100)))}) as server:
        Odd(server, archive_root).mirror()
    with ImapServer({"INBOX": Mailbox(uid_validity=77)}) as server:
        odd = Odd(server, archive_root)
        with pytest.raises(ConfigurationError, match="99 of the 99 messages"):
            odd.mirror()
        assert set(odd.states().values()) == {"added"}


def test_folder_that_is_hidden_but_there_is_not_taken_for_deleted(odd: Odd) -> None:
    """Not being listed is no proof: the server is asked for the folder by name."""
    odd.server.folders["Other"] = Mailbox(mail=mail(7))
    odd.mirror()

    class Hidden(dict[str, Mailbox]):
        def __iter__(self) -> Iterator[str]:
            return iter(["INBOX"])

    odd.server.folders = Hidden(odd.server.folders)
    report = odd.mirror()
    assert (report.deleted_folders, report.expunged) == (0, 0)


@pytest.fixture
def work(odd: Odd) -> Odd:
    """The same server with a folder more, mirrored."""
    odd.server.folders["Work"] = Mailbox(mail=mail(11, 12, 13), uid_validity=7)
    odd.mirror()
    return odd


def test_folder_that_a_listing_still_shows_is_gone_in_the_same_run(work: Odd) -> None:
    """Dovecot lists a folder for a moment longer than it is there; what is told counts everything once."""
    del work.server.folders["Work"]
    work.server.folders["INBOX"].mail |= mail(6)
    work.server.outdated["Work"] = 1
    report = work.mirror()
    assert (report.folders, report.added, report.expunged, report.deleted_folders) == (1, 1, 3, 1)
    assert (report.failures, report.warnings) == ((), ())
    assert work.states("Work") == dict.fromkeys((11, 12, 13), "expunged")


def test_folder_renamed_since_it_was_listed_is_known_in_the_same_run(work: Odd) -> None:
    """Nothing of it is downloaded again or called gone."""

    def rename(mailbox: Mailbox, searches: int) -> None:
        if "Work" in work.server.folders:
            work.server.folders["Jobs"] = work.server.folders.pop("Work")

    work.inbox.mail |= mail(6)
    work.inbox.arrivals = rename
    report = work.mirror()
    assert (report.renamed_folders, report.moved, report.added, report.expunged) == (1, 3, 1, 0)
    assert work.states("Jobs") == dict.fromkeys((11, 12, 13), "moved")


def test_listing_that_stays_out_of_date_is_left_to_the_next_run(work: Odd) -> None:
    """It is read twice at most, and what it says is not taken for gone."""
    del work.server.folders["Work"]
    work.server.outdated["Work"] = 2
    report = work.mirror()
    assert (report.expunged, report.failures) == (0, ())
    assert sum(command.startswith("LIST") for command in work.server.commands) == 1 + 2
    assert work.mirror().expunged == 3
