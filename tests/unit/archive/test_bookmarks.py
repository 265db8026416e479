"""Bookmarks hold while the tables say what they said, and never a moment longer."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive import AccountOverview, Archive, digest_of_listing
from mailroom.archive.delta.rows import folders_table
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import EVERY_COMMITS, keep_up
from mailroom.archive.reading.bookmarks import MAX_AGE, MAX_ENTRIES, Bookmarks
from mailroom.model import Change
from tests.support.archives import (
    ACCOUNT,
    NOW,
    archive_messages,
    body,
    context,
    folder_row,
    maildrop_row,
    place,
)


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    """An archive of three messages in a closed folder, with a bookmark that holds."""
    archive = Archive(archive_root)
    archive_messages(archive, [1, 2, 3])
    close_folder(archive, messages=3)
    leave(archive)
    return Archive(archive_root)


def close_folder(archive: Archive, account: str = ACCOUNT, **values: object) -> None:
    with archive.writer(context("closing")) as writer:
        writer.close_folder(folder_row(**values, account=account))
        writer.finish("succeeded", {}, 0)


def leave(archive: Archive, account: str = ACCOUNT) -> None:
    """Leave a bookmark as a run does that has read the tables."""
    archive.live_counts(account)
    archive.noted.bookmark_account(account)


def held(archive: Archive, later: timedelta = timedelta(0)) -> AccountOverview | None:
    """Return what the bookmark says, or None where it does not hold."""
    return Bookmarks(archive.store).read_account(ACCOUNT, datetime.now(UTC) + later)


def bookmark(archive: Archive) -> Path:
    """Return the one bookmark's path."""
    (path,) = Path(archive.url, "bookmarks").iterdir()
    return path


def assert_tables_are_read(archive: Archive) -> None:
    """Check that the bookmark is passed over, and that the tables answer in its place."""
    assert held(archive) is None
    fresh = Archive(archive.url)
    found = fresh.noted.overview(ACCOUNT)
    assert found.live == fresh.live_counts(ACCOUNT)
    assert found.folders == fresh.last_folders(ACCOUNT)


def test_bookmark_says_what_the_tables_say(archive: Archive) -> None:
    """Folder rows come back whole, times and all, and so do the counts of live messages."""
    found = held(archive)
    assert found is not None
    assert found.folders == archive.last_folders(ACCOUNT)
    assert found.live == archive.live_counts(ACCOUNT) == {"INBOX": 3}


@pytest.mark.parametrize("table", ["locations", "folders"])
def test_a_commit_about_the_account_ends_it(archive: Archive, table: str) -> None:
    """Whatever a later run wrote, however little, is read from the tables."""
    if table == "locations":
        with archive.writer(context("flags")) as writer:
            writer.record([place(2, change=Change.EXPUNGED, sha256=None)])
            writer.finish("succeeded", {}, 0)
    else:
        close_folder(archive, messages=4)
    assert_tables_are_read(archive)


def test_commits_about_other_accounts_leave_it(archive: Archive) -> None:
    """Twenty accounts in one archive do not make each other slow."""
    for uid in range(10, 15):
        archive_messages(archive, [uid], account="other")
        close_folder(archive, account="other", messages=uid)
    assert held(archive) is not None
    assert held(Archive(archive.url)) == held(archive)


def test_an_account_whose_name_begins_alike_is_not_told_apart(archive: Archive) -> None:
    """``post/x`` in folder ``y`` and ``post`` in folder ``x/y`` have one name in the log: it is read then."""
    archive_messages(archive, [9], account=f"{ACCOUNT}/x")
    assert_tables_are_read(archive)


def test_many_commits_of_others_are_not_looked_through(archive: Archive) -> None:
    """At some length reading the tables is as quick, and a new bookmark is left."""
    table = archive.reader("folders")
    for number in range(MAX_ENTRIES):
        rows = folders_table([folder_row(account="other", messages=number)], [number])
        table.append(lambda rows=rows, number=number: Append(rows=[rows], transactions={"other": number}))
        if number == MAX_ENTRIES - 2:
            assert held(archive) is not None
    assert_tables_are_read(archive)
    leave(Archive(archive.url))
    assert held(archive) is not None


def test_a_change_of_the_table_itself_ends_it(archive: Archive) -> None:
    """What another tool committed is nothing we know the meaning of."""
    archive.reader("folders").delta.alter.set_table_properties({"delta.checkpointInterval": "60"})
    assert_tables_are_read(archive)


def test_upkeep_leaves_it(archive: Archive) -> None:
    """Joining files changes no row."""
    table = archive.reader("locations")
    pieces = [piece.table for piece in table.scan(table.spec.schema.names)]
    assert table.replace(table.files(), pieces)
    table.tidy(lambda: None)
    assert held(archive) is not None


def test_dropping_rows_ends_it(archive: Archive) -> None:
    """A file that was replaced by one with fewer rows is no upkeep."""
    table = archive.reader("locations")
    pieces = [piece.table.slice(1) for piece in table.scan(table.spec.schema.names)]
    assert table.replace(table.files(), pieces, drops=True)
    assert_tables_are_read(archive)


def test_it_counts_for_a_day_and_not_before_it_was_made(archive: Archive) -> None:
    """Once a day the tables are read; a clock that went back makes no bookmark younger."""
    assert held(archive, MAX_AGE - timedelta(minutes=1)) is not None
    assert held(archive, MAX_AGE + timedelta(minutes=1)) is None
    assert held(archive, -timedelta(minutes=1)) is None


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "zeros", "flipped", "no json", "another's"])
def test_a_damaged_bookmark_is_passed_over(archive: Archive, damage: str) -> None:
    """It is never synced, so a power cut may leave anything in its place; the tables know."""
    path = bookmark(archive)
    whole = path.read_bytes()
    changed = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "zeros": bytes(len(whole)),
        "flipped": whole.replace(b'"INBOX": 3', b'"INBOX": 2'),
        "no json": b"nonsense\n",
        "another's": whole.replace(b'"post"', b'"past"'),
    }
    path.unlink() if damage == "absent" else path.write_bytes(changed[damage])
    assert_tables_are_read(archive)
    leave(Archive(archive.url))
    assert held(archive) is not None


def test_a_table_put_back_to_an_older_state_ends_it(archive: Archive) -> None:
    """The version's number alone proves nothing: after a restore the same number is given again."""
    saved = Path(archive.url).parent / "saved"
    shutil.copytree(f"{archive.url}/tables", saved)
    archive_messages(archive, [4])
    leave(Archive(archive.url))
    version = Archive(archive.url).reader("locations").version
    shutil.rmtree(f"{archive.url}/tables")
    shutil.copytree(saved, f"{archive.url}/tables")
    restored = Archive(archive.url)
    archive_messages(restored, [40], account="other")
    assert restored.reader("locations").version == version
    assert_tables_are_read(restored)
    assert restored.noted.overview(ACCOUNT).live == {"INBOX": 3}


def test_a_torn_commit_ends_it(archive: Archive) -> None:
    """What a power cut tore is set aside before the bookmark is asked, and its number is given anew."""
    log = Path(archive.url, "tables/locations/_delta_log")
    newest = sorted(log.glob("*.json"))[-1]
    added = next(json.loads(line)["add"] for line in newest.read_text().splitlines() if '"add"' in line)
    Path(archive.url, "tables/locations", added["path"]).write_bytes(b"")
    assert Archive(archive.url).noted.overview(ACCOUNT).live == {}


def test_it_is_not_written_again_while_it_holds(archive: Archive) -> None:
    """A folder that has to be opened each time costs no write each time."""
    before = bookmark(archive).stat().st_ino
    leave(Archive(archive.url))
    assert bookmark(archive).stat().st_ino == before


def test_nothing_is_left_by_a_run_that_read_nothing(archive: Archive) -> None:
    """A bookmark that answered everything is as good as a new one."""
    bookmark(archive).unlink()
    Archive(archive.url).noted.bookmark_account(ACCOUNT)
    assert list(Path(archive.url, "bookmarks").iterdir()) == []


def test_a_place_that_takes_no_bookmark_is_no_failure(archive: Archive) -> None:
    """A file in the way, a full or read-only disk: the next run reads the tables."""
    shutil.rmtree(f"{archive.url}/bookmarks")
    Path(archive.url, "bookmarks").write_text("in the way")
    leave(Archive(archive.url))
    assert_tables_are_read(archive)


def test_an_archive_without_tables_has_none(archive_root: Path) -> None:
    """Nothing is created by looking."""
    archive = Archive(archive_root)
    assert archive.noted.overview(ACCOUNT) == AccountOverview(folders={}, live={})
    archive.noted.bookmark_account(ACCOUNT)
    assert not archive_root.exists()


def test_entries_without_upkeep_of_the_log_are_few(archive: Archive) -> None:
    """The entry that a bookmark names outlives the clean-up that follows the commit."""
    for uid in range(10, 10 + EVERY_COMMITS):
        archive_messages(archive, [uid])
    keep_up(archive.table("locations"), lambda: None)
    leave(Archive(archive.url))
    assert held(archive) is not None


LISTING = digest_of_listing([("a", 100), ("b", 101), ("c", 102)])


class TestMaildrop:
    """What a bookmark says of a POP3 maildrop."""

    @pytest.fixture
    def archive(self, archive_root: Path) -> Archive:
        """An archive of three messages of a maildrop."""
        archive = Archive(archive_root)
        with archive.writer(context(what="fetch")) as writer:
            for number, uidl in enumerate("abc"):
                writer.add(
                    body(number), maildrop_row(uidl, size=100 + number, at=NOW + timedelta(days=number))
                )
            writer.finish("succeeded", {}, 0)
        self.leave(archive)
        return Archive(archive_root)

    @staticmethod
    def leave(archive: Archive) -> None:
        archive.maildrop_state(ACCOUNT)
        archive.noted.bookmark_maildrop(ACCOUNT, listing=LISTING, answer="as it came")

    def test_it_says_which_listing_is_worked_off(self, archive: Archive) -> None:
        """A digest over UIDLs and sizes, and when the first message was archived."""
        found = archive.noted.maildrop_overview(ACCOUNT)
        assert found is not None
        assert found.listing == digest_of_listing([("c", 102), ("a", 100), ("b", 101)])
        assert (found.messages, found.oldest, found.answer) == (3, NOW, "as it came")

    @pytest.mark.parametrize(
        "change", [Change.NOT_LISTED, Change.DELETED_BY_FETCH, Change.DELETED_BY_RETENTION]
    )
    def test_what_is_not_live_is_not_in_it(self, archive: Archive, change: Change) -> None:
        """A listing that still has such a message is not worked off."""
        row = next(iter(archive.maildrop_state(ACCOUNT).rows({"a"})["a"]))
        with archive.writer(context("later")) as writer:
            writer.record([maildrop_row("a", change=change, sha256=row.sha256)])
            writer.finish("succeeded", {}, 0)
        assert Archive(archive.url).noted.maildrop_overview(ACCOUNT) is None
        self.leave(archive)
        found = Archive(archive.url).noted.maildrop_overview(ACCOUNT)
        assert found is not None
        assert found.listing == digest_of_listing([("b", 101), ("c", 102)])
        assert (found.messages, found.oldest) == (2, NOW + timedelta(days=1))
        assert found.answer is None, "it listed another maildrop"

    def test_two_messages_of_one_uidl_cannot_be_said_in_a_line(self, archive: Archive) -> None:
        """Such a maildrop is looked at message by message."""
        with archive.writer(context("later", what="fetch")) as writer:
            writer.add(body(9), maildrop_row("a", size=100))
            writer.finish("succeeded", {}, 0)
        self.leave(archive)
        assert Archive(archive.url).noted.maildrop_overview(ACCOUNT) is None


LISTINGS = st.dictionaries(st.text("a1 \n", min_size=1, max_size=6), st.integers(0, 99), max_size=5)


@given(one=LISTINGS, other=LISTINGS, seed=st.randoms())
def test_only_equal_listings_have_equal_digests(
    one: dict[str, int], other: dict[str, int], seed: Random
) -> None:
    """Whatever their order; line ends and digits in a UIDL cannot be taken for another message."""
    pairs = list(one.items())
    seed.shuffle(pairs)
    assert digest_of_listing(pairs) == digest_of_listing(one.items())
    assert (digest_of_listing(one.items()) == digest_of_listing(other.items())) is (one == other)


@pytest.mark.parametrize(
    "pairs", [[("a", 1), ("a", 1)], [(None, 1)], [("a", None)], [("a", 1), (None, None)]]
)
def test_messages_that_cannot_be_told_apart_have_no_digest(
    pairs: list[tuple[str | None, int | None]],
) -> None:
    """Shared or missing UIDLs and sizes that are not known prove nothing."""
    assert digest_of_listing(pairs) is None
