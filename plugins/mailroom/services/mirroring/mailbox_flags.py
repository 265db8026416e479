"""Changed flags and labels of one mailbox, found and recorded.

Here: asking for as few as the server lets one ask for. Not here: the comparison
(``policy.mirror``). RFC 7162 section 3.1.4.1 where the server counts changes; elsewhere all
flags are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt

from mailroom.archive import ArchiveWriter, FolderState
from mailroom.client.imap import ImapClient
from mailroom.model import Change, LocationRow, RunContext
from mailroom.policy.mailbox_plan import find_changed_flags, normal_flags
from mailroom.policy.uid_sets import Uids, ascending, common

__all__ = ["record_changed_flags"]

CHUNK_ROWS = 4096
"""How many rows are read from the archive at a time."""


def record_changed_flags(
    client: ImapClient,
    writer: ArchiveWriter,
    state: FolderState,
    context: RunContext,
    *,
    changed_since: int | None,
    now: Callable[[], datetime],
) -> int:
    """Record flags and labels of live messages where they differ from the archive's; return how many did.

    :param changed_since: the HIGHESTMODSEQ up to which flags are known; None compares all.
    :raises ConnectionLost: if the server goes away.
    """
    uids, modseqs = array("q"), array("q")
    texts: list[str] = []
    labels: dict[int, tuple[str, ...]] = {}
    known: dict[tuple[str, ...], str] = {}
    for message in client.fetch_flags("1:*", changed_since=changed_since):
        if message.flags is None:
            continue
        text = known.get(message.flags)
        if text is None:
            text = known[message.flags] = " ".join(normal_flags(message.flags))
        uids.append(message.uid)
        modseqs.append(message.modseq or 0)
        texts.append(text)
        if message.labels is not None:
            labels[message.uid] = message.labels
    seen = np.frombuffer(uids, dtype=np.int64) if uids else np.empty(0, dtype=np.int64)
    seen_flags = np.array(texts, dtype=object)
    places = find_changed_flags(state.live, state.flags_of(), seen, seen_flags)
    if labels:
        places = np.union1d(places, _relabelled(state, seen, labels))

    def rows() -> Iterator[LocationRow]:
        for start in range(0, len(places), CHUNK_ROWS):
            told = {
                int(seen[at]): (texts[at], modseqs[at]) for at in places[start : start + CHUNK_ROWS].tolist()
            }
            for row in state.rows(told):
                text, modseq = told[row.uid or 0]
                yield row._replace(
                    change=Change.FLAGS,
                    flags=tuple(text.split()),
                    labels=labels.get(row.uid or 0, row.labels),
                    modseq=modseq or row.modseq,
                    at=now(),
                    run_id=context.run_id,
                )

    writer.record(rows())
    return len(places)


def _relabelled(
    state: FolderState, seen: Uids, labels: Mapping[int, tuple[str, ...]]
) -> npt.NDArray[np.intp]:
    """Return the places in ``seen`` of live messages that have other labels than the archive says."""
    changed = [
        row.uid
        for row in state.each(common(state.live, ascending(seen)))
        if row.uid is not None and labels.get(row.uid, row.labels) != row.labels
    ]
    last = {uid: at for at, uid in enumerate(seen.tolist())}
    return np.array([last[uid] for uid in changed], dtype=np.intp)
