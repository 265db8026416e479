"""What the days of a message count from, and how much may go at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import Folder, FolderRow, MailProtocol
from mailroom.policy.retention import (
    Basis,
    RetentionRule,
    allowance_of,
    basis_of,
    discarding_folders,
    find_gap,
    find_trash,
    uses_of,
)

MONTH = timedelta(days=30)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"older_than": timedelta(days=-1)}, "older_than"),
        ({"older_than": 30}, "older_than"),
        ({"older_than": MONTH, "max_fraction": 0}, "max_fraction"),
        ({"older_than": MONTH, "max_fraction": 1.1}, "max_fraction"),
        ({"older_than": MONTH, "max_fraction": float("nan")}, "max_fraction"),
        ({"older_than": MONTH, "basis": "internal"}, "basis"),
    ],
)
def test_senseless_rule_is_refused_with_one_sentence(values: dict[str, Any], word: str) -> None:
    """The sentence names the option."""
    with pytest.raises(ConfigurationError, match=word):
        RetentionRule(**values)


@pytest.mark.parametrize(
    ("asked", "discarding", "basis"),
    [
        (None, False, Basis.INTERNAL),
        (None, True, Basis.SAVED),
        (Basis.INTERNAL, True, Basis.INTERNAL),
        (Basis.ARCHIVED, False, Basis.ARCHIVED),
    ],
)
def test_imap_counts_from_delivery_and_in_trash_from_its_arrival_there(
    asked: Basis | None, discarding: bool, basis: Basis
) -> None:
    """A stated basis counts everywhere; without one, trash and junk have their own."""
    rule = RetentionRule(older_than=MONTH, basis=asked)
    assert basis_of(rule, MailProtocol.IMAP, is_discarding=discarding) is basis


@pytest.mark.parametrize("asked", [None, Basis.ARCHIVED])
@pytest.mark.parametrize("folders", [("*",), ("INBOX",), ("inbox",)])
def test_pop3_counts_from_archiving(asked: Basis | None, folders: tuple[str, ...]) -> None:
    """POP3 has no dates and one folder."""
    rule = RetentionRule(older_than=MONTH, basis=asked, folders=folders)
    assert basis_of(rule, MailProtocol.POP3, is_discarding=False) is Basis.ARCHIVED


@pytest.mark.parametrize(
    "values",
    [{"basis": Basis.INTERNAL}, {"basis": Basis.SAVED}, {"folders": ("Trash",)}, {"exclude": ("INBOX",)}],
)
def test_pop3_refuses_what_needs_imap(values: dict[str, Any]) -> None:
    """The sentence says to use an imap connection."""
    with pytest.raises(ConfigurationError, match="imap connection"):
        basis_of(RetentionRule(older_than=MONTH, **values), MailProtocol.POP3, is_discarding=False)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("Cosas viejas", ("\\HasNoChildren", "\\Trash")),
        ("Dudoso", ("\\Junk",)),
        ("INBOX/Trash", ()),
        ("SPAM", ()),
        ("Papelera", ()),
        ("[Gmail]/Bin", ()),
        ("Trash/2019/enero", ()),
    ],
)
def test_trash_and_junk_are_known_by_attribute_or_usual_name(name: str, attributes: tuple[str, ...]) -> None:
    """Folders below them count as well: whole folders are thrown away, too."""
    assert discarding_folders([Folder(name=name, delimiter="/", attributes=attributes)]) == {name}


def test_folder_below_a_marked_one_is_thrown_away_too() -> None:
    """The attribute of the parent decides where the name says nothing."""
    folders = [
        Folder(name="Viejo", delimiter=".", attributes=("\\Trash",)),
        Folder(name="Viejo.2019", delimiter="."),
        Folder(name="Viejos", delimiter="."),
    ]
    assert discarding_folders(folders) == {"Viejo", "Viejo.2019"}


@pytest.mark.parametrize(
    ("folders", "trash"),
    [
        ([Folder(name="INBOX"), Folder(name="Trash")], "Trash"),
        ([Folder(name="Trash"), Folder(name="Bin", attributes=("\\Trash",))], "Bin"),
        ([Folder(name="INBOX.Trash", delimiter=".")], "INBOX.Trash"),
        ([Folder(name="Deleted Items"), Folder(name="Papelera")], "Deleted Items"),
        ([Folder(name="Projects/Trash", delimiter="/")], None),
        ([Folder(name="Trash", attributes=("\\Noselect",))], None),
        ([Folder(name="INBOX")], None),
        ([Folder(name="Projects/Bin", delimiter="/"), Folder(name="Trash", delimiter="/")], "Trash"),
    ],
)
def test_the_trash_of_an_account(folders: list[Folder], trash: str | None) -> None:
    """Marked as one, or called so at the top; never a folder that only has the name further down."""
    assert find_trash(folders) == trash
    uses = uses_of(folders)
    assert {name for name, use in uses.items() if use == "\\Trash"} >= ({trash} if trash else set())


@pytest.mark.parametrize(
    "name", ["INBOX", "Trash talk", "Not Spam", "Archive/binary", "Projects/Bin", "Work/Spam/2019"]
)
def test_other_folders_are_no_trash(name: str) -> None:
    """A word within a name proves nothing, nor does a name below another folder."""
    assert discarding_folders([Folder(name=name, delimiter="/", attributes=("\\Sent",))]) == frozenset()


def test_folder_without_delimiter_is_one_level() -> None:
    """A flat server has names, not paths."""
    assert discarding_folders([Folder(name="Trash", delimiter=None)]) == {"Trash"}


@pytest.mark.parametrize(
    ("live", "fraction", "allowed"),
    [(100, 0.29, 29), (3, 0.5, 1), (1, 0.5, 1), (9, 0.1, 1), (0, 1.0, 0), (7, 1.0, 7)],
)
def test_fraction_is_rounded_down(live: int, fraction: float, allowed: int) -> None:
    """A floating point error takes nobody's message, nor leaves one; of a few messages one may go a run."""
    assert allowance_of(live, fraction) == allowed


def read_folder(*, complete: bool) -> FolderRow:
    return FolderRow(account="a", folder="INBOX", at=datetime.now(UTC), run_id="r", complete=complete)


def test_folder_that_a_run_found_complete_has_no_gap() -> None:
    """The newest run counts, whatever was undelivered before."""
    assert find_gap(read_folder(complete=True), 0, allow_incomplete=False) is None


def test_folder_of_which_a_part_was_seen_has_a_gap() -> None:
    """What lies behind a window, or was not asked for, the archive may not hold."""
    gap = find_gap(read_folder(complete=True), 0, allow_incomplete=False, is_part=True)
    assert gap is not None
    assert "a part only" in gap
    assert find_gap(read_folder(complete=True), 0, allow_incomplete=True, is_part=True) is None


@pytest.mark.parametrize(
    ("last", "undelivered", "why"),
    [
        (None, 0, "no run has read it to its end"),
        (read_folder(complete=False), 0, "no run has read it to its end"),
        (read_folder(complete=False), 1, "1 message was listed and never delivered"),
        (read_folder(complete=False), 2, "2 messages were listed and never delivered"),
    ],
)
def test_folder_with_a_gap_is_left_alone_unless_allowed(
    last: FolderRow | None, undelivered: int, why: str
) -> None:
    """The sentence says what is missing and how to go on."""
    gap = find_gap(last, undelivered, allow_incomplete=False)
    assert gap is not None
    assert why in gap
    assert "allow_incomplete" in gap
    assert find_gap(last, undelivered, allow_incomplete=True) is None
