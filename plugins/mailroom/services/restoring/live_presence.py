"""Which messages of one account another account holds already, told without downloading all of them.

Here: the comparison of two folders by what servers say cheaply of each message; octets are compared
only where that does not settle it. Not here: an archive's side of it (``restore_presence``).

Messages are the same if Message-ID, size and date are (``policy.rematch``), or Message-ID and the date
of arrival, for servers re-encode. Where one folder has several that look the same, and where a message
has no Message-ID, their octets decide. A folder may hold a message twice: it is there when it is there
twice.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import count

import numpy as np
import numpy.typing as npt

from mailroom.client.imap import ImapClient
from mailroom.policy.rematch import match_appearances
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.restore_presence import Looks, Places, Presence, Told

__all__ = ["find_live_present"]


def find_live_present(source: ImapClient, held: Told, target: ImapClient) -> Presence:
    """Ask the target's open folder which of the source's messages it holds; nothing in either changes.

    :param source: its folder is open.
    :param held: the source's messages.
    :raises ConnectionLost: if one of the servers goes away.
    """
    told = Told()
    for message in target.fetch_fingerprints(target.search("ALL")):
        told.add(message)
    uids = np.zeros(len(held), dtype=np.int64)
    if not len(told):
        return Presence(uids=uids)
    contents = _contents(source, held)
    matches = match_appearances(held.looks, contents, told.looks)
    for found in np.flatnonzero(matches >= 0).tolist():
        uids[matches[found]] = told.uids[found]
    unknown = set(np.flatnonzero(matches < 0).tolist())
    altered = _match(held, told, uids, unknown, lambda looks, at: looks.look(at) if looks.names[at] else None)
    _match_octets(source, target, held, told, uids, unknown)
    altered += _match(held, told, uids, unknown, lambda looks, at: looks.look(at))
    return Presence(uids=uids, altered=altered)


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
            contents[at] = np.frombuffer(bytes.fromhex(digest)[:16], dtype=np.uint64)
    return contents


def _match(
    held: Told,
    told: Told,
    uids: Places,
    unknown: set[int],
    key_of: Callable[[Looks, int], object],
) -> int:
    """Match what has the same key, in order; return how many did, and take them out of ``unknown``."""
    waiting: dict[object, list[int]] = defaultdict(list)
    for place in np.flatnonzero(uids == 0).tolist()[::-1]:
        key = key_of(held, place)
        if key is not None:
            waiting[key].append(place)
    found = 0
    for at in sorted(unknown):
        places = waiting.get(key_of(told, at) or ())
        if places:
            uids[places.pop()] = told.uids[at]
            unknown.discard(at)
            found += 1
    return found


def _match_octets(
    source: ImapClient, target: ImapClient, held: Told, told: Told, uids: Places, unknown: set[int]
) -> None:
    """Read what may be the same on both sides, and match what has the same octets."""
    missing = np.flatnonzero(uids == 0).tolist()
    sizes = {held.octets[at] for at in missing} & {told.octets[at] for at in unknown}
    ours = {held.uids[at]: at for at in missing if held.octets[at] in sizes}
    theirs = {told.uids[at]: at for at in unknown if told.octets[at] in sizes}
    if not ours or not theirs:
        return
    waiting: dict[str, list[int]] = defaultdict(list)
    for uid, digest in sorted(_digests(source, ours).items(), reverse=True):
        waiting[digest].append(ours[uid])
    for uid, digest in sorted(_digests(target, theirs).items()):
        if waiting[digest]:
            uids[waiting[digest].pop()] = uid
            unknown.discard(theirs[uid])


def _digests(client: ImapClient, uids: Iterable[int]) -> dict[int, str]:
    """Return the SHA-256 of messages of the open folder."""
    wanted = sorted(set(uids))
    found: dict[int, str] = {}
    if not wanted:
        return found
    with tempfile.TemporaryDirectory(prefix="mailroom-copy-") as folder:
        names = (f"{folder}/{number}" for number in count())
        for message in client.fetch_messages(wanted, lambda: next(names)):
            if message.body is not None:
                found[message.uid] = digest_of(message.body)
                discard(message.body)
    return found
