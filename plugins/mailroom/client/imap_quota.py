"""How much room an account has left (GETQUOTAROOT, RFC 2087 and RFC 9208).

Here: the question, and what its answer says. Not here: what follows from it (``services``).
"""

from __future__ import annotations

import re

from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import quoted_mailbox, run_command
from mailroom.exceptions import CommandRejected

__all__ = ["Room", "room_in"]

STORAGE_UNIT = 1024
"""STORAGE is counted in units of so many octets (RFC 9208 section 5.1)."""

_RESOURCE = re.compile(rb"\b(STORAGE|MESSAGE) (\d+) (\d+)", re.IGNORECASE)

Room = tuple[int | None, int | None]
"""Octets and messages that still fit; None where there is no limit, or nobody says."""


def room_in(client: ImapClient, folder: str) -> Room:
    """Return what still fits into a folder, as far as the server says.

    :raises ConnectionLost: if the server goes away.
    """
    if not client.supports("QUOTA"):
        return None, None
    client.wire.untagged_responses.pop("QUOTA", None)
    try:
        run_command(client, "GETQUOTAROOT", quoted_mailbox(folder, "GETQUOTAROOT"))
    except CommandRejected:
        return None, None
    told = client.wire.untagged_responses.pop("QUOTA", None) or ()
    client.wire.untagged_responses.pop("QUOTAROOT", None)
    # A root whose name is a literal comes in two parts, of which the second says how much.
    texts = [part for item in told for part in (item if isinstance(item, tuple) else (item,)) if part]
    return smallest_room(texts)


def smallest_room(texts: list[bytes]) -> Room:
    """Return what the narrowest of several quota roots leaves.

    >>> smallest_room([b'"" (STORAGE 10 512 MESSAGE 3 5)', b'"shared" (STORAGE 500 501)'])
    (1024, 2)
    """
    octets: list[int] = []
    messages: list[int] = []
    for text in texts:
        for name, used, limit in _RESOURCE.findall(text[text.rfind(b"(") :]):
            left = max(0, int(limit) - int(used))
            if name.upper() == b"STORAGE":
                octets.append(left * STORAGE_UNIT)
            else:
                messages.append(left)
    return min(octets, default=None), min(messages, default=None)
