"""The mirror after lanes: its counts and theirs in one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailroom.operators.imap import CHANGES, HOW_IT_STANDS, with_lanes
from mailroom.services.mirroring.mirror_report import MirrorReport

counts = st.builds(
    MirrorReport,
    account=st.just("office"),
    folders=st.integers(0, 9),
    unchanged=st.integers(0, 9),
    added=st.integers(0, 9),
    octets=st.integers(0, 9),
    flags=st.integers(0, 9),
    expunged=st.integers(0, 9),
    unfetchable=st.integers(0, 9),
    superseded=st.integers(0, 9),
)


@given(counts, st.lists(counts, max_size=4))
def test_what_was_done_adds_up_and_how_it_stands_does_not(
    whole: MirrorReport, lanes: list[MirrorReport]
) -> None:
    """The last mirror looks at all folders once more, and at what still does not come."""
    summary = whole.summary()
    together = with_lanes(summary, [lane.summary() for lane in lanes])
    for name in (*CHANGES[:-1], "octets", "vanished", "moved"):
        assert together[name] == sum(report.summary()[name] for report in (whole, *lanes))
    for name in (*HOW_IT_STANDS & summary.keys(), "account", "interrupted", "warnings"):
        assert together[name] == summary[name]


@given(counts)
def test_without_lanes_it_is_the_mirror_alone(whole: MirrorReport) -> None:
    """None ended well, or there were none."""
    assert with_lanes(whole.summary(), []) == whole.summary()


def test_what_only_lanes_count_is_told() -> None:
    """Lanes in both directions count what they brought onto the server."""
    assert with_lanes({"added": 0}, [{"added": 0, "pushed": 2}, {"pushed": 1}]) == {"added": 0, "pushed": 3}
