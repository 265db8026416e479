"""Received fields: which server took a message, from whom, as far as its own word goes.

Belongs here: the clauses of one field (RFC 5321 section 4.4) and the addresses in what it says of the
client. Does not belong here: which hop is the border of somebody's servers (``policy``).

    Time-stamp-line = From-domain By-domain Opt-info [CFWS] ";" FWS date-time

A client chooses the name it gives in HELO, which stands in the field. So a clause that is there twice
is taken for none, and so is every clause of a field with a comment that never ends.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from mailroom.message.comments import without_comments

__all__ = ["Hop", "IpAddress", "read_hop"]

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_BY = re.compile(r"\bby\b", re.I)
_EXCHANGE_ID = re.compile(r"\bid 15\.20\.\d++\.\d++")
_MAPPED = re.compile(r"IPv6:|::ffff:", re.I)
_ADDRESS = re.compile(
    r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)|(?<![0-9a-f:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![0-9a-f:])",
    re.I,
)


class Hop(NamedTuple):
    """One hop: names in lower case, empty where the field does not say them clearly.

    :param client: the name that the client gave itself. :param by: the server that wrote the field.
    :param protocol: such as ``esmtps`` or ``lmtp``.
    :param has_client: whether it came from a client at all, and not from within the server.
    :param addresses: those in what is said of the client, also such as it says itself.
    """

    client: str
    by: str
    protocol: str
    has_client: bool
    addresses: tuple[IpAddress, ...]


def read_hop(value: str) -> Hop:
    """Return what the value of a Received field says; never raises.

    >>> read_hop(" from a.example (a.example [192.0.2.1]) by mx.me (Postfix) with ESMTPS id 1; date")[:4]
    ('a.example', 'mx.me', 'esmtps', True)
    """
    text, is_closed = without_comments(value)
    words = text.rpartition(";")[0].split() if ";" in text else text.split()
    lowered = [word.lower() for word in words]
    about_client = value[: max((found.start() for found in _BY.finditer(value)), default=len(value))]
    addresses = tuple(_addresses(_MAPPED.sub(" ", _EXCHANGE_ID.sub(" ", about_client))))
    if not is_closed:
        return Hop("", "", "", has_client=True, addresses=addresses)
    client, by, protocol = (_clause(lowered, name) for name in ("from", "by", "with"))
    return Hop(client, by, protocol, has_client="from" in lowered, addresses=addresses)


def _clause(words: list[str], name: str) -> str:
    """Return the word after a name, where the name is there once."""
    if words.count(name) != 1 or words[-1] == name:
        return ""
    return words[words.index(name) + 1].strip("[].")


def _addresses(text: str) -> Iterator[IpAddress]:
    for found in _ADDRESS.finditer(text):
        try:
            yield ipaddress.ip_address(found[0])
        except ValueError:
            continue  # a time, or a number of some kind
