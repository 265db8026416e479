"""Mistakes, odd mail and broken places at the command line: one sentence, or an archived message."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runs import raw_digests
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.s3 import S3Server

SECRET = "hunter2secret"

FOLDERS = (
    *("a/b/c", 'Fac"turas', "O'Brien", "emoji 🏢", "back\\slash", "pct%41", "star*", "Entwürfe & Co", "日本"),
    *("x..y", " lead", "trail ", "{date}", "[brackets]", "<b>bold</b>", "[red]mark[/red]"),
)


def assert_one_sentence(found: Finished, words: str, status: int = 1) -> None:
    """A failure is one line on stderr that says ``words``, with no traceback and no secret."""
    lines = [line for line in found.err.splitlines() if line.startswith("mailroom: ")]
    assert found.status == status, found.err
    assert len(lines) == 1, found.err
    assert words in lines[0]
    assert lines[0].endswith(".")
    assert "Traceback" not in found.err
    assert SECRET not in found.out + found.err


def url_of(server: Dovecot, user: str, scheme: str = "imaps", port: int | None = None) -> str:
    ports = {"imaps": server.imaps_port, "pop3s": server.pop3s_port}
    return f"{scheme}://{user}@127.0.0.1:{port or ports[scheme]}"


def mirror(server: Dovecot, user: str, root: object, *more: str) -> Finished:
    words = [url_of(server, user), "--ca-file", server.ca_file, "--archive", str(root)]
    return run_command("mirror", *words, *more)


def fetch(server: Dovecot, user: str, root: object, *more: str) -> Finished:
    words = [url_of(server, user, "pop3s"), "--ca-file", server.ca_file, "--archive", str(root)]
    return run_command("fetch", *words, *more)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["fetch", "pop3s://u@h"], "required: --archive"),
        (["fetch", "pop3s://u@h", "--archive", ""], "the place is empty"),
        (["fetch", "pop3s://u@h", "--archive", "/etc/passwd"], "is a file"),
        (["fetch", "pop3s://u@h", "--archive", "ftp://h/x"], "ftp:// is no place"),
        (["fetch", "pop3s://u@h", "--archive", f"s3://key:{SECRET}@b/x"], "leave out what stands before"),
        (["fetch", "pop3s://u@h", "--archive", "a", "--folder", "INBOX"], "Unrecognized: --folder INBOX"),
        (["fetch", "pop3s://u@h", "--archive", "a", "--delete", "--delete-after", "3d"], "not allowed with"),
        (["fetch", "pop3s://u@h", "--archive", "a", "--del"], "Unrecognized: --del"),
        (["fetch", "imaps://u@h", "--archive", "a"], "for IMAP there is: mailroom mirror"),
        (["mirror", f"imaps://u:{SECRET}@h", "--archive", "a"], "Leave the password out of the URL"),
        (["mirror", f"u:{SECRET}@h", "--archive", "a"], "is not an account URL"),
        (["mirror", "imaps://u@h/INBOX", "--archive", "a"], "with --folder"),
        (["mirror", "imap://u@mail.example.org", "--archive", "a"], "unencrypted"),
        (["mirror", "imaps://u@h", "--archive", "a", "--since", "yesterday"], "write year-month-day"),
        (["mirror", "imaps://u@h", "--archive", "a", "--timeout", "nan"], "is not a timeout"),
        (["mirror", "imaps://u@h", "--archive", "a", "--larger-than", "lots"], "is not a size"),
        (
            ["mirror", "imaps://u@h", "--archive", "a", "--since", "2026-05-01", "--until", "2026-01-01"],
            "until must be later than since",
        ),
        (["retention", "imaps://u@h", "--archive", "a", "--older-than", "999999w"], "up to 36500"),
        (
            ["retention", "imaps://u@h", "--archive", "a", "--older-than", "6M"],
            "no minutes, seconds or months",
        ),
        (
            ["retention", "imaps://u@h", "--archive", "a", "--older-than", "3d", "--max-fraction", "0"],
            "--max-fraction must be above 0",
        ),
        (["attachments", "--archive", "a", "--to", "b", "--template", "{nonsense}"], "not one of its fields"),
        (["attachments", "--archive", "a", "--to", "b", "--template", "{open"], "cannot be read"),
        (["attachments", "--archive", "a", "--to", "b", "--template", ""], "cannot be used"),
        (["attachments", "--archive", "a", "--to", "b", "--template", "/../{filename}"], "cannot be used"),
        (["attachments", "--archive", "a", "--to", "b", "--name-regex", "("], "--name-regex '('"),
        (["attachments", "--archive", "a", "--to", "b", "--require-auth", "dkim"], "--require-auth says"),
        (["attachments", "--archive", "a", "--to", "b", "--position", "last"], "--position must be"),
        (
            ["attachments", "--archive", "a", "--to", "b", "--rules", "none.yaml"],
            "'none.yaml' cannot be read",
        ),
        (["attachments", "--archive", "a"], "say where they go"),
        (["inspect", "--archive", "a"], "Say what to look for"),
        (["attachments", "--archive", "a", "--to", "b", "--min-size", "5M", "--max-size", "1M"], "at most"),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], told: str) -> None:
    """What cannot be meant is told before anything is opened; nothing is read or made for it."""
    assert_one_sentence(run_command(*words), told, status=2)
    assert not Path("a").exists()


def test_no_password_and_no_terminal_is_wrong_usage() -> None:
    """A schedule without a password hears which variable to set."""
    words = ["mirror", "imaps://u@h", "--archive", "a"]
    assert_one_sentence(run_command(*words, password=""), "MAILROOM_PASSWORD is empty", status=2)


@pytest.mark.parametrize("scheme", ["imaps", "pop3s"])
def test_wrong_password_is_told_and_not_shown(
    dovecot: Dovecot, user: str, archive_root: Path, scheme: str
) -> None:
    """The user is named, the password never; nothing is made on the disk."""
    command = "mirror" if scheme == "imaps" else "fetch"
    words = [command, url_of(dovecot, user, scheme), "--ca-file", dovecot.ca_file]
    found = run_command(*words, "--archive", str(archive_root), password=SECRET)
    assert_one_sentence(found, f"refused the sign-in of {user}")
    assert not archive_root.exists()


def test_wrong_ports_are_told_from_each_other(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Refused, no TLS there, TLS there, the other protocol: each has its own sentence."""
    at = ["--archive", str(archive_root), "--ca-file", dovecot.ca_file]
    cases = [
        ("mirror", "imaps", 1, "refused the connection"),
        ("fetch", "pop3s", dovecot.pop3_port, "spoke no TLS"),
        ("mirror", "imap", dovecot.imaps_port, "write imaps:// or pop3s://"),
        ("mirror", "imaps", dovecot.pop3s_port, "speaks POP3, not IMAP"),
        ("fetch", "pop3s", dovecot.imaps_port, "speaks IMAP, not POP3"),
    ]
    for command, scheme, port, told in cases:
        patience = ["--timeout", "1" if scheme == "imap" else "20"]
        address = url_of(dovecot, user, scheme, port)
        assert_one_sentence(run_command(command, address, *at, *patience), told)
    assert not archive_root.exists()


def test_certificates_that_cannot_be_trusted_are_told(
    dovecot: Dovecot, user: str, archive_root: Path, tmp_path: Path
) -> None:
    """An unknown authority, and files that are none."""
    (tmp_path / "none.pem").write_text("no certificate")
    words = ["mirror", url_of(dovecot, user), "--archive", str(archive_root)]
    assert_one_sentence(run_command(*words), "give that authority's PEM file with --ca-file")
    assert_one_sentence(run_command(*words, "--ca-file", "/nowhere/ca.pem"), "cannot be read")
    assert_one_sentence(run_command(*words, "--ca-file", str(tmp_path / "none.pem")), "no certificate")


def test_unknown_host_is_told(archive_root: Path) -> None:
    """DNS is named as what to check."""
    words = ["mirror", "imaps://u@no-such-host.invalid", "--archive", str(archive_root)]
    assert_one_sentence(run_command(*words), ":993 is unknown: check its spelling")


def test_unknown_folder_is_told_with_those_there_are(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """A misspelt folder never means an empty success."""
    dovecot.append(user, make_message(), folder="Facturas/2026")
    assert_one_sentence(mirror(dovecot, user, archive_root, "--folder", "Fcturas"), "'Facturas/2026'")


def test_no_archive_is_told(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """Commands that need an archive say so; none is made by looking, and other people's files stay."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("theirs")
    none, other = tmp_path / "none", tmp_path / "other"
    told = "There is no archive at "
    assert_one_sentence(run_command("verify", "--archive", str(other)), f"{told}{other}")
    delivery = ["attachments", "--archive", str(other), "--to", str(tmp_path / "out")]
    assert_one_sentence(run_command(*delivery), f"{told}{other}")
    words = [url_of(dovecot, user), "--ca-file", dovecot.ca_file, "--older-than", "1d"]
    assert_one_sentence(run_command("retention", *words, "--archive", str(none)), f"{told}{none}")
    assert sorted(os.listdir(tmp_path)) == ["other"]
    assert os.listdir(tmp_path / "other") == ["file"]


def test_attachments_are_not_put_among_the_archives_own(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """The root and its raw are no destination, also by way of a link; beside them is."""
    dovecot.append(user, make_message(attachments=[("a.pdf", "application/pdf", b"%PDF")]))
    root = tmp_path / "mail"
    assert mirror(dovecot, user, root).status == 0
    (tmp_path / "link").symlink_to(root / "raw")
    for destination in (root, tmp_path / "link"):
        words = ["attachments", "--archive", str(root), "--to", str(destination)]
        assert_one_sentence(run_command(*words), "choose a folder or prefix of its own")
    unknown = ["attachments", "--archive", str(root), "--to", str(root / "out"), "--account", "nobody"]
    assert_one_sentence(run_command(*unknown), f"these accounts: '{user}@127.0.0.1'")
    assert run_command("attachments", "--archive", str(root), "--to", str(root / "out")).status == 0
    assert run_command("verify", "--archive", str(root)).status == 0


def test_store_troubles_are_told_apart(dovecot: Dovecot, user: str, s3: S3Server) -> None:
    """A missing bucket, an endpoint that is none, and no credentials."""
    dovecot.append(user, make_message())
    bucket = s3.new_bucket()
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    cases = [
        ("s3://no-such-bucket-here/x", {}, "bucket or folder is not there"),
        (f"s3://{bucket}/x", {"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL"),
        (f"s3://{bucket}/x", nobody, "does not accept our credentials"),
    ]
    address = [url_of(dovecot, user), "--ca-file", dovecot.ca_file]
    for root, settings, told in cases:
        environment = {**s3.environment, **settings}
        found = run_command("mirror", *address, "--archive", root, environment=environment)
        assert_one_sentence(found, told)
        assert s3.secret_key not in found.err


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=2m", "none", str(disk)):
        pytest.skip("mounting is not permitted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("command", ["fetch", "mirror"])
def test_full_disk_is_told_and_nothing_is_deleted(dovecot: Dovecot, small_disk: Path, command: str) -> None:
    """What does not fit stays on the server; with space again the same command completes it."""
    user = dovecot.add_user()
    messages = [message_of_size(60_000, seed=str(number)) for number in range(50)]
    dovecot.fill(user, [Stored(content=content) for content in messages])
    root = small_disk / "mail"
    run = mirror if command == "mirror" else fetch
    more = [] if command == "mirror" else ["--delete"]
    found = run(dovecot, user, root, *more, "--json")
    assert_one_sentence(found, f"The disk or quota under {root} is full")
    assert json.loads(found.out)["kind"] == "StoreUnavailable"
    assert run_command("verify", "--archive", str(root)).status == 0
    with dovecot.mailbox(user) as server:
        left = server.select_folder("INBOX", readonly=True)[b"EXISTS"]
    assert left + len(raw_digests(root)) >= len(messages)
    assert mount("-o", "remount,size=64m", str(small_disk))
    assert run(dovecot, user, root, *more).status == 0
    assert raw_digests(root) == {hashlib.sha256(content).hexdigest() for content in messages}


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_nothing_is_deleted_that_cannot_be_recorded(
    dovecot: Dovecot, user: str, small_disk: Path, trouble: str
) -> None:
    """Retention asks for room to write down what it did, before it does it."""
    dovecot.append(user, make_message())
    root = small_disk / "mail"
    assert mirror(dovecot, user, root).status == 0
    if trouble == "read-only":
        assert mount("-o", "remount,ro", str(small_disk))
    else:
        free = os.statvfs(small_disk)
        (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - 20_000))
    words = [url_of(dovecot, user), "--ca-file", dovecot.ca_file, "--archive", str(root)]
    assert_one_sentence(run_command("retention", *words, "--older-than", "0d"), f"is {trouble}")
    with dovecot.mailbox(user) as server:
        assert server.select_folder("INBOX", readonly=True)[b"EXISTS"] == 1
    if trouble == "read-only":
        assert run_command("verify", "--archive", str(root)).status == 0
        assert mirror(dovecot, user, root).status == 0, "nothing new needs no room"
        dovecot.append(user, make_message(subject="new"))
        assert_one_sentence(mirror(dovecot, user, root), "is read-only")


@pytest.fixture(scope="module")
def odd(dovecot: Dovecot) -> str:
    """An account with every awkward message, and folders with awkward names."""
    user = dovecot.add_user()
    dovecot.fill(user, [Stored(content=content) for content in AWKWARD.values()])
    for number, name in enumerate(FOLDERS):
        dovecot.append(user, make_message(subject=f"in folder {number}"), folder=name)
    return user


def test_awkward_mail_in_awkward_folders_is_archived(dovecot: Dovecot, odd: str, tmp_path: Path) -> None:
    """Zero bytes, NUL, bare LF, broken MIME, names with quotes, dots and emoji: all of it comes."""
    root = tmp_path / "mail"
    mirrored = mirror(dovecot, odd, root, "--json")
    assert mirrored.status == 0, mirrored.err
    assert (mirrored.summary["folders"], mirrored.summary["failures"]) == (len(FOLDERS) + 1, [])
    assert mirrored.summary["added"] == len(AWKWARD) + len(FOLDERS)
    fetched = fetch(dovecot, odd, root, "--json")
    assert (fetched.status, fetched.summary["added"]) == (0, len(AWKWARD)), fetched.err
    again = mirror(dovecot, odd, root, "--json")
    assert (again.summary["added"], again.summary["expunged"]) == (0, 0)
    delivered = run_command("attachments", "--archive", str(root), "--to", str(tmp_path / "out"))
    assert delivered.status == 0, delivered.err
    outside = [path for path in tmp_path.rglob("*") if path.name in ("passwd", "d.txt")]
    assert outside == [], "a name from mail was followed as a path"
    assert run_command("verify", "--archive", str(root)).status == 0
    chosen = ("--folder", "[brackets]", "--folder", "emoji 🏢", "--folder", 'Fac"turas')
    assert mirror(dovecot, odd, root, *chosen, "--json").summary["folders"] == 3


def test_folder_names_do_not_reach_the_terminal_raw(dovecot: Dovecot, odd: str, archive_root: Path) -> None:
    """Progress lines and lists of folders show names as text."""
    found = mirror(dovecot, odd, archive_root)
    assert "emoji 🏢: 1 of 1 messages" in found.err
    assert found.err.replace("\n", "").isprintable()
