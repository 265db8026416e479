"""flag, move, delete, append, changes: asked for at a shell, done by a mirror in both directions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.change_request import RequestState
from tests.integration.mirrors import MirrorAccount, shown_by_server
from tests.integration.test_nothing_new import LIBRARIES, run_alone
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

WHEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """Three messages, mirrored by the command."""
    account = MirrorAccount(dovecot, user, archive_root, name=f"{user}@127.0.0.1")
    for name in ("uno", "dos", "tres"):
        account.append(make_message(subject=f"Asunto {name}"), internal_date=WHEN)
    with dovecot.mailbox(user) as client:
        client.create_folder("Trash")
    assert push(account).status == 0
    return account


def ask(account: MirrorAccount, *words: str) -> Finished:
    return run_command(*words, "--archive", str(account.root))


def push(account: MirrorAccount, *more: str) -> Finished:
    url = f"imap://{account.user}@127.0.0.1:{account.server.imap_port}"
    return run_command("mirror", url, "--archive", str(account.root), "--quiet", "--two-way", *more)


def test_the_whole_way(account: MirrorAccount) -> None:
    """Each command asks, one run does it all, and says so."""
    asked = ask(account, "flag", "--query", "subject:uno", "--add", "seen", "--add", "$Work")
    assert "1 message of" in asked.out
    assert "--two-way" in asked.out
    assert ask(account, "move", "--folder", "INBOX", "--uid", "2", "--to", "Archivo").status == 0
    digest = hashlib.sha256(make_message(subject="Asunto tres")).hexdigest()
    assert ask(account, "delete", "--message", digest, "--expunge").status == 0
    done = push(account)
    assert done.status == 0, done.err
    assert "3 changes done on the server." in done.out
    shown = {
        (folder, value[1]) for (folder, _), value in shown_by_server(account.server, account.user).items()
    }
    assert shown == {("INBOX", ("$Work", "\\Seen")), ("Archivo", ())}


def test_a_letter_is_added_as_a_draft(account: MirrorAccount, tmp_path: Path) -> None:
    """From a file with the line ends of Unix: archived first, then on the server, once in each."""
    content = make_message(subject="Borrador")
    letter = tmp_path / "carta.eml"
    letter.write_bytes(content.replace(b"\r\n", b"\n"))
    words = ["append", str(letter), "--folder", "Drafts", "--flag", "draft", "--flag", "seen"]
    assert ask(account, *words, "--date", "2024-03-01T12:00").status == 0
    digest = hashlib.sha256(content).hexdigest()
    assert account.archive.raw.hash(digest) == digest
    assert push(account).status == 0
    shown = shown_by_server(account.server, account.user)
    assert shown["Drafts", 1] == (digest, ("\\Draft", "\\Seen"), WHEN)
    account.assert_in_step()
    rows = Archive(account.root).read_table("locations").to_pylist()
    mine = sorted((row["protocol"], row["change"]) for row in rows if row["sha256"] == digest)
    assert mine == [("imap", "added"), ("import", "added"), ("import", "expunged")]


def test_what_waits_is_shown_and_taken_back(account: MirrorAccount) -> None:
    """Nobody has to remember what was asked for."""
    ask(account, "delete", "--all")
    told = json.loads(ask(account, "changes", "--json").out)
    assert told["states"] == {"pending": 3}
    assert "delete INBOX UID 1, pending" in ask(account, "changes").out
    first = told["changes"][0]["id"]
    assert "1 change taken back." in ask(account, "changes", "--withdraw", first).out
    assert "2 changes taken back." in ask(account, "changes", "--withdraw", "all").out
    assert "pushed" not in push(account, "--json").out.replace('"pushed": 0', "")


def test_what_waits_is_shown_before_what_is_over(account: MirrorAccount) -> None:
    """However many conflicts there are, a person finds the id of what can still be taken back."""
    ask(account, "flag", "--all", "--add", "$a")
    changes = account.archive.changes(account.name)
    changes.record([replace(r, state=RequestState.CONFLICT, reason="x") for r in changes.waiting()])
    ask(account, "move", "--folder", "INBOX", "--uid", "2", "--to", "Archivo")
    told = json.loads(ask(account, "changes", "--json").out)["changes"]
    assert [change["state"] for change in told] == ["pending", "conflict", "conflict", "conflict"]


def test_an_id_that_waits_nowhere_is_wrong_usage(account: MirrorAccount) -> None:
    """Nobody should believe that a change was taken back which will be done."""
    ask(account, "delete", "--all")
    finished = ask(account, "changes", "--withdraw", "nonsense")
    assert finished.status == 2
    assert "None of the changes nonsense waits" in finished.err
    assert len(account.archive.changes(account.name).waiting()) == 3


def test_a_conflict_is_told(account: MirrorAccount) -> None:
    """On the terminal, in JSON and in the list of changes."""
    ask(account, "delete", "--folder", "INBOX", "--uid", "1")
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.add_flags([1], [b"\\Flagged"])
    done = push(account)
    assert "1 change overtaken by the server's side" in done.out
    assert "flags were changed" in ask(account, "changes").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flag", "--all"), "Say which flag"),
        (("flag", "--all", "--add", "a b"), "no flag that can be asked for"),
        (("flag", "--all", "--add", "\\Deleted"), "ask for a deletion"),
        (("delete",), "one way"),
        (("delete", "--uid", "1"), "name that folder"),
        (("delete", "--message", "12"), "64 hex digits"),
        (("append", "--folder", "Drafts"), "Give files"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    account: MirrorAccount, words: tuple[str, ...], said: str
) -> None:
    """One sentence, and nothing asked for."""
    finished = ask(account, *words)
    assert finished.status == 2
    assert said in finished.err
    assert account.archive.changes(account.name).waiting() == []


def test_nothing_waiting_loads_no_table_library(account: MirrorAccount) -> None:
    """A schedule of every minute stays cheap in both directions, before and after changes were made."""
    url = f"imap://{account.user}@127.0.0.1:{account.server.imap_port}"
    words = ("mirror", url, "--archive", str(account.root), "--quiet", "--two-way")
    first = run_alone(*words, without=LIBRARIES)
    assert (first.returncode, first.stderr) == (0, "")
    ask(account, "flag", "--all", "--add", "seen")
    assert push(account).status == push(account).status == 0
    last = run_alone(*words, without=LIBRARIES)
    assert (last.returncode, last.stderr) == (0, "")
