"""N days from first archived are N times 86,400 seconds, wherever and whenever the run is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pendulum
from hypothesis import example, given
from hypothesis import strategies as st

from mailroom.policy.fetch_mode import FetchMode

ZONES = ("UTC", "Europe/Madrid", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")

moments = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
lengths = st.integers(0, 4000).map(lambda days: timedelta(days=days)) | st.timedeltas(
    timedelta(0), timedelta(days=60)
)
SPRING = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


@given(archived_at=moments, length=lengths, zone=st.sampled_from(ZONES))
@example(archived_at=SPRING - timedelta(days=7), length=timedelta(days=7), zone="Europe/Madrid")
@example(archived_at=SPRING + timedelta(hours=2), length=timedelta(days=210), zone="Europe/Madrid")
def test_due_to_the_microsecond_in_every_zone(archived_at: datetime, length: timedelta, zone: str) -> None:
    """A run a microsecond early keeps the message, one on time may delete it, whatever summer time does."""
    mode = FetchMode(delete_after=length)
    due = pendulum.instance(archived_at + length).in_timezone(zone)
    early = pendulum.instance(archived_at + length - timedelta(microseconds=1)).in_timezone(zone)
    for here in (archived_at, pendulum.instance(archived_at).in_timezone(zone)):
        assert mode.is_due(here, due)
        assert not mode.is_due(here, early)


@given(archived_at=moments, length=lengths, ticks=st.lists(moments, max_size=6))
def test_once_due_it_stays_due_as_time_goes_on(
    archived_at: datetime, length: timedelta, ticks: list[datetime]
) -> None:
    """However often a run is started again, the answer changes once."""
    mode = FetchMode(delete_after=length)
    answers = [mode.is_due(archived_at, now) for now in sorted(ticks)]
    assert answers == sorted(answers)
    assert all(
        answer == (now - archived_at >= length) for now, answer in zip(sorted(ticks), answers, strict=True)
    )
