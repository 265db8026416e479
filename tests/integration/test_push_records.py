"""What a push writes down of messages that it moved: true, once, whatever the server says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.model import Change
from mailroom.protocol.copy_uids import parse_copy_uids
from tests.integration.pushes import TwoWayAccount
from tests.integration.test_aftermath import Pipeline
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

CopyUids = tuple[int, dict[int, int]]
Lie = Callable[[CopyUids], CopyUids | None]


@pytest.fixture
def account(dovecot: Dovecot, archive_root: Path) -> TwoWayAccount:
    """Three letters in the inbox; two others in Trash, of which the archive does not know yet."""
    made = TwoWayAccount(dovecot, dovecot.add_user(), archive_root)
    for number in range(3):
        made.append(make_message(subject=f"Letter {number}"))
    made.mirror()
    for number in range(2):
        made.append(make_message(subject=f"Other {number}"), "Trash")
    return made


def push(account: TwoWayAccount) -> int:
    return Pipeline(account, Path("nowhere")).push().pushed


@pytest.mark.parametrize(
    "lie",
    [
        lambda said: (said[0], {uid: new - 2 for uid, new in said[1].items()}),
        lambda said: (said[0], dict.fromkeys(said[1], max(said[1].values()))),
        lambda said: (said[0] + 1, said[1]),
    ],
    ids=["numbers of other mail", "one number for all", "another numbering"],
)
def test_a_false_place_is_not_believed(
    account: TwoWayAccount, monkeypatch: pytest.MonkeyPatch, lie: Lie
) -> None:
    """It is looked for instead, and what is at the falsely named place is mirrored as any other mail."""

    def lying(code: bytes) -> CopyUids | None:
        said = parse_copy_uids(code)
        return None if said is None else lie(said)

    account.changes.request_deletion(account.live(uids=[1, 2]))
    monkeypatch.setattr("mailroom.client.imap_changes.parse_copy_uids", lying)
    assert push(account) == 2
    assert [(row.uid, row.change) for row in account.live("Trash")] == [(3, Change.MOVED), (4, Change.MOVED)]
    assert account.mirror(max_gone=1).added == 2
    account.assert_in_step()


def test_odd_words_about_places_end_no_push(account: TwoWayAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages were moved, and are found."""
    account.changes.request_deletion(account.live(uids=[1, 2]))
    monkeypatch.setattr(
        "mailroom.client.imap_changes.parse_copy_uids", lambda code: parse_copy_uids(code + b":9")
    )
    assert push(account) == 2
    assert [row.uid for row in account.live("Trash")] == [3, 4]


@pytest.mark.parametrize("has_move", [True, False])
@pytest.mark.parametrize("where", ["record_moved", "MailboxPush._conclude"])
def test_a_killed_run_has_moved_each_message_to_the_trash_once(
    account: TwoWayAccount, monkeypatch: pytest.MonkeyPatch, where: str, *, has_move: bool
) -> None:
    """What it put into the audit before it was killed is not put there again."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    if not has_move:
        offered = ImapClient.supports
        monkeypatch.setattr(
            ImapClient, "supports", lambda client, name: name != "MOVE" and offered(client, name)
        )
    account.changes.request_deletion(account.live(uids=[1, 2]))
    with monkeypatch.context() as patch:
        patch.setattr(f"mailroom.services.pushing.mailbox_push.{where}", die)
        with pytest.raises(Killed):
            push(account)
    assert push(account) == 2
    audit = account.archive.read_table("audit").to_pylist()
    told = sorted((row["uid"], row["folder"], row["action"]) for row in audit)
    assert told == [(1, "INBOX", "moved_to_trash"), (2, "INBOX", "moved_to_trash")]
    assert [(row.uid, row.change) for row in account.live("Trash")] == [(3, Change.MOVED), (4, Change.MOVED)]
