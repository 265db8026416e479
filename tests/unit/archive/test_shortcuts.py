"""A shortcut counts for one command line, for a day, and while no table has got an entry."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mailroom.archive.reading.shortcuts import (
    AVOID_SECONDS,
    MAX_AGE_SECONDS,
    Shortcut,
    path_of,
    read_shortcut,
    state_of_tables,
    written,
)

WORDS = ["mirror", "imaps://ana@imap.example.org", "--archive", "/m/\udcff"]


@pytest.fixture
def shortcut() -> Shortcut:
    """One with everything in it."""
    return Shortcut(
        WORDS,
        b"tables,",
        conversation=b"M1 \0two\r\nM2 LIST 9:\r\n",
        offered=b"IMAP4rev1",
        capabilities=b"ID IMAP4rev1",
        answers=bytes(range(32)),
        told="4 folders, ninguna carta nueva ✓\nand a line",
    )


def test_it_is_read_as_it_was_written(shortcut: Shortcut) -> None:
    """Whatever octets are in it; times are whole seconds."""
    found = read_shortcut(written(shortcut), WORDS)
    assert found is not None
    assert vars(found) == {**vars(shortcut), "at": int(shortcut.at)}
    assert found.is_for_now


def test_no_file_that_was_cut_or_changed_is_believed(shortcut: Shortcut) -> None:
    """At any octet."""
    whole = written(shortcut)
    for place in range(len(whole)):
        assert read_shortcut(whole[:place], WORDS) is None
        assert read_shortcut(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], WORDS) is None


def test_it_is_for_one_command_line(shortcut: Shortcut) -> None:
    """Another option may mean other folders, or another account."""
    assert read_shortcut(written(shortcut), [*WORDS, "--json"]) is None
    assert path_of("ana", "mirror") != path_of("ana", "fetch") != path_of("bea", "fetch")


@pytest.mark.parametrize(("conversation", "most"), [(b"x", MAX_AGE_SECONDS), (b"", AVOID_SECONDS)])
def test_it_is_for_a_day_and_what_to_avoid_for_longer(conversation: bytes, most: int) -> None:
    """None counts that was left in the future."""
    now = time.time()
    ages = (-100, 0, most - 100, most + 100)
    counting = [Shortcut(WORDS, b"", conversation=conversation, at=now - age).is_for_now for age in ages]
    assert counting == [False, True, True, False]


def test_every_commit_to_any_table_changes_the_state(tmp_path: Path) -> None:
    """A new entry, one that is not the same any more, one that is gone, a new table."""
    log = tmp_path / "tables" / "locations" / "_delta_log"
    log.mkdir(parents=True)
    assert state_of_tables(str(tmp_path)) is None
    (log / f"{0:020}.json").write_text("{}")
    states = [state_of_tables(str(tmp_path))]
    assert states[0] == state_of_tables(str(tmp_path))
    (log / f"{1:020}.json").write_text("{}")
    states.append(state_of_tables(str(tmp_path)))
    (log / f"{1:020}.json").write_text("{ }")
    states.append(state_of_tables(str(tmp_path)))
    (log / f"{0:020}.json").unlink()
    states.append(state_of_tables(str(tmp_path)))
    other = tmp_path / "tables" / "texts" / "_delta_log"
    other.mkdir(parents=True)
    (other / f"{0:020}.json").write_text("{}")
    states.append(state_of_tables(str(tmp_path)))
    assert None not in states
    assert len(set(states)) == len(states)


def test_where_there_are_no_tables_there_is_no_state(tmp_path: Path) -> None:
    """A first run has nothing to go by."""
    assert state_of_tables(str(tmp_path)) is None
