"""Fields that forms share: valid when untouched, and explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow.sdk import Param

from mailroom.operators import form
from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text, optional_texts

FIELDS: list[Callable[[], Param]] = [getattr(form, name) for name in form.__all__ if name.endswith("_field")]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.__name__)
def test_a_field_explains_itself_and_needs_no_answer(field: Callable[[], Param]) -> None:
    """And is made anew each time: Airflow keeps answers in it."""
    made = field()
    assert made.schema["title"]
    assert made.schema["description_md"]
    assert made.schema["section"]
    assert made.resolve() == made.value
    assert field() is not made


def test_what_may_stay_empty_says_nothing() -> None:
    """An answer is a text; none is none."""
    made = optional_text("From", "A pattern.", examples=["*@a.example"])
    assert (made.resolve(), made.resolve("x"), made.schema["section"]) == (None, "x", OPEN_SECTION)
    assert optional_texts("Not", "One a line.").resolve() == []
    assert archive_field().schema["section"] != OPEN_SECTION
