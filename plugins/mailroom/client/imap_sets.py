"""UIDs as commands and answers name them, where NumPy is needed at last.

Belongs here: what stands between the client and ``protocol.sequence_set``, which is imported
with the first UID: a mailbox that STATUS alone shows to be unchanged has none, and NumPy
takes a tenth of a second to start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.protocol.sequence_set import Uids

__all__ = ["sets_of", "uids_in_sets", "uids_listed"]


def sets_of(uids: Iterable[int] | Uids) -> Iterator[str]:
    """Yield UIDs in ascending order as sequence sets that fit into a command."""
    from mailroom.protocol.sequence_set import sequence_sets

    return sequence_sets(uids)


def uids_in_sets(sets: Iterable[bytes]) -> Uids:
    """Return the UIDs that sequence sets name, ascending.

    :raises RemoteProtocolError: where one is no sequence set.
    """
    from mailroom.protocol.sequence_set import decode_sequence_set, merged

    return merged([decode_sequence_set(text) for text in sets])


def uids_listed(lists: Iterable[bytes]) -> Uids:
    """Return the UIDs that SEARCH responses list, ascending.

    :raises RemoteProtocolError: where one is no list of numbers.
    """
    from mailroom.protocol.sequence_set import decode_numbers, merged

    return merged([decode_numbers(text) for text in lists])
