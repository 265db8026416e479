"""How much room an account has, and has left (GETQUOTAROOT, RFC 2087 and RFC 9208).

Here: the question, and what its answer says. Not here: what follows from it (``services``).
"""

from __future__ import annotations

import re

from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.protocol.imap_quota import Quota, parse_quota

__all__ = ["Room", "read_quota", "room_in"]

STORAGE_UNIT = 1024
"""STORAGE is counted in units of so many octets (RFC 9208 section 5.1)."""

_RESOURCE = re.compile(rb"\b(STORAGE|MESSAGE) (\d+) (\d+)", re.IGNORECASE)

Room = tuple[int | None, int | None]
"""Octets and messages that still fit; None where there is no limit, or nobody says."""


def room_in(client: ImapClient, folder: str) -> Room:
    """Return what still fits into a folder, as far as the server says.

    :raises ConnectionLost: if the server goes away.
    """
    return smallest_room(_ask(client, folder))


def read_quota(client: ImapClient) -> Quota | None:
    """Return what is used of the account's storage, or None where the server does not tell.

    Where several limits apply, it is the one that is nearest to full.

    :raises ConnectionLost: if the server goes away.
    """
    quotas = [quota for quota in map(parse_quota, _ask(client, "INBOX")) if quota is not None]
    return max(quotas, key=lambda quota: quota.used / max(quota.limit, 1), default=None)


def _ask(client: ImapClient, folder: str) -> list[bytes]:
    """Return what the server says of each quota root of a folder; nothing where it does not tell."""
    if not client.supports("QUOTA"):
        return []
    client.wire.untagged_responses.pop("QUOTA", None)
    try:
        client.wire.run("GETQUOTAROOT", client.wire.quoted_name(folder, "GETQUOTAROOT"))
    except CommandRejected:
        return []
    told = client.wire.untagged_responses.pop("QUOTA", None) or ()
    client.wire.untagged_responses.pop("QUOTAROOT", None)
    # A root whose name is a literal comes in two parts, of which the second says how much.
    return [part for item in told for part in (item if isinstance(item, tuple) else (item,)) if part]


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
