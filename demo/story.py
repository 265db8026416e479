"""What happened in the demonstration, told as tables a person enjoys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from demo import scene
from demo.mailbox import IMAP_USER, POP3_USER
from mailroom.archive import Archive
from tests.support.dovecot import Dovecot

__all__ = ["Story", "folder_counts", "tell"]

QUERY = """\
SELECT split_part(m."from", ' <', 1) AS sender,
       count(*)                      AS invoices,
       max(m.date)::DATE             AS newest,
       sum(a.size)                   AS octets
FROM   attachments a JOIN messages m ON m.sha256 = a.message_sha256
WHERE  a.content_type = 'application/pdf'
GROUP  BY 1 ORDER BY 2 DESC, 1"""


@dataclass(slots=True, kw_only=True)
class Story:
    """What each step returned, and what was on the server before and after.

    :param invoices: what the pipeline that makes a table of them returned, run by run.
    :param fetches: mode, messages before, what the DAG returned, messages after.
    """

    days_on_server: int
    retention_days: int
    fetches: list[tuple[str, int, dict[str, Any], int]] = field(default_factory=list)
    mirror: dict[str, Any] = field(default_factory=dict)
    invoices: list[dict[str, Any]] = field(default_factory=list)
    dry_run: dict[str, Any] = field(default_factory=dict)
    retention: dict[str, Any] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


def folder_counts(server: Dovecot, user: str) -> dict[str, int]:
    """Return how many messages each folder holds, as any IMAP client would see it."""
    with server.mailbox(user) as client:
        folders = [name for flags, _, name in client.list_folders() if b"\\Noselect" not in flags]
        return {name: client.folder_status(name, ["MESSAGES"])[b"MESSAGES"] for name in folders}


def tell(console: Console, story: Story) -> None:
    """Print the whole story."""
    archive = Archive(str(scene.ARCHIVE))
    console.print()
    console.print(_fetch_table(story))
    console.print(_mirror_table(story, archive))
    console.print(_delivery_table(story))
    console.print(_invoice_table())
    console.print(_query_panel(archive))
    console.print(_places(archive))


def _fetch_table(story: Story) -> Table:
    due = date.today() + timedelta(days=story.days_on_server)
    words = {
        "keep": "leave a copy",
        "days": f"leave it {story.days_on_server} days (these until {due:%-d %b})",
        "none": "leave none",
    }
    table = Table(title=f"POP3: {POP3_USER}", title_justify="left", title_style="bold")
    table.add_column("mode")
    for name in ("on the server", "fetched", "deleted", "left there"):
        table.add_column(name, justify="right")
    for mode, before, summary, after in story.fetches:
        counts = (before, summary.get("added", 0), before - after, after)
        table.add_row(words[mode], *(str(count) for count in counts))
    return table


def _mirror_table(story: Story, archive: Archive) -> Table:
    known = {folder: counts for folder, *counts in _ask(archive, FOLDERS)[1]}
    flagged = story.retention.get("kept", {}).get("flagged", 0)
    table = Table(
        title=f"IMAP: {IMAP_USER}",
        title_justify="left",
        title_style="bold",
        caption=f"Deleted on the server: what arrived over {story.retention_days} days ago, but {flagged} "
        "flagged ones.\nThe trash counts from when a message was thrown away. All stays in the archive.",
        caption_justify="left",
        show_footer=True,
    )
    rows = [
        (folder, count, *known.get(folder, (0, 0)), count - story.after[folder], story.after[folder])
        for folder, count in sorted(story.before.items(), key=lambda item: (item[0] != "INBOX", item[0]))
    ]
    table.add_column("folder", footer="together", no_wrap=True)
    for number, name in enumerate(("server", "archive", "attachments", "deleted", "left"), 1):
        table.add_column(name, justify="right", footer=str(sum(int(row[number]) for row in rows)))
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table


FOLDERS = f"""\
SELECT l.folder, count(DISTINCT l.sha256) AS messages, count(DISTINCT l.sha256 || a.part) AS attachments
FROM   locations l LEFT JOIN attachments a ON a.message_sha256 = l.sha256 AND a.disposition = 'attachment'
WHERE  l.account = '{scene.IMAP_ID}' GROUP BY 1"""


def _ask(archive: Archive, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows; DuckDB's own reader of Delta tables would have to be downloaded."""
    with duckdb.connect() as database:
        for name in ("messages", "attachments", "locations"):
            database.register(name, archive.read_table(name))
        found = database.execute(sql)
        return [column[0] for column in found.description or ()], found.fetchall()


def _delivery_table(story: Story) -> Table:
    files = sorted(path for path in scene.BUCKET.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    kinds = Counter(path.suffix.lstrip(".").upper() for path in files)
    title = "Attachments in the bucket: " + ", ".join(
        f"{count} {kind}" for kind, count in kinds.most_common()
    )
    first, second = (run["added"] for run in story.invoices)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=f"The invoices among them are rows of a table in {_short(scene.INVOICES)}: {first} after the "
        f"first run, {second} more after the second.",
        caption_justify="left",
    )
    table.add_column("among them")
    table.add_column("octets", justify="right")
    shown = files[:2] + [path for path in files if path.suffix == ".xlsx"]
    for path in dict.fromkeys(shown):
        table.add_row(str(path.relative_to(scene.BUCKET)), f"{path.stat().st_size:,}")
    return table


def _invoice_table() -> Table:
    """Return what the pipeline read in the invoices: the newest of each supplier."""
    with duckdb.connect(str(scene.INVOICES), read_only=True) as database:
        rows = database.sql(
            "SELECT sender, count(*), sum(total), arg_max(number, day), max(day) FROM invoices "
            "WHERE total IS NOT NULL GROUP BY 1 ORDER BY 3 DESC LIMIT 5"
        ).fetchall()
    table = Table(title="What the invoices say", title_justify="left", title_style="bold")
    table.add_column("supplier")
    for name in ("invoices", "total EUR", "newest", "of"):
        table.add_column(name, justify="right")
    for sender, count, total, number, day in rows:
        table.add_row(sender, str(count), f"{total:,.2f}", number, f"{day:%Y-%m-%d}")
    return table


def _query_panel(archive: Archive) -> Panel:
    names, rows = _ask(archive, QUERY)
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, style="cyan")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    grid = Table.grid(padding=(1, 0))
    grid.add_row(Syntax(QUERY, "sql", background_color="default"))
    grid.add_row(table)
    return Panel(grid, title="SQL over the archive", title_align="left", expand=False)


def _places(archive: Archive) -> str:
    messages = archive.read_table("messages", columns=["size"])
    octets = sum(messages.column("size").to_pylist())
    archive_path, bucket = (_short(path) for path in (scene.ARCHIVE, scene.BUCKET))
    return (
        f"\n[bold]{messages.num_rows} messages[/], {octets / 1e6:.1f} MB, lie in [bold]{archive_path}[/], "
        f"attachments in [bold]{bucket}[/].\n"
        "Go on with [bold]make airflow[/]: the same accounts in Airflow's own pages.\n"
    )


def _short(path: Path) -> str:
    return str(path.relative_to(scene.REPOSITORY) if path.is_relative_to(scene.REPOSITORY) else path)
