"""Whatever the documentation prints as a query runs as it stands, on an archive of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailroom.tables import connect

ROOT = Path(__file__).parents[3]
ARCHIVE_PAGE = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


QUERIES = blocks(ARCHIVE_PAGE, "sql")
PROGRAMS = [block for block in blocks(README, "python") if '"mail' in block and "tables" in block]


@pytest.fixture
def mail(archive_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive in the folder ``mail`` of the current folder."""
    from mailroom.archive import Archive
    from tests.support.archives import body, context, folder_row, place

    monkeypatch.chdir(tmp_path)
    with Archive(tmp_path / "mail").writer(context()) as writer:
        writer.add(body(1), place(1, flags=()))
        writer.add(body(2, attachments=2), place(2))
        writer.close_folder(folder_row())
        writer.finish("succeeded", {}, 0)
    return tmp_path / "mail"


def test_there_are_queries() -> None:
    """The tests below have something to run."""
    assert len(QUERIES) >= 7
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_documented_sql_runs_as_printed(mail: Path, query: str) -> None:
    """Over all tables, through one connection."""
    assert connect(mail).sql(query).columns


def test_documented_sql_finds_what_is_there(mail: Path) -> None:
    """The query for unread mail knows the flags of the newest rows."""
    (unread,) = [query for query in QUERIES if "Seen" in query]
    found = connect(mail).sql(unread.replace("now()", "TIMESTAMPTZ '2026-11-30'")).fetchall()
    assert [subject for _, _, subject in found] == ["message 1"]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_documented_python_runs_as_printed(mail: Path, program: str) -> None:
    """As somebody would paste it."""
    exec(compile(program, "README.md", "exec"), {})
