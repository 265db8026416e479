"""Parsed columns: what was packed comes back, in the rows of the tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive.writing.columns import PackedColumns, pack_columns
from mailroom.archive.writing.indexed import Indexed, index_content
from mailroom.archive.writing.message_rows import MessageRows, Part
from tests.support.archives import content
from tests.support.parsed import NOW, unpacked

words = st.text(st.characters(codec="utf-8"), max_size=9)
lists = st.lists(words, max_size=3).map(tuple)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
attachments = st.lists(
    st.tuples(words, words, words, st.none() | words, st.integers(0, 2**40), words, st.none() | words),
    max_size=3,
).map(tuple)
found = st.builds(
    Indexed,
    identity=st.none() | words,
    message_id=st.none() | words,
    date=st.none() | moments,
    date_source=st.none() | words,
    sender=st.none() | words,
    sender_address=st.none() | words,
    to=lists,
    cc=lists,
    subject=st.none() | words,
    in_reply_to=st.none() | words,
    references=lists,
    defects=lists,
    text=words,
    reply=st.none() | words,
    attachments=attachments,
)
messages = st.lists(found, min_size=1, max_size=6)


@given(messages)
def test_rows_say_what_was_parsed(parsed: list[Indexed]) -> None:
    """Nulls, empty texts, empty lists and whatever letters there are come out as they went in."""
    load = PackedColumns(pack_columns(parsed))
    assert unpacked(load) == parsed
    assert [load.identity(row) for row in range(len(load))] == [one.identity for one in parsed]
    assert load.text_octets == sum(len(one.text.encode()) + len((one.reply or "").encode()) for one in parsed)


@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_rows_that_are_left_out_take_no_others_along(loads: list[list[Indexed]], data: st.DataObject) -> None:
    """Of several loads any messages can be left out, and the others keep their texts and attachments."""
    whole = MessageRows(
        MessageRows.of([(f"{n * 100 + row:064x}", row, one, NOW) for row, one in enumerate(load)]).parts[0]
        for n, load in enumerate(loads)
    )
    gone = data.draw(st.sets(st.sampled_from(whole.digests)))
    left = whole.without(gone)
    assert left.digests == [digest for digest in whole.digests if digest not in gone]
    assert left.digests == whole.among(set(whole.digests) - gone).digests
    if left:
        assert left.as_messages().to_pylist() == [
            row for row in whole.as_messages().to_pylist() if row["sha256"] not in gone
        ]
        texts = [row for table in whole.as_texts() for row in table.to_pylist()]
        assert [row for table in left.as_texts() for row in table.to_pylist()] == [
            row for row in texts if row["sha256"] not in gone
        ]
    some = left.with_attachments()
    assert [row for row in some.as_attachments().to_pylist()] == [
        row for row in whole.as_attachments().to_pylist() if row["message_sha256"] not in gone
    ]


def test_text_that_no_encoder_takes_is_kept_with_question_marks() -> None:
    """A lone surrogate from a server's octets is no reason to refuse a message."""
    [one] = unpacked(PackedColumns(pack_columns([_about("a\ud800b")])))
    assert (one.subject, one.to, one.text) == ("a?b", ("a?b",), "a?b")


@pytest.mark.parametrize("cut", [1, 10, 300])
def test_columns_cut_short_are_refused(cut: int) -> None:
    """Nothing is made of octets that are missing."""
    import struct

    packed = pack_columns([_about("x" * 400)])
    with pytest.raises(struct.error):
        PackedColumns(packed[:-cut])


def _about(subject: str) -> Indexed:
    from mailroom.archive.writing.indexed import not_indexed

    return not_indexed("")._replace(subject=subject, to=(subject,), text=subject)


def test_rows_of_nothing_are_none() -> None:
    """Loads without a message that is meant are left out."""
    load = PackedColumns(pack_columns([_about("x")]))
    assert not MessageRows([Part(load, [], [], [], [])])


def test_messages_keep_what_is_theirs_in_any_order() -> None:
    """Columns stand in the order of their load, whatever the order of those that are asked for."""
    parsed = [index_content(content(number)) for number in range(3)]
    load = PackedColumns(pack_columns(parsed))
    rows = MessageRows([Part(load, [2, 0, 1], ["c" * 64, "a" * 64, "b" * 64], [3, 1, 2], [NOW] * 3)])
    table = rows.as_messages()
    assert table["sha256"].to_pylist() == ["a" * 64, "b" * 64, "c" * 64]
    assert table["size"].to_pylist() == [1, 2, 3]
    assert table["subject"].to_pylist() == [one.subject for one in parsed]
