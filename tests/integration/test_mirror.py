"""The mirror against a real server: the archive shows the account the server has."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from tests.integration.mirrors import MirrorAccount, shown_by_server
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.s3 import S3Server


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account with two messages in INBOX and one in a folder below another."""
    found = MirrorAccount(dovecot, user, archive_root)
    found.append(make_message(subject="one"), flags=["\\Seen", "$Label1"])
    found.append(make_message(subject="two"), internal_date=datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC))
    found.append(make_message(subject="three"), "Facturas/2026")
    return found


def test_first_run_brings_every_folder(account: MirrorAccount) -> None:
    """Messages, flags and internal dates of all folders are in the archive."""
    report = account.mirror()
    assert (report.added, report.failures, report.warnings) == (3, (), ())
    account.assert_in_step()


def test_a_run_says_at_once_how_much_there_is(
    account: MirrorAccount, caplog: pytest.LogCaptureFixture
) -> None:
    """How many messages are listed and how many of them are new, before the first of them is fetched."""
    with caplog.at_level("INFO", "mailroom.services.mirroring"):
        first = account.mirror()
        account.append(make_message(subject="Una más"))
        account.mirror()
    said = [line.partition("; ")[2] for line in caplog.messages if "folders chosen" in line]
    assert said == [
        f"{first.added} messages listed, about {first.added} of them new",
        f"{first.added + 1} messages listed, about 1 of them new",
    ]


def test_nothing_changes_on_the_server(account: MirrorAccount) -> None:
    """No message becomes read, and not even \\Recent goes away."""
    before = shown_by_server(account.server, account.user)
    with account.server.mailbox(account.user) as client:
        recent = client.folder_status("INBOX", ["RECENT", "UNSEEN"])
    account.mirror()
    with account.server.mailbox(account.user) as client:
        assert client.folder_status("INBOX", ["RECENT", "UNSEEN"]) == recent
    assert shown_by_server(account.server, account.user) == before


def test_run_with_nothing_new_commits_nothing(account: MirrorAccount) -> None:
    """Where STATUS says that nothing changed, no folder is opened and no table grows."""
    account.mirror()
    before = account.versions()
    report = account.mirror()
    assert (report.folders, report.unchanged, report.added) == (report.folders, report.folders, 0)
    assert account.versions() == before


def test_changes_by_another_client_are_followed(account: MirrorAccount) -> None:
    """Flags, moves, deletions, new messages and new folders arrive with the next run, each once."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.add_flags([1], [b"\\Flagged"])
        client.remove_flags([1], [b"\\Seen"])
        client.create_folder("Archive")
        client.move([2], "Archive")
        client.select_folder("Facturas/2026")
        client.delete_messages([1])
        client.expunge()
    account.append(make_message(subject="four"))
    report = account.mirror()
    assert (report.added, report.flags, report.expunged) == (2, 1, 2)
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 4
    assert account.changes() == ["added"] * 5 + ["expunged"] * 2 + ["flags"]
    account.mirror()
    assert len(account.changes()) == 8


def test_expunged_mail_stays_in_the_archive(account: MirrorAccount) -> None:
    """What the server loses is recorded as gone, and its bytes are kept."""
    account.mirror()
    digests = {row for (row, _, _) in shown_by_server(account.server, account.user).values()}
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([1, 2])
        client.expunge()
    account.mirror()
    account.assert_in_step()
    assert all(account.archive.raw.hash(digest) == digest for digest in digests)


def test_message_in_two_folders_is_one_object(account: MirrorAccount) -> None:
    """A copy is a second place, not a second message."""
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.copy([1, 2], "Facturas/2026")
    account.mirror()
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 3


def test_deleted_folder_is_recorded_with_its_messages(account: MirrorAccount) -> None:
    """A folder that is gone takes its messages along, in the log only."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.delete_folder("Facturas/2026")
    report = account.mirror()
    assert (report.deleted_folders, report.expunged) == (1, 1)
    account.assert_in_step()
    assert account.archive.last_folders("account")["Facturas/2026"].deleted
    assert account.mirror().deleted_folders == 0


def test_renamed_folder_is_recorded_as_renamed(account: MirrorAccount) -> None:
    """Its messages are moved with it: nothing is downloaded, added or taken for gone."""
    for number in range(5):
        account.append(make_message(subject=f"invoice {number}"), "Facturas/2026")
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.rename_folder("Facturas/2026", "Invoices")
        client.select_folder("Invoices")
        client.add_flags(2, "\\Flagged")
    report = account.mirror()
    assert (report.added, report.octets, report.expunged, report.deleted_folders) == (0, 0, 0, 0)
    assert (report.renamed_folders, report.moved, report.flags) == (1, 6, 1)
    account.assert_in_step()
    rows = account.archive.read_table("locations").to_pylist()
    moved = {(row["folder"], row["moved_from"], row["uid"]) for row in rows if row["change"] == "moved"}
    assert moved == {("Invoices", "Facturas/2026", uid) for uid in range(1, 7)}
    folders = account.archive.last_folders("account")
    assert (folders["Invoices"].renamed_from, folders["Facturas/2026"].deleted) == ("Facturas/2026", True)
    assert account.mirror().unchanged == account.mirror().folders


def test_subscriptions_are_recorded_and_open_no_folder(account: MirrorAccount) -> None:
    """What mail programs are to show is part of the account; SUBSCRIBE alone changes a row and no more."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.subscribe_folder("Facturas/2026")
    report = account.mirror()
    assert report.unchanged == report.folders
    folders = account.archive.last_folders("account")
    assert {name: row.subscribed for name, row in folders.items()}["Facturas/2026"] is True
    assert not any(row.subscribed for name, row in folders.items() if name != "Facturas/2026")
    before = account.versions()
    account.mirror()
    assert account.versions() == before


def test_folder_that_comes_back_is_mirrored_again(account: MirrorAccount) -> None:
    """Deleted and made anew, a folder has another UIDVALIDITY and other messages."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.delete_folder("Facturas/2026")
    account.mirror()
    account.append(make_message(subject="new"), "Facturas/2026")
    report = account.mirror()
    assert report.added == 1
    account.assert_in_step()
    assert not account.archive.last_folders("account")["Facturas/2026"].deleted


def test_patterns_choose_and_exclude(account: MirrorAccount) -> None:
    """Only what is asked for is mirrored, and what is left out is not taken for deleted."""
    account.mirror()
    report = account.mirror(folders=("*",), exclude=("Facturas*",))
    assert (report.folders, report.expunged) == (1, 0)
    account.assert_in_step()


def test_unknown_folder_is_one_sentence_with_the_names(account: MirrorAccount) -> None:
    """A typing error names the folders there are."""
    with pytest.raises(ConfigurationError, match=r"'Facturas/2026'"):
        account.mirror(folders=("Rechnungen",))


def test_selection_limits_the_first_run_and_a_later_run_fills_up(account: MirrorAccount) -> None:
    """since, until and larger_than narrow the download; nothing is lost by them."""
    account.append(message_of_size(50_000), internal_date=datetime(2020, 5, 7, tzinfo=UTC))
    assert account.mirror(until=date(2021, 1, 1)).added == 2
    assert account.mirror(until=date(2021, 1, 1)).added == 0
    assert account.mirror(larger_than=40_000, since=date(2020, 1, 1)).added == 0
    assert account.archive.last_folders("account")["INBOX"].windowed
    assert account.mirror().added == 2
    account.assert_in_step()
    assert not account.archive.last_folders("account")["INBOX"].windowed


def test_expunged_message_is_seen_under_a_selection(account: MirrorAccount) -> None:
    """A narrowed run still lists all, so absence is proof for what is archived already."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([1])
        client.expunge()
    report = account.mirror(since=date(2026, 1, 1))
    assert report.expunged == 1
    account.assert_in_step()


def stop_after(account: MirrorAccount, looks: int) -> threading.Event:
    """Return an event that is set once the run has looked at the clock so often."""
    stop = threading.Event()

    def now() -> datetime:
        nonlocal looks
        looks -= 1
        if looks == 0:
            stop.set()
        return MirrorAccount.now(account)

    account.now = now  # type: ignore[method-assign]
    return stop


@pytest.mark.parametrize(("order", "first"), [("newest", range(103, 603)), ("oldest", range(1, 501))])
def test_order_says_which_mail_comes_first(account: MirrorAccount, order: str, first: range) -> None:
    """A run that is stopped early has the mail of the end it was to begin with."""
    account.server.fill(account.user, [Stored(content=make_message(subject=f"{n}")) for n in range(600)])
    report = account.mirror(stop=stop_after(account, 50), order=order, folders=("INBOX",))
    assert report.interrupted
    uids = account.archive.read_table("locations", ["uid"])["uid"].to_pylist()
    assert len(uids) == report.added > 0
    assert set(uids) <= set(first)


def test_stop_keeps_what_came_and_the_next_run_goes_on(account: MirrorAccount) -> None:
    """An interrupted run says so, records nothing as gone, and loses nothing."""
    for number in range(30):
        account.append(make_message(subject=f"more {number}"))
    stop = stop_after(account, 10)
    report = account.mirror(stop=stop)
    assert report.interrupted
    assert 0 < report.added < 33
    stop.clear()
    assert account.mirror().added == 33 - report.added
    account.assert_in_step()


@pytest.fixture
def begun(account: MirrorAccount) -> MirrorAccount:
    """An account with a new folder; a mirror was stopped in the middle of it."""
    account.mirror()
    for number in range(30):
        account.append(make_message(subject=f"more {number}"), "Begun")
    report = account.mirror(folders=("Begun",), stop=stop_after(account, 10))
    assert report.interrupted
    assert 0 < report.added < 30
    assert "Begun" not in account.archive.last_folders(account.name)
    del account.now  # type: ignore[attr-defined]  # the clock of the class again
    return account


def test_folder_deleted_after_a_run_stopped_in_it_is_gone(begun: MirrorAccount) -> None:
    """No run came to its end, so no row of its own tells of it; its messages do."""
    held = begun.archive.live_counts(begun.name)["Begun"]
    with begun.server.mailbox(begun.user) as client:
        client.delete_folder("Begun")
    report = begun.mirror()
    assert (report.expunged, report.deleted_folders) == (held, 1)
    begun.assert_in_step()


def test_folder_renamed_after_a_run_stopped_in_it_is_known(begun: MirrorAccount) -> None:
    """What came by then is not downloaded again, and is not shown under both names."""
    held = begun.archive.live_counts(begun.name)["Begun"]
    with begun.server.mailbox(begun.user) as client:
        client.rename_folder("Begun", "Done")
    report = begun.mirror()
    assert (report.renamed_folders, report.moved, report.expunged) == (1, held, 0)
    assert report.added == 30 - held
    begun.assert_in_step()


def test_two_runs_at_once_record_everything_once(account: MirrorAccount) -> None:
    """A task that was started twice does no harm: each place is recorded as new once."""
    account.server.fill(account.user, [Stored(content=make_message(subject=f"{n}")) for n in range(300)])
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(account.mirror) for _ in range(2)]
        assert all(run.result().failures == () for run in runs)
    account.assert_in_step()
    assert account.changes() == ["added"] * 303
    assert account.mirror().added == 0


def test_archive_in_a_bucket_is_in_step_too(account: MirrorAccount, s3: S3Server) -> None:
    """The same mirror writes to an object store."""
    from upath import UPath

    account.root = UPath(f"s3://{s3.new_bucket()}/mail", **s3.storage_options)
    assert account.mirror().added == 3
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.add_flags([1], [b"\\Answered"])
        client.delete_messages([2])
        client.expunge()
    report = account.mirror()
    assert (report.flags, report.expunged) == (1, 1)
    account.assert_in_step()
    assert account.mirror().unchanged == 2


def test_mass_disappearance_stops_and_is_let_through_on_demand(account: MirrorAccount) -> None:
    """An emptied account is not recorded as deleted mail, unless a person says that it is."""
    account.server.fill(account.user, [Stored(content=make_message(subject=f"{n}")) for n in range(80)])
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search())
        client.expunge()
    account.append(make_message(subject="new mail meanwhile"))
    with pytest.raises(ConfigurationError, match="max_gone"):
        account.mirror()
    assert "expunged" not in account.changes()
    assert account.mirror(max_gone=1.0).expunged == 82
    account.assert_in_step()


def test_mail_moved_in_bulk_is_not_taken_for_lost(account: MirrorAccount) -> None:
    """Filing the whole inbox away changes places and loses nothing."""
    account.server.fill(account.user, [Stored(content=make_message(subject=f"{n}")) for n in range(80)])
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.create_folder("Archive")
        client.select_folder("INBOX")
        client.move(client.search(), "Archive")
    report = account.mirror()
    assert (report.added, report.expunged) == (82, 82)
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 83


def test_awkward_messages_are_archived_as_they_are(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """NUL, bare line feeds, zero octets and broken MIME are bytes like others."""
    account = MirrorAccount(dovecot, user, archive_root)
    dovecot.fill(user, [Stored(content=content) for content in AWKWARD.values()])
    report = account.mirror()
    assert (report.added, report.unfetchable, report.failures) == (len(AWKWARD), 0, ())
    account.assert_in_step()
    assert account.mirror().unchanged == 1


def test_large_message_is_spooled_and_whole(account: MirrorAccount) -> None:
    """60 MB pass through a file, not through memory."""
    account.server.fill(account.user, [Stored(content=message_of_size(60_000_000))])
    report = account.mirror()
    assert report.added == 4
    account.assert_in_step()
    assert account.archive.raw.leftovers() == []


@pytest.mark.parametrize("delimiter", [".", "/"])
def test_folder_names_of_all_kinds(archive_root: Path, delimiter: str) -> None:
    """Quotes, emoji, blanks, ampersands, wildcards and the other delimiter are part of names."""
    names = [
        'a "quoted" one',
        "Ablage & Co",
        "日本 📎",
        "back\\slash",
        "percent%star",
        " lead",
        f"up{delimiter}down",
    ]
    if delimiter == ".":
        names.append("Facturas/2026")
    with Dovecot(separator=delimiter, escape_names=True) as server:
        account = MirrorAccount(server, server.add_user(), archive_root)
        for name in names:
            account.append(make_message(subject=name), name)
        assert account.mirror().added == len(names)
        account.assert_in_step()
        assert set(names) <= set(Archive(archive_root).last_folders("account"))
        assert account.mirror().added == 0
