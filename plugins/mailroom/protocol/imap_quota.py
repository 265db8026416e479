"""How much room an account has: the QUOTA response (RFC 9208 section 4.2.1).

Here: octets in, values out. Not here: asking (``client.imap_quota``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Quota", "parse_quota"]

UNIT_OCTETS = 1024
"""STORAGE is stated in units of this size (RFC 9208 section 5.1)."""

_RESOURCES = re.compile(rb"\(([^()]*)\)\s*$")
_STORAGE = re.compile(rb"STORAGE ([0-9]{1,18}) ([0-9]{1,18})(?: |$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is used of what there is, in octets."""

    used: int
    limit: int


def parse_quota(text: bytes) -> Quota | None:
    """Return what one QUOTA response says of storage, or None where it says nothing of it.

    ``quota-response = "QUOTA" SP quota-root-name SP "(" [quota-resource *(SP quota-resource)] ")"``

    >>> parse_quota(b'"User quota" (STORAGE 10 512 MESSAGE 3 100)')
    Quota(used=10240, limit=524288)
    """
    resources = _RESOURCES.search(text)
    found = _STORAGE.search(resources[1]) if resources else None
    if found is None:
        return None
    return Quota(used=int(found[1]) * UNIT_OCTETS, limit=int(found[2]) * UNIT_OCTETS)
