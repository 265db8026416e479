"""Folders that got another name, on servers of several habits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.services.mirroring import mirror_run
from tests.integration.mirrors import Odd, mail
from tests.support.imap_server import CAPABILITIES, ImapServer, Mailbox

OBJECT_IDS = (*CAPABILITIES, "LIST-EXTENDED", "LIST-STATUS", "OBJECTID")


@pytest.fixture
def odd(archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Odd]:
    """A server that gives all its folders one UIDVALIDITY; a mirror has seen INBOX and Work."""
    monkeypatch.setattr(mirror_run, "BREAK_SECONDS", 0.01)
    folders = {"INBOX": Mailbox(mail=mail(1, 2)), "Work": Mailbox(mail=mail(3, 4, 5))}
    with ImapServer(folders) as server:
        found = Odd(server, archive_root)
        found.mirror()
        yield found


def rename(odd: Odd, old: str, new: str) -> None:
    """Give a folder another name."""
    odd.server.folders[new] = odd.server.folders.pop(old)


def test_renamed_on_a_server_without_extensions(odd: Odd) -> None:
    """STATUS is asked of new folders where some are gone; the messages say that they are the same."""
    rename(odd, "Work", "Jobs")
    report = odd.mirror()
    assert (report.renamed_folders, report.moved, report.octets) == (1, 3, 0)
    assert (report.added, report.expunged, report.deleted_folders) == (0, 0, 0)
    assert odd.states("Jobs") == dict.fromkeys((3, 4, 5), "moved")
    assert odd.states("Work") == dict.fromkeys((3, 4, 5), "expunged")
    again = odd.mirror()
    assert (again.renamed_folders, again.moved, again.added) == (0, 0, 0)


def test_renamed_and_changed_at_once(odd: Odd) -> None:
    """What came, went and changed since then is found as in any folder."""
    rename(odd, "Work", "Jobs")
    jobs = odd.server.folders["Jobs"]
    del jobs.mail[4]
    jobs.mail[3].flags = "\\Seen"
    jobs.mail |= mail(6)
    report = odd.mirror()
    assert (report.moved, report.added, report.flags, report.expunged) == (3, 1, 1, 1)
    assert odd.states("Jobs") == {3: "flags", 4: "expunged", 5: "moved", 6: "added"}


def test_other_messages_under_the_same_number_are_no_rename(odd: Odd) -> None:
    """A folder that was deleted beside one that was made, both numbered alike."""
    del odd.server.folders["Work"]
    odd.server.folders["Jobs"] = Mailbox(mail=mail(3, 4, 5, 6))
    for uid, each in odd.server.folders["Jobs"].mail.items():
        each.content = mail(uid + 100)[uid + 100].content
        each.date = "05-Mar-2026 10:30:00 +0000"
    report = odd.mirror()
    assert (report.renamed_folders, report.added, report.expunged, report.deleted_folders) == (0, 4, 3, 1)
    assert odd.states("Jobs") == dict.fromkeys((3, 4, 5, 6), "added")


def test_a_folder_that_does_not_open_under_its_new_name_waits(odd: Odd) -> None:
    """Its messages are neither moved nor taken for gone before somebody has seen them."""
    rename(odd, "Work", "Jobs")
    odd.server.folders["Jobs"].is_broken = True
    assert len(odd.mirror().failures) == 1
    assert odd.states("Work") == dict.fromkeys((3, 4, 5), "added")
    odd.server.folders["Jobs"].is_broken = False
    assert odd.mirror().moved == 3


@pytest.mark.parametrize("uid_validities", [(1, 1), (7, 8)], ids=["one number", "two numbers"])
def test_swapped_names_are_known_by_object_ids(archive_root: Path, uid_validities: tuple[int, int]) -> None:
    """RFC 8474: MAILBOXID belongs to the folder and not to its name."""
    folders = {
        name: Mailbox(mail=mail(*uids), mailbox_id=f"F{name}", uid_validity=number)
        for name, uids, number in zip("AB", ((1, 2, 3), (2, 4, 5)), uid_validities, strict=True)
    }
    folders["B"].mail[2] = mail(7)[7]
    with ImapServer({"INBOX": Mailbox(), **folders}, capabilities=OBJECT_IDS) as server:
        odd = Odd(server, archive_root)
        odd.mirror()
        server.folders["A"], server.folders["B"] = server.folders["B"], server.folders["A"]
        report = odd.mirror()
        assert (report.renamed_folders, report.moved, report.octets) == (2, 6, 0)
        assert (report.expunged, report.deleted_folders, report.warnings) == (0, 0, ())
        rows = Archive(archive_root).last_folders("a")
        assert {name: rows[name].mailbox_id for name in "AB"} == {"A": "FB", "B": "FA"}
        assert {name: rows[name].renamed_from for name in "AB"} == {"A": "B", "B": "A"}
        assert live(odd, "A") == {2, 4, 5}
        assert live(odd, "B") == {1, 2, 3}
        found = {row.uid: row.sha256 for row in Archive(archive_root).folder_state("a", "A").live_rows()}
        assert found[2] == hashlib.sha256(mail(7)[7].content).hexdigest()
        assert odd.mirror().moved == 0


def live(odd: Odd, folder: str) -> set[int]:
    """Return the UIDs that are there as far as the archive knows."""
    return set(Archive(odd.root).folder_state("a", folder).live.tolist())
