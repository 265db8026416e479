"""Paths of exported folders and messages."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.export_paths import DELIVERED, eml_name, segments_of

DIGEST = "0123456789abcdef" * 4


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=3), max_size=12))
def test_no_two_names_meet_and_none_climbs(names: list[list[str]]) -> None:
    """Each folder has a path of its own on a disk that knows no case, made of harmless segments."""
    found = segments_of(names)
    assert set(found) == {tuple(levels) for levels in names}
    paths = [tuple(segment.casefold() for segment in path) for path in found.values()]
    assert len(set(paths)) == len(paths)
    for path in found.values():
        for segment in path:
            assert segment not in ("", ".", "..")
            assert not set(segment) & set("/\\\0\n")
            assert len(segment.encode()) <= 220
            assert not segment.endswith((".mbox", ".eml"))


def test_ordinary_names_stay_as_they_are() -> None:
    """People find their folders again."""
    assert segments_of([["Facturas", "2026"], ["Año nuevo"]]) == {
        ("Facturas", "2026"): ("Facturas", "2026"),
        ("Año nuevo",): ("Año nuevo",),
    }


def test_folders_that_differ_in_case_only_are_two() -> None:
    """On a disk that knows no case the one would be written over the other."""
    found = segments_of([["Work"], ["work"], ["work", "sub"]])
    assert found["Work",] == ("Work",)
    assert found["work",][0].startswith("work-")
    assert found["work", "sub"] == (*found["work",], "sub")


@given(st.text(max_size=200), st.none() | st.datetimes(), st.integers(1, 10_000))
def test_file_names_are_safe_and_tell_the_message(subject: str, date: datetime | None, turn: int) -> None:
    """Whatever a subject says, the name is one segment, fits any disk and names the digest."""
    name = eml_name(DIGEST, turn, date, subject)
    assert not set(name) & set('/\\\0\n:*?"<>|')
    assert len(name.encode()) <= 255
    found = DELIVERED.fullmatch(name)
    assert found is not None
    assert found[1] == DIGEST[:32]
    assert int(found[2] or 1) == turn


def test_a_name_begins_with_its_date_and_subject() -> None:
    """Sorted by name is sorted by date."""
    date = datetime(2026, 3, 4, tzinfo=UTC)
    assert eml_name(DIGEST, 1, date, "Hola") == f"2026-03-04 Hola {DIGEST[:32]}.eml"
    assert eml_name(DIGEST, 1, None, "") == f"{DIGEST[:32]}.eml"
