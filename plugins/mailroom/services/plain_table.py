"""A table in plain text, for terminals of any kind and for files.

Pure: cells in, lines out. Columns are as wide as their widest cell, in cells of a terminal: a
folder called 日本 takes four.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from datetime import datetime

__all__ = ["day", "printable", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: Collection[int]) -> list[str]:
    """Return the lines of a table; numbers stand right, texts left.

    >>> table(["folder", "messages"], [["INBOX", "12"]], text_columns={0})
    ['folder  messages', 'INBOX         12']
    """
    lines = [list(head), *map(list, rows)]
    widths = [max(_cells(line[column]) for line in lines) for column in range(len(head))]
    return [_line(line, widths, text_columns) for line in lines]


def printable(text: str) -> str:
    """Return a text, which may come from a server or by mail, without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def day(date: datetime | None) -> str:
    """Return the day of a moment, or nothing where there is none."""
    return f"{date:%Y-%m-%d}" if date is not None else ""


def _line(cells: Sequence[str], widths: Sequence[int], text_columns: Collection[int]) -> str:
    padded = []
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - _cells(cell))
        padded.append(cell + blank if column in text_columns else blank + cell)
    return "  ".join(padded).rstrip()


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
