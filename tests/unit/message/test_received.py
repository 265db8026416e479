"""Received fields as servers write them, and as clients would have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.received import read_hop


@pytest.mark.parametrize(
    ("value", "clauses", "addresses"),
    [
        ("from a.example (a.example [192.0.2.1])\r\n by MX.me (Postfix) with ESMTPS id 1; 1 May 10:00:00",
         ("a.example", "mx.me", "esmtps", True), ["192.0.2.1"]),
        ("from mx.me ([IPv6:fd00::1]) by box.me with LMTP; d", ("mx.me", "box.me", "lmtp", True),
         ["fd00::1"]),
        ("by 2002:a05:6402:1 with SMTP id x; date", ("", "2002:a05:6402:1", "smtp", False), []),
        ("(qmail 12 invoked by network); date", ("", "", "", False), []),
        ("from [10.0.0.1] (HELO x) (192.0.2.1) by mx.me with SMTP; d", ("10.0.0.1", "mx.me", "smtp", True),
         ["10.0.0.1", "192.0.2.1"]),
        ("from x.outlook.com (2603:10a6:1::2) by y.outlook.com (2603:10a6:1::3) with Microsoft SMTP Server "
         "id 15.20.6.19; d", ("x.outlook.com", "y.outlook.com", "microsoft", True), ["2603:10a6:1::2"]),
        ("from x by mx.evil by mx.me with LMTP with SMTP; d", ("x", "", "", True), []),
        ("from (never closed by mx.me with LMTP; d", ("", "", "", True), []),
    ],
)  # fmt: skip
def test_clauses_of_a_field(value: str, clauses: tuple[str, str, str, bool], addresses: list[str]) -> None:
    """What is there twice, as a client may bring about, is taken for none."""
    hop = read_hop(value)
    assert (*hop[:4], [str(one) for one in hop.addresses]) == (*clauses, addresses)


@given(st.text(max_size=200))
def test_any_value_is_read(value: str) -> None:
    """Nothing breaks it."""
    read_hop(value)
