"""What a number of days means on each basis, counted from the archive alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.model import Change, MailProtocol
from mailroom.policy.retention import RetentionRule
from mailroom.services.retention_preview import preview_bases
from tests.integration.runs import Account, days
from tests.integration.test_retention_policy import Filled, mail, mirror
from tests.support.archives import ACCOUNT, NOW, body, context, digest, folder_row, place
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.maildir import Stored

OLD = datetime(2020, 1, 1, tzinfo=UTC)


def preview(account: Account, older_than: float, **values: Any) -> dict[str, tuple[int, int]]:
    """Return for each basis how many messages are old enough, and of how many nobody knows."""
    rule = RetentionRule(older_than=days(older_than), **values)
    found = preview_bases(account.archive, account.name, rule, account.now())
    return {each.basis.value: (each.messages, each.unknown) for each in found}


@pytest.fixture
def filled(dovecot: Dovecot, user: str, archive_root: Path) -> Filled:
    """Three messages: an old one that was read, an old one that is flagged, a new one sent in 2020."""
    made = Filled(dovecot, user, archive_root)
    read, flagged = made.put(100), made.put(90)
    made.put(1, date=OLD)
    made.mark([read], "\\Seen")
    made.mark([flagged], "\\Flagged")
    mirror(made.account)
    return made


def test_each_basis_counts_its_own_date(filled: Filled) -> None:
    """Twenty days later, by arrival, archiving, the folder, sending and reading."""
    filled.account.wait(days(20))
    old = {"internal": (3, 0), "archived": (3, 0), "saved": (3, 0), "date": (3, 0), "seen": (1, 2)}
    assert preview(filled.account, 15, include_flagged=True) == old
    assert preview(filled.account, 95)["internal"] == (1, 0)


def test_flagged_messages_and_other_folders_do_not_count(filled: Filled) -> None:
    """As the plan would leave them alone."""
    filled.put(100, folder="Sent")
    mirror(filled.account)
    assert preview(filled.account, 15)["internal"] == (2, 0)
    assert preview(filled.account, 15, exclude=("Sent",))["internal"] == (1, 0)
    assert preview(filled.account, 15, folders=("\\Sent",))["internal"] == (1, 0)


def test_a_maildrop_knows_two_bases(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """POP3 states no dates."""
    dovecot.fill(user, [Stored(content=mail(1, date=OLD)), Stored(content=mail(2, date=None))])
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    account.fetch()
    assert preview(account, 15) == {"archived": (0, 0), "date": (1, 1)}


def test_the_command_line_shows_a_table(filled: Filled) -> None:
    """A line a basis."""
    told = run_command(
        *("policy", "preview", "--older-than", "15d", "--archive", str(filled.account.root)),
        *("--account", "account"),
    )
    assert told.status == 0, told.err
    assert [line.split()[0] for line in told.out.splitlines()] == [
        *("basis", "internal", "archived", "saved", "date", "seen")
    ]


@pytest.mark.parametrize(("marked", "in_trash"), [(None, 1), ("\\Trash", 0)])
def test_trash_is_what_the_deletion_takes_for_it(
    archive_root: Path, marked: str | None, in_trash: int
) -> None:
    """Nothing came back into a folder of a usual name, also beside one that the server marks; a rule for
    the trash means the marked one then."""
    archive = Archive(archive_root)
    with archive.writer(context()) as writer:
        writer.add(body(1), place(1))
        writer.add(body(1), place(5, folder="Trash", at=NOW + days(2)))
        writer.record([place(1, sha256=digest(1), change=Change.DELETED_BY_RETENTION, at=NOW + days(1))])
        for folder in (folder_row(), folder_row("Trash"), folder_row("Papelera", special_use=marked)):
            writer.close_folder(folder)
        writer.finish("succeeded", {}, 0)

    def internal(**values: Any) -> int:
        rule = RetentionRule(older_than=days(3), **values)
        found = preview_bases(archive, ACCOUNT, rule, NOW + days(4))
        return {each.basis.value: each.messages for each in found}["internal"]

    assert internal() == 1
    assert internal(folders=("\\Trash",)) == in_trash
