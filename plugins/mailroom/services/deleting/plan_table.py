"""What a plan of deletion means, or what was done of it, as a table of counts for the log.

Here: a line a folder and rule. Not here: the same for whoever is asked to agree (``plan_markdown``), for a
terminal (``cli.plan_table``).
"""

from __future__ import annotations

from collections.abc import Sequence

from mailroom.services.deleting.retention_plan import PlannedPart
from mailroom.services.plain_table import day, printable, table

__all__ = ["plan_table"]

MAX_PARTS_SHOWN = 50
"""How many folders and rules a log lists; the plan itself has all of them."""


def plan_table(parts: Sequence[PlannedPart]) -> list[str]:
    """Return the lines of a table, the sum of all last.

    >>> plan_table([PlannedPart(folder="INBOX", rule="old", messages=2, octets=1200)])[1]
    'INBOX   old          2   1,200'
    """
    head = ["folder", "rule", "messages", "octets", "oldest", "newest"]
    rows = [
        [
            printable(part.folder),
            printable(part.rule),
            f"{part.messages:,}",
            f"{part.octets:,}",
            day(part.oldest),
            day(part.newest),
        ]
        for part in parts[:MAX_PARTS_SHOWN]
    ]
    if len(parts) > MAX_PARTS_SHOWN:
        rows.append([f"… and {len(parts) - MAX_PARTS_SHOWN:,} more", *[""] * 5])
    messages, octets = sum(part.messages for part in parts), sum(part.octets for part in parts)
    rows.append(["in all", "", f"{messages:,}", f"{octets:,}", "", ""])
    return table(head, rows, text_columns={0, 1})
