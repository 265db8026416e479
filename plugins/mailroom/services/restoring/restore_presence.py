"""Which archived messages a folder on a server holds already.

Here: the question that makes a restore safe to repeat. A message is recognised by its Message-ID,
size and date (``policy.rematch``); where these do not settle it, by its octets, then by the identity
of its contents, for servers re-encode; and last, where a server wrote even the contents anew, by
its whole header (``close_look``). Another letter is never taken for it. Not here: what is done about
the rest (``mailbox_restore``).

A message that lies twice in the archived folder is there when it is there twice.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive, Described
from mailroom.client.imap import ImapClient
from mailroom.message import index_message
from mailroom.model import LocationRow
from mailroom.policy.rematch import match_appearances
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.close_look import Stranger, match_stored_otherwise
from mailroom.services.restoring.looks import NO_TIME, Held, Places, Presence, Told, take_place
from mailroom.services.restoring.received import opened

__all__ = ["describe_rows", "find_present"]

DESCRIBE_ROWS = 20_000
"""How many rows are described at a time; each time the table of messages is looked through once."""

Numbers = npt.NDArray[np.intp]


def describe_rows(
    archive: Archive, rows: Iterable[LocationRow]
) -> Iterator[tuple[int, LocationRow, Described | None]]:
    """Yield rows with their places in the order given and what the archive knows of their messages.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    waiting = iter(rows)
    place = 0
    while chunk := list(islice(waiting, DESCRIBE_ROWS)):
        described = archive.describe({row.sha256 for row in chunk if row.sha256 is not None})
        for row in chunk:
            yield place, row, described.get(row.sha256 or "")
            place += 1


def find_present(
    client: ImapClient,
    archive: Archive,
    rows: Callable[[], Iterable[LocationRow]],
    *,
    first_uid: int = 1,
    strict: bool = False,
) -> Presence:
    """Ask the open folder which of these messages it holds; nothing in it changes.

    :param rows: the rows of the archived messages, in the same order at each call.
    :param first_uid: look only at messages of this UID or a higher one.
    :param strict: read each one, and take for the same only equal octets or identity; for who deletes
        what is found, or never sends it again. What only looks the same is ``doubtful``.
    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    held = Held()
    for _, row, described in describe_rows(archive, rows()):
        held.add(row, described)
    told = Told()
    listed = client.search("ALL")
    for message in client.fetch_fingerprints(listed[listed >= first_uid]):
        told.add(message)
    uids = np.zeros(len(held), dtype=np.int64)
    matches = (
        np.full(len(told), -1, dtype=np.int64)
        if strict
        else match_appearances(held.looks, held.contents(), told.looks)
    )
    for found in np.flatnonzero(matches >= 0).tolist():
        uids[matches[found]] = told.uids[found]
    unknown = np.flatnonzero(matches < 0)
    missing = np.flatnonzero(uids == 0)
    if not len(unknown) or not len(missing):
        return Presence(uids=uids)
    altered, rest = _look_closely(client, held, told, unknown, missing, uids)
    if strict:
        return Presence(uids=uids, altered=altered, doubtful=_doubtful(held, told, rest, uids))
    more, alike = match_stored_otherwise(archive, held, told, rest, uids)
    return Presence(uids=uids, altered=altered + more, alike=alike)


def _look_closely(
    client: ImapClient, held: Held, told: Told, unknown: Numbers, missing: Numbers, uids: Places
) -> tuple[int, list[Stranger]]:
    """Read those of the unknown messages that may be one of the missing; fill in their UIDs.

    :returns: how many were recognised by identity, and those that are none of the missing.
    """
    doubtful = _candidates(held, told, unknown, missing)
    by_digest, by_identity = defaultdict(list), defaultdict(list)
    for place in missing.tolist()[::-1]:
        by_digest[held.digest(place)].append(place)
        if held.names[place] and (identity := held.identity(place)):
            by_identity[identity].append(place)
    rest: list[Stranger] = []
    altered = 0
    with tempfile.TemporaryDirectory(prefix="mailroom-restore-") as folder:
        names = (os.path.join(folder, str(number)) for number in count())
        for message in client.fetch_messages(sorted(doubtful), lambda: next(names)):
            if message.body is None or message.uid not in doubtful:
                continue
            at = doubtful[message.uid]
            place = take_place(by_digest[digest_of(message.body)], uids)
            if place is None:
                with opened(message.body) as content:
                    if told.names[at]:
                        place = take_place(by_identity[index_message(content).identity], uids)
                        altered += place is not None
                    if place is None:
                        rest.append(Stranger.of(at, content))
            if place is not None:
                uids[place] = message.uid
            discard(message.body)
    return altered, rest


def _candidates(held: Held, told: Told, unknown: Numbers, missing: Numbers) -> dict[int, int]:
    """Return the unknown messages that share a size, Message-ID or date with a missing one, by UID."""
    sizes, names = _set(held.octets, missing), _set(held.names, missing) - {0}
    dates = _set(held.dates, missing) - {NO_TIME}
    return {
        told.uids[at]: at
        for at in unknown.tolist()
        if told.octets[at] in sizes or told.names[at] in names or told.dates[at] in dates
    }


def _doubtful(held: Held, told: Told, rest: Iterable[Stranger], uids: Places) -> frozenset[int]:
    """Return missing messages of whose date and Message-ID (or, without one, size) a stranger is."""
    by_look = defaultdict(list)
    for place in np.flatnonzero(uids == 0).tolist()[::-1]:
        if held.dates[place] != NO_TIME:
            by_look[held.look(place)].append(place)
    found = (by_look[told.look(stranger.at)] for stranger in rest)
    return frozenset(places.pop() for places in found if places)


def _set(column: array[int], places: Numbers) -> set[int]:
    return {column[place] for place in places.tolist()}
