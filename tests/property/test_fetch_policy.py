"""What holds for every listing, every archive and every POP3 mode."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailroom.model import Change, LocationRow
from mailroom.policy.fetch import Retrieval, plan_fetch, shared_uidls, uidl_of_header
from mailroom.policy.fetch_mode import FetchMode
from tests.unit.policy.rows import NOW, Message, days_ago, maildrop_row

UIDLS = st.sampled_from(["u1", "u2", "u3", "u4", "u5"])
SIZES = st.sampled_from([100, 101])
MODES = st.one_of(
    st.just(FetchMode()),
    st.just(FetchMode(leave_on_server=False)),
    st.builds(FetchMode, delete_after=st.integers(0, 30).map(lambda days: timedelta(days=days))),
)


@st.composite
def listings(draw: st.DrawFn) -> list[Message]:
    lines = draw(st.lists(st.tuples(SIZES, UIDLS), max_size=8))
    return [Message(number, size, uidl) for number, (size, uidl) in enumerate(lines, start=1)]


@st.composite
def archives(draw: st.DrawFn) -> dict[str, list[LocationRow]]:
    keys = draw(st.sets(st.tuples(UIDLS, st.sampled_from(["A", "B", None])), max_size=6))
    rows: dict[str, list[LocationRow]] = {}
    for uidl, digest in sorted(keys, key=str):
        row = maildrop_row(
            uidl,
            sha256=digest and f"{uidl}{digest}",
            change=draw(st.sampled_from(list(Change))) if digest else Change.UNFETCHABLE,
            size=draw(st.sampled_from([100, 101, None])),
            archived_at=draw(st.sampled_from([days_ago(n) for n in (0, 5, 15, 40)])),
        )
        rows.setdefault(uidl, []).append(row)
    return rows


@given(listings(), archives(), MODES)
def test_only_what_is_archived_and_due_may_go(
    listing: list[Message], rows: dict[str, list[LocationRow]], mode: FetchMode
) -> None:
    """Whatever else is true, a candidate has bytes in the archive, is old enough, and the mode deletes."""
    made = plan_fetch(listing, rows, mode, NOW, shared=shared_uidls(listing))
    for candidate in made.due:
        assert mode.deletes
        assert candidate.row.sha256 is not None
        assert candidate.row.archived_at is not None
        if mode.delete_after is not None:
            assert candidate.row.archived_at <= NOW - mode.delete_after


@given(listings(), archives(), MODES)
def test_every_listed_message_is_accounted_for_once(
    listing: list[Message], rows: dict[str, list[LocationRow]], mode: FetchMode
) -> None:
    """Nothing is skipped in silence: each number is retrieved, due, or left as it is."""
    made = plan_fetch(listing, rows, mode, NOW, shared=shared_uidls(listing))
    numbers = [item.number for item in made.retrieve] + [candidate.key for candidate in made.due]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) + made.left == len(listing)


@given(listings(), archives(), MODES)
def test_what_is_not_retrieved_is_archived_as_listed(
    listing: list[Message], rows: dict[str, list[LocationRow]], mode: FetchMode
) -> None:
    """A message is passed over only for a row with its UIDL, its size, and bytes."""
    made = plan_fetch(listing, rows, mode, NOW, shared=shared_uidls(listing))
    retrieved = {item.number for item in made.retrieve}
    for message in listing:
        if message.number not in retrieved:
            assert any(
                row.sha256 is not None and row.size in (None, message.octets)
                for row in rows[message.uidl or ""]
            )


@given(listings(), archives(), MODES, st.randoms(use_true_random=False))
def test_order_of_the_listing_does_not_matter(
    listing: list[Message], rows: dict[str, list[LocationRow]], mode: FetchMode, chance: random.Random
) -> None:
    """Servers may list as they like."""
    shared = shared_uidls(listing)
    made = plan_fetch(listing, rows, mode, NOW, shared=shared)
    chance.shuffle(listing)
    again = plan_fetch(listing, rows, mode, NOW, shared=shared)
    assert {item.number for item in made.retrieve} == {item.number for item in again.retrieve}
    assert {candidate.key for candidate in made.due} == {candidate.key for candidate in again.due}


@given(listings(), archives())
def test_plan_after_apply_is_empty(listing: list[Message], rows: dict[str, list[LocationRow]]) -> None:
    """Once all that a plan says is archived, and nothing shares a UIDL, there is nothing to do."""
    listing = [m for m in listing if m.uidl not in shared_uidls(listing)]
    mode = FetchMode()
    made = plan_fetch(listing, rows, mode, NOW)
    applied = {uidl: list(known) for uidl, known in rows.items()}
    for item in made.retrieve:
        _archive(applied, item)
    for row in made.listed_again:
        applied[row.uidl or ""] = [row if r.sha256 == row.sha256 else r for r in applied[row.uidl or ""]]
    again = plan_fetch(listing, applied, mode, NOW)
    assert (again.retrieve, again.due, again.listed_again) == ((), (), ())


def _archive(rows: dict[str, list[LocationRow]], item: Retrieval) -> None:
    """Do what the service does: the retrieved message is live, others under its UIDL are not listed."""
    uidl = item.uidl or ""
    before = [r._replace(change=Change.NOT_LISTED) if r.change.is_live else r for r in rows.get(uidl, [])]
    rows[uidl] = [*before, maildrop_row(uidl, sha256=f"{uidl} retrieved", size=item.octets)]


HEADER_LINES = st.lists(
    st.binary(min_size=1, max_size=30).filter(lambda line: not set(line) & set(b"\r\n")), max_size=8
)


@given(st.binary(max_size=300))
def test_any_header_has_a_name(header: bytes) -> None:
    """Whatever a server sends for TOP, it is named the same each time."""
    assert uidl_of_header(header) == uidl_of_header(header)


@given(HEADER_LINES)
def test_line_ends_are_no_part_of_who_a_message_is(lines: list[bytes]) -> None:
    """A server that changes them still shows the same message."""
    assert uidl_of_header(b"\r\n".join(lines)) == uidl_of_header(b"\n".join(lines))


@given(HEADER_LINES, st.sampled_from([b"Status: RO", b"X-Status: A", b"X-UID: 7", b"X-Mozilla-Status: 0001"]))
def test_field_that_servers_rewrite_changes_nothing(lines: list[bytes], field: bytes) -> None:
    """Reading a message on another device does not make it another message."""
    assert uidl_of_header(b"\r\n".join(lines)) == uidl_of_header(b"\r\n".join([*lines, field]))


@given(HEADER_LINES, st.integers(0, 10**6))
def test_every_other_field_counts(lines: list[bytes], number: int) -> None:
    """Two messages that differ in one trace field are two."""
    traced = [b"Received: by x; %d" % number, *lines]
    assert uidl_of_header(b"\r\n".join(lines)) != uidl_of_header(b"\r\n".join(traced))
