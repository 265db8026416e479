"""``mailroom copy`` as a shell sees it: two accounts, two passwords, one sentence where a word is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.restores import shown
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message


@pytest.fixture
def accounts(dovecot: Dovecot, user: str) -> tuple[str, str, str]:
    """URLs of an account with mail in two folders and of an empty one, and the user of that one."""
    dovecot.append(user, make_message(subject="uno"))
    dovecot.append(user, make_message(subject="dos"), "Sent Items")
    name = dovecot.add_user()
    port = dovecot.imap_port
    return f"imap://{user}@127.0.0.1:{port}", f"imap://{name}@127.0.0.1:{port}", name


def copy(accounts: tuple[str, str, str], *words: str) -> Finished:
    return run_command("copy", *accounts[:2], *words, "--quiet")


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILROOM_TARGET_PASSWORD", "secret")


@pytest.mark.usefixtures("password")
@pytest.mark.parametrize("through", ["straight", "archive"])
def test_an_account_is_copied(
    dovecot: Dovecot, accounts: tuple[str, str, str], archive_root: Path, through: str
) -> None:
    """Both ways end the same, and a second run has nothing to add."""
    more = [] if through == "straight" else ["--archive", str(archive_root)]
    first = copy(accounts, "--map", "Sent Items=Sent", *more)
    assert first.status == 0, first.err
    assert "2 messages of" in first.out
    assert ("2 new messages archived on the way" in first.out) == (through == "archive")
    found = shown(dovecot, accounts[2])
    assert {name: len(mail) for name, mail in found.items() if mail} == {"INBOX": 1, "Sent": 1}
    again = json.loads(copy(accounts, "--map", "Sent Items=Sent", "--json", *more).out)
    assert (again["added"], again["already"]) == (0, 2)


@pytest.mark.usefixtures("password")
def test_what_is_in_step_is_remembered(accounts: tuple[str, str, str], tmp_path: Path) -> None:
    """In a folder of one's choice; a mapping that means no folder is told and does no harm."""
    state = str(tmp_path / "state")
    assert copy(accounts, "--state", state).status == 0
    assert len(list((tmp_path / "state" / "bookmarks").iterdir())) == 1
    finished = copy(accounts, "--state", state, "--map", "Nowhere=There")
    assert finished.status == 0
    assert "2 were there already" in finished.out
    assert "No folder 'Nowhere'" in finished.out


def test_the_second_password_is_asked_for(accounts: tuple[str, str, str]) -> None:
    """Where nobody can be asked, the sentence names the variable."""
    finished = copy(accounts)
    assert finished.status == 2
    assert "MAILROOM_TARGET_PASSWORD is not set" in finished.err


@pytest.mark.usefixtures("password")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--map", "Sent"), "write OLD=NEW"),
        (("--map", "A=B", "--into", "C"), "not both"),
        (("--state", "s", "--archive", "a"), "remembers by itself"),
        (("--folder", "Nowhere"), "No folder matches"),
    ],
)
def test_what_cannot_be_meant(accounts: tuple[str, str, str], words: tuple[str, ...], said: str) -> None:
    """One sentence, and nothing is copied."""
    finished = copy(accounts, *words)
    assert finished.status in (1, 2)
    assert said in finished.err


@pytest.mark.usefixtures("password")
def test_an_account_is_not_copied_onto_itself(dovecot: Dovecot, accounts: tuple[str, str, str]) -> None:
    """Each run would put all of it one level deeper; nothing is asked of the server."""
    finished = run_command("copy", accounts[1], accounts[1], "--into", "Backup", "--quiet")
    assert finished.status == 2
    assert "both source and target" in finished.err
    with dovecot.mailbox(accounts[2]) as client:
        assert "Backup" not in [name for _, _, name in client.list_folders()]


@pytest.mark.usefixtures("password")
def test_only_imap_is_spoken(accounts: tuple[str, str, str]) -> None:
    """A maildrop is fetched into an archive, and restored from there."""
    finished = run_command("copy", accounts[0], accounts[1].replace("imap://", "pop3://"))
    assert finished.status == 2
    assert "speaks IMAP" in finished.err
