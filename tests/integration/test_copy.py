"""One account copied to another on a second server: all of it, once, whatever is run again."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.reading.copy_marks import CopyMarks
from mailroom.client.imap import ImapClient
from mailroom.model import Endpoint, MailProtocol, RunContext
from mailroom.policy.restore import ReadBack, RestoreSelection
from mailroom.services.copy import CopyReport, copy_account, copy_by_archive
from mailroom.services.import_mail import import_mail
from mailroom.services.progress import NoProgress
from tests.integration.restores import Content, shown
from tests.support.dovecot import Dovecot
from tests.support.imap_server import CAPABILITIES, ImapServer, Mail, Mailbox
from tests.support.mail import make_message, message_of_size

WHEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Dovecot]:
    """A second server, with other habits: names below INBOX with dots, marked folders, a quota."""
    spaces = """
namespace inbox {
  prefix = INBOX.
  separator = .
  mailbox Gesendet {
    special_use = \\Sent
    auto = create
  }
}
mail_plugins = $mail_plugins quota
plugin {
  quota = count:User
  quota_vsizes = yes
  quota_rule = *:storage=20M
}
protocol imap {
  mail_plugins = $mail_plugins quota imap_quota
}
"""
    with Dovecot(extra=spaces) as server:
        yield server


class Pair:
    """An account, and one on another server that it is copied to."""

    def __init__(self, source: Dovecot, target: Dovecot, root: Path) -> None:
        self.source, self.target, self.root = source, target, root
        self.from_user, self.to_user = source.add_user(), target.add_user()

    def append(self, content: bytes, folder: str = "INBOX", **options: Any) -> None:
        self.source.append(self.from_user, content, folder, **({"internal_date": WHEN} | options))

    def copy(
        self,
        *,
        by_archive: bool = False,
        dry_run: bool = False,
        state: Path | None = None,
        **selection: Any,
    ) -> CopyReport:
        more: dict[str, Any] = {
            "selection": RestoreSelection(**selection),
            "dry_run": dry_run,
            "progress": NoProgress(),
            "stop": threading.Event(),
        }
        source = self.source.endpoint(self.from_user, MailProtocol.IMAP)
        target = self.target.endpoint(self.to_user, MailProtocol.IMAP)
        connect = [connecting(source), connecting(target)]
        if not by_archive:
            marks = None if state is None else CopyMarks.at(state, "old", "new")
            return copy_account(*connect, "old", "new", marks=marks, **more)
        run = RunContext(run_id=uuid.uuid4().hex, what="copy", account="old", started=WHEN, who="a test")
        return copy_by_archive(
            *connect, Archive(self.root), run, "new", now=lambda: datetime.now(UTC), **more
        )

    def shown(self) -> Content:
        return shown(self.target, self.to_user)


def connecting(endpoint: Endpoint) -> Any:
    return lambda: ImapClient.connect(endpoint)


@pytest.fixture
def pair(dovecot: Dovecot, elsewhere: Dovecot, archive_root: Path) -> Pair:
    """Mail in nested folders, some of it twice, some without Message-ID, one large, all kinds of flags."""
    found = Pair(dovecot, elsewhere, archive_root)
    for number in range(30):
        found.append(make_message(subject=f"Mensaje {number}"), flags=["\\Seen", "$Work"][: number % 3])
    for _ in range(2):
        found.append(make_message(subject="dos veces"))
    for number in range(3):
        found.append(b"Subject: alarm\r\n\r\nsensor %d\r\n" % number)
    found.append(message_of_size(1_500_000))
    found.append(make_message(subject="tief"), "Projekte/2024/März")
    found.append(make_message(subject="gesendet"), "Sent", flags=["\\Seen"])
    return found


def named(content: Content) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the messages of each folder in which there are any."""
    return {folder: Counter(messages) for folder, messages in content.items() if messages}


def wanted(pair: Pair, **names: str) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return what the target has to show: everything, under the names of its own server."""
    there = named(shown(pair.source, pair.from_user))
    return {names.get(name, f"INBOX.{name.replace('/', '.')}"): mail for name, mail in there.items()}


@pytest.mark.parametrize("by_archive", [False, True])
def test_all_of_an_account_arrives(pair: Pair, by_archive: bool) -> None:
    """Folders, bytes, flags and dates; names as the new server has them; nothing twice in a second run."""
    report = pair.copy(by_archive=by_archive, read_back="all")
    expected = wanted(pair, INBOX="INBOX", Sent="INBOX.Gesendet")
    assert named(pair.shown()) == expected
    assert report.failures == report.warnings == ()
    assert report.restore.summary()["checked"] == report.restore.summary()["added"] == 38
    again = pair.copy(by_archive=by_archive)
    assert (again.restore.summary()["added"], again.restore.summary()["already"]) == (0, 38)
    assert named(pair.shown()) == expected


def test_new_mail_follows(pair: Pair) -> None:
    """A run on a schedule adds what came since; the source is read only."""
    pair.copy()
    before = shown(pair.source, pair.from_user)
    pair.append(make_message(subject="neu"))
    pair.append(make_message(subject="dos veces"))
    assert pair.copy().restore.summary()["added"] == 2
    assert named(pair.shown()) == wanted(pair, INBOX="INBOX", Sent="INBOX.Gesendet")
    assert {name: len(mail) for name, mail in before.items()} | {"INBOX": len(before["INBOX"]) + 2} == {
        name: len(mail) for name, mail in shown(pair.source, pair.from_user).items()
    }


def test_what_was_deleted_at_the_source_stays_at_the_target(pair: Pair) -> None:
    """A folder of which a server shows only a part costs nothing."""
    pair.copy()
    before = named(pair.shown())
    with pair.source.mailbox(pair.from_user) as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search()[:10])
        client.expunge()
        client.delete_folder("Projekte/2024/März")
    assert pair.copy().restore.summary()["added"] == 0
    assert named(pair.shown()) == before


def test_flags_follow_where_asked_for(pair: Pair) -> None:
    """Left alone by default, for somebody may work at the target already."""
    pair.copy()
    with pair.source.mailbox(pair.from_user) as client:
        client.select_folder("INBOX")
        client.add_flags([1, 2], [b"\\Flagged"])
        client.remove_flags([3], [b"$Work"])
    before = named(pair.shown())
    pair.copy()
    assert named(pair.shown()) == before
    assert pair.copy(with_flags=True).restore.summary()["updated"] == 3
    assert named(pair.shown()) == wanted(pair, INBOX="INBOX", Sent="INBOX.Gesendet")


def test_folders_go_where_they_are_told(pair: Pair) -> None:
    """By name, subfolders with them; two folders may become one."""
    pair.append(make_message(subject="alt"), "Alt")
    names = (("Projekte/2024", "INBOX.Werk"), ("Alt", "INBOX"), ("Sent", "INBOX.Post.Aus"))
    pair.append(make_message(subject="mitte"), "Projekte/2024")
    pair.copy(folder_names=names)
    found = {name: len(messages) for name, messages in pair.shown().items() if messages}
    march = "INBOX.Werk.M&AOQ-rz"
    assert {name.replace("März", "M&AOQ-rz"): count for name, count in found.items()} == {
        "INBOX": 37,
        "INBOX.Werk": 1,
        march: 1,
        "INBOX.Post.Aus": 1,
    }
    assert pair.copy(folder_names=names).restore.summary()["added"] == 0


def test_a_dry_run_changes_nothing(pair: Pair) -> None:
    """It says what would be added, and where."""
    report = pair.copy(dry_run=True)
    assert report.restore.summary()["would_add"] == 38
    assert named(pair.shown()) == {}


@pytest.mark.parametrize("by_archive", [False, True])
def test_a_full_account_is_told_before(pair: Pair, by_archive: bool) -> None:
    """The quota is asked: what does not fit is not sent, the rest is, and the reason is told."""
    for number in range(8):
        pair.append(message_of_size(4_000_000, seed=str(number)), "Gross")
    report = pair.copy(by_archive=by_archive)
    found = pair.shown()
    assert 0 < len(found["INBOX.Gross"]) < 8
    assert any("no room" in sentence for sentence in report.failures)
    assert len(found["INBOX"]) == 36


def test_a_source_that_shows_a_part_is_told(elsewhere: Dovecot) -> None:
    """What it does not list cannot be copied; that is no secret."""
    user = elsewhere.add_user()
    mail = {uid: Mail(content=make_message(subject=str(uid))) for uid in range(1, 6)}
    mailbox = Mailbox(mail=mail, window=3)
    with ImapServer({"INBOX": mailbox}) as server:
        report = copy_account(
            connecting(server.endpoint()),
            connecting(elsewhere.endpoint(user, MailProtocol.IMAP)),
            "old",
            "new",
            selection=RestoreSelection(),
            dry_run=False,
            progress=NoProgress(),
            stop=threading.Event(),
        )
    assert report.restore.summary()["added"] == 3
    assert "shows 3" in (report.restore.folders[0].note or "")


class Between:
    """One folder copied between two servers of chosen faults, whose commands are recorded."""

    def __init__(self, source: Mailbox, target: Mailbox, state: Path | None = None) -> None:
        self.source, self.target, self.state = source, target, state
        self.commands: list[str] = []
        self.capabilities = CAPABILITIES

    def copy(self, **selection: Any) -> CopyReport:
        with (
            ImapServer({"INBOX": self.source}) as first,
            ImapServer({"INBOX": self.target}, capabilities=self.capabilities) as second,
        ):
            report = copy_account(
                connecting(first.endpoint()),
                connecting(second.endpoint()),
                "old",
                "new",
                selection=RestoreSelection(**selection),
                dry_run=False,
                progress=NoProgress(),
                stop=threading.Event(),
                marks=None if self.state is None else CopyMarks.at(self.state, "old", "new"),
            )
        self.commands = [*first.commands, *second.commands]
        return report

    @property
    def fetched(self) -> list[str]:
        """The sets of messages that were asked for."""
        return [command.split(" ")[2] for command in self.commands if command.startswith("UID FETCH")]

    @property
    def added(self) -> int:
        """How many messages one more copy adds."""
        return int(self.copy().summary()["added"])


def between(source: Mailbox, target: Mailbox, **selection: Any) -> CopyReport:
    """Copy one folder between two servers of chosen faults."""
    return Between(source, target).copy(**selection)


ALARMS = [b"Subject: alarm\r\n\r\nsensor %d\r\n" % number for number in range(2)]
LETTERS = [
    make_message(message_id="<same@x>"),
    make_message(message_id="<same@x>", subject="quite another letter", text="of other words\n" * 9),
]


@pytest.mark.parametrize(("ours", "foreign"), [LETTERS, ALARMS])
def test_another_letter_of_the_same_look_is_no_match(ours: bytes, foreign: bytes) -> None:
    """Same Message-ID and second, or none and the same size: it comes beside it, once."""
    source, target = Mailbox(mail={1: Mail(content=ours)}), Mailbox(mail={1: Mail(content=foreign)})
    report = between(source, target)
    assert (report.summary()["added"], report.warnings) == (1, ())
    assert between(source, target).summary()["added"] == 0
    assert [mail.content for mail in target.mail.values()] == [foreign, ours]


def test_what_the_target_writes_anew_is_not_added_again() -> None:
    """Contents changed: known by header and date, counted and named; line ends: known by the rest."""
    letter = make_message(subject="uno", text="line\n" * 3)
    source = Mailbox(mail={5: Mail(content=letter), 6: Mail(content=ALARMS[0])})
    target = Mailbox(stores=lambda content: content.replace(b"line", b"LINES") + b"\r\n")
    assert between(source, target).summary()["added"] == 2
    again = between(source, target)
    summary = again.summary()
    assert [summary[name] for name in ("added", "altered_before", "alike_before")] == [0, 1, 1]
    assert summary["folders"][0]["alike"] == ["the source's UID 5 as UID 1"]
    assert any("the source's UID 5" in sentence for sentence in again.warnings)


def test_a_target_that_hides_older_messages_gets_none_twice() -> None:
    """EXISTS, SEARCH and STATUS know the newest thousand alone; what they hide was copied before."""
    source = {
        "INBOX": Mailbox(mail={uid: Mail(content=make_message(subject=f"n {uid}")) for uid in range(1, 1051)})
    }
    with ImapServer(source) as first, ImapServer({"INBOX": Mailbox()}) as second:

        def copy() -> CopyReport:
            return copy_account(
                lambda: ImapClient.connect(first.endpoint()),
                lambda: ImapClient.connect(second.endpoint()),
                "source",
                "target",
                selection=RestoreSelection(),
                dry_run=False,
                progress=NoProgress(),
                stop=threading.Event(),
            )

        assert copy().summary()["added"] == 1050
        inbox = second.folders["INBOX"].mail
        for uid in sorted(inbox)[:50]:
            del inbox[uid]
        again = copy()
        assert again.summary()["added"] == 0
        assert "newest messages only" in again.failures[0]
        del inbox[max(inbox)]  # below the limit nothing is hidden
        assert copy().summary()["added"] == 51


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"keeps_dates": False}, {"internal date": 3}),
        ({"permanent": "\\Seen"}, {"flags": 3}),
        ({"stores": lambda content: content + b"\r\n"}, {"line end": 3}),
        ({"stores": lambda content: content.replace(b"this is", b"THIS IS")}, {"octets": 3}),
    ],
)
def test_what_the_target_changed_is_told(fault: dict[str, Any], told: dict[str, int]) -> None:
    """Once, in the run that brought it; no later run adds it again."""
    source = Mailbox(
        mail={
            uid: Mail(
                content=make_message(subject=f"n {uid}"), flags="\\Flagged", date="01-Feb-2024 08:00:00 +0100"
            )
            for uid in range(1, 4)
        }
    )
    target = Mailbox(**fault)
    report = between(source, target, read_back=ReadBack.ALL)
    alterations = report.restore.folders[0].alterations
    assert {kind: number for kind, number in alterations.items() if kind in told} == told
    assert any("shows restored messages otherwise" in sentence for sentence in report.warnings)
    assert between(source, target).summary()["added"] == 0


def test_what_is_too_large_for_the_target_is_not_sent() -> None:
    """APPENDLIMIT; the next run says so again."""
    source = Mailbox(mail={1: Mail(content=make_message()), 2: Mail(content=message_of_size(3000))})
    pair = Between(source, Mailbox())
    pair.capabilities = (*CAPABILITIES, "APPENDLIMIT=1000")
    for _ in range(2):
        report = pair.copy()
        assert report.restore.folders[0].refused == {"larger than the 1,000 octets that the server takes": 1}
    assert len(pair.target.mail) == 1


def box(*numbers: int) -> Mailbox:
    """Return a folder of numbered messages, some of which look the same."""
    return Mailbox(
        mail={uid: Mail(content=make_message(subject=f"n {number}")) for uid, number in enumerate(numbers, 1)}
    )


@pytest.fixture
def remembering(tmp_path: Path) -> Between:
    """A folder that was copied, look-alikes and all, and what is remembered of it."""
    found = Between(box(1, 2, 2, 3, 4), Mailbox(), tmp_path)
    assert found.added == 5
    return found


def test_what_is_in_step_is_not_compared_again(remembering: Between) -> None:
    """No message is asked for on either side, no folder is opened; the counts are told all the same."""
    again = remembering.copy().summary()
    assert (again["added"], again["already"], again["messages"]) == (0, 5, 5)
    assert remembering.fetched == []
    assert not any(command.startswith(("EXAMINE", "SELECT")) for command in remembering.commands)


def test_new_mail_alone_is_looked_at(remembering: Between) -> None:
    """What came since; also where it is a copy of what is there already."""
    for number in (2, 9):
        remembering.source.add(make_message(subject=f"n {number}"), "", None)
    report = remembering.copy().summary()
    assert (report["added"], report["already"], report["messages"]) == (2, 5, 7)
    assert set(remembering.fetched) <= {"6:7", "6,7"}
    assert remembering.added == 0
    assert remembering.fetched == []


def test_what_somebody_deletes_at_the_target_comes_back(remembering: Between) -> None:
    """As it does where nothing is remembered; with new mail at the same time, too."""
    del remembering.target.mail[2]
    assert remembering.added == 1
    del remembering.target.mail[3]
    remembering.source.add(make_message(subject="n 9"), "", None)
    assert remembering.added == 2
    assert remembering.added == 0


def test_mail_that_moved_out_and_back_is_there_already(remembering: Between) -> None:
    """It has another number then, and is no second message."""
    content = remembering.source.mail.pop(1).content
    remembering.source.mail[9] = Mail(content=content)
    assert remembering.added == 0


def test_foreign_mail_at_the_target_hides_nothing(remembering: Between) -> None:
    """All that was copied is there, and what comes after it is compared with what the source has new."""
    remembering.target.add(make_message(subject="n 9"), "", None)
    assert remembering.added == 0
    for number in (9, 9):
        remembering.source.add(make_message(subject=f"n {number}"), "", None)
    assert remembering.added == 1
    assert remembering.added == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_new_numbers_mean_a_whole_comparison(remembering: Between, side: str) -> None:
    """UIDVALIDITY says that no number means what it did."""
    getattr(remembering, side).uid_validity = 2
    assert remembering.added == 0
    assert "1:5" in remembering.fetched


def test_a_target_at_which_others_work_is_compared_again(tmp_path: Path) -> None:
    """What was deleted there while the copy ran must not count as there for ever."""
    pair = Between(box(1, 2, 3), Mailbox(), tmp_path)
    pair.target.refuses = lambda content: pair.target.mail.pop(1, None) and None
    pair.copy()
    pair.target.refuses = None
    assert pair.added > 0
    assert {mail.content for mail in pair.target.mail.values()} == {
        mail.content for mail in pair.source.mail.values()
    }


def test_what_was_refused_is_tried_again(tmp_path: Path) -> None:
    """It is not in step."""
    pair = Between(box(1, 2, 3), Mailbox(refuses=lambda content: "NO not now"), tmp_path)
    assert len(pair.copy().failures) == 1
    pair.target.refuses = None
    assert pair.added == 3


def test_a_part_that_a_source_shows_is_not_in_step(tmp_path: Path) -> None:
    """What it hides may show later, with no new number."""
    pair = Between(box(1, 2, 3), Mailbox(), tmp_path)
    pair.source.window = 2
    assert pair.added == 2
    pair.source.window = None
    assert pair.added == 1


@pytest.mark.parametrize("by_archive", [False, True])
def test_flags_follow_though_all_else_is_in_step(pair: Pair, tmp_path: Path, by_archive: bool) -> None:
    """On a server that counts changes (CONDSTORE), where asked for."""
    way: dict[str, Any] = {"by_archive": by_archive, "state": tmp_path / "state"}
    expected = {"INBOX": "INBOX", "Sent": "INBOX.Gesendet"}
    for _ in range(2):
        pair.copy(**way, with_flags=True)
    assert pair.copy(**way, with_flags=True).restore.summary()["already"] == 38
    with pair.source.mailbox(pair.from_user) as client:
        client.select_folder("INBOX")
        client.add_flags([1, 2], [b"\\Flagged"])
    assert pair.copy(**way).restore.summary()["updated"] == 0
    assert pair.copy(**way, with_flags=True).restore.summary()["updated"] == 2
    with pair.target.mailbox(pair.to_user) as client:
        client.select_folder("INBOX.Gesendet")
        client.remove_flags([1], [b"\\Seen"])
    assert pair.copy(**way, with_flags=True).restore.summary()["updated"] == 1
    assert named(pair.shown()) == wanted(pair, **expected)


@pytest.mark.parametrize("by_archive", [False, True])
def test_a_copy_that_remembers_ends_as_one_that_does_not(
    pair: Pair, tmp_path: Path, by_archive: bool
) -> None:
    """New mail, mail deleted at the target, and nothing to do in between."""
    way: dict[str, Any] = {"by_archive": by_archive, "state": tmp_path / "state"}
    pair.copy(**way)
    assert pair.copy(**way).restore.summary()["already"] == 38
    pair.append(make_message(subject="neu"))
    with pair.target.mailbox(pair.to_user) as client:
        client.select_folder("INBOX.Gesendet")
        client.delete_messages([1])
        client.expunge()
    assert pair.copy(**way).restore.summary()["added"] == 2
    assert named(pair.shown()) == wanted(pair, INBOX="INBOX", Sent="INBOX.Gesendet")
    assert pair.copy(**way).restore.summary()["added"] == 0


def test_what_is_recorded_in_between_is_noticed(pair: Pair) -> None:
    """What the archive said is remembered, until a mirror or an import brings something to it."""
    for _ in range(2):
        pair.copy(by_archive=True)
    pair.append(make_message(subject="neu"), "Neu")
    assert pair.copy(by_archive=True).restore.summary()["added"] == 1
    letters = pair.root.parent / "letters"
    letters.mkdir()
    (letters / "one.eml").write_bytes(make_message(subject="von der Platte"))
    import_mail(
        str(letters),
        Archive(pair.root),
        RunContext(run_id="i", what="import", account="old", started=WHEN, who="a test"),
        folder="Sent",
        now=lambda: datetime.now(UTC),
        progress=NoProgress(),
        stop=threading.Event(),
    )
    added = [pair.copy(by_archive=True).restore.summary()["added"] for _ in range(2)]
    assert added == [1, 0]
    shutil.rmtree(pair.root / "bookmarks")
    assert pair.copy(by_archive=True).restore.summary()["already"] == 40
