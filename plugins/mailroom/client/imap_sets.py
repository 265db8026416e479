"""UIDs as commands and answers name them, where NumPy is needed at last.

Belongs here: what stands between the client and ``protocol.sequence_set``, which is imported
with the first UID: a mailbox that STATUS alone shows to be unchanged has none, and NumPy
takes a tenth of a second to start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.protocol.sequence_set import Uids

__all__ = ["sets_of", "uids_found", "uids_listed"]

_ALL = re.compile(rb"(?i:(?:\A| )ALL ([^ ]+))")
"""The UIDs in an ESEARCH response (RFC 4731 section 3.1)."""


def sets_of(uids: Iterable[int] | Uids) -> Iterator[str]:
    """Yield UIDs in ascending order as sequence sets that fit into a command."""
    from mailroom.protocol.sequence_set import sequence_sets

    return sequence_sets(uids)


def uids_found(answers: Iterable[bytes]) -> Uids:
    """Return the UIDs that ESEARCH responses name, ascending.

    :raises RemoteProtocolError: where one names no sequence set.
    """
    from mailroom.protocol.sequence_set import decode_sequence_set, merged

    return merged([decode_sequence_set(match[1]) for answer in answers if (match := _ALL.search(answer))])


def uids_listed(lists: Iterable[bytes]) -> Uids:
    """Return the UIDs that SEARCH responses list, ascending.

    :raises RemoteProtocolError: where one is no list of numbers.
    """
    from mailroom.protocol.sequence_set import decode_numbers, merged

    return merged([decode_numbers(text) for text in lists])
