"""What a plan of deletion takes, by folder and rule, as a table for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mailroom.cli.phrases import Summary, octets_in_words, shown
from mailroom.services.plain_table import table

__all__ = ["plan_table"]


def plan_table(parts: Sequence[Summary]) -> list[str]:
    """Return the lines of a table.

    :param parts: what each rule takes from each folder, as a report's summary tells.
    """
    head = ["folder", "rule", "messages", "size", "oldest", "newest"]
    rows = [
        [
            shown(part["folder"]),
            shown(part["rule"]),
            f"{part['messages']:,}",
            octets_in_words(part["octets"]),
            (part["oldest"] or "")[:10],
            (part["newest"] or "")[:10],
        ]
        for part in parts
    ]
    return table(head, rows, text_columns={0, 1})
