"""Exported mail opened by what people open mail with: Dovecot, mutt, Python, unzip."""

from __future__ import annotations

import mailbox
import os
import re
import shutil
import subprocess
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.exchanging.export_store import FolderExport
from mailroom.exceptions import ConfigurationError
from mailroom.model import Body, Change
from mailroom.policy import maildir
from mailroom.services.export import ExportFormat, ExportReport, ExportSelection, export_archive
from mailroom.services.progress import NoProgress
from tests.integration.killing import kill_again_and_again, small_mail
from tests.integration.mirrors import MirrorAccount, Shown, shown_by_server
from tests.integration.runs import digest
from tests.support.archives import NOW, context, folder_row, maildrop_row, place
from tests.support.command import run_command
from tests.support.dovecot import Dovecot, DovecotMissing
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.s3 import S3Server

ACCOUNT = "post"
FOLDERS = ("INBOX", "Entwürfe & mehr", "Facturas/2026/enero", "Version 1.0", "日本語", "inbox copy")


@pytest.fixture(scope="module")
def courier() -> Iterator[Dovecot]:
    """A server that reads a Maildir++ as it lies."""
    server = Dovecot(storage="maildir++")
    try:
        server.start()
    except DovecotMissing as missing:
        if os.environ.get("MAILROOM_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(missing))
    yield server
    server.stop()


def export(root: Any, to: Path | str, form: str, *, stop: bool = False, **options: Any) -> ExportReport:
    """Export an archive; what is no argument of the service is one of the selection."""
    event = threading.Event()
    if stop:
        event.set()
    own = {name: options.pop(name) for name in ("zipped", "with_status") if name in options}
    return export_archive(
        root if isinstance(root, Archive) else Archive(root),
        str(to),
        form=ExportFormat(form),
        selection=ExportSelection(**options),
        progress=NoProgress(),
        stop=event,
        **own,
    )


def fill(root: Path, contents: list[bytes], folder: str = "INBOX", first: int = 1, **values: Any) -> None:
    """Archive messages in a folder of an account."""
    with Archive(root).writer(context(f"run-{folder}-{first}")) as writer:
        for uid, content in enumerate(contents, first):
            body = Body(octets=len(content), content=content)
            writer.add(body, place(uid, folder=folder, **values))
        writer.close_folder(folder_row(folder, delimiter="/"))
        writer.finish("succeeded", {}, 0)


def without_numbers(shown: Shown) -> Counter[tuple[str, str, tuple[str, ...], datetime]]:
    """Return what an account shows, but for the UIDs, which every server gives by itself."""
    return Counter((folder, *rest) for (folder, _), rest in shown.items())


def test_dovecot_reads_a_maildir_as_the_account_it_was(
    dovecot: Dovecot, user: str, courier: Dovecot, tmp_path: Path
) -> None:
    """Folders, bytes, flags, keywords and dates are those of the account that was mirrored."""
    account = MirrorAccount(dovecot, user, tmp_path / "archive", name=ACCOUNT)
    flags = (
        [],
        ["\\Seen"],
        ["\\Seen", "\\Flagged", "work"],
        ["$Forwarded", "\\Answered"],
        ["\\Draft", "$Junk"],
    )
    for number, folder in enumerate(FOLDERS * 3):
        content = make_message(subject=f"Nº {number} in {folder}", text="From here\n>From there\n")
        with dovecot.mailbox(user) as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.append(folder, content, flags[number % len(flags)], NOW - timedelta(days=number, hours=3))
    with dovecot.mailbox(user) as client:
        client.create_folder("empty/one")
    account.mirror()
    report = export(account.root, tmp_path / "Maildir", "maildir", account=ACCOUNT)
    assert (report.exported, report.failures, report.warnings) == (len(FOLDERS) * 3, (), ())

    other = courier.add_user()
    shutil.copytree(tmp_path / "Maildir", courier.home / "users" / other / "mail")
    courier._give(courier.home / "users" / other)
    expected = {
        (folder.replace(".", maildir.DOT), uid): rest
        for (folder, uid), rest in shown_by_server(dovecot, user).items()
    }
    shown = shown_by_server(courier, other)
    assert without_numbers(shown) == without_numbers(expected)
    with courier.mailbox(other) as client:
        assert client.folder_exists("empty/one")


def unquoted(entry: bytes) -> bytes:
    """Return what Python gives of an mbox entry as it was archived: quoting and line ends undone."""
    return re.sub(rb"(?m)^>(>*From )", rb"\1", entry).replace(b"\n", b"\r\n")


def on_unix(content: bytes) -> bytes:
    """Return a message as a Maildir has it: LF for CRLF, where that can be undone."""
    is_plain = content.count(b"\n") == content.count(b"\r\n") and b"\r\r\n" not in content
    return content.replace(b"\r\n", b"\n") if is_plain else content


def test_python_opens_all_three(tmp_path: Path) -> None:
    """Every form gives back the archived bytes, and a Maildir the flags."""
    contents = [make_message(subject=f"s {n}", text=f"{n}\nFrom a\n>From b\n>>From c\n") for n in range(5)]
    fill(tmp_path / "a", contents)
    fill(tmp_path / "a", contents[:2], folder="Projects/2026")
    for form in ("mbox", "maildir", "eml"):
        assert export(tmp_path / "a", tmp_path / form, form).exported == 7

    box = mailbox.mbox(tmp_path / "mbox" / ACCOUNT / "INBOX.mbox", create=False)
    assert [unquoted(box.get_bytes(key)) for key in range(len(box))] == contents
    assert box[0].get_from() == "ana@example.org Mon Nov 23 08:00:00 2026"
    assert len(mailbox.mbox(tmp_path / "mbox" / ACCOUNT / "Projects" / "2026.mbox", create=False)) == 2

    tree = mailbox.Maildir(tmp_path / "maildir" / ACCOUNT, create=False)
    assert sorted(map(tree.get_bytes, tree.keys())) == sorted(map(on_unix, contents))
    assert {message.get_flags() for message in tree} == {"S"}
    assert tree.list_folders() == ["Projects.2026"]
    assert len(tree.get_folder("Projects.2026")) == 2

    files = sorted((tmp_path / "eml" / ACCOUNT / "INBOX").iterdir())
    assert sorted(path.read_bytes() for path in files) == sorted(contents)
    assert files[0].name == f"2026-03-04 s 0 {digest(contents[0])[:32]}.eml"
    received = (NOW - timedelta(days=1)).timestamp()
    assert next(p for p in files if p.name == files[0].name).stat().st_mtime == received


def test_awkward_messages_come_out_as_they_are(tmp_path: Path) -> None:
    """Whatever breaks readers breaks no export, and each message can be had back from every form."""
    contents = list(AWKWARD.values())
    fill(tmp_path / "a", contents)
    for form, below in (("maildir", "cur"), ("eml", "INBOX")):
        export(tmp_path / "a", tmp_path / form, form, account=ACCOUNT)
        found = [path.read_bytes() for path in (tmp_path / form / below).iterdir()]
        assert sorted(found) == sorted(map(on_unix, contents) if form == "maildir" else contents)
    assert export(tmp_path / "a", tmp_path / "m", "mbox", account=ACCOUNT).exported == len(contents)
    assert len(mailbox.mbox(tmp_path / "m" / "INBOX.mbox")) == len(contents)


MUTTRC = """
set mbox_type=Maildir
set charset=utf-8
set quit=yes
set folder=~/Maildir
set pager=cat
unset wait_key
unset prompt_after
push '<display-message><quit>'
"""


@pytest.mark.skipif(shutil.which("mutt") is None, reason="mutt is not installed: apt-get install mutt")
def test_mutt_reads_the_maildir(tmp_path: Path) -> None:
    """Mutt shows as many messages as were exported, their subjects, and texts without stray characters."""
    fill(tmp_path / "a", [make_message(subject=f"Año {n}", text="Hallo\n") for n in range(3)])
    export(tmp_path / "a", tmp_path / "Maildir", "maildir", account=ACCOUNT)
    (tmp_path / "muttrc").write_text(MUTTRC)
    shown = subprocess.run(
        ["script", "-qec", "mutt -n -F muttrc -R -f Maildir", "/dev/null"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    ).stdout.decode("utf-8", "replace")
    assert [n for n in range(3) if f"Año {n}" not in shown] == []
    assert re.search(r"Msgs:3\b", shown)
    assert "Hallo" in shown
    assert "\r\r\n" not in shown


def test_second_run_adds_what_is_new_and_leaves_the_rest(tmp_path: Path) -> None:
    """What a person has read or flagged in the export stays as it is, and nothing is doubled."""
    fill(tmp_path / "a", [make_message(subject=f"{n}") for n in range(4)], flags=())
    export(tmp_path / "a", tmp_path / "M", "maildir", account=ACCOUNT)
    export(tmp_path / "a", tmp_path / "E", "eml", account=ACCOUNT)
    read = sorted((tmp_path / "M" / "cur").iterdir())[0]
    read = read.rename(read.with_name(read.name + "FS"))
    fill(tmp_path / "a", [make_message(subject="new")], first=9)
    for to, form, below in (("M", "maildir", "cur"), ("E", "eml", "INBOX")):
        report = export(tmp_path / "a", tmp_path / to, form, account=ACCOUNT)
        assert (report.exported, report.already) == (1, 4)
        assert len(list((tmp_path / to / below).iterdir())) == 5
    assert read.exists()


def test_a_folder_that_was_numbered_anew_is_not_exported_twice(tmp_path: Path) -> None:
    """Messages are told apart by their content, so new numbers and dates double nothing."""
    contents = [make_message(subject=f"{n}") for n in range(3)]
    fill(tmp_path / "a", contents)
    export(tmp_path / "a", tmp_path / "M", "maildir", account=ACCOUNT)
    gone = [place(uid, change=Change.EXPUNGED, sha256=digest(c)) for uid, c in enumerate(contents, 1)]
    with Archive(tmp_path / "a").writer(context("again")) as writer:
        writer.record(gone)
        for uid, content in enumerate(contents, 50):
            writer.add(
                Body(octets=len(content), content=content), place(uid, uid_validity=8, internal_date=NOW)
            )
        writer.finish("succeeded", {}, 0)
    assert export(tmp_path / "a", tmp_path / "M", "maildir", account=ACCOUNT).already == 3
    assert len(list((tmp_path / "M" / "cur").iterdir())) == 3


def test_a_message_that_lies_twice_in_a_folder_does_so_in_the_export(tmp_path: Path) -> None:
    """Two places are two messages to a person, and the third run still knows both."""
    content = make_message()
    fill(tmp_path / "a", [content, content])
    for form, below in (("maildir", "cur"), ("eml", "INBOX")):
        for already in (0, 2, 2):
            assert export(tmp_path / "a", tmp_path / form, form, account=ACCOUNT).already == already
        written = on_unix(content) if form == "maildir" else content
        assert [p.read_bytes() for p in (tmp_path / form / below).iterdir()] == [written, written]


def test_what_mailroom_took_off_the_server_is_exported(tmp_path: Path) -> None:
    """Mail that was fetched to free the server is what people look for in an export."""
    content = make_message(date=datetime(2020, 5, 1, tzinfo=UTC))
    with Archive(tmp_path / "a").writer(context()) as writer:
        writer.add(Body(octets=len(content), content=content), maildrop_row("u1"))
        writer.record([maildrop_row("u1", sha256=digest(content), change=Change.DELETED_BY_FETCH)])
        writer.finish("succeeded", {}, 0)
    assert export(tmp_path / "a", tmp_path / "M", "maildir").exported == 1
    found = next((tmp_path / "M" / ACCOUNT / "cur").iterdir())
    assert found.stat().st_mtime == datetime(2020, 5, 1, tzinfo=UTC).timestamp()


def history(root: Path) -> list[bytes]:
    """Make an account in which one message was moved to Trash and went, one moved to Kept, one stayed."""
    lost, moved, stays = (make_message(subject=word) for word in ("lost", "moved", "stays"))
    day = timedelta(days=1)
    with Archive(root).writer(context()) as writer:
        for uid, content in enumerate((lost, moved, stays), 1):
            writer.add(Body(octets=len(content), content=content), place(uid, at=NOW))
        writer.flush()
        for uid, content, folder in ((1, lost, "Trash"), (2, moved, "Kept")):
            row = place(uid, at=NOW + day, sha256=digest(content))
            writer.record([place(uid, at=NOW + day, sha256=digest(content), change=Change.EXPUNGED)])
            writer.add(Body(octets=len(content), content=content), place(uid, at=NOW + day, folder=folder))
        writer.flush()
        writer.record(
            [place(1, at=NOW + 2 * day, folder="Trash", sha256=digest(lost), change=Change.EXPUNGED)]
        )
        writer.finish("succeeded", {}, 0)
    assert row is not None
    return [lost, moved, stays]


def lying(root: Path) -> dict[str, list[bytes]]:
    """Return the messages of a tree of files, by folder."""
    return {
        folder.name: sorted(path.read_bytes() for path in folder.iterdir())
        for folder in root.iterdir()
        if folder.is_dir()
    }


def test_deleted_mail_is_exported_on_request_and_once(tmp_path: Path) -> None:
    """What a person deleted lies where it was last; what was only moved is not brought back."""
    lost, moved, stays = history(tmp_path / "a")
    export(tmp_path / "a", tmp_path / "1", "eml", account=ACCOUNT)
    assert lying(tmp_path / "1") == {"INBOX": [stays], "Kept": [moved]}
    export(tmp_path / "a", tmp_path / "2", "eml", account=ACCOUNT, deleted=True)
    assert lying(tmp_path / "2") == {"INBOX": [stays], "Kept": [moved], "Trash": [lost]}


def test_an_account_is_exported_as_it_was(tmp_path: Path) -> None:
    """As of a moment, the folders hold what runs had seen by then."""
    lost, moved, stays = history(tmp_path / "a")
    export(tmp_path / "a", tmp_path / "1", "eml", account=ACCOUNT, as_of=NOW + timedelta(hours=1))
    assert lying(tmp_path / "1") == {"INBOX": sorted([lost, moved, stays])}
    export(tmp_path / "a", tmp_path / "2", "eml", account=ACCOUNT, as_of=NOW + timedelta(hours=25))
    assert lying(tmp_path / "2") == {"INBOX": [stays], "Kept": [moved], "Trash": [lost]}


def test_folders_and_accounts_are_chosen(tmp_path: Path) -> None:
    """Each account has a folder of its own; patterns choose in all of them, and must mean something."""
    fill(tmp_path / "a", [make_message(subject="1")])
    fill(tmp_path / "a", [make_message(subject="2")], folder="Sent")
    fill(tmp_path / "a", [make_message(subject="3")], account="../other")
    report = export(tmp_path / "a", tmp_path / "e", "eml", folders=("INBOX",))
    assert (report.accounts, report.folders, report.exported) == (2, 2, 2)
    other, post = sorted(p.name for p in (tmp_path / "e").iterdir())
    assert re.fullmatch(r"_other-[0-9a-f]{8}", other)
    assert post == ACCOUNT
    with pytest.raises(ConfigurationError, match="No folder matches 'Nope'"):
        export(tmp_path / "a", tmp_path / "e", "eml", folders=("Nope",))
    with pytest.raises(ConfigurationError, match="no mail of an account 'nobody'"):
        export(tmp_path / "a", tmp_path / "e", "eml", account="nobody")


def test_folder_names_never_climb_or_meet(tmp_path: Path) -> None:
    """Names from a server stay below the destination, and two names are two folders on any disk."""
    names = ["../up", "a/../../b", "con", "x", "X", "x.mbox/y", "nul\x00", "a\nb", "long" * 100, "日" * 150]
    for number, name in enumerate(names):
        fill(tmp_path / "a", [make_message(subject=str(number))], folder=name)
    for form in ("mbox", "maildir", "eml"):
        assert export(tmp_path / "a", tmp_path / "out" / form, form).exported == len(names)
        files = [
            p for p in (tmp_path / "out" / form).rglob("*") if p.is_file() and "mailroom-export" not in p.name
        ]
        assert sum(p.stat().st_size > 200 for p in files) == len(names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["eml", "maildir", "mbox"]


def test_flags_go_into_an_mbox_on_request(tmp_path: Path) -> None:
    """Without asking a message's bytes stay as they are; with it, mbox programs show what was read."""
    fill(tmp_path / "a", [make_message()], flags=("\\Seen", "\\Flagged", "work"))
    export(tmp_path / "a", tmp_path / "1", "mbox", account=ACCOUNT)
    export(tmp_path / "a", tmp_path / "2", "mbox", account=ACCOUNT, with_status=True)
    assert "Status" not in mailbox.mbox(tmp_path / "1" / "INBOX.mbox")[0]
    told = mailbox.mbox(tmp_path / "2" / "INBOX.mbox")[0]
    assert (told["Status"], told["X-Status"], told["X-Keywords"]) == ("RO", "F", "work")
    assert told.get_payload() == mailbox.mbox(tmp_path / "1" / "INBOX.mbox")[0].get_payload()


def test_keywords_beyond_what_a_maildir_takes_are_told(tmp_path: Path) -> None:
    """A folder has 26 letters; nobody is left to believe that more came along."""
    for number in range(28):
        fill(tmp_path / "a", [make_message(subject=str(number))], first=number + 1, flags=(f"k{number}",))
    report = export(tmp_path / "a", tmp_path / "M", "maildir", account=ACCOUNT)
    assert (report.exported, len(report.warnings)) == (28, 1)
    assert "2 more" in report.warnings[0]


def test_an_mbox_is_replaced_when_it_is_whole_and_only_if_it_is_ours(tmp_path: Path) -> None:
    """A person's own file of that name is never overwritten."""
    fill(tmp_path / "a", [make_message(subject="1")])
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "INBOX.mbox").write_text("mine")
    with pytest.raises(ConfigurationError, match="no export wrote it"):
        export(tmp_path / "a", tmp_path / "m", "mbox", account=ACCOUNT)
    assert (tmp_path / "m" / "INBOX.mbox").read_text() == "mine"
    (tmp_path / "m" / "INBOX.mbox").unlink()
    export(tmp_path / "a", tmp_path / "m", "mbox", account=ACCOUNT)
    before = (tmp_path / "m" / "INBOX.mbox").read_bytes()
    fill(tmp_path / "a", [make_message(subject="2")], first=2)
    assert export(tmp_path / "a", tmp_path / "m", "mbox", account=ACCOUNT, stop=True).interrupted
    assert (tmp_path / "m" / "INBOX.mbox").read_bytes() == before
    assert export(tmp_path / "a", tmp_path / "m", "mbox", account=ACCOUNT).exported == 2
    assert len(mailbox.mbox(tmp_path / "m" / "INBOX.mbox")) == 2


def test_everything_goes_into_one_zip(tmp_path: Path) -> None:
    """The zip holds the same files, with their times; a run that is stopped leaves the one before."""
    contents = [make_message(subject=f"{n}") for n in range(3)]
    fill(tmp_path / "a", contents)
    for form in ("mbox", "maildir", "eml"):
        report = export(tmp_path / "a", tmp_path / f"{form}.zip", form, account=ACCOUNT, zipped=True)
        assert report.exported == 3
        subprocess.run(
            ["python3", "-m", "zipfile", "-e", f"{tmp_path}/{form}.zip", f"{tmp_path}/{form}"], check=True
        )
    assert len(mailbox.mbox(tmp_path / "mbox" / "INBOX.mbox", create=False)) == 3
    assert sorted(p.read_bytes() for p in (tmp_path / "maildir" / "cur").iterdir()) == sorted(
        map(on_unix, contents)
    )
    assert (tmp_path / "maildir" / "tmp").is_dir()
    with zipfile.ZipFile(tmp_path / "eml.zip") as found:
        assert {i.date_time[:3] for i in found.infolist() if i.filename.endswith("eml")} == {
            (2026, 11, day) for day in (23, 22, 21)
        }
    before = (tmp_path / "eml.zip").read_bytes()
    assert export(tmp_path / "a", tmp_path / "eml.zip", "eml", zipped=True, stop=True).interrupted
    assert (tmp_path / "eml.zip").read_bytes() == before
    (tmp_path / "mail.zip").write_text("mine")
    with pytest.raises(ConfigurationError, match="no export wrote it"):
        export(tmp_path / "a", tmp_path, "eml", zipped=True)


def test_a_damaged_message_is_named_and_stops_no_other(tmp_path: Path) -> None:
    """What is not what its name says is never handed out as if it were."""
    contents = [make_message(subject=f"{n}") for n in range(3)]
    fill(tmp_path / "a", contents)
    name = digest(contents[1])
    (tmp_path / "a" / "raw" / name[:2] / f"{name}.eml").write_bytes(contents[1][:-5] + b"xxx\r\n")
    for form in ("mbox", "maildir", "eml"):
        report = export(tmp_path / "a", tmp_path / form, form, account=ACCOUNT)
        assert report.exported == 2
        assert len(report.failures) == 1
        assert "is damaged" in report.failures[0]


def test_one_export_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    """Two runs into one folder could not tell each other's parts from leftovers."""
    fill(tmp_path / "a", [make_message()])
    with FolderExport(str(tmp_path / "e")), pytest.raises(ConfigurationError, match="Another export"):
        export(tmp_path / "a", tmp_path / "e", "eml")
    assert export(tmp_path / "a", tmp_path / "e", "eml").exported == 1


def test_the_archive_is_no_place_to_export_to(tmp_path: Path) -> None:
    """Exported files among raw objects would be taken for archived ones."""
    fill(tmp_path / "a", [make_message()])
    for place_ in ("a", "a/raw/x", "a/tables"):
        with pytest.raises(ConfigurationError, match="archive itself"):
            export(tmp_path / "a", tmp_path / place_, "eml")


def test_an_archive_in_a_bucket_is_exported(s3: S3Server, tmp_path: Path) -> None:
    """Messages come from S3 several at a time and lie in their order, large ones too."""
    archive = Archive(f"s3://{s3.new_bucket()}/mail", storage_options=s3.storage_options)
    contents = [make_message(subject=f"{n}") for n in range(40)] + [message_of_size(3_000_000)]
    with archive.writer(context()) as writer:
        for uid, content in enumerate(contents, 1):
            writer.add(Body(octets=len(content), content=content), place(uid))
        writer.finish("succeeded", {}, 0)
    assert export(archive, tmp_path / "m", "mbox", account=ACCOUNT).exported == 41
    box = mailbox.mbox(tmp_path / "m" / "INBOX.mbox", create=False)
    assert [unquoted(box.get_bytes(key)) for key in range(len(box))] == contents


@pytest.mark.kill
def test_killed_exports_leave_nothing_by_half(tmp_path: Path) -> None:
    """After any kill each message lies there whole or not at all, and the next run completes it."""
    contents = small_mail(0, 600)
    fill(tmp_path / "a", contents)
    whole = {digest(on_unix(content)) for content in contents}

    def check() -> None:
        found = [digest(path.read_bytes()) for path in (tmp_path / "M" / "cur").glob("*")]
        assert len(found) == len(set(found))
        assert set(found) <= whole

    def refill(number: int) -> None:
        if number % 3 == 0:
            shutil.rmtree(tmp_path / "M", ignore_errors=True)

    arguments = ["export", "--archive", f"{tmp_path}/a", "--to", f"{tmp_path}/M", "--format", "maildir"]
    killed = kill_again_and_again([*arguments, "--account", ACCOUNT], refill, check, rounds=6)
    assert killed
    assert {digest(path.read_bytes()) for path in (tmp_path / "M" / "cur").iterdir()} == whole
    assert not list((tmp_path / "M" / "tmp").iterdir())


def test_command_line_tells_what_was_exported(tmp_path: Path) -> None:
    """One line for people, the same counts for programs, and wrong usage is said as such."""
    fill(tmp_path / "a", [make_message(subject="1"), make_message(subject="2")])
    common = ["export", "--archive", f"{tmp_path}/a", "--to", f"{tmp_path}/m"]
    finished = run_command(*common, "--format", "mbox", "--folder", "INB*", "--as-of", "2026-11-25")
    assert finished.status == 0, finished.err
    assert f"2 messages (622 octets) exported to {tmp_path}/m: 1 folder as mbox." in finished.out
    finished = run_command(*common, "--format", "eml", "--json")
    assert finished.summary["exported"] == 2
    for words, sentence in (
        (["--format", "eml", "--status"], "--status goes with --format mbox"),
        (["--format", "pst"], "invalid choice"),
        (["--format", "eml", "--as-of", "then"], "not a time"),
        (["--format", "eml", "--to", "s3://b/x"], "no folder of this machine"),
    ):
        finished = run_command(*common, *words)
        assert (finished.status, sentence in finished.err) == (2, True), finished.err
