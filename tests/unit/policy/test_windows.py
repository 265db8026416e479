"""Folders that show their newest messages only, told from those in which somebody deletes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mailroom.policy.windows import Listing, window_of

HIDDEN: list[tuple[str, dict[str, Any]]] = [
    ("a limit was set: the oldest went, and a thousand are left", {"listed": (501, 1500), "gone": (1, 500)}),
    ("new mail came in, as many slid away", {"listed": (1011, 2010), "gone": (1001, 1010), "before": 1000}),
    ("an odd limit that is kept", {"listed": (11, 3333 + 10), "gone": (1, 10), "before": 3333}),
    (
        "Yahoo's limit, and some were deleted since",
        {"listed": (51, 9990 + 50), "gone": (1, 50), "host": "imap.mail.yahoo.com"},
    ),
    ("a newer one was deleted beside", {"listed": (501, 1501), "gone": (1, 501), "was_window": True}),
    ("nothing went, and it was one before", {"listed": (1, 10_000), "was_window": True}),
    (
        "numbered anew, and more was known",
        {"listed": (1, 5_000), "known": 7_000, "is_renumbered": True},
    ),
]

DELETED: list[tuple[str, dict[str, Any]]] = [
    ("nothing is missing", {"listed": (1, 1000)}),
    ("a newer one is missing too", {"listed": (501, 1500), "gone": (1, 501)}),
    (
        "known for it, and by now below its limit",
        {"listed": (501, 1500), "gone": (1, 501), "was_window": True},
    ),
    ("the oldest of a small folder", {"listed": (11, 60), "gone": (1, 10), "before": 50}),
    ("the oldest, and the count is less", {"listed": (11, 3343), "gone": (1, 10), "before": 3343}),
    ("near a limit that this host does not have", {"listed": (51, 9990 + 50), "gone": (1, 50)}),
    ("all of them", {"listed": (1, 0), "gone": (1, 1000), "before": 1000}),
    (
        "a host that ends in the same letters",
        {"listed": (51, 9990 + 50), "gone": (1, 50), "host": "notyahoo.com"},
    ),
    ("numbered anew, all there", {"listed": (1, 5_000), "known": 5_000, "is_renumbered": True}),
]


def listing(listed: tuple[int, int], gone: tuple[int, int] = (1, 0), **facts: Any) -> Listing:
    """Return a listing of UIDs from and to."""
    uids, missing = (np.arange(low, high + 1, dtype=np.int64) for low, high in (listed, gone))
    if gone == (1, 501):
        missing = np.append(missing[:500], 700)
        uids = uids[uids != 700]
    values: dict[str, Any] = {"host": "imap.example.org", "known": len(uids) + len(missing)}
    return Listing(listed=uids, gone=missing, **(values | facts))


@pytest.mark.parametrize(("what", "facts"), HIDDEN, ids=[what for what, _ in HIDDEN])
def test_hidden(what: str, facts: dict[str, Any]) -> None:
    """The oldest slide out of sight while the count stays at a limit."""
    assert window_of(listing(**facts))


@pytest.mark.parametrize(("what", "facts"), DELETED, ids=[what for what, _ in DELETED])
def test_deleted(what: str, facts: dict[str, Any]) -> None:
    """What people do to folders looks otherwise."""
    assert window_of(listing(**facts)) is None
