"""A mirror's plan brings the archive in step, once, whatever order things come in."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.mailbox_plan import find_changed_flags, normal_flags, plan_folder

UIDS = st.sets(st.integers(1, 40), max_size=25)
FLAGS = st.sampled_from(["", "\\Seen", "\\Flagged \\Seen", "$a"])


def array(uids: Any) -> np.ndarray:
    """Return UIDs as the archive does: ascending."""
    return np.array(sorted(uids), dtype=np.int64)


@given(listed=UIDS, live=UIDS, unfetchable=UIDS, order=st.sampled_from(["oldest", "newest"]))
def test_plan_after_apply_is_empty(
    listed: set[int], live: set[int], unfetchable: set[int], order: str
) -> None:
    """Whoever does what the plan says has nothing left to do."""
    unfetchable -= live  # the newest row of a message says one thing
    plan = plan_folder(array(listed), live=array(live), unfetchable=array(unfetchable), order=order)
    after = (live - set(plan.gone.tolist())) | set(plan.fetch.tolist()) | set(plan.retry.tolist())
    rest = unfetchable - set(plan.given_up.tolist()) - set(plan.retry.tolist())
    assert after == listed
    assert plan_folder(array(listed), live=array(after), unfetchable=array(rest)).is_empty


@given(
    listed=st.lists(st.integers(1, 40), max_size=30), live=UIDS, unfetchable=UIDS, wanted=UIDS, data=st.data()
)
def test_order_and_repetition_of_a_listing_do_not_matter(
    listed: list[int], live: set[int], unfetchable: set[int], wanted: set[int], data: st.DataObject
) -> None:
    """Servers list in any order."""
    shuffled = data.draw(st.permutations(listed + listed[:3]))
    plans = [
        plan_folder(
            np.array(one, dtype=np.int64),
            live=array(live),
            unfetchable=array(unfetchable),
            wanted=array(wanted),
        )
        for one in (listed, shuffled)
    ]
    for name in ("fetch", "retry", "gone", "given_up"):
        assert getattr(plans[0], name).tolist() == getattr(plans[1], name).tolist()


@given(listed=UIDS, live=UIDS, unfetchable=UIDS, wanted=UIDS)
def test_parts_of_a_plan_never_overlap(
    listed: set[int], live: set[int], unfetchable: set[int], wanted: set[int]
) -> None:
    """A message is fetched, retried, gone or given up, never two of these."""
    plan = plan_folder(array(listed), live=array(live), unfetchable=array(unfetchable), wanted=array(wanted))
    parts = [set(part.tolist()) for part in (plan.fetch, plan.retry, plan.gone, plan.given_up)]
    assert sum(len(part) for part in parts) == len(set().union(*parts))
    assert parts[0] | parts[1] <= listed & wanted
    assert not parts[0] & (live | unfetchable)
    assert not (parts[2] | parts[3]) & listed


@given(
    known=st.dictionaries(st.integers(1, 20), FLAGS, max_size=15),
    told=st.lists(st.tuples(st.integers(1, 25), FLAGS), max_size=30),
)
def test_flags_recorded_are_the_flags_told(known: dict[int, str], told: list[tuple[int, str]]) -> None:
    """After what changed is recorded, the archive says what the server said last."""
    live = array(known)
    flags = np.array([known[uid] for uid in live.tolist()], dtype=object)
    seen = np.array([uid for uid, _ in told], dtype=np.int64)
    seen_flags = np.array([text for _, text in told], dtype=object)
    places = find_changed_flags(live, flags, seen, seen_flags).tolist()
    recorded = known | {told[place][0]: told[place][1] for place in places}
    assert recorded == {uid: dict(told).get(uid, text) for uid, text in known.items()}
    assert all(known[told[place][0]] != told[place][1] for place in places)


@given(st.lists(st.sampled_from(["\\seen", "\\SEEN", "\\Recent", "a", "b", "\\Deleted"]), max_size=6))
def test_normal_flags_are_stable(flags: list[str]) -> None:
    """Flags written in another order or case are the same flags."""
    normal = normal_flags(flags)
    assert normal_flags(normal) == normal
    assert normal_flags(reversed([flag.lower() if flag[0] == "\\" else flag for flag in flags])) == normal
