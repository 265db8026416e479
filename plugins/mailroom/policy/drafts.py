"""Which drafts are older states of others.

A mail program that saves a draft by itself every minute stores it anew each time, under the
Message-ID it had, and then deletes the one before. Whoever lists the folder in between sees both.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["superseded_drafts"]


def superseded_drafts(drafts: Iterable[tuple[int, str | None]]) -> set[int]:
    """Return the UIDs of drafts of which a newer one is there, which a higher UID and the Message-ID tell.

    :param drafts: UID and Message-ID of each; one without Message-ID is a draft of its own.

    >>> sorted(superseded_drafts([(4, "<a>"), (7, "<a>"), (5, "<b>"), (6, None), (8, None)]))
    [4]
    """
    newest: dict[str, int] = {}
    older: set[int] = set()
    for uid, message_id in drafts:
        if message_id is None:
            continue
        before = newest.get(message_id, uid)
        newest[message_id] = max(before, uid)
        if before != uid:
            older.add(min(before, uid))
    return older
