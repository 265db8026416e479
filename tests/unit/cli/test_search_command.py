"""``mailroom search`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.cli import main
from tests.support.archives import archive_messages


@pytest.fixture
def root(archive_root: Path) -> str:
    archive_messages(Archive(archive_root), range(1, 6))
    return str(archive_root)


def test_a_table_for_people(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Date, author, subject, number of attachments, and who the message is."""
    assert main(["search", "--archive", root, "message", "3", "--quiet"]) == 0
    head, row, end = capsys.readouterr().out.splitlines()
    assert head.split() == ["date", "(UTC)", "from", "subject", "files", "message"]
    assert row.startswith("2026-11-24 07:00  Ana <ana@example.org>  message 3")
    assert end == "1 message found."


def test_more_than_is_shown_is_said(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes the newest for all."""
    assert main(["search", "--archive", root, "message", "--limit", "2", "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "5 messages found; the newest 2 are shown."


def test_json_for_programs(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole digests and subjects."""
    assert main(["search", "--archive", root, "subject:message -subject:3", "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"] == 4
    assert {len(one["sha256"]) for one in told["messages"]} == {64}


def test_nothing_found_is_no_failure(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0: the question was answered."""
    assert main(["search", "--archive", root, "unicorn", "--quiet"]) == 0
    assert capsys.readouterr().out == "No message was found.\n"


@pytest.mark.parametrize("words", [["colour:red"], ["after:soon"], ["message", "--limit", "0"], []])
def test_wrong_usage(root: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and exit status 2, before anything is read."""
    assert main(["search", "--archive", root, *words]) == 2
    assert capsys.readouterr().err.startswith("mailroom: ")


def test_names_from_mail_are_shown_harmless(archive_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A subject cannot move the cursor of a terminal, nor make a line of its own."""
    from mailroom.model import Body
    from tests.support.archives import context, place

    content = b"Subject: =?utf-8?q?red_=1B[31m_=0A_line_word?=\r\n\r\nx\r\n"
    with Archive(archive_root).writer(context()) as writer:
        writer.add(Body(octets=len(content), content=content), place(1))
        writer.finish("succeeded", {}, 0)
    assert main(["search", "--archive", str(archive_root), "word", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 3
