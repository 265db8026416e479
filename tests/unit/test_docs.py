"""The documentation says what the code does: every table and column, every command, every argument."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailroom.archive.delta.schemas import SCHEMA_VERSION, TABLES
from mailroom.cli.arguments import build_parser
from mailroom.model import Change

ROOT = Path(__file__).parents[2]
ARCHIVE_PAGE = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_documented_in_order(name: str) -> None:
    """A reader finds each column of a table, in the table's order, and no other."""
    section = ARCHIVE_PAGE.split(f"## `{name}`")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == TABLES[name].schema.names


def test_the_documented_version_is_that_of_the_tables() -> None:
    """The page shows what ``archive.json`` of a new archive says."""
    assert '"schema": "{}.{}"'.format(*SCHEMA_VERSION) in ARCHIVE_PAGE


def test_every_change_is_documented() -> None:
    """The closed list of changes is the one that readers know."""
    section = ARCHIVE_PAGE.split("## Which rows are the state")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[1:] == [change.value for change in Change]


def test_every_command_is_in_the_readme() -> None:
    """Whoever reads the README knows every command there is."""
    described = build_parser().format_help().partition("COMMAND\n")[2]
    commands = re.findall(r"^    ([a-z]+)(?:  |$)", described, re.MULTILINE)
    assert len(commands) >= 5
    assert [command for command in commands if f"`mailroom {command} " not in README] == []


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_and_pictures_are_there(page: str) -> None:
    """No link within the project leads nowhere."""
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []
