"""Servers that refuse, forget, alter and hang up: a restore says so, loses nothing and doubles nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import COMMANDS_IN_FLIGHT
from mailroom.exceptions import ConnectionLost
from mailroom.model import Body, Change, LocationRow, MailProtocol
from mailroom.policy.restore import ReadBack
from mailroom.services.restore import RestoreReport
from mailroom.services.restoring import account_fill, mailbox_restore, settling
from tests.integration.restores import of, restore
from tests.support.archives import NOW, archive_messages, context, folder_row
from tests.support.imap_server import CAPABILITIES, ImapServer, Mailbox
from tests.support.mail import make_message, message_of_size
from tests.support.s3 import S3Server

FULL = (*CAPABILITIES, "UNSELECT")
PLAIN = tuple(name for name in CAPABILITIES if name not in ("LITERAL+", "UIDPLUS"))
KINDS = {
    "LITERAL+ and MULTIAPPEND": (*FULL, "MULTIAPPEND"),
    "LITERAL+": FULL,
    "LITERAL- and MULTIAPPEND": (*PLAIN, "LITERAL-", "MULTIAPPEND", "UIDPLUS"),
    "nothing but MULTIAPPEND": (*PLAIN, "MULTIAPPEND"),
    "nothing": PLAIN,
}
each_kind = pytest.mark.parametrize("kind", KINDS)

DATE = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


def mail(number: int) -> bytes:
    """Return a message; every seventh is larger than LITERAL- takes at once."""
    return make_message(subject=f"number {number}", text=f"line {number}\n" * (500 if number % 7 == 3 else 2))


def fill(archive: Archive, contents: list[bytes], folder: str = "INBOX", **values: Any) -> None:
    """Archive messages of a folder as if they had been mirrored."""
    with archive.writer(context(account="a")) as writer:
        for uid, content in enumerate(contents, 1):
            row = {
                "account": "a",
                "protocol": MailProtocol.IMAP,
                "folder": folder,
                "change": Change.ADDED,
                "at": NOW,
                "run_id": "run-1",
                "uid_validity": 7,
                "uid": uid,
                "size": len(content),
                "internal_date": DATE + timedelta(minutes=uid),
            }
            writer.add(Body(octets=len(content), content=content), LocationRow(**(row | values)))
        writer.close_folder(folder_row(folder, account="a", delimiter="/"))
        writer.finish("succeeded", {}, 0)


@dataclass
class Odd:
    """An odd server and an archive of one account, ``a``."""

    server: ImapServer
    root: Path

    @property
    def inbox(self) -> Mailbox:
        return self.server.folders["INBOX"]

    @property
    def contents(self) -> list[bytes]:
        return [message.content for message in self.inbox.mail.values()]

    def archive(self, contents: list[bytes], folder: str = "INBOX", **values: Any) -> None:
        fill(Archive(self.root), contents, folder, **values)

    def restore(self, **selection: Any) -> RestoreReport:
        return restore(self.server.endpoint(), self.root, "a", **selection)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(account_fill, "BREAK_SECONDS", 0.01)


@pytest.fixture
def odd(request: pytest.FixtureRequest, archive_root: Path) -> Iterator[Odd]:
    """A server with an empty INBOX, of the kind a test asks for."""
    kind = request.node.callspec.params.get("kind") if hasattr(request.node, "callspec") else None
    with ImapServer({"INBOX": Mailbox()}, capabilities=KINDS[kind or "LITERAL+ and MULTIAPPEND"]) as server:
        yield Odd(server, archive_root)


@each_kind
def test_every_way_of_sending_brings_the_same(odd: Odd, kind: str) -> None:
    """Octets, order, flags and dates, and the second run adds nothing."""
    contents = [mail(number) for number in range(250)]
    odd.archive(contents, flags=("\\Seen", "$Work"))
    report = odd.restore(read_back=ReadBack.ALL)
    assert (report.failures, report.warnings) == ((), ())
    assert odd.contents == contents
    assert {message.flags for message in odd.inbox.mail.values()} == {"$Work \\Seen"}
    assert odd.inbox.mail[1].date == " 4-Mar-2026 10:31:00 +0000"
    assert report.summary()["checked"] == 250
    assert odd.restore().summary()["added"] == 0
    assert odd.contents == contents


def test_many_messages_take_few_commands(odd: Odd) -> None:
    """MULTIAPPEND: a hundred messages a command."""
    odd.archive([mail(number) for number in range(250)])
    odd.restore()
    assert len([command for command in odd.server.commands if command.startswith("APPEND")]) == 3


@each_kind
def test_refused_message_stops_no_other(odd: Odd, kind: str) -> None:
    """Also where many go in one command, of which the server takes all or none."""
    contents = [mail(number) for number in range(30)]
    odd.archive(contents)
    odd.inbox.refuses = lambda content: "NO [LIMIT] not this one" if b"number 12\r" in content else None
    report = odd.restore()
    assert of(report).refused == {"[LIMIT] not this one": 1}
    assert "1 message was not taken into folder 'INBOX': [LIMIT] not this one: 1." in report.failures
    assert Counter(odd.contents) == Counter(
        content for number, content in enumerate(contents) if number != 12
    )
    odd.inbox.refuses = None
    assert odd.restore().summary()["added"] == 1
    assert Counter(odd.contents) == Counter(contents)


@each_kind
@pytest.mark.parametrize("after", [1, 7, 150])
def test_connection_that_breaks_before_the_answer_doubles_nothing(odd: Odd, kind: str, after: int) -> None:
    """What the server stored and did not confirm is found by asking again, in a new session."""
    contents = [mail(number) for number in range(200)]
    odd.archive(contents)
    odd.inbox.hangs_up_after = after
    report = odd.restore()
    assert odd.contents == contents
    assert (report.failures, odd.server.sessions) == ((), 2)
    assert (report.summary()["added"], report.summary()["already"]) == (200, 0)


def test_server_that_always_hangs_up_ends_the_run(odd: Odd) -> None:
    """Trying for ever would help nobody."""
    odd.archive([mail(0)])

    def hang_up(content: bytes) -> str:
        raise OSError

    odd.inbox.refuses = hang_up
    with pytest.raises(ConnectionLost):
        odd.restore()
    assert odd.server.sessions == account_fill.MAX_IDLE_BREAKS


@each_kind
def test_folder_deleted_while_it_is_filled_is_made_again(odd: Odd, kind: str) -> None:
    """TRYCREATE: the folder is made and asked once more."""
    contents = [mail(number) for number in range(20)]
    odd.archive(contents, "Work")
    odd.server.folders["Work"] = Mailbox()

    class Forgetful(dict[str, Mailbox]):
        refusals = 1

        def get(self, name: str, default: Any = None) -> Any:
            if name == "Work" and odd.server.commands[-1].startswith("APPEND") and self.refusals:
                self.refusals -= 1
                del self[name]
            return super().get(name, default)

    odd.server.folders = Forgetful(odd.server.folders)
    report = odd.restore()
    assert report.failures == ()
    found = [message.content for message in odd.server.folders["Work"].mail.values()]
    assert sorted(found) == sorted(contents)


def test_two_folders_become_a_new_one_where_no_code_says_that_it_is_there(odd: Odd) -> None:
    """The second finds the folder that was made for the first; both are in it, once."""
    odd.archive([mail(1)], "A")
    odd.archive([mail(2)], "B")
    names = (("A", "New"), ("B", "New"))
    assert odd.restore(folder_names=names).failures == ()
    found = [message.content for message in odd.server.folders["New"].mail.values()]
    assert sorted(found) == sorted([mail(1), mail(2)])
    assert odd.restore(folder_names=names).summary()["added"] == 0


def test_account_without_room_is_not_asked_for_ever(odd: Odd) -> None:
    """After some refusals for want of room the rest is counted and not sent."""
    odd.server.capabilities = FULL
    odd.archive([mail(number) for number in range(400)])
    odd.archive([mail(number) for number in range(400, 405)], "Later")
    room = iter(range(50))
    odd.inbox.refuses = lambda content: None if next(room, None) is not None else "NO [OVERQUOTA] full"
    report = odd.restore()
    refused = of(report).refused
    assert len(odd.contents) == 50
    assert sum(refused.values()) == 350
    assert refused["[OVERQUOTA] full"] <= mailbox_restore.MAX_OVER_QUOTA + COMMANDS_IN_FLIGHT
    assert of(report, "Later").refused == {mailbox_restore.NO_ROOM: 5}
    assert len(report.failures) == 2


@pytest.mark.parametrize("stated", ["account", "folder"])
def test_message_over_the_stated_limit_is_not_sent(odd: Odd, stated: str) -> None:
    """APPENDLIMIT, for the account or for a folder."""
    word = "APPENDLIMIT=1000" if stated == "account" else "APPENDLIMIT"
    odd.server.capabilities = (*odd.server.capabilities, word)
    odd.server.limits = {"INBOX": 1000}
    odd.archive([mail(number) for number in range(7)])
    report = odd.restore()
    assert of(report).refused == {"larger than the 1,000 octets that the server takes": 1}
    assert len(odd.contents) == 6
    assert max(map(len, odd.contents)) <= 1000


def test_keyword_that_the_server_does_not_take_is_left_out_and_told(odd: Odd) -> None:
    """The message comes back all the same, and \\Recent is never sent."""
    odd.inbox.permanent = "\\Seen \\Flagged"
    odd.archive([mail(0)], flags=("\\Seen", "\\Recent", "$Work"))
    report = odd.restore()
    assert odd.inbox.mail[1].flags == "\\Seen"
    assert not any("Work" in command or "Recent" in command for command in odd.server.commands)
    assert of(report).alterations == {"flags": 1}
    assert report.failures == ()
    assert report.warnings == ("Folder 'INBOX': the server shows restored messages otherwise: flags of 1.",)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"stores": lambda content: content + b"\r\n"}, {"line end": 3}),
        ({"stores": lambda content: content.replace(b"line", b"LINES OF TEXT")}, {"size": 3}),
        ({"stores": lambda content: content.replace(b"line", b"LINE")}, {"octets": 3}),
        ({"keeps_dates": False}, {"internal date": 3}),
    ],
)
def test_what_the_server_changed_is_told_and_recognised(
    odd: Odd, fault: dict[str, Any], told: dict[str, int]
) -> None:
    """Altered messages are in the report, and are not added a second time."""
    for name, value in fault.items():
        setattr(odd.inbox, name, value)
    odd.archive([mail(number) for number in range(3)])
    report = odd.restore(read_back=ReadBack.ALL)
    alterations = of(report).alterations
    assert {kind: number for kind, number in alterations.items() if kind in told} == told
    assert len(of(report).examples) >= 3
    again = odd.restore()
    assert again.summary()["added"] == 0
    assert len(odd.contents) == 3


FOREIGN = [
    make_message(subject="quite another letter", message_id="<same@x>", text="of other words\n" * 9),
    make_message(
        subject="[friends] A subject", message_id="<same@x>", headers=[("List-Id", "<friends.example.org>")]
    ),
    make_message(to="Carla <carla@example.com>", message_id="<same@x>", text="for somebody else\n"),
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_another_letter_of_the_same_message_id_and_second_is_no_match(odd: Odd, foreign: bytes) -> None:
    """The archived one is brought back beside it, once."""
    ours = make_message(message_id="<same@x>")
    odd.archive([ours], internal_date=DATE)
    odd.inbox.add(foreign, "", "04-Mar-2026 10:30:00 +0000")
    report = odd.restore()
    assert (report.summary()["added"], report.warnings) == (1, ())
    assert odd.restore().summary()["added"] == 0
    assert odd.contents == [foreign, ours]


def test_another_letter_without_message_id_is_no_match(odd: Odd) -> None:
    """Two alarms of one second and one size, of which the archive has one."""
    ours, foreign = (b"Subject: alarm\r\n\r\nsensor %d\r\n" % number for number in (1, 2))
    odd.archive([ours], internal_date=DATE)
    odd.inbox.add(foreign, "", "04-Mar-2026 10:30:00 +0000")
    assert odd.restore().summary()["added"] == 1
    assert odd.restore().summary()["added"] == 0
    assert odd.contents == [foreign, ours]


def test_message_whose_text_the_server_wrote_anew_is_counted_and_named(odd: Odd) -> None:
    """Its header and date say that it is the one; nobody should have to take that on trust."""
    odd.inbox.stores = lambda content: content.replace(b"line", b"LINES OF TEXT")
    odd.archive([mail(0), mail(1)])
    odd.restore()
    again = odd.restore()
    digest = hashlib.sha256(mail(0)).hexdigest()
    assert (again.summary()["added"], again.summary()["alike_before"]) == (0, 2)
    assert f"{digest} as UID 1" in again.summary()["folders"][0]["alike"]
    assert any(digest in sentence for sentence in again.warnings)


def test_messages_without_message_id_are_told_apart_by_their_octets(odd: Odd) -> None:
    """Alarms of one second, of one size: all come back, none twice."""
    alarms = [b"Subject: alarm\r\n\r\nsensor %d\r\n" % number for number in range(9)]
    odd.archive([*alarms, alarms[0]], internal_date=DATE)
    for _ in range(2):
        odd.restore()
        assert Counter(odd.contents) == Counter([*alarms, alarms[0]])


def test_messages_with_one_message_id_are_told_apart_by_their_octets(odd: Odd) -> None:
    """Broken senders use one Message-ID for all they send."""
    twins = [make_message(message_id="<same@x>", text=f"text {number}\n") for number in range(9)]
    odd.archive(twins, internal_date=DATE)
    for _ in range(2):
        odd.restore()
        assert Counter(odd.contents) == Counter(twins)


def test_part_of_equal_messages_is_completed(odd: Odd) -> None:
    """Three archived and one there: two are added."""
    odd.archive([mail(1)] * 3, internal_date=DATE)
    odd.inbox.add(mail(1), "", "04-Mar-2026 10:30:00 +0000")
    assert odd.restore().summary()["added"] == 2
    assert len(odd.contents) == 3


def test_folder_that_cannot_be_made_stops_no_other(odd: Odd) -> None:
    """Its messages are in one failure, with the server's reason."""
    odd.server.refused_names = {"Bad"}
    odd.archive([mail(0)], "Bad")
    odd.archive([mail(1)], "Good")
    report = odd.restore()
    assert report.failures == ("Folder 'Bad' of a was not restored into 'Bad': no such name here.",)
    assert len(odd.server.folders["Good"].mail) == 1


def test_nul_octets_are_sent_alone(odd: Odd) -> None:
    """Servers refuse them most, and then nothing else is refused along."""
    contents = [mail(0), b"Message-ID: <n@x>\r\nSubject: n\r\n\r\na\0b\r\n", mail(1)]
    odd.archive(contents)
    odd.inbox.refuses = lambda content: "NO has NUL" if b"\0" in content else None
    report = odd.restore()
    assert of(report).refused == {"has NUL": 1}
    assert Counter(odd.contents) == Counter([mail(0), mail(1)])


def test_archive_of_old_tests_has_what_a_restore_needs(odd: Odd) -> None:
    """Rows as any run writes them are enough."""
    archive_messages(Archive(odd.root), range(1, 4))
    report = restore(odd.server.endpoint(), odd.root, "post")
    assert (report.summary()["added"], report.failures) == (3, ())


@pytest.mark.parametrize("refuses", [False, True])
def test_new_folder_is_marked_with_what_it_is_for(odd: Odd, refuses: bool) -> None:
    """CREATE-SPECIAL-USE (RFC 6154); where that is refused, a plain folder is made."""
    odd.server.capabilities = (*odd.server.capabilities, "CREATE-SPECIAL-USE")
    odd.server.refuses_uses = refuses
    odd.archive([mail(0)], "Sent")
    with Archive(odd.root).writer(context(account="a")) as writer:
        writer.close_folder(folder_row("Sent", account="a", delimiter="/", special_use="\\Sent"))
        writer.finish("succeeded", {}, 0)
    assert odd.restore().failures == ()
    made = [command for command in odd.server.commands if command.startswith("CREATE")]
    assert made == ['CREATE "Sent" (USE (\\Sent))', *(['CREATE "Sent"'] if refuses else [])]
    assert 'SUBSCRIBE "Sent"' in odd.server.commands
    assert len(odd.server.folders["Sent"].mail) == 1


def test_folder_for_reading_only_is_a_failure(odd: Odd) -> None:
    """Nothing is sent to it, and the reason is told."""
    odd.archive([mail(0)])
    where = odd.server.endpoint()

    class ReadOnly(ImapClient):
        def select(self, name: str) -> Any:
            return self.examine(name)

    report = restore(where, odd.root, "a", connect=lambda: ReadOnly.connect(where))
    assert "reading only" in report.failures[0]
    assert not any(command.startswith("APPEND") for command in odd.server.commands)


def test_archive_in_a_bucket_is_read_ahead(odd: Odd, s3: S3Server) -> None:
    """Objects arrive while others are sent; equal, missing and large ones are no exception."""
    bucket = s3.new_bucket()
    archive = Archive(f"s3://{bucket}/mail", storage_options=s3.storage_options)
    contents = [*(mail(number) for number in range(60)), mail(3), message_of_size(3_000_000), mail(5)]
    fill(archive, contents)
    lost = hashlib.sha256(mail(9)).hexdigest()
    s3.client().delete_object(Bucket=bucket, Key=f"mail/raw/{lost[:2]}/{lost}.eml")
    report = restore(odd.server.endpoint(), archive, "a", read_back=ReadBack.ALL)
    assert of(report).refused == {"its archived copy is missing or damaged": 1}
    assert Counter(odd.contents) == Counter(content for content in contents if content != mail(9))
