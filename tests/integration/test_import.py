"""Mail of files becomes mail of an account: once, with its folders, flags and dates."""

from __future__ import annotations

import hashlib
import io
import mailbox
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.exchanging import import_source
from mailroom.exceptions import ConfigurationError, LimitExceeded
from mailroom.model import Change, MailProtocol
from mailroom.services.import_mail import FileKind, ImportReport, import_mail
from mailroom.services.progress import NoProgress
from tests.integration.killing import kill_again_and_again, settled, small_mail
from tests.integration.mirrors import MirrorAccount
from tests.integration.restores import restore, shown
from tests.integration.runs import digest
from tests.integration.test_export import ACCOUNT, export, fill
from tests.support.archives import NOW, context, place, table_counts, tables_without_doubles
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.s3 import S3Server

READ = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def take(source: Any, root: Any, account: str = "old", *, stop: bool = False, **options: Any) -> ImportReport:
    """Import into an archive."""
    event = threading.Event()
    if stop:
        event.set()
    return import_mail(
        source if hasattr(source, "fs") else str(source),
        root if isinstance(root, Archive) else Archive(root),
        context(os.urandom(8).hex(), "import", account),
        now=lambda: NOW,
        progress=NoProgress(),
        stop=event,
        **options,
    )


def held(root: Path, account: str = "old") -> Counter[tuple[str, str, tuple[str, ...], datetime | None]]:
    """Return folder, digest, flags and date of each message of an account."""
    rows = Archive(root).read_table("locations").to_pylist()
    return Counter(
        (row["folder"], row["sha256"], tuple(row["flags"]), row["internal_date"])
        for row in rows
        if row["account"] == account
    )


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder, and return it."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        os.utime(root / name, (READ.timestamp(), READ.timestamp()))
    return root


def unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("form", ["mbox", "maildir", "eml"])
@pytest.mark.parametrize("zipped", [False, True])
def test_an_export_comes_back_as_it_was(tmp_path: Path, form: str, zipped: bool) -> None:
    """Bytes, folders and dates of every form are those of the account; flags where the form has them."""
    flags = ("$Forwarded", "\\Flagged", "\\Seen", "work")
    for number, folder in enumerate(("INBOX", "Facturas/2026", "Entwürfe 1.0")):
        contents = [make_message(subject=f"{number} {n}", text="From a\n>From b\n") for n in range(3)]
        fill(tmp_path / "a", contents, folder=folder, first=10 * number + 1, flags=flags)
    to = tmp_path / ("out.zip" if zipped else "out")
    status = {"with_status": True} if form == "mbox" and not zipped else {}
    export(tmp_path / "a", to, form, account=ACCOUNT, zipped=zipped, **status)
    report = take(to, tmp_path / "b")
    assert (report.added, report.failures, report.folders) == (9, (), 3)
    before, after = held(tmp_path / "a", ACCOUNT), held(tmp_path / "b")
    if status:  # the headers that were asked for make them other messages
        assert {one[2] for one in after} == {tuple(flag for flag in flags if flag)}
        return
    kept = flags if form == "maildir" else ()
    assert after == Counter((folder, sha, kept, when) for folder, sha, _, when in before)
    assert take(to, tmp_path / "b").added == 0
    assert verify_archive(Archive(tmp_path / "b")).is_sound


def test_every_message_comes_back_from_every_form(tmp_path: Path) -> None:
    """Whatever breaks readers is the same message again, unless its form could not say it."""
    fill(tmp_path / "a", list(AWKWARD.values()))
    wanted = {digest(content): name for name, content in AWKWARD.items()}
    for form in ("maildir", "eml", "mbox"):
        export(tmp_path / "a", tmp_path / form, form, account=ACCOUNT)
        report = take(tmp_path / form, tmp_path / f"b-{form}")
        found = {one[1] for one in held(tmp_path / f"b-{form}")}
        lost = {name for sha, name in wanted.items() if sha not in found}
        assert report.added == len(AWKWARD)
        if form != "mbox":
            assert lost == set()
        else:  # an mbox cannot say that a message ends without a line end
            assert {name for name in lost if AWKWARD[name].endswith(b"\n")} == set()


def test_mail_the_archive_holds_is_stored_once(tmp_path: Path) -> None:
    """An import into a mirrored account adds what is missing; elsewhere it adds places, not bytes."""
    contents = [make_message(subject=f"{n}") for n in range(4)]
    fill(tmp_path / "a", contents[:3])
    files = {f"INBOX/{n}.eml": content for n, content in enumerate(contents)}
    report = take(write(tmp_path / "old", files), tmp_path / "a", ACCOUNT)
    assert (report.added, report.already) == (1, 3)
    report = take(tmp_path / "old", tmp_path / "a", "other")
    assert (report.added, report.already) == (4, 0)
    assert table_counts(Archive(tmp_path / "a"))["messages"] == 4
    assert len(list((tmp_path / "a" / "raw").rglob("*.eml"))) == 4
    assert tables_without_doubles(Archive(tmp_path / "a"))


def test_mail_that_is_on_a_server_as_well_is_one_message(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """Imported first, mirrored then: nothing is doubled, no folder missed, and flags are the server's."""
    account = MirrorAccount(dovecot, user, tmp_path / "a", name=ACCOUNT)
    both, imported, served = (make_message(subject=word) for word in ("both", "imported", "served"))
    write(tmp_path / "old", {"INBOX/1.eml": both, "INBOX/2.eml": imported, "Only here/3.eml": imported})
    take(tmp_path / "old", account.root, ACCOUNT)
    account.append(both, flags=["\\Flagged"])
    account.append(served)
    for _ in range(2):
        report = account.mirror()
        assert (report.deleted_folders, report.expunged, report.failures) == (0, 0, ())
    assert take(tmp_path / "old", account.root, ACCOUNT).added == 0
    exported = export(account.root, tmp_path / "M", "maildir", account=ACCOUNT)
    assert (exported.exported, exported.folders) == (4, 2)
    flagged = [path.read_bytes() for path in (tmp_path / "M" / "cur").iterdir() if path.name.endswith(":2,F")]
    assert flagged == [unix(both)]
    assert verify_archive(account.archive).is_sound


def test_imported_mail_is_restored_onto_a_server(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """From old files to a new account: folders, bytes and dates; mirrored afterwards, nothing is doubled."""
    contents = [make_message(subject=f"{n}") for n in range(3)]
    files = {f"Old/Deep/{n}.eml": content for n, content in enumerate(contents)}
    take(write(tmp_path / "old", files), tmp_path / "a")
    endpoint = dovecot.endpoint(user, MailProtocol.IMAP)
    report = restore(endpoint, tmp_path / "a", "old")
    assert (report.failures, report.summary()["added"]) == ((), 3)
    there = shown(dovecot, user)["Old/Deep"]
    assert sorted(sha for sha, _, _ in there) == sorted(map(digest, contents))
    assert {when for _, _, when in there} == {when for _, _, _, when in held(tmp_path / "a")}
    MirrorAccount(dovecot, user, tmp_path / "a", name="old").mirror()
    assert restore(endpoint, tmp_path / "a", "old").summary()["added"] == 0
    assert export(tmp_path / "a", tmp_path / "M", "maildir").exported == 3


def test_what_was_deleted_on_the_server_comes_back(tmp_path: Path) -> None:
    """Who imports a message wants it, whatever became of it before."""
    content = make_message()
    fill(tmp_path / "a", [content])
    with Archive(tmp_path / "a").writer(context("gone")) as writer:
        writer.record([place(1, change=Change.EXPUNGED, sha256=digest(content))])
        writer.finish("succeeded", {}, 0)
    write(tmp_path / "old", {"INBOX/1.eml": content})
    assert take(tmp_path / "old", tmp_path / "a", ACCOUNT).added == 1
    assert take(tmp_path / "old", tmp_path / "a", ACCOUNT).added == 0
    assert export(tmp_path / "a", tmp_path / "out", "eml").exported == 1


def test_pythons_own_mailboxes_are_taken(tmp_path: Path) -> None:
    """An mbox and a Maildir that another program wrote, with its flags and keywords."""
    message = unix(make_message(text="From the start\n"))
    box = mailbox.mbox(tmp_path / "in" / "Old Mail") if (tmp_path / "in").mkdir() is None else None
    assert box is not None
    one = mailbox.mboxMessage(message)
    one.set_from("ana@example.org", (2026, 5, 6, 7, 8, 9, 2, 126, 0))
    one.set_flags("RAF")
    box.add(one)
    box.close()
    tree = mailbox.Maildir(tmp_path / "in" / "Maildir")
    two = mailbox.MaildirMessage(message)
    two.set_flags("FS")
    two.set_subdir("cur")
    tree.add(two)
    tree.add_folder("Sub.Folder").add(message)
    (tmp_path / "in" / "Maildir" / "tmp" / "half").write_bytes(message)
    report = take(tmp_path / "in", tmp_path / "a")
    assert (report.added, report.failures) == (3, ())
    found = {folder: (flags, when) for folder, _, flags, when in held(tmp_path / "a")}
    assert sorted(found) == ["Maildir", "Maildir/Sub/Folder", "Old Mail"]
    assert found["Old Mail"] == (("\\Answered", "\\Flagged", "\\Seen"), READ)
    assert found["Maildir"][0] == ("\\Flagged", "\\Seen")


def test_line_ends_become_those_of_imap(tmp_path: Path) -> None:
    """A message without CRLF gets it; one that has any keeps its bytes."""
    files = {"1.eml": b"A: 1\n\nx\n", "2.eml": b"A: 2\r\n\r\ny\nz\r\n", "3.eml": b"A: 3\r\n\r\nend"}
    take(write(tmp_path / "in", files), tmp_path / "a")
    wanted = {digest(b"A: 1\r\n\r\nx\r\n"), digest(files["2.eml"]), digest(files["3.eml"])}
    assert {one[1] for one in held(tmp_path / "a")} == wanted


def test_one_folder_or_one_form_can_be_asked_for(tmp_path: Path) -> None:
    """All of it goes to the folder named; only files of the form named are taken."""
    files = {"x/cur/1": make_message(subject="1"), "y.eml": make_message(subject="2")}
    write(tmp_path / "in", files)
    report = take(tmp_path / "in", tmp_path / "a", folder="Old/2019")
    assert {one[0] for one in held(tmp_path / "a")} == {"Old/2019"}
    assert (report.added, report.folders) == (2, 1)
    assert take(tmp_path / "in", tmp_path / "b", form=FileKind.MAILDIR).added == 1
    with pytest.raises(ConfigurationError, match="no mail at"):
        take(tmp_path / "in", tmp_path / "c", form=FileKind.MBOX)


def test_what_is_no_mail_is_named_and_left_out(tmp_path: Path) -> None:
    """A picture among letters stops nothing; nor does a file that cannot be read, which is a failure."""
    write(tmp_path / "in", {"a.jpg": b"\xff\xd8", "b.eml": make_message(), "sub/c.zip": b"PK\x03\x04"})
    (tmp_path / "in" / "link.eml").symlink_to("/etc/passwd")
    report = take(tmp_path / "in", tmp_path / "a")
    assert (report.added, report.skipped, report.skipped_files) == (1, 2, ("a.jpg", "sub/c.zip"))
    with pytest.raises(ConfigurationError, match="There is nothing at"):
        take(tmp_path / "nowhere", tmp_path / "a")
    fill(tmp_path / "x", [make_message()])
    with pytest.raises(ConfigurationError, match="is the archive itself"):
        take(tmp_path / "x" / "raw", tmp_path / "x")


def test_dates_that_cannot_be_are_left_out(tmp_path: Path) -> None:
    """A delivery in the future is no delivery date; a header is believed before a file that was copied."""
    received = b"Received: by x; Tue, 05 May 2026 10:00:00 +0000\r\n"
    files = {
        "1.eml": received + make_message(subject="1"),
        "2.eml": make_message(subject="2", date=datetime(2100, 1, 1, tzinfo=UTC)),
        "3.eml": b"Subject: 3\r\n\r\n\r\n",
    }
    take(write(tmp_path / "in", files), tmp_path / "a")
    dates = {sha: when for _, sha, _, when in held(tmp_path / "a")}
    assert [dates[digest(content)] for content in files.values()] == [
        datetime(2026, 5, 5, 10, tzinfo=UTC),
        None,
        READ,
    ]


def test_large_messages_are_taken_whole(tmp_path: Path) -> None:
    """Those that are never held in memory, from single files and from an mbox."""
    contents = [message_of_size(3_000_000, seed=str(n)) for n in range(2)]
    fill(tmp_path / "a", contents)
    for form in ("mbox", "eml", "maildir"):
        export(tmp_path / "a", tmp_path / form, form, account=ACCOUNT)
        take(tmp_path / form, tmp_path / f"b-{form}")
        assert {one[1] for one in held(tmp_path / f"b-{form}")} == set(map(digest, contents))
        assert take(tmp_path / form, tmp_path / f"b-{form}").already == 2
        assert not list((tmp_path / f"b-{form}" / "raw" / ".incoming").iterdir())


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as found:
        for name, content in files.items():
            found.writestr(name, content)
    return path


def test_a_zip_that_is_made_to_do_harm_is_refused(tmp_path: Path) -> None:
    """What unpacks to far more than mail does is not unpacked; names that climb lead nowhere."""
    bomb = zip_of(tmp_path / "bomb.zip", {"1.eml": b"A: 1\r\n\r\n" + bytes(100 * 1024**2)})
    with pytest.raises(LimitExceeded, match="octets unpacked"):
        take(bomb, tmp_path / "a")
    climbing = zip_of(tmp_path / "up.zip", {"../../up/1.eml": make_message(), "/etc/x.eml": make_message()})
    take(climbing, tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "bomb.zip", "up.zip"]
    (tmp_path / "cut.zip").write_bytes(climbing.read_bytes()[:-30])
    with pytest.raises(ConfigurationError, match="no whole zip file"):
        take(tmp_path / "cut.zip", tmp_path / "a")


def test_a_damaged_entry_of_a_zip_stops_no_other(tmp_path: Path) -> None:
    """Its checksum tells, and the rest is archived."""
    whole = zip_of(tmp_path / "x.zip", {f"{n}.eml": make_message(subject=str(n)) for n in range(3)})
    octets = bytearray(whole.read_bytes())
    octets[60] ^= 0xFF
    whole.write_bytes(bytes(octets))
    report = take(whole, tmp_path / "a")
    assert (report.added, len(report.failures)) == (2, 1)
    assert "damaged" in report.failures[0]


def test_a_bucket_of_raw_messages_is_taken(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As mail services write them: keys without suffix below a prefix, more than one page of them."""
    monkeypatch.setattr(import_source, "PAGE_KEYS", 10)
    bucket = s3.new_bucket()
    contents = [make_message(subject=f"{n}") for n in range(25)] + [message_of_size(2_000_000)]
    root = UPath(f"s3://{bucket}/mail", **s3.storage_options)
    for number, content in enumerate(contents):
        root.fs.pipe_file(f"{bucket}/mail/{number:05}", content)
    root.fs.pipe_file(f"{bucket}/mailbox-of-another/1", make_message())
    report = take(root, tmp_path / "a", folder="INBOX")
    assert (report.added, report.failures) == (26, ())
    assert take(root, tmp_path / "a", folder="INBOX").already == 26
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as found:
        found.writestr("1.eml", make_message(subject="zipped"))
    root.fs.pipe_file(f"{bucket}/packed.zip", packed.getvalue())
    assert take(UPath(f"s3://{bucket}/packed.zip", **s3.storage_options), tmp_path / "a").added == 1
    with pytest.raises(ConfigurationError, match="There is nothing at"):
        take(UPath(f"s3://{bucket}/nowhere", **s3.storage_options), tmp_path / "a")


def test_two_imports_at_once_add_nothing_twice(tmp_path: Path) -> None:
    """Both planned on an empty folder; the second to commit leaves out what the first has said."""
    files = {f"{n}.eml": make_message(subject=f"{n}") for n in range(30)}
    write(tmp_path / "in", files)
    threads = [threading.Thread(target=take, args=(tmp_path / "in", tmp_path / "a")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(held(tmp_path / "a").values()) == 30
    assert tables_without_doubles(Archive(tmp_path / "a"))


@pytest.mark.kill
def test_killed_imports_go_on(tmp_path: Path) -> None:
    """After any kill nothing is there twice or without its bytes, and the next run completes it."""
    contents: list[bytes] = []

    def refill(number: int) -> None:
        more = small_mail(1_000 * number, 300)
        contents.extend(more)
        write(tmp_path / "in", {f"{number}/{n}.eml": content for n, content in enumerate(more)})

    def check() -> None:
        for digest_there, changes in settled(tmp_path / "a").items():  # a kill may come before a place's row
            assert changes in ({}, {"added": 1}), (digest_there, changes)

    arguments = ["import", f"{tmp_path}/in", "--account", "old", "--archive", f"{tmp_path}/a"]
    assert kill_again_and_again(arguments, refill, check, rounds=5), "no kill came before an end"
    assert settled(tmp_path / "a") == {one: {"added": 1} for one in map(digest, contents)}


KILLED_BETWEEN = """
import os, signal, sys
from mailroom.archive.writing.locations import LocationLog
from mailroom.cli import main
LocationLog.append = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""
"""The command, killed where the rows of messages are committed and those of their places are not."""


@pytest.mark.kill
def test_an_import_killed_between_messages_and_places_goes_on(tmp_path: Path) -> None:
    """A message without a place is none that its folder holds: the next run gives it one."""
    contents = small_mail(0, 40)
    write(tmp_path / "in", {f"{n}.eml": content for n, content in enumerate(contents)})
    arguments = ["import", f"{tmp_path}/in", "--account", "old", "--archive", f"{tmp_path}/a"]
    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert set(map(len, settled(tmp_path / "a").values())) == {0}
    finished = run_command(*arguments)
    assert finished.status == 0, finished.err
    assert settled(tmp_path / "a") == {one: {"added": 1} for one in map(digest, contents)}


def test_command_line_tells_what_was_imported(tmp_path: Path) -> None:
    """One line for people, the same counts for programs, and nothing new the second time."""
    write(tmp_path / "in", {"1.eml": make_message(subject="1"), "notes.txt": b"hello"})
    common = ["import", f"{tmp_path}/in", "--account", "old", "--archive", f"{tmp_path}/a"]
    finished = run_command(*common)
    assert finished.status == 0, finished.err
    assert "1 new message" in finished.out
    assert "1 file without mail left out: notes.txt." in finished.out
    finished = run_command(*common, "--json")
    assert (finished.summary["added"], finished.summary["already"]) == (0, 1)
    assert run_command("verify", "--archive", f"{tmp_path}/a").status == 0
    shutil.rmtree(tmp_path / "in")
    finished = run_command(*common)
    assert (finished.status, "There is nothing at" in finished.err) == (1, True)
    for words in (["--format", "pst"], ["--account", " "], ["--folder", ""]):
        assert run_command(*common, *words).status == 2


def test_stopped_import_keeps_what_it_read(tmp_path: Path) -> None:
    """An interrupted run says so; nothing is committed by half."""
    write(tmp_path / "in", {"1.eml": make_message()})
    assert take(tmp_path / "in", tmp_path / "a", stop=True).interrupted
    assert hashlib.sha256(make_message()).hexdigest() == digest(make_message())
