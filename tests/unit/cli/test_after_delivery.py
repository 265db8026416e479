"""``mailroom attachments --on-success``: asks for changes, which the next two-way mirror makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.cli import main
from tests.support.archives import body, context, place


@pytest.fixture
def words(archive_root: Path, tmp_path: Path) -> list[str]:
    with Archive(archive_root).writer(context()) as writer:
        writer.add(body(1, attachments=1), place(1))
        writer.finish("succeeded", {}, 0)
    return ["attachments", "--archive", str(archive_root), "--to", str(tmp_path / "out"), "--quiet"]


def test_changes_wait_for_the_next_two_way_mirror(
    words: list[str], archive_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no connection to a server of its own, and says what does."""
    wishes = ["--account", "post", "--on-success", "flag", "--on-success", "move:Done"]
    assert main([*words, *wishes]) == 0
    assert "1 message of post to be changed on the server" in capsys.readouterr().out
    waiting = Archive(archive_root).changes("post").waiting()
    assert [(one.kind.value, one.target) for one in waiting] == [("flags", None), ("move", "Done")]
    assert main([*words, *wishes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settled"] == 0
    assert len(Archive(archive_root).changes("post").waiting()) == 2


def test_a_dry_run_asks_for_nothing(words: list[str], archive_root: Path) -> None:
    """Nothing is delivered, so nothing comes after."""
    assert main([*words, "--account", "post", "--on-success", "seen", "--dry-run"]) == 0
    assert Archive(archive_root).changes("post").waiting() == []


@pytest.mark.parametrize("wrong", [["--on-success", "seen"], ["--account", "post", "--on-failure", "burn"]])
def test_wrong_usage(words: list[str], wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Said before anything is delivered."""
    assert main([*words, *wrong]) == 2
    assert capsys.readouterr().err.startswith("mailroom: ")
