"""Which listed folders are known ones under other names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailroom.model import Folder, FolderRow
from mailroom.policy.renames import find_renames

AT = datetime(2026, 11, 20, tzinfo=UTC)


def rows(**known: dict[str, Any]) -> dict[str, FolderRow]:
    """Return what the archive knows."""
    return {
        name: FolderRow(account="a", folder=name, at=AT, run_id="r", **facts) for name, facts in known.items()
    }


def folders(**listed: dict[str, Any]) -> dict[str, Folder]:
    """Return what the server lists."""
    return {name: Folder(name=name, **facts) for name, facts in listed.items()}


def status(uid_validity: int, uid_next: int = 10) -> dict[str, Any]:
    """Return the STATUS items that tell."""
    return {"status": {"UIDVALIDITY": uid_validity, "UIDNEXT": uid_next}}


CASES = {
    "renamed": (
        rows(Old={"uid_validity": 7, "uid_next": 9}, Other={"uid_validity": 8}),
        folders(New=status(7), Other=status(8)),
        {"New": "Old"},
    ),
    "swapped": (
        rows(A={"uid_validity": 1}, B={"uid_validity": 2}),
        folders(A=status(2), B=status(1)),
        {"A": "B", "B": "A"},
    ),
    "three in a ring": (
        rows(A={"uid_validity": 1}, B={"uid_validity": 2}, C={"uid_validity": 3}),
        folders(A=status(2), B=status(3), C=status(1)),
        {"A": "B", "B": "C", "C": "A"},
    ),
    "deleted and made anew": (rows(A={"uid_validity": 1}), folders(A=status(2)), {}),
    "nothing known of the new one": (rows(Old={"uid_validity": 7}), folders(New={}), {}),
    "gone before": (rows(Old={"uid_validity": 7, "deleted": True}), folders(New=status(7)), {}),
    "numbers cannot have shrunk": (
        rows(Old={"uid_validity": 7, "uid_next": 11}),
        folders(New=status(7, uid_next=10)),
        {},
    ),
    "one number for all folders": (
        rows(One={"uid_validity": 1}, Two={"uid_validity": 1}),
        folders(New=status(1), Newer=status(1)),
        {},
    ),
    "no numbers at all": (rows(Old={"uid_validity": 0}), folders(New=status(0)), {}),
    "object ids say more than numbers": (
        rows(Old={"uid_validity": 7, "mailbox_id": "F1"}, Gone={"uid_validity": 8, "mailbox_id": "F2"}),
        folders(New=status(8) | {"mailbox_id": "F1"}, Newer=status(7) | {"mailbox_id": "F9"}),
        {"New": "Old"},
    ),
    "the same object under its old name": (
        rows(A={"uid_validity": 1, "mailbox_id": "F1"}),
        folders(A=status(2) | {"mailbox_id": "F1"}, New=status(1)),
        {},
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_renames(case: str) -> None:
    """A folder is known by its object id, else by a UIDVALIDITY that nobody else has."""
    known, listed, expected = CASES[case]
    assert find_renames(known, listed) == expected
