"""Arguments as templates and forms yield them."""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import ConfigurationError
from mailroom.operators.arguments import (
    as_choice,
    as_count,
    as_date,
    as_duration,
    as_flag,
    as_fraction,
    as_moment,
    as_octets,
    as_pairs,
    as_patterns,
    as_results,
    as_text,
    required_duration,
    required_text,
)

READERS: list[Callable[[str, object], object]] = [
    as_text,
    as_flag,
    as_duration,
    as_octets,
    as_date,
    as_patterns,
    as_results,
    lambda name, value: as_fraction(name, value, default=1.0),
    lambda name, value: as_choice(name, value, ("oldest", "newest")),
]


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (30, 30),
        ("30", 30),
        (" 30 ", 30),
        ("30d", 30),
        ("30 days", 30),
        ("1 day", 1),
        ("2w", 14),
        ("1y", 365),
        ("7 years", 2555),
        ("12h", 0.5),
        ("0", 0),
        (0, 0),
        (0.5, 0.5),
        (timedelta(days=7), 7),
    ],
)
def test_duration_is_days_unless_said_otherwise(value: object, days: float) -> None:
    """A form sends 30, a template '30', a DAG author timedelta(days=30)."""
    assert as_duration("older_than", value) == timedelta(days=days)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-1",
        "soon",
        True,
        [30],
        timedelta(days=-1),
        float("nan"),
        float("inf"),
        36_501,
        "6m",
        "6M",
        "6 months",
        "30s",
    ],
)
def test_wrong_duration_is_named(value: object) -> None:
    """A time that cannot be meant deletes nothing."""
    with pytest.raises(ConfigurationError, match="older_than must be a number of days"):
        as_duration("older_than", value)


@pytest.mark.parametrize("value", [None, "", " ", "None", "null"])
def test_nothing_given_is_nothing(value: object) -> None:
    """An empty field of a form renders as '' or 'None'."""
    assert as_text("x", value) is None
    assert as_duration("x", value) is None
    assert as_octets("x", value) is None
    assert as_date("x", value) is None
    assert as_choice("x", value, ("a",)) is None
    assert as_flag("x", value, default=True) is True
    assert as_fraction("x", value, default=0.25) == 0.25
    assert as_patterns("x", value, default=("*",)) == ("*",)


@pytest.mark.parametrize("value", [None, "", "None"])
def test_required_arguments_say_that_they_are_missing(value: object) -> None:
    """A retention without a time must not take one of its own."""
    with pytest.raises(ConfigurationError, match="older_than is missing"):
        required_duration("older_than", value)
    with pytest.raises(ConfigurationError, match="conn_id is missing"):
        required_text("conn_id", value)


@pytest.mark.parametrize(
    ("value", "found"), [(True, True), (False, False), ("true", True), ("False", False), (" FALSE ", False)]
)
def test_flag_false_as_text_is_false(value: object, found: bool) -> None:
    """``bool('False')`` is true; a dry run must not become a real one."""
    assert as_flag("dry_run", value) is found


@pytest.mark.parametrize("value", ["yes please", 0, 1, "0", [], {}])
def test_flag_that_is_neither_is_refused(value: object) -> None:
    """Between deleting and not deleting nothing is guessed."""
    with pytest.raises(ConfigurationError, match="dry_run must be true or false"):
        as_flag("dry_run", value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (["INBOX", "Sent"], ("INBOX", "Sent")),
        (("INBOX",), ("INBOX",)),
        ("INBOX", ("INBOX",)),
        ("INBOX\nSent\n\n", ("INBOX", "Sent")),
        ("['INBOX', 'Sent']", ("INBOX", "Sent")),
        ('["INBOX", "Facturas/2026"]', ("INBOX", "Facturas/2026")),
        ("Fees, 2026", ("Fees, 2026",)),
        ("[A-F]*", ("[A-F]*",)),
        ("[Gmail]/*", ("[Gmail]/*",)),
        (2026, ("2026",)),
        ([2026, "Facturación"], ("2026", "Facturación")),
        ([], ("*",)),
        ("[]", ("*",)),
    ],
)
def test_patterns_come_as_lists_or_texts(value: object, found: tuple[str, ...]) -> None:
    """A comma or a bracket may be part of a folder's name."""
    assert as_patterns("folders", value, default=("*",)) == found


@pytest.mark.parametrize("value", [{"INBOX": 1}, True, timedelta(1)])
def test_patterns_that_are_no_list_are_refused(value: object) -> None:
    """What cannot be a list of folders must not read all of them."""
    with pytest.raises(ConfigurationError, match="folders must be a list"):
        as_patterns("folders", value)


@pytest.mark.parametrize(
    ("value", "octets"), [(10, 10), ("10", 10), ("10k", 10240), ("1.5M", 1572864), ("1 GiB", 1 << 30), (0, 0)]
)
def test_octets(value: object, octets: int) -> None:
    """Sizes are octets, or a text with a unit."""
    assert as_octets("larger_than", value) == octets


@pytest.mark.parametrize("value", ["big", -1, "-1", True, "10 Q", []])
def test_wrong_octets_are_named(value: object) -> None:
    """What is no size is refused."""
    with pytest.raises(ConfigurationError, match="larger_than must be a number of octets"):
        as_octets("larger_than", value)


@pytest.mark.parametrize(
    "value",
    [
        date(2026, 1, 31),
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        "2026-01-31",
        "2026-01-31T00:00:00+00:00",
        "2026-01-31 10:00",
    ],
)
def test_date_comes_in_many_forms(value: object) -> None:
    """A form sends a date, ``{{ data_interval_start }}`` a time."""
    assert as_date("since", value) == date(2026, 1, 31)


@pytest.mark.parametrize("value", ["yesterday", "31/01/2026", 20260131.5])
def test_wrong_date_is_named(value: object) -> None:
    """An ambiguous date is refused."""
    with pytest.raises(ConfigurationError, match="since must be a date"):
        as_date("since", value)


@pytest.mark.parametrize(("value", "found"), [("0.5", 0.5), (1, 1.0), (0, 0.0), (0.25, 0.25)])
def test_fraction(value: object, found: float) -> None:
    """A share is a number from 0 to 1."""
    assert as_fraction("max_gone", value, default=1.0) == found


@pytest.mark.parametrize("value", ["50%", 1.5, -0.1, "nan", True])
def test_wrong_fraction_is_named(value: object) -> None:
    """Half is 0.5, not 50."""
    with pytest.raises(ConfigurationError, match="max_gone must be a number from 0 to 1"):
        as_fraction("max_gone", value, default=1.0)


@pytest.mark.parametrize(("value", "found"), [(None, 4), ("", 4), (1, 1), ("8", 8), (" 32 ", 32)])
def test_count(value: object, found: int) -> None:
    """A whole number, or the default where nothing is said."""
    assert as_count("connections", value, default=4, most=32) == found


@pytest.mark.parametrize("value", [0, -1, 33, "many", 1.5, True, "٧"])
def test_wrong_count_is_named(value: object) -> None:
    """What is allowed is said."""
    with pytest.raises(ConfigurationError, match="connections must be a whole number from 1 to 32"):
        as_count("connections", value, default=4, most=32)


def test_choice_names_what_is_allowed() -> None:
    """A slip in a word shows the words."""
    assert as_choice("order", "Newest", ("oldest", "newest")) == "newest"
    with pytest.raises(ConfigurationError, match="order must be one of oldest, newest, not 'random'"):
        as_choice("order", "random", ("oldest", "newest"))


def test_path_is_a_text(tmp_path: Path) -> None:
    """An archive may be given as a path object."""
    assert as_text("archive", tmp_path) == str(tmp_path)


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=40),
        st.lists(st.text(max_size=5), max_size=3),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        st.timedeltas(),
    )
)
def test_whatever_a_template_yields_is_read_or_refused(value: object) -> None:
    """Garbage gives a sentence that names the argument, never a traceback."""
    for reader in READERS:
        try:
            reader("thing", value)
        except ConfigurationError as error:
            assert "thing must be" in str(error)  # noqa: PT017 both ends are right


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda t: t.strip() == t), min_size=1, max_size=4))
def test_list_survives_being_rendered_as_text(names: list[str]) -> None:
    """Without native rendering a list arrives as Python wrote it, and means the same."""
    assert as_patterns("folders", str(names), default=("*",)) == tuple(names)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31T08:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+01:00", datetime(2026, 1, 31, 7, tzinfo=UTC)),
        (datetime(2026, 1, 31, 8), datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("", None),
    ],
)
def test_moment_is_utc_and_a_day_means_its_end(value: object, moment: datetime | None) -> None:
    """Who asks for an account as of a day wants that day in it."""
    assert as_moment("as_of", value) == moment


def test_moment_that_is_none_is_refused_by_name() -> None:
    """The sentence names the argument."""
    with pytest.raises(ConfigurationError, match="as_of must be a time"):
        as_moment("as_of", "yesterday")


@pytest.mark.parametrize(
    "value",
    [
        {"A": "B", "C/D": "E=F"},
        ["A=B", "C/D=E=F"],
        "A=B\nC/D=E=F",
        "['A=B', 'C/D=E=F']",
        "{'A': 'B', 'C/D': 'E=F'}",
    ],
)
def test_pairs_come_in_many_forms(value: object) -> None:
    """A mapping, lines, and both as a template renders them."""
    assert as_pairs("folder_map", value) == (("A", "B"), ("C/D", "E=F"))


@pytest.mark.parametrize("value", ["A", "=B", "A=", ["A=B", "C"], 7])
def test_pairs_that_name_no_two_things_are_refused(value: object) -> None:
    """By the argument's name."""
    with pytest.raises(ConfigurationError, match="folder_map"):
        as_pairs("folder_map", value)


@pytest.mark.parametrize(
    "value",
    [
        [{"added": 1}, None, {"added": 2}],
        UserList([{"added": 1}, {"added": 2}]),
        "[{'added': 1}, {'added': 2}]",
    ],
)
def test_results_come_as_tasks_return_them(value: object) -> None:
    """Mapped tasks have a sequence of Airflow's own; of a task that failed there is nothing."""
    assert as_results("after_lanes", value) == ({"added": 1}, {"added": 2})


@pytest.mark.parametrize("value", [None, "", "None", [], "[]", [None]])
def test_no_results_are_none(value: object) -> None:
    """All lanes failed, or there were none."""
    assert as_results("after_lanes", value) == ()


@pytest.mark.parametrize("value", ["mirror.output", 7, [["INBOX"]], ["INBOX"], True])
def test_results_that_are_none_are_refused_by_name(value: object) -> None:
    """The lanes themselves, or a name, hold no counts."""
    with pytest.raises(ConfigurationError, match="after_lanes must be what operators returned"):
        as_results("after_lanes", value)
