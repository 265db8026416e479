"""Which parts are attachments, and what they are called, as a mail client would show them.

Belongs here: Content-Disposition (RFC 2183), names in all their places and forms, names
made up for parts without one. Does not belong here: files in a text (``embedded``), making a
name safe for a path (``policy``), and decoding (``contents``).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import first, read_header, unfolded
from mailroom.message.media_types import read_media_type, stated_name
from mailroom.message.parameters import lost_characters, parse_parameters
from mailroom.message.parts import Part
from mailroom.message.text import BODY_TYPES

__all__ = ["MAX_NAME_CHARACTERS", "Disposition", "File", "describe", "made_up_name"]

MAX_NAME_CHARACTERS = 1000
"""Longer names are cut at the front of their extension. Characters."""

Disposition = Literal["attachment", "inline"] | None

_EXTENSIONS = {
    media_type: extension
    for extension, media_types in {
        "pdf": "application/pdf",
        "zip": "application/zip application/x-zip-compressed",
        "gz": "application/gzip application/x-gzip",
        "json": "application/json",
        "xml": "application/xml text/xml",
        "doc": "application/msword",
        "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text",
        "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "rtf": "application/rtf text/rtf",
        "dat": "application/ms-tnef application/vnd.ms-tnef",
        "p7m": "application/pkcs7-mime application/x-pkcs7-mime",
        "p7s": "application/pkcs7-signature application/x-pkcs7-signature",
        "asc": "application/pgp-signature application/pgp-encrypted application/pgp-keys",
        "ics": "application/ics text/calendar",
        "vcf": "text/vcard text/x-vcard text/directory",
        "txt": "text/plain text/rfc822-headers message/delivery-status "
        "message/disposition-notification message/feedback-report",
        "html": "text/html",
        "csv": "text/csv",
        "md": "text/markdown",
        "jpg": "image/jpeg image/jpg image/pjpeg",
        "png": "image/png image/x-png",
        "gif": "image/gif",
        "bmp": "image/bmp",
        "tif": "image/tiff",
        "webp": "image/webp",
        "svg": "image/svg+xml",
        "heic": "image/heic",
        "mp3": "audio/mpeg",
        "wav": "audio/wav audio/x-wav",
        "amr": "audio/amr",
        "mp4": "video/mp4",
        "mov": "video/quicktime",
        "mpg": "video/mpeg",
        "eml": "message/rfc822 message/global message/news",
    }.items()
    for media_type in media_types.split()
}
_FILE_NAME = re.compile(r"[^/\\:?*\"<>|\r\n]{1,200}\.[A-Za-z0-9]{1,5}")


class File(NamedTuple):
    """What a part is to a reader: a file, or part of the text.

    :param name: as it was given, decoded; empty where none was.
    """

    is_attachment: bool
    is_body: bool
    disposition: Disposition
    name: str


_BODY = File(False, True, None, "")
_RETURNED_HEADER = "text/rfc822-headers"
"""What a report gives back of a message: shown, and a file as its other parts are (RFC 6522 section 4)."""


def describe(part: Part, hint: str | None = None) -> File:
    """Say what a leaf, or a message within the message, is to a reader; never raises.

    A part is an attachment if it says so, if it has a name, or if it is no text. Text with a
    name that is not said to be attached is shown as well.
    """
    is_text = part.media_type in BODY_TYPES
    if is_text and "content-disposition" not in part.header and "name" not in part.parameters:
        return _BODY if part.media_type != _RETURNED_HEADER else File(True, True, None, "")
    said, disposition, given = _disposition(part)
    name = _name(part, given, hint)
    is_file = not is_text or part.media_type == _RETURNED_HEADER
    is_attachment = said == "attachment" or bool(name) or is_file
    return File(is_attachment, is_text and said != "attachment", disposition, name)


def _disposition(part: Part) -> tuple[str, Disposition, dict[str, str]]:
    """Return what the part says, what that counts as, and the parameters (RFC 2183 section 2.8)."""
    parameters: dict[str, str] = {}
    said = ""
    for value in unfolded(part.header, "content-disposition")[:4]:
        found = parse_parameters(value)
        said = said or found.value
        parameters = {**found.parameters, **parameters} if parameters else found.parameters
    if said == "inline":
        return said, "inline", parameters
    if said:
        return said, "attachment", parameters
    is_related = part.container == "multipart/related" and "content-id" in part.header
    return "", "inline" if is_related and part.media_type not in BODY_TYPES else None, parameters


def _name(part: Part, given: dict[str, str], hint: str | None) -> str:
    """Return the best of the names a part has: of two forms, the one that lost no characters."""
    names = [given.get("filename", ""), part.parameters.get("name", ""), given.get("name", "")]
    names.append(part.parameters.get("filename", ""))
    best = ""
    for name in names:
        decoded = decode_words(name, hint) if name else ""
        if decoded and decoded != best and (not best or lost_characters(best, decoded)):
            best = decoded
    return _shortened(best.strip()) or _name_elsewhere(part, hint)


def _name_elsewhere(part: Part, hint: str | None) -> str:
    """Return a file name from a field that may hold one by the way."""
    if part.media_type == "message/external-body":  # described by the header within (RFC 2046 section 5.2.3)
        described = read_header(part.buffer, part.start, part.end, set())[0]
        name = stated_name(read_media_type(described, "")[1], described)
        if name:
            return _shortened(decode_words(name, hint))
    for field in ("content-location", "content-description"):
        if field in part.header:
            text = decode_words(first(part.header, field), hint)
            if field == "content-location" and "/" in text:
                text = text.split("?")[0].rpartition("/")[2]
            if _FILE_NAME.fullmatch(text) is not None:
                return text
    return ""


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        return name[:MAX_NAME_CHARACTERS]
    return f"{stem[: MAX_NAME_CHARACTERS - len(extension) - 1]}.{extension}"


def made_up_name(part: Part, number: int, hint: str | None = None, detected: str | None = None) -> str:
    """Return a name for the n-th attachment, which has none: a message is called by its subject.

    :param detected: the media type its content looks like, for types that nobody knows.
    """
    extension = _EXTENSIONS.get(part.media_type, "")
    if not extension:
        extension = "bin" if detected in (None, "text/plain") else _EXTENSIONS.get(detected, "bin")
    if part.is_message and extension == "eml":
        subject = decode_words(first(part.children[0].header, "subject"), hint)
        if subject:
            return _shortened(f"{subject}.eml")
    return f"attachment-{number}.{extension}"
