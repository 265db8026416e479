"""``mailroom history`` at a shell."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.mirrors import MirrorAccount
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message


def ask(root: Path, *words: str) -> Finished:
    """Run the command."""
    return run_command("history", "--archive", str(root), *words)


def test_past_and_present_of_a_folder(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Folders, messages and runs, as a table and as JSON; the account need not be named."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(make_message(subject="Erster\x1b[31m Brief"), flags=["\\Seen"])
    account.append(make_message(subject="zweiter"), "Büro")
    account.mirror()
    then = account.clock.isoformat()
    with dovecot.mailbox(user) as client:
        client.rename_folder("Büro", "Work")
        client.select_folder("INBOX")
        client.delete_messages([1])
        client.expunge()
    account.mirror(max_gone=1)
    listed = ask(archive_root, "--as-of", then)
    assert listed.status == 0
    assert "Büro" in listed.out
    assert "Work" not in listed.out
    assert "2 messages in 2 folders" in listed.out
    shown = ask(archive_root, "--folder", "INBOX", "--as-of", then)
    assert "\\Seen" in shown.out
    assert "Erster" in shown.out
    assert "\x1b" not in shown.out
    now = json.loads(ask(archive_root, "--folder", "Work", "--json").out)
    assert [(row["uid"], row["change"], row["subject"]) for row in now["messages"]] == [
        (1, "moved", "zweiter")
    ]
    assert json.loads(ask(archive_root, "--folder", "INBOX", "--json").out)["messages"] == []
    runs = json.loads(ask(archive_root, "--runs", "--json").out)["runs"]
    assert [run["what"] for run in runs] == ["mirror", "mirror"]
    assert "renamed_folders 1" in ask(archive_root, "--runs").out


def test_an_account_that_is_not_there(archive_root: Path, dovecot: Dovecot, user: str) -> None:
    """The sentence names those that are."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(make_message())
    account.mirror()
    found = ask(archive_root, "--account", "nobody")
    assert found.status == 1
    assert "'account'" in found.err
    nowhere = ask(archive_root, "--folder", "inbox")
    assert nowhere.status == 1
    assert "did you mean 'INBOX'?" in nowhere.err
    for words in (["audit"], ["forget"], ["forget", "--apply"]):
        unknown = run_command(words[0], "--archive", str(archive_root), "--account", "nobody", *words[1:])
        assert (unknown.status, unknown.out) == (1, "")
        assert "no mail of an account 'nobody'; it has these accounts: 'account'" in unknown.err
    known = run_command("audit", "--archive", str(archive_root), "--account", "account")
    assert (known.status, known.out) == (0, "The audit has no such deletion.\n")


def test_imported_mail_is_told_of(archive_root: Path, tmp_path: Path) -> None:
    """It is in no folder of a server, and nobody should take it for lost."""
    letters = tmp_path / "letters"
    letters.mkdir()
    for number in range(2):
        (letters / f"{number}.eml").write_bytes(make_message(subject=f"{number}"))
    run_command("import", str(letters), "--archive", str(archive_root), "--account", "ana")
    told = ask(archive_root).out
    assert "0 messages in 0 folders of ana." in told
    assert "Beside them 2 messages that came from files and are on no server." in told
    assert json.loads(ask(archive_root, "--json").out)["imported"] == 2
    assert json.loads(ask(archive_root, "--as-of", "2001-01-01", "--json").out)["imported"] == 0
