"""Which messages of one account another account holds already, told without downloading all of them.

Here: the comparison of two folders by what servers say cheaply of each message; octets are compared
only where that does not settle it. Not here: an archive's side of it (``restore_presence``).

Messages are the same if Message-ID, size and date are (``policy.rematch``), or the whole header and the
date of arrival, for servers re-encode. Where one folder has several that look the same, and where a
message has no Message-ID, their octets decide, but for those that servers change (``message.storing``).
A folder may hold a message twice: it is there when it is there twice.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable
from itertools import count

import numpy as np
import numpy.typing as npt

from mailroom.client.imap import ImapClient
from mailroom.client.imap_facts import fetch_header_fields
from mailroom.message import ORIGIN_FIELDS, bare_digest, origin_of_header
from mailroom.policy.rematch import match_appearances
from mailroom.protocol.sequence_set import Uids
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.looks import NO_TIME, Places, Presence, Told, take_place
from mailroom.services.restoring.received import opened

__all__ = ["find_live_present"]


def find_live_present(source: ImapClient, held: Told, target: ImapClient, listed: Uids) -> Presence:
    """Ask the target's open folder which of the source's messages it holds; nothing in either changes.

    :param source: its folder is open.
    :param held: the source's messages.
    :param listed: UIDs of the target's messages that count.
    :raises ConnectionLost: if one of the servers goes away.
    """
    told = Told()
    uids = np.zeros(len(held), dtype=np.int64)
    if len(held):
        for message in target.fetch_fingerprints(listed):
            told.add(message)
    if not len(told):
        return Presence(uids=uids)
    contents = _contents(source, held)
    matches = match_appearances(held.looks, contents, told.looks)
    for found in np.flatnonzero(matches >= 0).tolist():
        uids[matches[found]] = told.uids[found]
    unknown = set(np.flatnonzero(matches < 0).tolist())
    alike = _match_headers(source, target, held, told, uids, unknown)
    altered = _match_octets(source, target, held, told, uids, unknown)
    return Presence(uids=uids, altered=altered, alike=alike)


def _contents(source: ImapClient, held: Told) -> npt.NDArray[np.uint64]:
    """Return for each message what stands for its content: its digest where another one looks the same."""
    contents = np.zeros((len(held), 2), dtype=np.uint64)
    contents[:, 0] = np.arange(1, len(held) + 1, dtype=np.uint64)
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for at in range(len(held)):
        if held.names[at]:
            groups[held.octets[at], held.names[at]].append(at)
    doubtful = [at for group in groups.values() if len(group) > 1 for at in group]
    digests = _digests(source, (held.uids[at] for at in doubtful))
    for at in doubtful:
        digest = digests.get(held.uids[at])
        if digest is not None:
            contents[at] = np.frombuffer(bytes.fromhex(digest[0])[:16], dtype=np.uint64)
    return contents


def _match_headers(
    source: ImapClient, target: ImapClient, held: Told, told: Told, uids: Places, unknown: set[int]
) -> dict[int, str]:
    """Match what has the same header and came at the same time, though its size is another.

    :returns: the places of the source's messages that were, and what these are called.
    """
    missing = [at for at in np.flatnonzero(uids == 0).tolist() if held.names[at]]
    theirs = [at for at in sorted(unknown) if told.names[at]]
    looks = {held.look(at) for at in missing} & {told.look(at) for at in theirs}
    ours = [at for at in missing if held.look(at) in looks]
    theirs = [at for at in theirs if told.look(at) in looks]
    origins, there = _origins(source, held, ours), _origins(target, told, theirs)
    waiting: dict[object, list[int]] = defaultdict(list)
    for at in ours[::-1]:
        if at in origins:
            waiting[held.look(at), origins[at]].append(at)
    alike = {}
    for at in theirs:
        place = take_place(waiting[told.look(at), there.get(at)], uids)
        if place is not None:
            uids[place] = told.uids[at]
            unknown.discard(at)
            alike[place] = f"the source's UID {held.uids[place]}"
    return alike


def _match_octets(
    source: ImapClient, target: ImapClient, held: Told, told: Told, uids: Places, unknown: set[int]
) -> int:
    """Read what may be the same on both sides, and match what has the same octets.

    :returns: how many have the same octets but for those that servers change.
    """
    missing = np.flatnonzero(uids == 0).tolist()
    sizes = {held.octets[at] for at in missing} & {told.octets[at] for at in unknown}
    dates = _nameless_dates(held, missing) & _nameless_dates(told, unknown)
    ours = _candidates(held, missing, sizes, dates)
    theirs = _candidates(told, unknown, sizes, dates)
    if not ours or not theirs:
        return 0
    here, there = _digests(source, ours), _digests(target, theirs)
    altered = 0
    for kind in (0, 1):  # equal octets first, then those stored otherwise
        waiting: dict[str, list[int]] = defaultdict(list)
        for uid, digests in sorted(here.items(), reverse=True):
            waiting[digests[kind]].append(ours[uid])
        for uid, digests in sorted(there.items()):
            at = theirs[uid]
            place = take_place(waiting[digests[kind]], uids) if at in unknown else None
            if place is not None:
                uids[place] = uid
                unknown.discard(at)
                altered += kind
    return altered


def _nameless_dates(looks: Told, places: Iterable[int]) -> set[int]:
    """Return when those of the messages came that have no Message-ID."""
    return {looks.dates[at] for at in places if not looks.names[at]} - {NO_TIME}


def _candidates(looks: Told, places: Iterable[int], sizes: set[int], dates: set[int]) -> dict[int, int]:
    """Return the messages to read, by UID: of one of these sizes, or nameless and of one of these dates."""
    return {
        looks.uids[at]: at
        for at in places
        if looks.octets[at] in sizes or (not looks.names[at] and looks.dates[at] in dates)
    }


def _origins(client: ImapClient, looks: Told, places: Iterable[int]) -> dict[int, str]:
    """Return a digest of the header of messages of the open folder."""
    asked = {looks.uids[at]: at for at in places}
    told = fetch_header_fields(client, sorted(asked), ORIGIN_FIELDS) if asked else ()
    return {
        asked[message.uid]: origin_of_header(message.header)
        for message in told
        if message.uid in asked and message.header is not None
    }


def _digests(client: ImapClient, uids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return the SHA-256 of messages of the open folder, and that of what servers leave as it is."""
    wanted = sorted(set(uids))
    found: dict[int, tuple[str, str]] = {}
    if not wanted:
        return found
    with tempfile.TemporaryDirectory(prefix="mailroom-copy-") as folder:
        names = (f"{folder}/{number}" for number in count())
        for message in client.fetch_messages(wanted, lambda: next(names)):
            if message.body is not None:
                with opened(message.body) as content:
                    found[message.uid] = digest_of(message.body), bare_digest(content)
                discard(message.body)
    return found
