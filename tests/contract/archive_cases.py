"""What every archive does; each store's test class brings the archive as ``open_archive``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from mailroom.archive import Archive, Described, NewMessage
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.checking.presence import Presence
from mailroom.change_request import RequestState
from mailroom.exceptions import ArchiveError, ConfigurationError, IntegrityError
from mailroom.model import Body, Change
from tests.support.archives import (
    NOW,
    archive_messages,
    body,
    content,
    context,
    digest,
    folder_row,
    maildrop_row,
    place,
    table_counts,
    tables_without_doubles,
)

OpenArchive = Callable[[], Archive]


class StoreCases:
    """What depends on where the archive lies: run over every store."""

    @pytest.fixture
    def archive(self, open_archive: OpenArchive) -> Archive:
        return open_archive()

    def test_nothing_is_created_by_reading(self, archive: Archive) -> None:
        """Opening, asking for states and a run with nothing new leave no trace."""
        assert not archive.folder_state("post", "INBOX").live.size
        assert archive.maildrop_state("post").known_uidls() == set()
        assert archive.last_folders("post") == {}
        assert archive.describe([digest(1)]) == {}
        assert archive.read_table("messages").num_rows == 0
        with archive.writer(context()) as writer:
            assert writer.flush() == []
            writer.finish("succeeded", {"added": 0}, 0)
        assert not archive.exists()

    def test_presence_tells_what_has_no_whole_object(self, archive: Archive) -> None:
        """By name and size, among whatever is asked for; what is stored while one looks counts as there."""
        archive_messages(archive, [1, 2, 3, 4])
        archive.raw.remove(digest(1))
        archive.raw.write(digest(2), Body(octets=1, content=b"x"))
        presence = Presence(archive)
        assert set(presence.lost([digest(n) for n in (1, 2, 3)])) == {digest(1), digest(2)}
        assert presence.lost([digest(4)]) == []
        archive.raw.write(digest(1), Body(octets=len(content(1)), content=content(1)))
        archive_messages(archive, [5])
        assert presence.lost([digest(1), digest(5)]) == []
        assert presence.lost([]) == []

    def test_changes_wait_until_they_are_over(self, archive: Archive, open_archive: OpenArchive) -> None:
        """What is asked for is seen by everybody, and that nothing waits is known without the table."""
        archive_messages(archive, [1, 2], flags=())
        changes = archive.changes("post")
        rows = list(archive.folder_state("post", "INBOX").live_rows())
        assert changes.request_flags(rows, add=["\\Seen"]).requested == 2
        assert changes.request_append([NewMessage(sha256=digest(1))], "Copies").requested == 1
        waiting = open_archive().changes("post").waiting()
        assert [(r.folder, r.sha256) for r in waiting] == [
            ("INBOX", digest(1)),
            ("INBOX", digest(2)),
            ("Copies", digest(1)),
        ]
        done = [replace(request, state=RequestState.PUSHED, run_id="run-2") for request in waiting]
        assert open_archive().changes("post").record(done) == done
        assert changes.record([replace(r, state=RequestState.REFUSED) for r in waiting]) == []
        assert changes.waiting() == []
        changes.note_settled()
        assert open_archive().changes("post").are_settled()

    def test_a_message_comes_back_octet_for_octet(self, archive: Archive) -> None:
        """The raw object holds exactly the bytes that were handed in, under their SHA-256."""
        archive_messages(archive, [1])
        assert archive.raw.read(digest(1)) == content(1)
        assert archive.raw.hash(digest(1)) == digest(1)
        with archive.raw.mapped(digest(1)) as mapped:
            assert bytes(mapped) == content(1)

    def test_a_large_spooled_message_comes_back_and_its_spool_is_gone(self, archive: Archive) -> None:
        """A message spooled to a file is stored, mapped rather than read, and its spool file is consumed."""
        data = content(1, size=3 * 1024 * 1024)
        spool = archive.new_spool()
        with open(spool, "wb") as file:
            file.write(data)
        found = hashlib.sha256(data).hexdigest()
        with archive.writer(context(), keep_committed=True) as writer:
            writer.add(Body(octets=len(data), path=spool, sha256=found), place(1))
            assert [row.sha256 for row in writer.flush()] == [found]
            writer.finish("succeeded", {}, 0)
        assert not os.path.exists(spool)
        with archive.raw.mapped(found) as mapped:
            assert hashlib.sha256(mapped).hexdigest() == found
        assert archive.raw.hash(found) == found
        assert archive.raw.size(found) == len(data)

    def test_a_spooled_message_known_already_is_not_stored_again(self, archive: Archive) -> None:
        """The spool file of a message that is held is removed, and only its place is recorded."""
        archive_messages(archive, [1])
        spool = archive.new_spool()
        with open(spool, "wb") as file:
            file.write(content(1))
        with archive.writer(context()) as writer:
            writer.add(Body(octets=len(content(1)), path=spool), place(2))
            writer.finish("succeeded", {}, 0)
        assert not os.path.exists(spool)
        assert table_counts(archive)["messages"] == 1
        assert archive.folder_state("post", "INBOX").live.tolist() == [1, 2]

    def test_an_empty_message_is_archived(self, archive: Archive) -> None:
        """Zero octets are a message too."""
        with archive.writer(context(), keep_committed=True) as writer:
            writer.add(Body(octets=0, content=b""), place(1))
            row = writer.flush()[0]
            writer.finish("succeeded", {}, 0)
        assert row.sha256 == hashlib.sha256(b"").hexdigest()
        assert archive.raw.read(row.sha256) == b""

    def test_a_missing_object_is_an_integrity_error(self, archive: Archive) -> None:
        """Reading what is not there says which message is missing; asking its size says None."""
        archive_messages(archive, [1])
        absent = digest(2)
        with pytest.raises(IntegrityError) as raised:
            archive.raw.read(absent)
        assert raised.value.digest_expected == absent
        assert raised.value.digest_found is None
        with pytest.raises(IntegrityError):
            archive.raw.hash(absent)
        with pytest.raises(IntegrityError), archive.raw.mapped(absent):
            pass
        assert archive.raw.size(absent) is None

    def test_every_table_tells_of_a_message(self, archive: Archive) -> None:
        """One message fills messages, texts, attachments and locations, one run its row."""
        with archive.writer(context()) as writer:
            writer.add(body(1, attachments=2), place(1))
            writer.close_folder(folder_row(messages=1))
            writer.finish("succeeded", {"added": 1}, 1234)
        assert table_counts(archive) == {
            "messages": 1,
            "texts": 1,
            "attachments": 2,
            "locations": 1,
            "folders": 1,
            "runs": 1,
        }
        row = archive.read_table("messages").to_pylist()[0]
        assert row["sha256"] == digest(1, attachments=2)
        assert row["subject"] == "message 1"
        assert row["from_address"] == "ana@example.org"
        assert row["message_id"] == "<1@example.org>"
        assert row["attachment_count"] == 2
        assert row["size"] == len(content(1, attachments=2))
        run = archive.read_table("runs").to_pylist()[0]
        assert (run["outcome"], run["bytes"], run["counts"]) == ("succeeded", 1234, '{"added": 1}')

    def test_one_message_at_many_places_is_one_object(self, archive: Archive) -> None:
        """The same bytes in several folders, in one run and in the next, are stored once."""
        with archive.writer(context()) as writer:
            for folder in ("INBOX", "Archive", "Todo/2026"):
                writer.add(body(1), place(1, folder=folder))
            writer.finish("succeeded", {}, 0)
        archive_messages(archive, [1], run_id="run-2", folder="Later")
        assert list(archive.raw.objects()) == [(digest(1), len(content(1)))]
        counts = table_counts(archive)
        assert (counts["messages"], counts["texts"], counts["locations"]) == (1, 1, 4)

    def test_a_maildrop_keeps_several_messages_of_one_uidl(self, archive: Archive) -> None:
        """A server may give one UIDL twice; each message under it has its own newest row."""
        with archive.writer(context(), keep_committed=True) as writer:
            writer.add(body(1), maildrop_row("u1"))
            writer.add(body(2), maildrop_row("u1"))
            writer.add(body(3), maildrop_row("u3"))
            writer.record([maildrop_row("u4", change=Change.UNFETCHABLE)])
            rows = writer.flush()
            writer.record([rows[0]._replace(change=Change.DELETED_BY_FETCH)])
            writer.finish("succeeded", {}, 0)
        state = archive.maildrop_state("post")
        assert state.known_uidls() == {"u1", "u3"}
        assert state.live_uidls() == {"u1", "u3"}
        found = state.rows(["u1", "u4", "unknown"])
        assert {row.sha256: row.change for row in found["u1"]} == {
            digest(1): Change.DELETED_BY_FETCH,
            digest(2): Change.ADDED,
        }
        assert [row.change for row in found["u4"]] == [Change.UNFETCHABLE]
        assert "unknown" not in found
        assert sorted(row.sha256 or "" for row in state.live_rows()) == sorted([digest(2), digest(3)])

    def test_flush_returns_rows_once_and_only_where_kept(self, archive: Archive) -> None:
        """Each committed row is returned by one flush, digest and time filled in."""
        with archive.writer(context(), keep_committed=True) as writer:
            for number in (1, 2, 3):
                writer.add(body(number), place(number))
            first = writer.flush()
            assert [row.uid for row in first] == [1, 2, 3]
            assert [row.sha256 for row in first] == [digest(n) for n in (1, 2, 3)]
            assert all(row.archived_at is not None for row in first)
            assert writer.flush() == []
            writer.finish("succeeded", {}, 0)
        with archive.writer(context("run-2")) as writer:
            writer.add(body(4), place(4))
            assert writer.flush() == []
            writer.finish("succeeded", {}, 0)

    def test_expected_messages_come_in_as_the_archived_ones(self, archive: Archive) -> None:
        """New bytes of an expected identity become a place of the archived message; no second copy."""
        archive_messages(archive, [1, 2])
        described = archive.describe([digest(1), digest(2)])
        moved: dict[str, list[Described]] = {}
        for one in described.values():
            moved.setdefault(one.identity, []).append(one)
        received = b"Received: by the new server\r\n" + content(1)
        with archive.writer(context("run-2"), keep_committed=True) as writer:
            writer.expect(moved, folder="INBOX")
            writer.add(Body(octets=len(received), content=received), place(50, uid_validity=8))
            writer.add(body(2), place(51, uid_validity=8))
            writer.add(body(3), place(52, uid_validity=8))
            rows = writer.flush()
            writer.finish("succeeded", {}, 0)
        assert [row.sha256 for row in rows] == [digest(1), digest(2), digest(3)]
        assert rows[0].archived_at == described[digest(1)].archived_at
        assert table_counts(archive)["messages"] == 3
        assert {name for name, _ in archive.raw.objects()} == {digest(n) for n in (1, 2, 3)}
        assert verify_archive(archive).is_sound

    def test_an_error_inside_a_run_keeps_what_was_handed_in(self, archive: Archive) -> None:
        """Leaving a writer by an error commits what is whole, and records the run as failed."""

        def run() -> None:
            with archive.writer(context()) as writer:
                writer.add(body(1), place(1))
                raise RuntimeError("the network is gone")

        with pytest.raises(RuntimeError, match="the network"):
            run()
        assert archive.folder_state("post", "INBOX").live.tolist() == [1]
        runs = archive.read_table("runs").to_pylist()
        assert [(run["outcome"], run["counts"]) for run in runs] == [("failed", '{"added": 1}')]

    def test_a_failed_run_that_changed_nothing_is_recorded_only_in_an_archive(self, archive: Archive) -> None:
        """A first run that fails leaves nothing behind; later ones leave their row."""
        with pytest.raises(RuntimeError), archive.writer(context()):
            raise RuntimeError("no such server")
        assert not archive.exists()
        archive_messages(archive, [1])
        with pytest.raises(RuntimeError), archive.writer(context("run-2")):
            raise RuntimeError("no such server")
        assert [run["outcome"] for run in archive.read_table("runs").to_pylist()] == ["succeeded", "failed"]

    def test_another_opening_sees_the_same(self, archive: Archive, open_archive: OpenArchive) -> None:
        """State lives in the store: a fresh opening knows all, and adds nothing twice."""
        archive_messages(archive, range(1, 6))
        other = open_archive()
        assert other.folder_state("post", "INBOX").live.tolist() == [1, 2, 3, 4, 5]
        archive_messages(other, range(4, 9), run_id="run-2", folder="Copy")
        assert table_counts(other)["messages"] == 8
        assert archive.folder_state("post", "Copy").live.tolist() == [4, 5, 6, 7, 8]
        assert tables_without_doubles(archive)

    def test_an_open_archive_sees_what_others_write(
        self, archive: Archive, open_archive: OpenArchive
    ) -> None:
        """Every state is as of now, however long ago the archive was opened."""
        archive_messages(archive, [1])
        assert archive.folder_state("post", "INBOX").live.tolist() == [1]
        archive_messages(open_archive(), [2], run_id="run-2")
        assert archive.folder_state("post", "INBOX").live.tolist() == [1, 2]

    def test_two_writers_of_one_folder_record_each_message_once(
        self, archive: Archive, open_archive: OpenArchive
    ) -> None:
        """Both plan on the same state; whoever commits second leaves out what is said already."""
        archive_messages(archive, [1])
        one, two = archive, open_archive()
        for opened in (one, two):
            opened.folder_state("post", "INBOX")
        with one.writer(context("run-a")) as first, two.writer(context("run-b")) as second:
            for number in (2, 3):
                first.add(body(number), place(number, run_id="run-a"))
            for number in (3, 4):
                second.add(body(number), place(number, run_id="run-b"))
            first.flush()
            second.flush()
            first.record([place(5, change=Change.UNFETCHABLE, run_id="run-a")])
            second.record([place(5, change=Change.UNFETCHABLE, run_id="run-b")])
            second.flush()
            first.flush()
            first.finish("succeeded", {}, 0)
            second.finish("succeeded", {}, 0)
        assert tables_without_doubles(archive)
        counts = table_counts(archive)
        assert (counts["messages"], counts["texts"], counts["locations"]) == (4, 4, 5)
        state = archive.folder_state("post", "INBOX")
        assert state.live.tolist() == [1, 2, 3, 4]
        assert state.unfetchable.tolist() == [5]
        assert verify_archive(archive).is_sound

    def test_a_bookmark_holds_until_the_next_commit(
        self, archive: Archive, open_archive: OpenArchive
    ) -> None:
        """A run with nothing new reads one small file and two log entries, wherever the archive lies."""
        archive_messages(archive, [1, 2])
        with archive.writer(context("closing")) as writer:
            writer.close_folder(folder_row(messages=2))
            writer.finish("succeeded", {}, 0)
        archive.live_counts("post")
        archive.noted.bookmark_account("post")
        reader = open_archive()
        found = reader.noted.overview("post")
        assert found.live == {"INBOX": 2}
        assert found.folders == archive.last_folders("post")
        assert not reader._readers, "no table was opened"
        archive_messages(archive, [3])
        assert open_archive().noted.overview("post").live == {"INBOX": 3}

    def test_verify_finds_a_sound_archive_sound(self, archive: Archive) -> None:
        """After ordinary runs every object fits its name and every row its object."""
        with archive.writer(context()) as writer:
            for number in range(1, 8):
                writer.add(body(number, attachments=number % 3), place(number))
            writer.finish("succeeded", {}, 0)
        report = verify_archive(archive)
        assert report.is_sound
        assert report.failures == report.notes == ()
        assert report.summary()["objects"] == report.summary()["messages"] == 7
        assert report.summary()["attachments"] == sum(n % 3 for n in range(1, 8))

    def test_verify_of_nothing_is_a_clear_error(self, archive: Archive) -> None:
        """There is nothing sound about an archive that is not there."""
        with pytest.raises(ConfigurationError, match="no archive at"):
            verify_archive(archive)


class StateCases:
    """What follows from the rows alone: one store is enough."""

    @pytest.fixture
    def archive(self, open_archive: OpenArchive) -> Archive:
        return open_archive()

    def test_archived_at_is_that_of_the_first_time(self, archive: Archive) -> None:
        """A place found later says when the message was first archived, wherever that was."""
        with archive.writer(context(), keep_committed=True) as writer:
            writer.add(body(1), place(1, at=NOW))
            first = writer.flush()[0]
            later = NOW + timedelta(days=5)
            writer.add(body(1), place(1, folder="Archive", at=later))
            again = writer.flush()[0]
            writer.finish("succeeded", {}, 0)
        assert first.archived_at == again.archived_at == NOW
        with archive.writer(context("run-2"), keep_committed=True) as writer:
            writer.add(body(1), place(1, folder="Third", at=later))
            third = writer.flush()[0]
            writer.finish("succeeded", {}, 0)
        assert third.archived_at == NOW
        assert third.at == later

    def test_the_newest_row_of_a_key_is_the_state(self, archive: Archive) -> None:
        """Flags and expunges follow the order of commits, whatever their clocks say."""
        archive_messages(archive, [1, 2, 3])
        state = archive.folder_state("post", "INBOX")
        one, two, _ = state.rows([1, 2, 3])
        with archive.writer(context("run-2")) as writer:
            earlier = NOW - timedelta(days=400)
            writer.record(
                [
                    one._replace(change=Change.FLAGS, flags=("\\Flagged", "\\Answered"), at=earlier),
                    two._replace(change=Change.EXPUNGED, at=earlier),
                ]
            )
            writer.finish("succeeded", {}, 0)
        state = archive.folder_state("post", "INBOX")
        assert state.live.tolist() == [1, 3]
        assert state.flags_of().tolist() == ["\\Answered \\Flagged", "\\Seen"]
        assert state.rows([2])[0].change is Change.EXPUNGED
        assert table_counts(archive)["locations"] == 5

    def test_two_changes_of_one_place_in_one_run_keep_their_order(self, archive: Archive) -> None:
        """A message added and flagged before any commit ends up flagged."""
        with archive.writer(context()) as writer:
            writer.add(body(1), place(1))
            writer.flush()
            row = archive.folder_state("post", "INBOX").rows([1])[0]
            for flags in (("\\Flagged",), (), ("\\Draft",)):
                writer.record([row._replace(change=Change.FLAGS, flags=flags)])
            writer.finish("succeeded", {}, 0)
        assert archive.folder_state("post", "INBOX").flags_of().tolist() == ["\\Draft"]
        seqs = archive.read_table("locations", ["seq"])["seq"].to_pylist()
        assert sorted(seqs) == [0, 1, 2, 3]

    def test_unfetchable_rows_are_known_and_not_live(self, archive: Archive) -> None:
        """A UID that was listed but never delivered is remembered apart, and may be delivered later."""
        with archive.writer(context()) as writer:
            writer.record([place(5, change=Change.UNFETCHABLE)])
            writer.finish("succeeded", {}, 0)
        state = archive.folder_state("post", "INBOX")
        assert state.unfetchable.tolist() == [5]
        assert state.live.tolist() == []
        assert state.uid_validity == 7
        archive_messages(archive, [5], run_id="run-2")
        state = archive.folder_state("post", "INBOX")
        assert (state.unfetchable.tolist(), state.live.tolist()) == ([], [5])

    def test_a_new_numbering_hides_the_old_but_forgets_nothing(self, archive: Archive) -> None:
        """The state is that of the newest UIDVALIDITY; what lived under older ones is told apart."""
        archive_messages(archive, [1, 2])
        archive_messages(archive, [2], run_id="run-2", uid_validity=9)
        state = archive.folder_state("post", "INBOX")
        assert state.uid_validity == 9
        assert state.live.tolist() == [2]
        past = list(state.past_live_rows())
        assert sorted(row.uid or 0 for row in past) == [1, 2]
        with archive.writer(context("run-3")) as writer:
            writer.record(row._replace(change=Change.EXPUNGED) for row in past)
            writer.finish("succeeded", {}, 0)
        state = archive.folder_state("post", "INBOX")
        assert state.uid_validity == 9, "rows that close the old numbering must not make it the newest"
        assert list(state.past_live_rows()) == []

    def test_folders_and_accounts_do_not_mix(self, archive: Archive) -> None:
        """Each folder of each account has a state of its own, slashes, quotes and emoji or not."""
        names = ["INBOX", "a/b", "..", 'say "hi"', "Ünï/côdé 📬", "it's", "%", "a" * 300]
        with archive.writer(context()) as writer:
            for number, name in enumerate(names, 1):
                writer.add(body(number), place(number, folder=name))
                writer.add(body(number), place(number + 100, folder=name, account="other"))
            writer.finish("succeeded", {}, 0)
        for number, name in enumerate(names, 1):
            assert archive.folder_state("post", name).live.tolist() == [number]
            assert archive.folder_state("other", name).live.tolist() == [number + 100]
        assert archive.folder_state("nobody", "INBOX").live.tolist() == []

    def test_a_deleted_maildrop_message_stays_known(self, archive: Archive) -> None:
        """What was archived and then deleted on the server is not fetched again, nor thought live."""
        with archive.writer(context(), keep_committed=True) as writer:
            writer.add(body(1), maildrop_row("u1"))
            row = writer.flush()[0]
            writer.record([row._replace(change=Change.DELETED_BY_FETCH)])
            writer.finish("succeeded", {}, 0)
        state = archive.maildrop_state("post")
        assert state.known_uidls() == {"u1"}
        assert state.live_uidls() == set()

    def test_unexpected_messages_of_known_identity_are_archived_themselves(self, archive: Archive) -> None:
        """Where nothing is expected, other bytes are another message, whatever its identity."""
        archive_messages(archive, [1])
        received = b"Received: by the new server\r\n" + content(1)
        with archive.writer(context("run-2")) as writer:
            writer.expect({}, folder="INBOX")
            writer.add(Body(octets=len(received), content=received), place(50))
            writer.finish("succeeded", {}, 0)
        assert table_counts(archive)["messages"] == 2

    def test_a_place_of_an_archived_message_can_be_recorded_without_its_bytes(self, archive: Archive) -> None:
        """Recording an addition of a held message fills in when it was archived."""
        archive_messages(archive, [1])
        with archive.writer(context("run-2"), keep_committed=True) as writer:
            writer.record([place(9, folder="Moved", sha256=digest(1))])
            row = writer.flush()[0]
            writer.finish("succeeded", {}, 0)
        assert row.archived_at == place(1).at
        assert archive.folder_state("post", "Moved").live.tolist() == [9]

    def test_a_place_of_a_message_not_held_is_refused(self, archive: Archive) -> None:
        """A row that says archived of what is not archived would be a lie, and is an error."""
        archive_messages(archive, [1])

        def run() -> None:
            with archive.writer(context("run-2")) as writer:
                writer.record([place(9, sha256=digest(2))])
                writer.flush()

        with pytest.raises(ArchiveError, match="not held"):
            run()
        assert archive.folder_state("post", "INBOX").live.tolist() == [1]

    def test_describe_tells_of_known_digests_only(self, archive: Archive) -> None:
        """Identity, Message-ID, date and size come from the table; unknown digests are left out."""
        archive_messages(archive, [1, 2, 3])
        found = archive.describe({digest(2), digest(9)})
        assert set(found) == {digest(2)}
        assert found[digest(2)].message_id == "<2@example.org>"
        assert found[digest(2)].size == len(content(2))
        assert found[digest(2)].identity
        assert found[digest(2)].archived_at == place(2).at

    def test_folder_rows_are_kept_once_and_the_newest_counts(self, archive: Archive) -> None:
        """A folder's state is written when it changes, and read back as it was."""
        with archive.writer(context()) as writer:
            writer.close_folder(folder_row(messages=3, special_use="\\Sent", delimiter="/"))
            writer.close_folder(folder_row("Other", messages=1))
            writer.finish("succeeded", {}, 0)
        with archive.writer(context("run-2")) as writer:
            later = NOW + timedelta(days=1)
            writer.close_folder(folder_row(messages=3, special_use="\\Sent", delimiter="/", at=later))
            writer.close_folder(folder_row("Other", messages=0, deleted=True, at=later, run_id="run-2"))
            writer.finish("succeeded", {}, 0)
        folders = archive.last_folders("post")
        assert folders["INBOX"] == folder_row(messages=3, special_use="\\Sent", delimiter="/")
        assert folders["Other"].deleted
        assert archive.read_table("folders").num_rows == 3

    def test_a_finished_writer_takes_nothing_more(self, archive: Archive) -> None:
        """Adding after the end is an error, not a silent loss."""
        with archive.writer(context()) as writer:
            writer.add(body(1), place(1))
            writer.finish("succeeded", {}, 0)
            with pytest.raises(ArchiveError, match="finished"):
                writer.add(body(2), place(2))

    def test_a_snapshot_does_not_change(self, archive: Archive) -> None:
        """A state taken before a commit still tells what was, rows included."""
        archive_messages(archive, [1, 2])
        before = archive.folder_state("post", "INBOX")
        archive_messages(archive, [3], run_id="run-2")
        archive.folder_state("post", "INBOX")
        assert before.live.tolist() == [1, 2]
        assert [row.uid for row in before.live_rows()] == [1, 2]

    def test_columns_and_filters_read_tables(self, archive: Archive) -> None:
        """A table is read by columns, with an Arrow filter; an unknown name is a clear error."""
        archive_messages(archive, [1, 2, 3])
        found = archive.read_table("locations", ["uid", "flags"], filter=pc.field("uid") > 1)
        assert found.column_names == ["uid", "flags"]
        assert sorted(found["uid"].to_pylist()) == [2, 3]
        pieces = list(archive.scan_table("locations", ["uid"], equal={"account": "post"}))
        assert sum(piece.num_rows for piece in pieces) == 3
        with pytest.raises(ConfigurationError, match="no table mails"):
            archive.read_table("mails")
        with pytest.raises(ConfigurationError, match="no column size_"):
            archive.read_table("messages", ["size_"])

    def test_a_column_is_aligned_to_the_live_messages(self, archive: Archive) -> None:
        """Values of one column come in the order of the UIDs, without whole rows."""
        archive_messages(archive, [3, 1, 2])
        state = archive.folder_state("post", "INBOX")
        assert state.column("internal_date").tolist() == [place(n).internal_date for n in (1, 2, 3)]
        assert state.column("sha256").tolist() == [digest(n) for n in (1, 2, 3)]
        assert state.live.dtype == np.int64
