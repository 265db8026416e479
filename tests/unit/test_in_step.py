"""Counts of a folder and its copy: when they say that nothing need be compared again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.in_step import FolderMark, InStep

SOURCE = FolderMark(uid_validity=7, uid_next=101, messages=90, highest_modseq=500)
TARGET = FolderMark(uid_validity=9, uid_next=201, messages=120, highest_modseq=800)
STEP = InStep(source=SOURCE, target=TARGET, messages=90, with_flags=True)

marks = st.builds(
    FolderMark,
    uid_validity=st.integers(1, 2**32),
    uid_next=st.integers(1, 2**32),
    messages=st.integers(0, 2**32),
    highest_modseq=st.none() | st.integers(1, 2**63),
)


def test_nothing_changed_is_in_step() -> None:
    """Flags count only where they are asked for."""
    assert STEP.holds(SOURCE, TARGET, with_flags=True)
    assert STEP.holds(SOURCE, TARGET, with_flags=False)
    assert not replace(STEP, with_flags=False).holds(SOURCE, TARGET, with_flags=True)


@pytest.mark.parametrize("name", ["uid_validity", "uid_next", "messages"])
def test_any_count_that_changed_asks_for_a_comparison(name: str) -> None:
    """On either side."""
    changed_source = replace(SOURCE, **{name: getattr(SOURCE, name) + 1})
    changed_target = replace(TARGET, **{name: getattr(TARGET, name) - 1})
    assert not STEP.holds(changed_source, TARGET, with_flags=False)
    assert not STEP.holds(SOURCE, changed_target, with_flags=False)


def test_changed_flags_count_where_they_are_to_follow() -> None:
    """On either side, and a server that states no MODSEQ may have changed them."""
    for source, target in (
        (replace(SOURCE, highest_modseq=501), TARGET),
        (SOURCE, replace(TARGET, highest_modseq=801)),
        (replace(SOURCE, highest_modseq=None), TARGET),
    ):
        assert STEP.holds(source, target, with_flags=False)
        assert not STEP.holds(source, target, with_flags=True)
    silent = replace(SOURCE, highest_modseq=None)
    step = InStep(source=silent, target=TARGET, messages=90, with_flags=True)
    assert not step.holds(silent, TARGET, with_flags=True)


def test_an_archive_is_told_by_the_digest_of_its_rows() -> None:
    """Counts are no match for a digest."""
    step = InStep(source="ab", target=TARGET, messages=90)
    assert step.holds("ab", TARGET, with_flags=False)
    assert not step.holds("cd", TARGET, with_flags=False)
    assert not step.holds(SOURCE, TARGET, with_flags=False)


@pytest.mark.parametrize(
    "counts",
    [
        None,
        {},
        {"UIDNEXT": 5, "MESSAGES": 4},
        {"UIDVALIDITY": 0, "UIDNEXT": 5, "MESSAGES": 4},
        {"UIDVALIDITY": 1, "UIDNEXT": 0, "MESSAGES": 4},
        {"UIDVALIDITY": 1, "UIDNEXT": 5},
    ],
)
def test_counts_that_prove_nothing_are_no_mark(counts: dict[str, int] | None) -> None:
    """A server that states no UIDVALIDITY may have numbered anew."""
    assert FolderMark.of(counts) is None


@given(st.text() | marks, marks, st.integers(0, 2**32), st.booleans(), st.none() | st.just("1:9,12"))
def test_what_is_kept_is_what_was_known(
    source: FolderMark | str, target: FolderMark, messages: int, with_flags: bool, rest: str | None
) -> None:
    """As JSON takes it and gives it back."""
    step = InStep(source=source, target=target, messages=messages, with_flags=with_flags, rest=rest)
    assert InStep.from_facts(step.as_facts()) == step
