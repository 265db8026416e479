"""Who deleted what: the command, and the queries that the documentation prints."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import audit_of
from mailroom.model import Change
from mailroom.services.audit import AuditSelection, read_audit
from tests.support.archives import body, context, digest, place
from tests.support.command import run_command

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six messages in two folders, deleted one a day by two runs."""
    archive = Archive(tmp_path / "archive")
    for name, numbers in (("first", (1, 2, 3)), ("second", (4, 5, 6))):
        who = context(name, account="ana@example.org@imap.example.org")
        with archive.writer(who) as writer:
            for number in numbers:
                row = place(
                    number, run_id=name, folder="INBOX" if number % 2 else "Old\x1b[31m", account=who.account
                )
                writer.add(body(number), row)
                writer.flush()

                gone = row._replace(sha256=digest(number), change=Change.DELETED_BY_RETENTION)
                at = WHEN + timedelta(days=number)
                writer.audit(
                    [audit_of(gone, who, at=at, rule="more than 30 days after it reached the mailbox")]
                )
                writer.record([gone])
            writer.finish("succeeded", {}, 0)
    return tmp_path / "archive"


def numbers(root: Path, **selection: Any) -> list[int]:
    return [row["uid"] for row in read_audit(Archive(root), AuditSelection(**selection)).rows]


def test_rows_are_chosen_and_told_in_order(root: Path) -> None:
    """By account, folder, day and message; the newest so many, oldest first."""
    assert numbers(root) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ConfigurationError, match="no mail of an account 'somebody'"):
        numbers(root, account="somebody")
    assert numbers(root, folder="IN*") == [1, 3, 5]
    assert numbers(root, since=WHEN + timedelta(days=4)) == [4, 5, 6]
    assert numbers(root, until=WHEN + timedelta(days=2)) == [1, 2]
    assert numbers(root, message=digest(5)[:10]) == [5]
    assert numbers(root, limit=2) == [5, 6]
    report = read_audit(Archive(root), AuditSelection(limit=2))
    assert (report.matching, report.octets) == (6, 1800)


def test_command_prints_a_table_and_json(root: Path) -> None:
    """Who, what, when and by which rule; names from the server cannot colour the terminal."""
    shown = run_command("audit", "--archive", str(root), "--since", "2026-11-24")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert lines[0].split()[:2] == ["when", "(UTC)"]
    assert len(lines) == 5
    assert "more than 30 days after it reached the mailbox" in lines[1]
    assert "\x1b" not in shown.out
    told = run_command("audit", "--archive", str(root), "--message", digest(3)[:8].upper(), "--json").summary
    assert [(row["uid"], row["who"], row["action"]) for row in told["rows"]] == [(3, "test", "deleted")]
    nothing = run_command("audit", "--archive", str(root), "--folder", "x")
    assert nothing.out.strip().endswith("no such deletion.")
    assert run_command("audit", "--archive", str(root), "--account", "x").status == 1


@pytest.mark.parametrize("number", [0, 1])
def test_queries_of_the_documentation_run_as_printed(root: Path, number: int) -> None:
    """A reader copies them: with the table under its name they give what the text says."""
    section = PAGE.read_text(encoding="utf-8").split("## `audit`")[1].split("\n## ")[0]
    queries = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    assert len(queries) == 2
    audit = Archive(root).read_table("audit")
    assert audit.num_rows == 6
    found = duckdb.sql(queries[number].replace("9f86d0…", digest(2))).fetchall()
    if number == 0:
        assert [(row[1], row[5]) for row in found] == [("deleted", "test")]
    else:
        assert [(row[0], row[3], row[4]) for row in found] == [("test", 6, 1800)]
