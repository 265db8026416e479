"""Files as old programs wrote them into mail: BinHex 4.0 and yEnc, to be read back in tests."""

from __future__ import annotations

import base64
import itertools
import struct

__all__ = ["binhexed", "yencoded"]

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BINHEX = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"


def binhexed(name: bytes, data: bytes, resource: bytes = b"") -> bytes:
    """Return a file in BinHex 4.0 (RFC 1741 appendix A), with the line that introduces it."""
    fields = b"\0TEXTttxt" + struct.pack(">HIIH", 0, len(data), len(resource), 0)
    raw = _with_runs(bytes([len(name)]) + name + fields + data + b"\0\0" + resource + b"\0\0")
    sextets = base64.b64encode(raw).rstrip(b"=").translate(bytes.maketrans(_BASE64, _BINHEX))
    text = b":" + sextets + b":"
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\r\n".join([b"(This file must be converted with BinHex 4.0)", b"", *lines, b""])


def _with_runs(data: bytes) -> bytes:
    pieces: list[bytes] = []
    for octet, group in itertools.groupby(data):
        length = len(list(group))
        written = b"\x90\0" if octet == 0x90 else bytes([octet])
        while length > 0:
            count = min(length, 255)
            pieces.append(written + bytes([0x90, count]) if count > 3 else written * count)
            length -= count
    return b"".join(pieces)


def yencoded(name: bytes, data: bytes) -> bytes:
    """Return a file in yEnc, in lines of some 128 octets."""
    lines = [b"=ybegin line=128 size=%d name=%s" % (len(data), name)]
    for at in range(0, len(data), 128):
        moved = bytes((octet + 42) & 0xFF for octet in data[at : at + 128])
        lines.append(b"".join(_escaped(octet) for octet in moved))
    return b"\r\n".join([*lines, b"=yend size=%d" % len(data), b""])


def _escaped(octet: int) -> bytes:
    return bytes([0x3D, (octet + 64) & 0xFF]) if octet in b"\0\r\n=" else bytes([octet])
