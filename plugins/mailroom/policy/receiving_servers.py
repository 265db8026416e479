"""Which Authentication-Results of a message its own receiving server wrote, and not the sender.

Here: the border that a message came in over, told by its Received fields, and whose fields count on
which side of it. Not here: reading fields (``message``), what is required (``authentication``).

Servers write their fields at the top, so what stands above the Received field of the border is theirs,
whatever it says (RFC 8601 section 5); what stands below may be the sender's. Hops within one's own
servers stand above the border: by LMTP, without a client, from the same host, or from a private
address to a server that bears another name. All of that is what servers write themselves, so a sender
cannot move the border. A message that came in over none has no field that counts.

Some servers write below their own Received field. That has to be said of them, as is known of Gmail:
of what stands between the border and the hop before it, the uppermost field counts then, if it bears the
server's name. It takes a server that leaves no message without one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResults, Hop
from mailroom.message.authentication import NAMELESS_SERVER

__all__ = ["Receiver", "fields_of", "learned_receiver", "read_receiver", "receiver_of", "written_as"]

GMAIL = "mx.google.com"
EXCHANGE_ONLINE = (".outlook.com", ".office365.com")
EXCHANGE_BORDER = ".protection.outlook.com"

MIN_SHARE_TO_LEARN = 0.9
"""Of the messages whose receiving server can be told, so many must have the same one."""

MAX_NAMES = 5
"""So many names of servers are tried to tell which received a message."""

_LOOPBACK = [ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128")]
_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
]
_EXCHANGE = [
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "2603:1000::/24", "2a01:111::/32", "fe80::/10")
]

Trace = Sequence[AuthenticationResults | Hop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiving server.

    :param server: the name it writes (authserv-id), in lower case, or ``NAMELESS_SERVER``.
    :param is_below: whether it writes below its own Received field.
    """

    server: str
    is_below: bool = False

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.server} below" if self.is_below and self.server != GMAIL else self.server


def read_receiver(text: str) -> Receiver:
    """Return the server that a text names.

    >>> read_receiver("MX.example.org below")
    Receiver(server='mx.example.org', is_below=True)

    :raises ConfigurationError: it is not understood.
    """
    words = text.lower().split()
    if not words or words[1:] not in ([], ["below"]) or words == [NAMELESS_SERVER, "below"]:
        raise ConfigurationError(
            f"authserv_id says {text[:60]!r}; write the name that your mail server puts first in "
            "Authentication-Results, such as mx.google.com, or - where it writes none, as Exchange Online.",
            argument="authserv_id",
        )
    return Receiver(server=words[0], is_below=len(words) > 1 or words[0] == GMAIL)


def fields_of(trace: Trace, receiver: Receiver) -> list[AuthenticationResults]:
    """Return the fields of a message that only this server can have written, the uppermost first."""
    above, border, below = _split(trace, receiver.server)
    if border is None:
        return []
    if receiver.is_below:
        is_its_own = _agree(receiver.server, border.by)
        return [field for field in below[:1] if is_its_own and field.server == receiver.server]
    if receiver.server == NAMELESS_SERVER and not border.by.endswith(EXCHANGE_BORDER):
        return []
    return [field for field in above if field.server == receiver.server]


def receiver_of(trace: Trace) -> Receiver | None:
    """Return the server that received a message, where its field and its Received field agree on it."""
    names = dict.fromkeys(one.server for one in trace if isinstance(one, AuthenticationResults))
    for name in list(names)[:MAX_NAMES]:
        receiver = Receiver(server=name, is_below=name == GMAIL)
        _, border, _ = _split(trace, name)
        is_named = border is not None and (name == NAMELESS_SERVER or _agree(name, border.by))
        if is_named and fields_of(trace, receiver):
            return receiver
    return None


def learned_receiver(receivers: Iterable[Receiver | None]) -> Receiver | None:
    """Return the server that receives for an account, or None where that cannot be told.

    :param receivers: of many of its messages, as ``receiver_of`` tells it.
    """
    counts = Counter(one for one in receivers if one is not None)
    if not counts:
        return None
    found, count = counts.most_common(1)[0]
    return found if count >= MIN_SHARE_TO_LEARN * counts.total() else None


def written_as(trace: Trace) -> str | None:
    """Return under which name the uppermost field of a message was written, by whomsoever."""
    return next((one.server for one in trace if isinstance(one, AuthenticationResults)), None)


def _split(
    trace: Trace, server: str
) -> tuple[list[AuthenticationResults], Hop | None, list[AuthenticationResults]]:
    """Return the fields above the border, the hop that is the border, and those down to the hop before it."""
    above: list[AuthenticationResults] = []
    below: list[AuthenticationResults] = []
    border: Hop | None = None
    for one in trace:
        if isinstance(one, AuthenticationResults):
            (above if border is None else below).append(one)
        elif border is not None:
            break
        elif not _is_within(one, server):
            border = one
    return above, border, below


def _is_within(hop: Hop, server: str) -> bool:
    """Return whether a hop is one within the servers that this one is of."""
    if not hop.has_client or hop.protocol.startswith("lmtp"):
        return True
    if _is_exchange(hop.by) and not hop.by.endswith(EXCHANGE_BORDER):
        return _is_exchange(hop.client) and _are_all_in(hop, _EXCHANGE)
    # A proxy may give every client a private address, so the server itself must bear another name.
    return _are_all_in(hop, _LOOPBACK) or (_are_all_in(hop, _PRIVATE) and not _agree(server, hop.by))


def _are_all_in(hop: Hop, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return bool(hop.addresses) and all(any(one in net for net in networks) for one in hop.addresses)


def _is_exchange(host: str) -> bool:
    return host.endswith(EXCHANGE_ONLINE)


def _agree(server: str, host: str) -> bool:
    """Return whether two names are of the same server, or of servers side by side."""
    if not server or not host:
        return False
    parent = host.partition(".")[2]
    is_near = f".{host}".endswith(f".{server}") or f".{server}".endswith(f".{host}")
    return is_near or ("." in parent and server.partition(".")[2] == parent)
