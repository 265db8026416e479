"""What the answers to LIST, UIDL, STAT and CAPA say (RFC 1939 sections 5 and 7, RFC 2449 section 5).

Blocks of a million lines are taken apart by one regular expression, not by a loop over
lines. Servers' small liberties (spaces, missing or over-long unique ids) are accepted;
anything else raises ``RemoteProtocolError``. How the blocks are found in the stream is in
:mod:`mailroom.protocol.pop3`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailroom.exceptions import MAX_QUOTED_OCTETS, RemoteProtocolError

__all__ = [
    "MAX_UNIQUE_ID_OCTETS",
    "parse_capabilities",
    "parse_drop_listing",
    "parse_scan_listing",
    "parse_unique_ids",
]

MAX_UNIQUE_ID_OCTETS = 1000
"""Longest unique id accepted; RFC 1939 allows 70, but a server that gives more is still usable."""

_SCAN = re.compile(rb"(?m)^[ \t]*(0*[1-9]\d{0,9})[ \t]+(\d{1,19})(?:[ \t][^\r\n]*)?\r?\n")
_UNIQUE_ID = re.compile(rb"(?m)^[ \t]*(0*[1-9]\d{0,9})(?:[ \t]+([^\r\n]{0,%d}))?\r?\n" % MAX_UNIQUE_ID_OCTETS)
_DROP = re.compile(r"(\d{1,10})\s+(\d{1,19})(?:\s|$)")


def parse_scan_listing(block: bytes, peer: str = "the server") -> dict[int, int]:
    r"""Return the size in octets, as the server states it, of each message number.

    ``scan-listing = nonzero-number SP number *(SP text)``

    >>> parse_scan_listing(b"1 120\r\n2 200\r\n")
    {1: 120, 2: 200}

    :raises RemoteProtocolError: if a line is something else.
    """
    return {int(number): int(octets) for number, octets in _match_lines(_SCAN, block, f"LIST from {peer}")}


def parse_unique_ids(block: bytes, peer: str = "the server") -> dict[int, str | None]:
    r"""Return the unique id of each message number, None where the server leaves it empty.

    ``unique-id-listing = nonzero-number SP 1*70(%x21-7E)``. Octets outside ASCII are kept
    apart from each other by decoding them as Latin-1; an id is only ever compared.

    >>> parse_unique_ids(b"1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n")
    {1: 'whqtswO00WBw418f9t5JxYwZ', 2: 'QhdPYR:00WBw1Ph7x7'}

    :raises RemoteProtocolError: if a line is something else, or an id longer than ``MAX_UNIQUE_ID_OCTETS``.
    """
    pairs = _match_lines(_UNIQUE_ID, block, f"UIDL from {peer}")
    return {int(number): unique_id.strip().decode("latin-1") or None for number, unique_id in pairs}


def parse_drop_listing(text: str, peer: str = "the server") -> tuple[int, int]:
    """Return the number of messages and their octets from the text of a STAT answer.

    >>> parse_drop_listing("2 320")
    (2, 320)

    :raises RemoteProtocolError: if the text does not begin with two numbers.
    """
    match = _DROP.match(text)
    if match is None:
        received = text.encode()[:MAX_QUOTED_OCTETS]
        sentence = f"The answer to STAT from {peer} does not begin with two numbers."
        raise RemoteProtocolError(sentence, received=received)
    return int(match[1]), int(match[2])


def parse_capabilities(block: bytes) -> Mapping[str, tuple[str, ...]]:
    r"""Return the capabilities by their names in upper case, each with its arguments.

    ``capa-resp = single-line *capability``, ``capability = capa-tag *(SP param)``. Arguments
    are in upper case too, except those of IMPLEMENTATION.

    >>> parse_capabilities(b"TOP\r\nSASL PLAIN xoauth2\r\n")
    {'TOP': (), 'SASL': ('PLAIN', 'XOAUTH2')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in block.decode("latin-1").split("\n"):
        name, *arguments = line.split() or [""]
        if name.upper() == "IMPLEMENTATION":
            found["IMPLEMENTATION"] = tuple(arguments)
        elif name:
            # A server that repeats a name, as some do with SASL, means both lines.
            key = name.upper()
            found[key] = found.get(key, ()) + tuple(argument.upper() for argument in arguments)
    return found


def _match_lines(pattern: re.Pattern[bytes], block: bytes, what: str) -> list[tuple[bytes, bytes]]:
    """Return the two groups of each line, after making sure that every line matched."""
    pairs: list[tuple[bytes, bytes]] = pattern.findall(block)
    if len(pairs) == block.count(b"\n") and (not block or block.endswith(b"\n")):
        return pairs
    bad = next((line for line in block.splitlines(keepends=True) if not pattern.fullmatch(line)), block)
    raise RemoteProtocolError(
        f"The answer to {what} holds a line that is no listing.", received=bad[:MAX_QUOTED_OCTETS]
    )
