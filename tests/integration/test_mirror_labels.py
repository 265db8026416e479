"""An account like Gmail's: one message under many labels, and one folder that holds all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from tests.integration.mirrors import Odd
from tests.support.imap_server import CAPABILITIES, ImapServer, Mail, Mailbox
from tests.support.mail import make_message

GMAIL = (*CAPABILITIES, "X-GM-EXT-1")
ALL_MAIL = "[Gmail]/All Mail"
CAFE = "Caf&AOk-"


def message(number: int, labels: str) -> Mail:
    """Return one message, which has one X-GM-MSGID wherever it is."""
    content = make_message(subject=f"number {number}")
    return Mail(content=content, object_id=str(1_278_455_344_230_334_865 + number), labels=labels)


@pytest.fixture
def odd(archive_root: Path) -> Iterator[Odd]:
    """Three messages: one in the inbox with two labels, one with a label, one archived."""
    everything = {
        11: message(1, r'"\\Inbox" "\\Important" "Caf&AOk-"'),
        12: message(2, '"Caf&AOk-"'),
        13: message(3, ""),
    }
    folders = {
        "INBOX": Mailbox(mail={7: message(1, r'"\\Important" "Caf&AOk-"')}, uid_validity=1),
        CAFE: Mailbox(mail={3: message(1, r'"\\Inbox"'), 4: message(2, "")}, uid_validity=3),
        ALL_MAIL: Mailbox(mail=everything, uid_validity=2, attributes=r"\All"),
    }
    with ImapServer(folders, capabilities=GMAIL) as server:
        yield Odd(server, archive_root)


def bodies(odd: Odd) -> int:
    """Return how many commands asked for bodies so far."""
    return sum("BODY.PEEK[]" in command for command in odd.server.commands)


def newest(odd: Odd) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the newest row of each place."""
    rows = Archive(odd.root).read_table("locations").sort_by("seq").to_pylist()
    return {(row["folder"], row["uid"]): row for row in rows}


def test_a_message_with_many_labels_is_downloaded_once(odd: Odd) -> None:
    """All Mail comes first, whatever the order of LIST, and the other folders know theirs by X-GM-MSGID."""
    report = odd.mirror()
    assert (report.added, report.recognised, report.failures, report.warnings) == (6, 3, (), ())
    assert report.octets == sum(len(mail.content) for mail in odd.server.folders[ALL_MAIL].mail.values())
    assert bodies(odd) == 1
    assert odd.count("messages") == 3
    rows = newest(odd)
    assert rows[ALL_MAIL, 11]["labels"] == ["Café", "\\Important", "\\Inbox"]
    assert rows[ALL_MAIL, 13]["labels"] == []
    assert rows["INBOX", 7]["sha256"] == rows["Café", 3]["sha256"] == rows[ALL_MAIL, 11]["sha256"]


def test_labels_that_change_are_recorded(odd: Odd) -> None:
    """A label is a state like a flag; what was before stays in the log."""
    odd.mirror()
    odd.server.folders[ALL_MAIL].mail[12].labels = '"Caf&AOk-" "Work stuff"'
    odd.server.folders["INBOX"].mail[7].flags = "\\Seen"
    report = odd.mirror()
    assert (report.flags, report.added, report.octets) == (2, 0, 0)
    assert newest(odd)[ALL_MAIL, 12]["labels"] == ["Café", "Work stuff"]
    assert newest(odd)["INBOX", 7]["labels"] == ["Café", "\\Important"]
    assert odd.mirror().flags == 0


def test_a_new_message_is_downloaded_with_all_mail_alone(odd: Odd) -> None:
    """The inbox shows it too, a moment later in the same run."""
    odd.mirror()
    before = bodies(odd)
    odd.server.folders["INBOX"].mail[8] = message(4, "")
    odd.server.folders[ALL_MAIL].mail[14] = message(4, r'"\\Inbox"')
    report = odd.mirror()
    assert (report.added, report.recognised, bodies(odd) - before) == (2, 1, 1)


def test_leaving_all_mail_out_is_told(odd: Odd) -> None:
    """Archived mail is in no other folder; a run that leaves it out says so, and mirrors the rest."""
    report = odd.mirror(exclude=("\\All",))
    assert (report.added, report.recognised) == (3, 1)
    [warning] = report.warnings
    assert "All Mail" in warning
    assert "left out" in warning
    assert odd.mirror(folders=("INBOX",)).warnings == ()


def test_what_only_all_mail_has_stays_when_it_is_left_out_later(odd: Odd) -> None:
    """Nothing of it is called gone, and its labels stay as they were seen."""
    odd.mirror()
    before = newest(odd)
    odd.server.folders[ALL_MAIL].mail[12].labels = '"Other"'
    del odd.server.folders[ALL_MAIL].mail[13]
    del odd.server.folders["INBOX"].mail[7]
    report = odd.mirror(exclude=("\\All",), max_gone=1)
    assert (report.expunged, report.deleted_folders, report.flags) == (1, 0, 0)
    after = newest(odd)
    assert {place for place in after if after[place] != before[place]} == {("INBOX", 7)}
    assert after[ALL_MAIL, 13]["change"] == "added"
    assert odd.mirror().expunged == 1  # with All Mail again what it lacks is gone


def test_a_message_that_is_archived_while_all_mail_is_left_out_stays(odd: Odd) -> None:
    """It leaves its last folder and is in All Mail: recorded there, not downloaded, and not lost."""
    odd.mirror(exclude=("\\All",))
    before = bodies(odd)
    del odd.server.folders[CAFE].mail[4]  # archived: in All Mail still
    del odd.server.folders["INBOX"].mail[7]  # keeps a label
    odd.server.folders[ALL_MAIL].mail[12].labels = ""
    report = odd.mirror(exclude=("\\All",))
    assert (report.added, report.recognised, report.expunged, bodies(odd) - before) == (1, 1, 2, 0)
    rows = newest(odd)
    assert {place for place, row in rows.items() if place[0] == ALL_MAIL} == {(ALL_MAIL, 12)}
    assert rows[ALL_MAIL, 12]["sha256"] == rows["Café", 4]["sha256"]
    assert odd.mirror(exclude=("\\All",)).added == 0
    report = odd.mirror()
    assert (report.added, report.expunged, report.failures) == (2, 0, ())


def test_a_message_that_is_deleted_while_all_mail_is_left_out_is_gone(odd: Odd) -> None:
    """All Mail does not have it either."""
    odd.mirror(exclude=("\\All",))
    for folder, uid in ((CAFE, 4), (ALL_MAIL, 12)):
        del odd.server.folders[folder].mail[uid]
    report = odd.mirror(exclude=("\\All",))
    assert (report.added, report.expunged) == (0, 1)
    assert {folder for folder, _ in newest(odd)} == {"INBOX", "Café"}


def test_another_size_under_a_known_id_is_downloaded(odd: Odd) -> None:
    """A server that gives one id to two contents loses no mail."""
    odd.server.folders["INBOX"].mail[7].content += b"more\r\n"
    report = odd.mirror()
    assert (report.recognised, bodies(odd)) == (2, 2)
    assert odd.count("messages") == 4


@pytest.mark.parametrize("offered", ["OBJECTID", "nothing"])
def test_a_moved_message_is_known_by_its_email_id(archive_root: Path, offered: str) -> None:
    """RFC 8474: EMAILID stays when a message is moved; else its header is asked for. No body comes again."""
    mail = Mail(content=make_message(subject="filed"), object_id="M6d99ac3275bb4e")
    capabilities = (*CAPABILITIES, "OBJECTID") if offered == "OBJECTID" else CAPABILITIES
    folders = {"INBOX": Mailbox(mail={1: mail}), "Filed": Mailbox(uid_validity=5)}
    with ImapServer(folders, capabilities=capabilities) as server:
        odd = Odd(server, archive_root)
        odd.mirror()
        server.folders["Filed"].mail[1] = server.folders["INBOX"].mail.pop(1)
        report = odd.mirror()
        assert (report.added, report.expunged, report.recognised, report.octets) == (1, 1, 1, 0)
        by_looks = [command for command in server.commands if "BODY.PEEK[HEADER]" in command]
        assert len(by_looks) == (offered == "nothing")
