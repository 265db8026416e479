"""Flags of messages that were there before: on the messages they belong to, or left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.model import Body, Change, LocationRow, MailProtocol
from mailroom.services.restore import RestoreReport
from mailroom.services.restoring import mailbox_restore
from tests.integration.restores import restore, shown
from tests.integration.test_restore_odd_servers import DATE, mail
from tests.support.archives import NOW, context, folder_row
from tests.support.dovecot import Dovecot

CONTENTS = [mail(number) for number in range(6)]
NUMBERS = {hashlib.sha256(content).hexdigest(): number for number, content in enumerate(CONTENTS)}
WANTED = {number: ("\\Flagged",) if number < 2 else ("\\Seen",) for number in range(len(CONTENTS))}


def archive_work(root: Path) -> None:
    """Archive six messages of the folder Work, the first two of them flagged."""
    with Archive(root).writer(context(account="a")) as writer:
        for number, content in enumerate(CONTENTS):
            row = LocationRow(
                account="a",
                protocol=MailProtocol.IMAP,
                folder="Work",
                change=Change.ADDED,
                at=NOW,
                run_id="run-1",
                uid_validity=7,
                uid=number + 1,
                size=len(content),
                internal_date=DATE + timedelta(minutes=number),
                flags=WANTED[number],
            )
            writer.add(Body(octets=len(content), content=content), row)
        writer.close_folder(folder_row("Work", account="a", delimiter="/"))
        writer.finish("succeeded", {}, 0)


@pytest.fixture
def target(dovecot: Dovecot, archive_root: Path) -> str:
    """An account that has three of the six messages, in another order and without flags."""
    archive_work(archive_root)
    user = dovecot.add_user()
    put(dovecot, user, 4, 0, 1)
    return user


def put(dovecot: Dovecot, user: str, *numbers: int) -> None:
    for number in numbers:
        date = DATE + timedelta(minutes=number)
        dovecot.append(user, CONTENTS[number], folder="Work", internal_date=date)


def flags(dovecot: Dovecot, user: str) -> dict[int, tuple[str, ...]]:
    return {NUMBERS[digest]: flags for digest, flags, _ in shown(dovecot, user)["Work"]}


def restore_with_flags(dovecot: Dovecot, user: str, root: Path) -> RestoreReport:
    return restore(dovecot.endpoint(user, MailProtocol.IMAP), root, "a", with_flags=True)


def remove_work(dovecot: Dovecot, user: str) -> None:
    with dovecot.mailbox(user) as phone:
        phone.delete_folder("Work")


def once(act: Callable[[], None], then: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Return a function that lets somebody else act before its first call."""
    left = [act]

    def called(*arguments: Any) -> Iterator[Any]:
        if left:
            left.pop()()
        return then(*arguments)

    return called


def test_a_folder_made_again_gets_the_flags_on_the_right_messages(
    dovecot: Dovecot, target: str, archive_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of the folder that was deleted meanwhile mean other messages in the new one."""
    append = mailbox_restore.append_messages
    gone = once(lambda: remove_work(dovecot, target), append)
    monkeypatch.setattr(mailbox_restore, "append_messages", gone)
    report = restore_with_flags(dovecot, target, archive_root)
    assert report.failures == ()
    assert flags(dovecot, target) == WANTED


def test_a_folder_that_others_made_anew_keeps_its_flags(
    dovecot: Dovecot, target: str, archive_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and the next run brings them in step."""

    def make_anew() -> None:
        remove_work(dovecot, target)
        put(dovecot, target, 5, 4, 3)

    append = mailbox_restore.append_messages
    monkeypatch.setattr(mailbox_restore, "append_messages", once(make_anew, append))
    report = restore_with_flags(dovecot, target, archive_root)
    assert "it was made or numbered anew meanwhile" in " ".join(report.failures)
    assert {flags(dovecot, target)[number] for number in (5, 4, 3)} <= {(), ("\\Seen",)}
    assert restore_with_flags(dovecot, target, archive_root).failures == ()
    assert flags(dovecot, target) == WANTED
