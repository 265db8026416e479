"""What a part says it is, and which kinds of parts hold others.

Belongs here: reading Content-Type as programs write it (RFC 2045 section 5), with quotes,
white space or nothing where a type should be. Does not belong here: parameters
(``parameters``), and what content looks like (``detection``).
"""

from __future__ import annotations

import re

from mailroom.message.headers import Header, first, unfold
from mailroom.message.parameters import parse_parameters

__all__ = [
    "APPLE_FILE",
    "BINHEX_TYPES",
    "MESSAGE_TYPES",
    "SIGNED_FILE",
    "SIGNED_TYPES",
    "TNEF_TYPES",
    "is_binhex",
    "is_encrypted",
    "is_media_type",
    "is_signed_file",
    "is_tnef",
    "may_hold_parts",
    "read_media_type",
    "stated_name",
]

MESSAGE_TYPES = frozenset(("message/rfc822", "message/global", "message/news"))
"""Messages within the message."""

SIGNED_TYPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
"""S/MIME, signed or encrypted."""

SIGNED_FILE = "application/pkcs7-file"
"""What stands for the container of a file within a signature, such as an invoice that is ``x.xml.p7m``."""

TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
"""What Outlook packs."""

BINHEX_TYPES = frozenset(("application/mac-binhex40", "application/mac-binhex", "application/x-mac-binhex40"))
"""What old Macintoshes pack."""

APPLE_FILE = "application/applefile"
"""A whole file in AppleSingle, or what belongs to one in AppleDouble (RFC 1740)."""

_TNEF_NAME = re.compile(r"win(?:mail)?\.dat\Z", re.IGNORECASE)
_TYPE = re.compile(r"[\w!#$&^+.-]+/[\w!#$&^+.-]+")
_MENDABLE = re.compile(
    r"[\s\"';]*+([A-Za-z][\w+.-]{1,30})\s*+/[/\s]*+(\w[\w+.-]{0,80}\w)\s*+[\"'.:]?\s*+(?:[\s;,]|\Z)"
)
_BOUNDED = re.compile(r"multipart/\w[^;]{0,40};(?s:.{0,2000}?)\bboundary\s?=", re.IGNORECASE)
_BARE_TYPES = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "message": "message/rfc822"}


def is_media_type(text: str) -> bool:
    """Whether a text is a media type."""
    return _TYPE.fullmatch(text) is not None


def is_encrypted(parameters: dict[str, str]) -> bool:
    """Whether S/MIME content says that it is encrypted, or nothing (RFC 8551 section 3.2.2)."""
    kind = parameters.get("smime-type", "enveloped-data").lower()
    return kind in ("enveloped-data", "authenveloped-data")


def stated_name(parameters: dict[str, str], header: Header) -> str:
    """Return a part's name as it stands, encoded or not, or an empty text."""
    disposition = parse_parameters(first(header, "content-disposition"))
    return disposition.parameters.get("filename") or parameters.get("name", "")


def is_tnef(media_type: str, name: str) -> bool:
    """Whether a part is what Outlook packs, by its type, or by its name where the type says nothing."""
    if media_type != "application/octet-stream":
        return media_type in TNEF_TYPES
    return _TNEF_NAME.match(name) is not None


def is_binhex(media_type: str, name: str) -> bool:
    """Whether a part is in BinHex by its type, or by its name where the type says nothing."""
    return media_type in BINHEX_TYPES or (
        media_type == "application/octet-stream" and name.lower().endswith(".hqx")
    )


def is_signed_file(media_type: str, name: str) -> bool:
    """Whether a part may be signed content by its type, or by its name where the type says nothing."""
    return media_type in SIGNED_TYPES or (
        media_type == "application/octet-stream" and name.lower().endswith(".p7m")
    )


def may_hold_parts(media_type: str, name: str) -> bool:
    """Whether an application's file is one that is looked into: signed, or packed."""
    return (
        is_signed_file(media_type, name)
        or is_tnef(media_type, name)
        or is_binhex(media_type, name)
        or media_type == APPLE_FILE
    )


def _stated_type(header: Header) -> str:
    """Return the first Content-Type, or of several the first that is a multipart with a boundary."""
    values = header["content-type"]
    if len(values) > 1:
        for value in map(unfold, values):
            if _BOUNDED.match(value) is not None:
                return value
    return first(header, "content-type")


def read_media_type(header: Header, default: str) -> tuple[str, dict[str, str]]:
    """Return a part's media type and parameters; what is no type counts as text or as octets."""
    if "content-type" not in header:
        return default, {}
    value = _stated_type(header)
    found = parse_parameters(value)
    media_type = found.value
    if _TYPE.fullmatch(media_type) is not None:
        return media_type, found.parameters
    mended = _MENDABLE.match(value)
    if mended is not None:  # in quotes, with white space around its slash, or with a colon after it
        return f"{mended[1]}/{mended[2]}".lower(), found.parameters
    main = media_type.partition("/")[0]
    if main == "multipart":
        return "multipart/mixed", found.parameters
    if main in _BARE_TYPES:
        return _BARE_TYPES[main], found.parameters
    if "name" in found.parameters or (media_type and "content-disposition" in header):
        return "application/octet-stream", found.parameters
    return default, found.parameters
