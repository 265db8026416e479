"""Whatever was committed in whatever order, the state is the newest row of each key."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailroom.archive import Archive
from mailroom.archive.digests import DigestSet, halves, halves_of
from mailroom.archive.writing.locations import LocationLog, Placed
from mailroom.model import Change, LocationRow
from tests.support.archives import NOW, digest, maildrop_row, place

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])

LIVE = {Change.ADDED, Change.FLAGS, Change.MOVED}

imap_rows = st.builds(
    place,
    st.integers(1, 6),
    folder=st.sampled_from(["INBOX", "a/b"]),
    uid_validity=st.sampled_from([7, 9]),
    change=st.sampled_from([Change.ADDED, Change.FLAGS, Change.EXPUNGED, Change.UNFETCHABLE]),
    flags=st.sampled_from([(), ("\\Seen",), ("\\Flagged", "\\Seen")]),
    sha256=st.sampled_from([digest(1), digest(2)]),
    at=st.integers(0, 10).map(lambda days: NOW - timedelta(days=days)),
)

pop3_rows = st.builds(
    maildrop_row,
    st.sampled_from(["u1", "u2", "ü/3"]),
    change=st.sampled_from([Change.ADDED, Change.DELETED_BY_FETCH, Change.NOT_LISTED]),
    sha256=st.sampled_from([digest(1), digest(2)]),
)

steps = st.one_of(
    st.lists(imap_rows, min_size=1, max_size=5).map(lambda rows: ("commit", rows)),
    st.lists(pop3_rows, min_size=1, max_size=4).map(lambda rows: ("commit", rows)),
    st.just(("join", [])),
    st.just(("look", [])),
)


def key_of(row: LocationRow) -> tuple[Any, ...]:
    if row.uidl is not None:
        return (row.uidl, row.sha256)
    return (row.folder, row.uid_validity, row.uid)


@FEW
@given(st.lists(steps, min_size=1, max_size=14))
def test_the_state_is_the_newest_row_of_each_key(history: list[tuple[str, list[LocationRow]]]) -> None:
    """Read at once or step by step, files joined in between or not, states agree with a dictionary."""
    with tempfile.TemporaryDirectory() as root:
        stepwise = Archive(Path(root))
        stepwise.prepare().close()
        log = LocationLog(stepwise.table("locations"), {})
        newest: dict[tuple[Any, ...], LocationRow] = {}
        opened: dict[str, int] = {}
        for kind, rows in history:
            if kind == "commit":
                once = {key_of(row): row for row in rows}
                log.append([Placed(row=r, digest=r.sha256, archived_at=NOW) for r in once.values()])
                newest.update(once)
                _note_epochs(opened, once.values())
            elif kind == "join" and len(log.table.files()) > 1:
                names = log.table.spec.schema.names
                assert log.table.replace(log.table.files(), [p.table for p in log.table.scan(names)])
            else:
                stepwise.folder_state("post", "INBOX")
        for archive in (stepwise, Archive(Path(root))):
            for folder in ("INBOX", "a/b"):
                _compare_folder(archive, folder, newest, opened.get(folder))
            _compare_maildrop(archive, newest)


def _note_epochs(opened: dict[str, int], rows: Any) -> None:
    """Remember the numbering each folder was last recorded under; rows that close one do not count."""
    latest: dict[str, int] = {}
    for row in rows:
        if row.uidl is None and row.change in LIVE | {Change.UNFETCHABLE}:
            latest[row.folder] = max(row.uid_validity, latest.get(row.folder, 0))
    opened.update(latest)


def _compare_folder(
    archive: Archive, folder: str, newest: dict[tuple[Any, ...], LocationRow], epoch: int | None
) -> None:
    state = archive.folder_state("post", folder)
    rows = [row for row in newest.values() if row.uidl is None and row.folder == folder]
    assert state.seq >= 0 or not rows
    if _epoch_is_known(rows, epoch):
        assert state.uid_validity == epoch
    current = {row.uid: row for row in rows if row.uid_validity == state.uid_validity}
    live = sorted(uid for uid, row in current.items() if row.change in LIVE)
    assert state.live.tolist() == live
    assert state.unfetchable.tolist() == sorted(
        uid for uid, row in current.items() if row.change is Change.UNFETCHABLE
    )
    assert state.flags_of().tolist() == [" ".join(sorted(current[uid].flags)) for uid in live]
    found = state.rows(range(1, 7))
    assert {row.uid: row.change for row in found} == {uid: row.change for uid, row in current.items()}
    assert [row.uid for row in state.live_rows()] == live
    assert all(row._replace(archived_at=None) == current[row.uid] for row in found)
    past = {
        (r.uid_validity, r.uid) for r in rows if r.uid_validity != state.uid_validity and r.change in LIVE
    }
    assert {(row.uid_validity, row.uid) for row in state.past_live_rows()} == past


def _epoch_is_known(rows: list[LocationRow], epoch: int | None) -> bool:
    """Whether rows that open a numbering are still the newest of their key; others tell nothing of order."""
    return epoch is not None and any(
        row.uid_validity == epoch and row.change in LIVE | {Change.UNFETCHABLE} for row in rows
    )


def _compare_maildrop(archive: Archive, newest: dict[tuple[Any, ...], LocationRow]) -> None:
    state = archive.maildrop_state("post")
    rows = [row for row in newest.values() if row.uidl is not None]
    assert state.known_uidls() == {row.uidl for row in rows}
    assert state.live_uidls() == {row.uidl for row in rows if row.change in LIVE}
    found = state.rows(["u1", "u2", "ü/3", "u4"])
    assert {(uidl, row.sha256): row.change for uidl, many in found.items() for row in many} == {
        (row.uidl, row.sha256): row.change for row in rows
    }


hex_digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(st.lists(st.one_of(hex_digests, st.none(), st.text(max_size=70)), max_size=40))
def test_digests_in_a_column_are_those_of_each_text(words: list[str | None]) -> None:
    """Any column gives the numbers of its digests, and zero for all that is none."""
    first, second = halves(pa.array(words, pa.string()))
    for word, one, two in zip(words, first.tolist(), second.tolist(), strict=True):
        is_digest = word is not None and len(word.encode()) == 64
        if is_digest and not set(word or "") - set("0123456789abcdef"):
            assert (one, two) == halves_of(word or "")
        elif not is_digest:
            assert (one, two) == (0, 0)


@given(st.sets(hex_digests, max_size=30), st.sets(hex_digests, max_size=30))
def test_a_set_of_digests_holds_exactly_its_own(held: set[str], others: set[str]) -> None:
    """Bisection finds every member, and no other."""
    found = DigestSet(*halves(pa.array(sorted(held), pa.string())))
    for word in held | others:
        assert found.holds(word) == (word in held)
