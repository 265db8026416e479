"""Seals: a run seals its rows, and whatever is done to them by hand shows."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive import Archive
from mailroom.archive.checking import sealer as sealing
from mailroom.archive.checking.row_digests import Leaves, leaf_digests
from mailroom.archive.checking.seal_keys import read_key
from mailroom.archive.checking.seals import read_seals
from mailroom.exceptions import ConfigurationError
from mailroom.services.forget import ForgetWish, forget_mail
from tests.support.archives import archive_messages, body, context, folder_row, place
from tests.support.sealed import (
    ED25519,
    HMAC,
    forget_notes,
    kill_one,
    rewrite,
    run,
    tampered,
    three_runs,
    verify,
)


def test_untouched_archive_is_sound(tmp_path: Path) -> None:
    """One seal a run, chained, over every row of it; nothing is left behind."""
    three_runs(tmp_path)
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(seal.run_id, seal.rows, seal.seq) for seal in seals] == [(f"run-{n}", 7, n) for n in range(3)]
    assert [seal.previous for seal in seals] == [None, seals[0].digest, seals[1].digest]
    assert (tampered(tmp_path), verify(tmp_path).notes) == ([], ())
    assert [path for path in tmp_path.glob("unsealed/*/*")] == []


@pytest.mark.parametrize("name", ["locations", "audit", "folders"])
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [{**rows[0], "folder": "Elsewhere"}, *rows[1:]],
        lambda rows: [{**row, "at": row["at"] + timedelta(microseconds=1)} for row in rows],
        lambda rows: rows[1:],
        lambda rows: rows[:-1],
        lambda rows: [*rows, {**rows[-1], "seq": 99}],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows, {**rows[-1], "run_id": "nobody's"}],
        lambda rows: [{**row, "run_id": "run-0"} for row in rows],
    ],
    ids=[
        "changed",
        "a time moved",
        "first gone",
        "last gone",
        "added",
        "doubled",
        "of a new run",
        "of one run",
    ],
)
def test_rows_changed_by_hand_are_found(
    tmp_path: Path, name: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    """Any row of a sealed table, whatever was done to it, makes verify fail."""
    three_runs(tmp_path)
    rewrite(tmp_path, name, change)
    assert any("changed by hand for post" in sentence for sentence in tampered(tmp_path))


@pytest.mark.parametrize("gone", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_seal_that_was_taken_out_is_found(tmp_path: Path, gone: tuple[int, ...]) -> None:
    """First, middle, last or all of them."""
    three_runs(tmp_path)
    rewrite(tmp_path, "seals", lambda rows: [row for row in rows if row["seq"] not in gone])
    assert tampered(tmp_path)


def test_first_run_at_work_is_no_missing_seal(tmp_path: Path) -> None:
    """Its mark says that its seal is to come."""
    kill_one(tmp_path, HMAC)
    assert tampered(tmp_path, HMAC) == []


def test_seal_that_was_made_to_fit_breaks_the_chain_or_the_signature(tmp_path: Path) -> None:
    """Whoever changes a row and its seal has to make all later ones anew, and cannot sign them."""
    three_runs(tmp_path, HMAC)

    def forge(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*rows[:-1], {**rows[-1], "root": Leaves().root(), "rows": 0}]

    rewrite(tmp_path, "seals", forge)
    for name in ("locations", "audit", "folders"):
        rewrite(tmp_path, name, lambda rows: [row for row in rows if row["run_id"] != "run-2"])
    assert any("seals were taken out or made anew" in sentence for sentence in tampered(tmp_path))
    forget_notes(tmp_path)
    assert tampered(tmp_path) == []
    assert any("wrong signature" in sentence for sentence in tampered(tmp_path, HMAC))


def test_signature_that_was_taken_off_is_found(tmp_path: Path) -> None:
    """After a signed seal there is no unsigned one."""
    three_runs(tmp_path, ED25519)
    unsigned = {"signature": None, "algorithm": None, "key_id": None}
    rewrite(tmp_path, "seals", lambda rows: [*rows[:-1], {**rows[-1], **unsigned}])
    assert any("is not signed" in sentence for sentence in tampered(tmp_path, ED25519))


@pytest.mark.parametrize("key", [HMAC, ED25519])
def test_signed_seals_are_checked_with_the_key(tmp_path: Path, key: str) -> None:
    """With the key all is well, with another it is not; without any it is said that nothing was checked."""
    three_runs(tmp_path, key)
    assert tampered(tmp_path, key) == []
    assert all("another key" in sentence for sentence in tampered(tmp_path, "hmac:another secret of mine"))
    assert any("MAILROOM_SEAL_KEY" in note for note in verify(tmp_path).notes)


def test_public_key_checks_and_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor needs no key that could make seals; the environment may hold it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    three_runs(tmp_path, ED25519)
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    monkeypatch.setenv("MAILROOM_SEAL_KEY", "ed25519-public:" + base64.b64encode(public).decode())
    assert tampered(tmp_path) == []
    with pytest.raises(ConfigurationError, match="cannot sign"):
        run(tmp_path, "run-9", range(90, 92))


@pytest.mark.parametrize("text", ["", "secret", "hmac:short", "ed25519:AAAA", "ed25519-public:?", "rsa:x"])
def test_key_that_makes_no_sense_is_refused_and_not_shown(text: str) -> None:
    """The sentence says how to write one."""
    with pytest.raises(ConfigurationError) as caught:
        read_key(text)
    assert "AAAA" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_nothing_new_seals_nothing(tmp_path: Path) -> None:
    """A run that writes no row leaves no seal, no mark and no file."""
    three_runs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with Archive(tmp_path).writer(context("run-9")) as writer:
        writer.close_folder(folder_row(messages=25, uid_next=26))
        writer.finish("succeeded", {}, 0)
    assert sorted(tmp_path.rglob("*")) == before


def test_upkeep_does_not_disturb_seals(tmp_path: Path) -> None:
    """Joined files hold the same rows."""
    for number in range(1, 56):
        archive_messages(Archive(tmp_path), [number], run_id=f"run-{number}")
    assert tampered(tmp_path) == []


def test_several_writers_of_one_run_have_one_seal_that_counts(tmp_path: Path) -> None:
    """The newest is over all of them."""
    for first in (1, 11, 21):
        run(tmp_path, "run-1", range(first, first + 3))
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [seal.rows for seal in seals] == [6, 12, 18]
    assert tampered(tmp_path) == []


def test_run_that_was_killed_and_is_run_again_under_its_name_has_one_seal(tmp_path: Path) -> None:
    """What it had written before it was killed is sealed with the rest."""
    kill_one(tmp_path)
    run(tmp_path, "killed", range(1, 4))
    assert [seal.rows for seal in read_seals(Archive(tmp_path).table("seals"))] == [7]
    assert tampered(tmp_path) == []


def test_rows_of_a_killed_run_wait_and_are_sealed_by_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a day they are a note, for the run may be at work; then the next run of the account seals them."""
    three_runs(tmp_path, HMAC)
    kill_one(tmp_path, HMAC)
    run(tmp_path, "run-3", range(31, 33), HMAC)
    assert tampered(tmp_path, HMAC) == []
    assert any("1 rows of post are not sealed yet" in note for note in verify(tmp_path, HMAC).notes)
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path, "run-4", range(41, 43), HMAC)
    (note,) = verify(tmp_path, HMAC).notes
    assert "1 rows of post were sealed by a later run" in note
    assert "(killed)" in note
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(seal.run_id, seal.sealed_by) for seal in seals[-2:]] == [("run-4", None), ("killed", "run-4")]


def test_run_of_many_days_is_not_sealed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes its mark anew before it commits, so that its rows wait for its own seal."""
    three_runs(tmp_path)
    monkeypatch.setattr(sealing, "RENEW_AFTER", timedelta(0))
    with Archive(tmp_path).writer(context("long")) as writer:
        for number in (70, 71):
            for mark in tmp_path.glob("unsealed/*/*"):
                os.utime(mark, (0, 0))
            writer.add(body(number), place(number, run_id="long"))
            writer.flush()
        run(tmp_path, "run-4", range(41, 43))
        assert "long" not in {seal.run_id for seal in read_seals(Archive(tmp_path).table("seals"))}
        assert tampered(tmp_path) == []
        writer.finish("succeeded", {}, 0)
    assert (tampered(tmp_path), verify(tmp_path).notes) == ([], ())


def test_run_that_was_sealed_by_another_goes_on_and_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mark is there again with its next row, so that a later run seals all of it."""
    three_runs(tmp_path)
    monkeypatch.setattr(sealing, "RENEW_AFTER", timedelta(0))
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    writer = Archive(tmp_path).writer(context("long"))
    writer.__enter__()
    writer.add(body(70), place(70, run_id="long"))
    writer.flush()
    run(tmp_path, "run-3", range(31, 33))
    writer.add(body(71), place(71, run_id="long"))
    writer.flush()
    writer._close()
    run(tmp_path, "run-4", range(41, 43))
    assert tampered(tmp_path) == []
    assert all("sealed by a later run" in note for note in verify(tmp_path).notes)


def test_rows_that_were_removed_before_they_were_sealed_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail of a killed run was removed from the archive before a later run sealed the rest."""
    three_runs(tmp_path)
    archive = Archive(tmp_path)
    writer = archive.writer(context("killed"))
    writer.__enter__()
    for number in (70, 71):
        writer.add(body(number), place(number, run_id="killed"))
    writer.flush()
    writer._close()
    forget_mail(
        Archive(tmp_path),
        context("forget-1", what="forget"),
        ForgetWish(older_than=timedelta(microseconds=1), by_date=True),
        dry_run=False,
        now=lambda: datetime.now(UTC),
    )
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path, "run-4", range(41, 43))
    assert tampered(tmp_path) == []


def test_mark_that_nobody_signed_does_not_have_rows_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has no key cannot pass added rows off as those of a killed run."""
    three_runs(tmp_path, HMAC)
    kill_one(tmp_path)
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path, "run-4", range(41, 43), HMAC)
    assert any("belong to no sealed run" in sentence for sentence in tampered(tmp_path, HMAC))


def test_rows_older_than_sealing_have_a_seal_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that was there before is sealed as it is when the first run seals; later changes show."""
    with monkeypatch.context() as patch:
        patch.setattr(sealing.Sealer, "begin", lambda self: None)
        three_runs(tmp_path)
    assert not (tmp_path / "tables" / "seals").exists()
    assert verify(tmp_path).failures == ()
    run(tmp_path, "run-9", range(90, 93))
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(seal.run_id, seal.rows) for seal in seals] == [("", 21), ("run-9", 6)]
    assert tampered(tmp_path) == []
    rewrite(tmp_path, "locations", lambda rows: rows[1:])
    assert len(tampered(tmp_path)) == 1


def test_rows_of_other_accounts_have_chains_of_their_own(tmp_path: Path) -> None:
    """One account's seals say nothing of another's."""
    with Archive(tmp_path).writer(context("run-1")) as writer:
        for number, account in enumerate(("post", "second", "post"), start=1):
            writer.add(body(number), place(number)._replace(account=account))
        writer.finish("succeeded", {}, 0)
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(seal.account, seal.rows, seal.seq) for seal in seals] == [("post", 2, 0), ("second", 1, 0)]
    assert tampered(tmp_path) == []


rows = st.lists(
    st.fixed_dictionaries(
        {
            "account": st.none() | st.text(max_size=4),
            "folder": st.none() | st.text(max_size=4),
            "flags": st.lists(st.sampled_from(["\\Seen", "a", "b"]), max_size=2),
            "uid": st.none() | st.integers(0, 3),
        }
    ),
    max_size=6,
)
SCHEMA = pa.schema(
    [("account", pa.string()), ("folder", pa.string()), ("flags", pa.list_(pa.string())), ("uid", pa.int64())]
)


@given(rows, rows)
def test_roots_agree_exactly_where_rows_do(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    """In whatever order; and no two different rows are written alike."""
    roots = [
        Leaves(leaf_digests("locations", pa.Table.from_pylist(found, schema=SCHEMA))).root()
        for found in (first, second)
    ]
    said = [sorted(repr(sorted(row.items())) for row in found) for found in (first, second)]
    assert (roots[0] == roots[1]) == (said[0] == said[1])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=9))
def test_root_does_not_depend_on_order(leaves: list[bytes]) -> None:
    """Files are joined and read in any order."""
    found = {Leaves(order).root() for order in itertools.islice(itertools.permutations(leaves), 24)}
    assert len(found) == 1


@given(rows, st.integers(1, 3))
def test_a_row_has_its_digest_whatever_stands_beside_it(found: list[dict[str, Any]], times: int) -> None:
    """Columns that say one thing for all rows are written once: no digest may depend on that."""
    table = pa.Table.from_pylist(found, schema=SCHEMA)
    together = leaf_digests("locations", pa.concat_tables([table] * times))
    assert together == [leaf_digests("locations", table.slice(n, 1))[0] for n in range(len(found))] * times


def test_a_digest_is_what_the_documentation_says() -> None:
    """Whoever checks seals with a program of their own relies on it."""
    row = {"account": "a", "folder": None, "flags": ["\\Seen", "\N{SNOWMAN}"], "uid": 7}
    stated = "account=1:a\nflags=9:\\Seen\x1f\N{SNOWMAN}\nuid=1:7"
    wanted = hashlib.sha256(b"\x00locations\n" + stated.encode()).digest()
    assert leaf_digests("locations", pa.Table.from_pylist([row], schema=SCHEMA)) == [wanted]


def test_the_root_over_three_rows_is_what_the_documentation_says() -> None:
    """An odd one goes up a level as it is."""
    first, second, third = (octet * 32 for octet in (b"\x00", b"\x01", b"\x02"))
    pair = hashlib.sha256(b"\x01" + first + second).digest()
    assert Leaves([third, first, second]).root() == hashlib.sha256(b"\x01" + pair + third).hexdigest()
