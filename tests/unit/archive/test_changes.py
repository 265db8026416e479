"""Changes that are asked for: kept, taken back, over once and for all, whoever else writes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.archive import Archive, NewMessage
from mailroom.change_request import Attempt, ChangeRequest, RequestKind, RequestState, check_flag
from mailroom.exceptions import ConfigurationError
from mailroom.model import LocationRow
from tests.support.archives import ACCOUNT, archive_messages, digest

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three messages of one account."""
    archive_messages(Archive(tmp_path), (1, 2, 3), flags=())
    return Archive(tmp_path)


def rows(archive: Archive) -> list[LocationRow]:
    return list(archive.folder_state(ACCOUNT, "INBOX").live_rows())


def test_asked_for_waits_in_order(archive: Archive) -> None:
    """All kinds wait for the run that pushes, for their account alone."""
    changes = archive.changes(ACCOUNT)
    assert changes.request_flags(rows(archive), add=["\\seen"]).requested == 3
    assert changes.request_move(rows(archive)[:1], "Work", by="test").requested == 1
    changes.request_append([NewMessage(sha256=digest(1), internal_date=NOW, flags=("$a",))], "Sent")
    found = Archive(archive.url).changes(ACCOUNT).waiting()
    assert [r.kind.value for r in found] == ["flags"] * 3 + ["move", "append"]
    assert (found[0].add, found[3].target, found[3].requested_by) == (("\\Seen",), "Work", "test")
    assert (found[4].internal_date, found[4].add, found[4].sha256) == (NOW, ("$a",), digest(1))
    assert archive.changes("bob").waiting() == []


def test_later_requests_know_of_earlier_ones(archive: Archive) -> None:
    """A deletion must not give way to a flag that was asked for here before it."""
    changes = archive.changes(ACCOUNT)
    changes.request_flags(rows(archive)[:1], add=["\\Seen", "$x"])
    changes.request_flags(rows(archive)[:1], remove=["$x"])
    changes.request_deletion(rows(archive)[:1])
    assert [r.before for r in changes.waiting()] == [(), ("$x", "\\Seen"), ("\\Seen",)]


def test_nothing_is_asked_of_a_message_that_is_to_leave(archive: Archive) -> None:
    """Its number will mean nothing when the move is done."""
    changes = archive.changes(ACCOUNT)
    changes.request_deletion(rows(archive)[:2])
    asked = changes.request_move(rows(archive), "Work")
    assert (asked.requested, asked.left_out) == (1, 2)


def test_over_is_over(archive: Archive) -> None:
    """Two runs may have taken up a change; what the first one wrote down stands."""
    changes = archive.changes(ACCOUNT)
    changes.request_flags(rows(archive)[:1], add=["\\Seen"])
    (request,) = changes.waiting()
    begun = replace(request, state=RequestState.BEGUN, attempt=Attempt(modseq=7), run_id="r")
    assert changes.record([begun]) == [begun]
    assert Archive(archive.url).changes(ACCOUNT).waiting() == [begun]
    done = replace(begun, state=RequestState.PUSHED)
    assert changes.record([done]) == [done]
    assert Archive(archive.url).changes(ACCOUNT).record([replace(begun, state=RequestState.CONFLICT)]) == []
    assert [r.state for r in changes.newest()] == [RequestState.PUSHED]
    assert changes.waiting() == []


def test_two_writers_always_agree_on_what_waits(archive: Archive) -> None:
    """Whatever each of them did, and through the joining of files: both show what a fresh look shows."""
    chance = random.Random(5)
    writers = [archive.changes(ACCOUNT), Archive(archive.url).changes(ACCOUNT)]
    for number in range(130):
        writer = chance.choice(writers)
        waiting = writer.waiting() if number % 3 else []
        if len(waiting) < 4:
            writer.request_flags(rows(archive)[: chance.randint(1, 3)], add=[f"$k{number}"])
        else:
            state = chance.choice([RequestState.BEGUN, RequestState.PUSHED, RequestState.CONFLICT])
            writer.record([replace(r, state=state) for r in chance.sample(waiting, 2)])
        if number % 10 == 9:
            fresh = Archive(archive.url).changes(ACCOUNT)
            expected = fresh.waiting()
            assert [w.waiting() for w in writers] == [expected, expected]
            assert [w.count() for w in writers] == [len(expected)] * 2
    assert len(list((Path(archive.url) / "tables/changes").glob("*.parquet"))) > len(
        archive.table("changes").files()
    )


def test_what_waits_comes_in_pages_of_whole_folders(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of asking within a folder; new mail comes last, whatever its folder."""
    monkeypatch.setattr("mailroom.archive.changes.REQUESTS_A_COMMIT", 3)
    known = rows(archive)
    changes = archive.changes(ACCOUNT)
    changes.request_append([NewMessage(sha256=digest(1))] * 2, "A")
    for folder in ("C", "B", "A", "B", "C"):
        changes.request_flags([row._replace(folder=folder) for row in known[:2]], add=[f"${folder}"])
    pages = [[(r.kind.value, r.folder) for r in page] for page in changes.pages()]
    flags = RequestKind.FLAGS.value
    assert pages == [[(flags, "A")] * 2, [(flags, "B")] * 4, [(flags, "C")] * 4, [("append", "A")] * 2]
    assert changes.count() == 12
    changes.withdraw()
    assert list(changes.pages()) == []


def test_only_what_has_not_begun_can_be_taken_back(archive: Archive) -> None:
    """Nobody knows how far a run has come that has set out."""
    changes = archive.changes(ACCOUNT)
    changes.request_flags(rows(archive)[:2], add=["\\Seen"])
    first, second = changes.waiting()
    changes.record([replace(first, state=RequestState.BEGUN)])
    assert changes.withdraw(by="test") == 1
    assert [r.change_id for r in changes.waiting()] == [first.change_id]
    assert {r.reason for r in changes.newest() if r.change_id == second.change_id} == {"by test"}


def test_settled_is_known_without_tables(archive: Archive) -> None:
    """A note that nothing waits holds until somebody of the account asks for something."""
    changes = archive.changes(ACCOUNT)
    assert changes.are_settled()
    changes.request_flags(rows(archive)[:1], add=["\\Seen"])
    assert not changes.are_settled()
    changes.withdraw()
    assert changes.waiting() == []
    changes.note_settled()
    assert Archive(archive.url).changes(ACCOUNT).are_settled()
    archive.changes("bob").request_append([NewMessage(sha256=digest(1))], "A")
    assert Archive(archive.url).changes(ACCOUNT).are_settled()
    changes.request_deletion(rows(archive)[:1])
    assert not Archive(archive.url).changes(ACCOUNT).are_settled()


def test_what_cannot_be_asked_for(archive: Archive) -> None:
    """One sentence each; nothing is written down."""
    changes = archive.changes(ACCOUNT)
    for add, remove in ((["\\Seen"], ["\\seen"]), ([], []), (["a b"], []), (["\\Deleted"], [])):
        with pytest.raises(ConfigurationError):
            changes.request_flags(rows(archive), add=add, remove=remove)
    with pytest.raises(ConfigurationError, match="no message"):
        changes.request_append([NewMessage(sha256="00" * 32)], "Sent")
    for folder in ("", " "):
        with pytest.raises(ConfigurationError, match="Name the folder"):
            changes.request_move(rows(archive), folder)
    assert changes.waiting() == []


@pytest.mark.parametrize("flag", ["", "a b", "\\Deleted", "\\Recent", "\\*", "x\r\nA1 LOGOUT", "(", "ü"])
def test_no_flag_can_break_a_command(flag: str) -> None:
    """Only atoms are sent; what would end the line or open a list is refused."""
    with pytest.raises(ConfigurationError):
        check_flag(flag)


def test_arguments_go_in_and_out_the_same() -> None:
    """What a row holds of a request is all that a run needs of it."""
    request = ChangeRequest(
        change_id="c",
        account=ACCOUNT,
        kind=RequestKind.APPEND,
        folder="INBOX",
        requested_at=NOW,
        requested_by="me",
        at=NOW,
        add=("\\Seen",),
        remove=("$x",),
        before=("$x",),
        target="Work",
        expunge=True,
        internal_date=NOW,
        is_new=True,
        attempt=Attempt(uid_validity=1, uid_next=2, modseq=None),
    )
    found = ChangeRequest.read_arguments(request.arguments())
    assert all(getattr(request, name) == value for name, value in found.items())
    assert len(found) == len(request.arguments())
