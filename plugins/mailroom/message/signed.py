"""The content inside an S/MIME signature.

Belongs here: walking the BER of a CMS SignedData to the octets that were signed
(RFC 5652 section 5, RFC 8551 section 3.5.2). Does not belong here: verifying anything;
what comes out is as trustworthy as any other mail.

    ContentInfo = SEQUENCE { contentType OID, content [0] EXPLICIT SignedData }
    SignedData = SEQUENCE { version, digestAlgorithms SET, encapContentInfo, ... }
    EncapsulatedContentInfo = SEQUENCE { eContentType OID, eContent [0] EXPLICIT OCTET STRING }
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_SIGNED_OCTETS", "signed_content"]

MAX_SIGNED_OCTETS = 16 * 1024 * 1024
"""Signed content is taken out in memory up to this size. Octets."""

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_MAX_DEPTH = 16
_INTEGER, _OCTETS, _SEQUENCE, _SET, _CONTENT = 0x02, 0x04, 0x30, 0x31, 0xA0
_CONSTRUCTED = 0x20


class _Value(NamedTuple):
    tag: int
    start: int
    end: int | None
    """None where the length is indefinite: it ends with two zero octets."""


def signed_content(data: bytes) -> bytes | None:
    """Return what was signed, or None where there is nothing to be read; never raises."""
    if _SIGNED_DATA not in data[:64]:
        return None
    info = _read(data, 0)
    if info is None or info.tag != _SEQUENCE:
        return None
    at = data.find(_SIGNED_DATA, 0, 64) + len(_SIGNED_DATA)
    for tag in (_CONTENT, _SEQUENCE):  # [0] EXPLICIT SignedData
        value = _read(data, at)
        if value is None or value.tag != tag:
            return None
        at = value.start
    for tag in (_INTEGER, _SET):  # version, digestAlgorithms
        value = _read(data, at)
        if value is None or value.tag != tag:
            return None
        at = _end(data, value, 0)
    return _encapsulated(data, at)


def _encapsulated(data: bytes, at: int) -> bytes | None:
    info = _read(data, at)
    if info is None or info.tag != _SEQUENCE:
        return None
    kind = _read(data, info.start)
    if kind is None or kind.end is None:
        return None
    explicit = _read(data, kind.end)
    if explicit is None or explicit.tag != _CONTENT:
        return None  # a detached signature: the content is elsewhere
    octets = _read(data, explicit.start)
    if octets is None or octets.tag & ~_CONSTRUCTED != _OCTETS:
        return None
    pieces: list[bytes] = []
    _collect(data, octets, pieces, 0)
    return b"".join(pieces)


def _read(data: bytes, at: int) -> _Value | None:
    """Return the tag and extent of the value at ``at``, cut to the data where it is cut."""
    if at < 0 or at + 2 > len(data):
        return None
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length == 0x80:
        return _Value(tag, start, None)
    if length > 0x80:
        octets = length & 0x7F
        if octets > 8:
            return None
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    return _Value(tag, start, min(len(data), start + length))


def _end(data: bytes, value: _Value, depth: int) -> int:
    """Return where a value ends; for one of indefinite length, after its end mark."""
    if value.end is not None:
        return value.end
    at = value.start
    while depth < _MAX_DEPTH and data[at : at + 2] != b"\0\0":
        inner = _read(data, at)
        if inner is None:
            return len(data)
        at = _end(data, inner, depth + 1)
    return at + 2


def _collect(data: bytes, value: _Value, pieces: list[bytes], depth: int) -> None:
    """Gather an octet string, which may be made of many."""
    if not value.tag & _CONSTRUCTED:
        pieces.append(data[value.start : value.end])
        return
    at, stop = value.start, value.end if value.end is not None else len(data)
    while at < stop and depth < _MAX_DEPTH and data[at : at + 2] != b"\0\0":
        inner = _read(data, at)
        if inner is None or inner.tag & ~_CONSTRUCTED != _OCTETS:
            return
        _collect(data, inner, pieces, depth + 1)
        at = _end(data, inner, depth + 1)
