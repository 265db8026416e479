"""Mailbox names as IMAP writes them: modified UTF-7, both ways (RFC 3501 section 5.1.3), and UTF-8.

Belongs here: names that a server sent, decoded for people so that encoding gives back
exactly what the server sent. A name that is not what our own encoder would write (raw
8-bit, a bare ``&``, broken or needless shifts) is kept as it stands behind
``RAW``, for it must be sent back as it came. Every decoded name is proper Unicode, fit for
any table. imapclient's codec loses such names, so it is not used. Pure.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

__all__ = ["RAW", "decode_mailbox_name", "encode_mailbox_name", "name_in_utf8"]

RAW = "\N{SYMBOL FOR SUBSTITUTE FORM TWO}"
"""Begins the decoded form of a name that is no proper modified UTF-7: its octets follow, read as UTF-8.

Two of them stand before octets that are no UTF-8 either, read as Latin-1.
"""


def encode_mailbox_name(name: str) -> bytes:
    """Return a mailbox name as it goes over the wire; never fails, whatever a person typed.

    >>> encode_mailbox_name("Entwürfe & mehr")
    b'Entw&APw-rfe &- mehr'
    """
    if name.startswith(RAW * 2):
        return name[2:].encode("latin-1", "replace")
    if name.startswith(RAW):
        return name[1:].encode("utf-8", "replace")
    return _encode(name)


def decode_mailbox_name(octets: bytes) -> str:
    """Return a mailbox name for people; `encode_mailbox_name` of it gives the same octets back.

    >>> decode_mailbox_name(b"Entw&APw-rfe")
    'Entwürfe'
    """
    name = _decode(octets)
    if name is None or name.startswith(RAW) or _encode(name) != octets:
        return _marked(octets)
    return name


def name_in_utf8(octets: bytes) -> str:
    """Return a mailbox name that came as UTF-8 (RFC 9755 section 3); what is none is kept as it stands.

    >>> name_in_utf8("Entwürfe & mehr".encode())
    'Entwürfe & mehr'
    """
    try:
        name = octets.decode("utf-8")
    except UnicodeDecodeError:
        return _marked(octets)
    return _marked(octets) if name.startswith(RAW) else name


def _marked(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return RAW * 2 + octets.decode("latin-1")
    return RAW * 2 + octets.decode("latin-1") if text.startswith(RAW) else RAW + text


def _encode(name: str) -> bytes:
    out = bytearray()
    shifted: list[str] = []

    def unshift() -> None:
        if shifted:
            text = "".join(shifted).encode("utf-16-be", "surrogatepass")
            out.extend(b"&" + b2a_base64(text, newline=False).rstrip(b"=").replace(b"/", b",") + b"-")
            shifted.clear()

    for character in name:
        if " " <= character <= "~":
            unshift()
            out.extend(b"&-" if character == "&" else character.encode("ascii"))
        else:
            shifted.append(character)
    unshift()
    return bytes(out)


def _decode(octets: bytes) -> str | None:
    out: list[str] = []
    at = 0
    while at < len(octets):
        shift = octets.find(b"&", at)
        plain = octets[at:] if shift < 0 else octets[at:shift]
        if not plain.isascii():
            return None
        out.append(plain.decode("ascii"))
        if shift < 0:
            break
        end = octets.find(b"-", shift)
        if end < 0:
            return None
        text = _unshifted(octets[shift + 1 : end])
        if text is None:
            return None
        out.append(text)
        at = end + 1
    return "".join(out)


def _unshifted(base64: bytes) -> str | None:
    if not base64:
        return "&"
    try:
        text = a2b_base64(base64.replace(b",", b"/") + b"=" * (-len(base64) % 4), strict_mode=True)
        return text.decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError):
        return None
