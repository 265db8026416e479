"""Names in zip archives, as the people who packed them see them.

Here: which charset a name is in, where the archive does not say, and which members are of no
use to anybody. Not here: opening archives (``services``), safe names (``filenames``).
"""

from __future__ import annotations

from mailroom.message import guess_charset

__all__ = ["claims_to_be_zip", "is_hidden", "may_be_zip", "shown_name"]

_ZIP_TYPES = ("application/zip", "application/x-zip-compressed", "application/x-zip")


def claims_to_be_zip(filename: str, content_type: str) -> bool:
    """Return whether an attachment says that it is a zip archive, by its name or its type."""
    return content_type.lower() in _ZIP_TYPES or filename.lower().endswith(".zip")


def may_be_zip(filename: str, content_type: str, detected_type: str | None) -> bool:
    """Return whether an attachment is a zip archive, or says so and nobody looked.

    >>> may_be_zip("r.dat", "application/octet-stream", "application/zip"), may_be_zip("a.zip", "x/y", None)
    (True, True)
    """
    if detected_type is not None:
        return detected_type == "application/zip"
    return claims_to_be_zip(filename, content_type)


def shown_name(name: str, *, is_utf8: bool) -> str:
    """Return a member's name; where the archive does not say UTF-8, it was read as code page 437.

    >>> shown_name("├º.txt", is_utf8=False), shown_name("a.txt", is_utf8=False)
    ('ç.txt', 'a.txt')
    """
    name = name.replace("\\", "/")
    if is_utf8 or name.isascii():
        return name
    try:
        octets = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    codec = guess_charset(octets)
    return name if codec is None else octets.decode(codec, "replace")


def is_hidden(name: str) -> bool:
    """Return whether a member is what a system left there for itself.

    >>> is_hidden("__MACOSX/._a.pdf"), is_hidden("b/.DS_Store"), is_hidden("b/a.pdf")
    (True, True, False)
    """
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last in (".DS_Store", "Thumbs.db", "desktop.ini") or not last
