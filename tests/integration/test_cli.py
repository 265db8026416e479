"""The command as a shell sees it: status, both streams, signals, terminals and memory."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from tests.integration.runs import raw_digests
from tests.support.command import REPOSITORY, Finished, run_command, start_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.s3 import S3Server

MEMORY_LIMIT_KIB = 250_000
"""What the engine may hold, whatever the mailbox."""

COMMANDS = ("fetch", "mirror", "retention", "attachments", "verify")


def url_of(server: Dovecot, user: str, scheme: str = "imaps") -> str:
    port = {"imaps": server.imaps_port, "pop3s": server.pop3s_port, "imap+starttls": server.imap_port}
    port["pop3+starttls"] = server.pop3_port
    return f"{scheme}://{user}@127.0.0.1:{port[scheme]}"


def mirror(server: Dovecot, user: str, root: object, *more: str, **settings: object) -> Finished:
    words = ["mirror", url_of(server, user), "--ca-file", server.ca_file, "--archive", str(root), *more]
    return run_command(*words, **settings)  # type: ignore[arg-type]  # password, environment, timeout


def fetch(server: Dovecot, user: str, root: object, *more: str) -> Finished:
    address = url_of(server, user, "pop3s")
    return run_command("fetch", address, "--ca-file", server.ca_file, "--archive", str(root), *more)


def invoice(number: int) -> bytes:
    return make_message(
        subject=f"Factura {number}", attachments=[(f"{number}.pdf", "application/pdf", b"%%PDF %d" % number)]
    )


@pytest.fixture(scope="module")
def kept(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of three invoices, for tests that only read or make a copy."""
    name = dovecot.add_user("ana")
    for number in range(3):
        dovecot.append(name, invoice(number))
    root = tmp_path_factory.mktemp("kept") / "mail"
    assert mirror(dovecot, name, root).status == 0
    return root


def test_nothing_typed_is_answered_with_help() -> None:
    """A stranger who types the bare name sees commands, examples and exit statuses."""
    found = run_command()
    assert (found.status, found.out) == (2, "")
    assert "examples:" in found.err
    assert "exit status:" in found.err
    assert all(f"mailroom {command}" in found.err for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    """The help of a command has an example and its exit statuses."""
    found = run_command(command, "--help")
    assert (found.status, found.err) == (0, "")
    assert f"  mailroom {command} " in found.out
    assert "exit status:" in found.out


def test_the_whole_job_ends_in_words(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    """Fetch, mirror, attachments, retention and verify: one line each, nothing on stderr but progress."""
    dovecot.append(user, invoice(1))
    root, at = tmp_path / "mail", ["--ca-file", dovecot.ca_file, "--archive", str(tmp_path / "mail")]
    assert fetch(dovecot, user, root).out.startswith("1 new message of 1 listed archived")
    assert mirror(dovecot, user, root).out.startswith("1 folder: 1 new message ")
    delivered = run_command("attachments", "--archive", str(root), "--to", str(tmp_path / "out"))
    assert delivered.out.startswith("1 attachment delivered to ")
    plan = run_command("retention", url_of(dovecot, user), *at, "--older-than", "0d", "--dry-run")
    assert plan.out.startswith("1 message would be deleted")
    assert "it reached the mailbox" in plan.out
    gone = run_command("retention", url_of(dovecot, user), *at, "--older-than", "0d")
    assert gone.out.startswith("1 message deleted on the server")
    sound = run_command("verify", "--archive", str(root))
    assert (sound.status, sound.out.partition(":")[0]) == (0, "All is well")
    assert sound.err.startswith("verify: 1 message,")


@pytest.mark.parametrize("scheme", ["imap+starttls", "pop3+starttls"])
def test_starttls_is_spoken(dovecot: Dovecot, user: str, archive_root: Path, scheme: str) -> None:
    """The plain ports are used encrypted."""
    command = "mirror" if scheme.startswith("imap") else "fetch"
    words = [command, url_of(dovecot, user, scheme), "--archive", str(archive_root)]
    assert run_command(*words, "--ca-file", dovecot.ca_file).status == 0
    assert "trust" in run_command(*words).err
    assert run_command(*words, "--no-verify").status == 0


def test_quiet_says_the_result_only(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """For schedulers that send what is written to stderr by mail."""
    dovecot.append(user, make_message())
    assert mirror(dovecot, user, archive_root, "--quiet").err == ""


def test_json_is_one_object_however_it_ends(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """A pipeline reads standard output the same way after success, failure and wrong usage."""
    done = mirror(dovecot, user, archive_root, "--json")
    failed = mirror(dovecot, user, archive_root, "--json", password="hunter2secret")
    wrong = mirror(dovecot, user, archive_root, "--json", "--since", "soon")
    summaries = [json.loads(found.out) for found in (done, failed, wrong)]
    assert [found.status for found in (done, failed, wrong)] == [0, 1, 2]
    assert [summary.get("kind") for summary in summaries] == [None, "AuthenticationFailed", "usage"]
    for summary, found in list(zip(summaries, (done, failed, wrong), strict=True))[1:]:
        assert summary["failures"] == [summary["error"]]
        assert f"mailroom: {summary['error']}\n" == found.err
    assert "hunter2secret" not in failed.out + failed.err


def test_progress_on_a_terminal_is_a_bar_that_goes_away(kept: Path) -> None:
    """On a pseudo-terminal the bar is drawn and taken away, and the cursor is shown again."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailroom", "verify", "--archive", str(kept)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins"), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = read_terminal(ours)
    assert process.wait(30) == 0
    assert "━" in said
    assert said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l"), "the cursor stays hidden"
    assert said.rstrip().splitlines()[-1].endswith("3 attachments.")


def read_terminal(descriptor: int, until: str = "") -> str:
    said = b""
    while not until or until.encode() not in said:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux: the other side is closed
            break
        said += piece
    return said.decode()


@pytest.mark.parametrize(("typed", "status"), [(b"secret\n", 0), (b"\x04", 2), (b"\x03", 130)])
def test_password_is_asked_for_on_a_terminal(
    dovecot: Dovecot, user: str, archive_root: Path, typed: bytes, status: int
) -> None:
    """It is not shown; Ctrl-D and Ctrl-C at the prompt end in a sentence."""
    words = ["mirror", url_of(dovecot, user), "--ca-file", dovecot.ca_file, "--archive", str(archive_root)]
    process_id, terminal = pty.fork()
    if process_id == 0:  # the child, whose controlling terminal this is: getpass opens /dev/tty
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins"), "TERM": "dumb"}
        environment.pop("MAILROOM_PASSWORD", None)
        os.execve(sys.executable, [sys.executable, "-m", "mailroom", *words], environment)
    said = read_terminal(terminal, f"Password for {user} at 127.0.0.1: ")
    os.write(terminal, typed)
    said += read_terminal(terminal)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]) == status
    assert "secret" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["mirror", "fetch"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_says_where_it_stands_and_goes_on(
    dovecot: Dovecot, archive_root: Path, command: str, number: signal.Signals, status: int
) -> None:
    """The batch in hand is committed; the next run fetches the rest, and nothing twice."""
    user = dovecot.add_user()
    messages = [message_of_size(40_000, seed=str(n)) for n in range(1000)]
    dovecot.fill(user, [Stored(content=content) for content in messages])
    scheme = "imaps" if command == "mirror" else "pop3s"
    words = [command, url_of(dovecot, user, scheme), "--ca-file", dovecot.ca_file]
    words += ["--archive", str(archive_root), "--json"]
    with start_command(*words) as running:
        wait_until(lambda: any(archive_root.glob("raw/??/*.eml")), running.said)
        running.send(number)
        stopped = running.wait(30)
    assert stopped.status == status, stopped.err
    assert "run the same command again to go on" in stopped.err
    assert "Traceback" not in stopped.err
    assert stopped.summary["interrupted"] is True
    assert 0 < stopped.summary["added"] < len(messages)
    again = run_command(*words)
    assert again.status == 0, again.err
    assert again.summary["added"] == len(messages) - stopped.summary["added"]
    assert raw_digests(archive_root) == {hashlib.sha256(content).hexdigest() for content in messages}
    assert Archive(archive_root).read_table("messages").num_rows == len(messages)


def wait_until(is_so: Callable[[], bool], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, said()
        time.sleep(0.005)


def test_signal_in_the_first_moment_is_no_traceback(tmp_path: Path) -> None:
    """Ctrl-C while the program is still loading ends it in one sentence or by the signal itself."""
    for moment in (0.06, 0.12, 0.2):
        with start_command("verify", "--archive", str(tmp_path)) as running:
            time.sleep(moment)
            running.send(signal.SIGTERM)
            found = running.wait(20)
        assert found.status in (1, 143, -signal.SIGTERM), found
        assert "Traceback" not in found.err


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which "$@" is the command with its arguments."""
    command = [sys.executable, "-m", "mailroom", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins"), "MAILROOM_PASSWORD": "secret"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, "sh", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("line", ['"$@" | true', '"$@" >&-', '"$@" 2>&-', '"$@" 2>&- >&-'])
def test_a_closed_output_is_no_failure(kept: Path, line: str) -> None:
    """A reader that went away, as head does, changes neither status nor work."""
    found = shell(line, "verify", "--archive", kept, "--json")
    assert found.returncode == 0
    assert "Traceback" not in found.stderr
    assert "Exception" not in found.stderr


def test_help_can_be_cut_by_head() -> None:
    """The commonest broken pipe of all."""
    found = shell('"$@" | head -n 1', "mirror", "--help")
    assert (found.returncode, found.stderr) == (0, "")


def test_a_full_output_is_told(kept: Path) -> None:
    """Nobody takes an empty file for the result."""
    found = shell('"$@" > /dev/full', "verify", "--archive", kept, "--quiet")
    assert found.returncode == 1
    assert found.stderr == (
        "mailroom: The work is done, but its result could not be written to standard output: "
        "No space left on device.\n"
    )


def test_a_narrow_locale_shows_what_it_can(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Names that a locale cannot show are written as escapes, in JSON as JSON has them."""
    dovecot.append(user, make_message(), folder="emoji 🏢")
    assert mirror(dovecot, user, archive_root).status == 0
    narrow = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    words = ["retention", url_of(dovecot, user), "--ca-file", dovecot.ca_file, "--archive", str(archive_root)]
    words += ["--older-than", "0d", "--dry-run"]
    told = run_command(*words, environment=narrow)
    assert told.status == 0
    assert "emoji \\U0001f3e2" in told.out
    folders = run_command(*words, "--json", environment=narrow).summary["folders"]
    assert "emoji 🏢" in [folder["folder"] for folder in folders]


def damaged(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "copy"))


def objects(root: Path) -> list[Path]:
    return sorted(root.glob("raw/??/*.eml"))


def verified(root: Path) -> Finished:
    """Verify, and make sure that looking changed nothing."""
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    found = run_command("verify", "--archive", str(root), "--json", "--quiet")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return found


def test_verify_names_a_flipped_byte(kept: Path, tmp_path: Path) -> None:
    """One changed bit in one message is found, and its file named."""
    root = damaged(kept, tmp_path)
    victim = objects(root)[1]
    content = bytearray(victim.read_bytes())
    content[10] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)
    found = verified(root)
    assert (found.status, found.summary["problems"]) == (1, {"damaged": 1})
    assert victim.name in found.err


def test_verify_names_a_missing_object(kept: Path, tmp_path: Path) -> None:
    """A message that is recorded and not there is found."""
    root = damaged(kept, tmp_path)
    victim = objects(root)[1]
    victim.unlink()
    found = verified(root)
    assert (found.status, found.summary["problems"]) == (1, {"missing": 1})
    assert victim.name in found.err


@pytest.mark.parametrize("table", ["messages", "texts", "attachments", "locations"])
@pytest.mark.parametrize("octets", [None, 0, 200])
def test_verify_names_a_table_whose_file_is_cut_or_gone(
    kept: Path, tmp_path: Path, table: str, octets: int | None
) -> None:
    """A table with a file cut or missing is never well, and looking at it does not set anything aside."""
    root = damaged(kept, tmp_path)
    for victim in (root / "tables" / table).glob("*.parquet"):
        if octets is None:
            victim.unlink()
        else:
            os.truncate(victim, octets)
    found = verified(root)
    assert found.status == 1
    assert set(found.summary["problems"]) == {"torn"}
    assert f"tables/{table}" in found.err
    assert found.err.count("\n") == 1


def test_verify_names_a_damaged_page(kept: Path, tmp_path: Path) -> None:
    """A page of a table with one flipped bit is found by its checksum."""
    root = damaged(kept, tmp_path)
    victim = next((root / "tables" / "texts").glob("*.parquet"))
    chunk = pq.ParquetFile(victim).metadata.row_group(0).column(0)
    content = bytearray(victim.read_bytes())
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 4] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)
    found = verified(root)
    assert found.status == 1
    assert "unreadable" in found.summary["problems"]


def test_what_verify_calls_torn_the_next_run_repairs(dovecot: Dovecot, kept: Path, tmp_path: Path) -> None:
    """The sentence says to run again, and that helps."""
    root = damaged(kept, tmp_path)
    for name in ("messages", "locations"):
        os.truncate(next((root / "tables" / name).glob("*.parquet")), 100)
    assert verified(root).status == 1
    assert mirror(dovecot, "ana", root).status == 0
    assert verified(root).status == 0


def test_bucket_archives_need_nothing_but_the_environment(
    dovecot: Dovecot, user: str, s3: S3Server, tmp_path: Path
) -> None:
    """AWS_ variables name endpoint and keys, for the archive and for where attachments go."""
    dovecot.append(user, invoice(1))
    bucket = s3.new_bucket()
    root = f"s3://{bucket}/mail"
    assert mirror(dovecot, user, root, environment=s3.environment).status == 0
    delivered = run_command(
        "attachments", "--archive", root, "--to", f"s3://{bucket}/out", environment=s3.environment
    )
    assert delivered.status == 0, delivered.err
    assert [key.rpartition("/")[2] for key in s3.keys(bucket, "out/")] == ["1.pdf"]
    assert run_command("verify", "--archive", root, environment=s3.environment).status == 0
    (name,) = s3.keys(bucket, "mail/raw/")
    s3.client().delete_object(Bucket=bucket, Key=name)
    lacking = run_command("verify", "--archive", root, "--quiet", environment=s3.environment)
    assert lacking.status == 1
    assert "is missing" in lacking.err


@pytest.fixture(scope="module")
def heavy(dovecot: Dovecot) -> str:
    """An account with 5,000 messages, and two of 60 MB among them."""
    user = dovecot.add_user()
    pdf = bytes(range(256)) * 172_000
    huge = [
        make_message(subject="huge", attachments=[("huge.pdf", "application/pdf", pdf)]),
        message_of_size(60_000_000, seed="huge"),
    ]
    small = [message_of_size(1000 + n % 997, seed=str(n)) for n in range(4998)]
    dovecot.fill(user, [Stored(content=content) for content in small[:2000] + huge + small[2000:]])
    return user


def test_memory_stays_flat_with_huge_and_many_messages(dovecot: Dovecot, heavy: str, tmp_path: Path) -> None:
    """No command holds 250 MB, be it 5,000 messages or one of 60 MB."""
    at = ["--ca-file", dovecot.ca_file, "--archive", str(tmp_path / "imap")]
    ran = [
        mirror(dovecot, heavy, tmp_path / "imap"),
        fetch(dovecot, heavy, tmp_path / "pop3"),
        run_command("verify", "--archive", str(tmp_path / "imap")),
        run_command("attachments", "--archive", str(tmp_path / "imap"), "--to", str(tmp_path / "out")),
        run_command("retention", url_of(dovecot, heavy), *at, "--older-than", "0d", "--dry-run"),
    ]
    assert [found.status for found in ran] == [0] * len(ran)
    assert "5,000 new messages" in ran[0].out
    assert "5,000 new messages" in ran[1].out
    assert ran[4].out.startswith("5,000 messages would be deleted")
    assert max(found.peak_kib for found in ran) < MEMORY_LIMIT_KIB
