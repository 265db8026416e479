"""What a file's content looks like, whatever its name and its mail say.

Belongs here: signatures of formats that come by mail, in the first octets. Does not
belong here: what is done where content and claim differ. A format is only named where
its octets say so plainly; anything else is ``text/plain`` or ``application/octet-stream``.
"""

from __future__ import annotations

import re

__all__ = ["DETECTION_OCTETS", "TEXT_TYPES", "UNKNOWN", "detect_type"]

UNKNOWN = "application/octet-stream"
"""What content is that looks like nothing known."""

DETECTION_OCTETS = 4096
"""How much of a file is looked at. Octets."""

TEXT_TYPES = ("text/plain", "text/html", "text/calendar", "text/vcard", "text/x-shellscript")
"""All kinds of text that are told apart: CSV, for one, looks like any other text."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\1\0", "image/vnd.microsoft.icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (b"{\\rtf", "application/rtf"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
    (b"\0\x05\x16\0", "application/applefile"),  # AppleSingle: all of a file (RFC 1740 appendix A)
    (b"\0\x05\x16\x07", "multipart/appledouble"),  # AppleDouble: what belongs to a file, as libmagic calls it
    (b"\x7fELF", "application/x-elf"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"%!PS", "application/postscript"),
    (b"wOFF", "font/woff"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"-----BEGIN PGP SIGNATURE", "application/pgp-signature"),
    (b"-----BEGIN PGP MESSAGE", "application/pgp-encrypted"),
    (b"-----BEGIN PGP PUBLIC KEY", "application/pgp-keys"),
    (b"-----BEGIN CERTIFICATE", "application/x-pem-file"),
    (b"#!/", "text/x-shellscript"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPPED: tuple[tuple[bytes, str], ...] = (
    (b"word/", _OFFICE + "wordprocessingml.document"),
    (b"xl/", _OFFICE + "spreadsheetml.sheet"),
    (b"ppt/", _OFFICE + "presentationml.presentation"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCAL_FILE = b"PK\x03\x04"
_MIMETYPE = re.compile(rb"mimetype([a-z]{1,20}/[a-z0-9.+-]{1,80})")
_PDF_BELOW_SPACE = re.compile(rb"[ \t\r\n]++%PDF-\d")
"""Gateways put blank lines above a PDF, which readers pass over."""
_HTML = re.compile(rb"\s*+(?:<!--.{0,400}?-->\s*+)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_XML = re.compile(rb"\s*+<\?xml\b")
_SVG = re.compile(rb"<svg\b")
_JSON = re.compile(rb"\s*+(?:\{\s*+(?:\"|\})|\[\s*+(?:[\[{\"\]\d-]|true|false|null))")
_HEADER = re.compile(
    rb"(?:(?:received|from|return-path|delivered-to|mime-version|message-id):[^\n]*\n)", re.I
)
_MAY_BE_TEXT = (
    *(None, UNKNOWN, "application/json", "application/xml", "image/svg+xml", "application/rtf"),
    *("application/postscript", "application/pgp-signature", "application/pgp-encrypted"),
    *("application/pgp-keys", "application/x-pem-file"),
)
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def detect_type(head: bytes) -> str:
    """Return the media type that a file's first octets look like; never raises.

    :param head: up to ``DETECTION_OCTETS`` of the beginning.

    >>> detect_type(b"%PDF-1.7 ..."), detect_type(b"MZ\\x90\\0"), detect_type(b"a;b\\n1;2\\n")
    ('application/pdf', 'application/vnd.microsoft.portable-executable', 'text/plain')
    """
    start = head[:DETECTION_OCTETS].removeprefix(b"\xef\xbb\xbf")
    if not start:
        return UNKNOWN
    for signature, media_type in _SIGNATURES:
        if start.startswith(signature):
            return media_type
    if _PDF_BELOW_SPACE.match(start):
        return "application/pdf"
    return _detect_container(start) or _detect_executable(start) or _detect_text(start) or UNKNOWN


def is_binary(detected: str | None) -> bool:
    """Whether a detected type is of files that are certainly no text, whatever a mail calls them.

    >>> is_binary("application/pdf"), is_binary("text/csv"), is_binary(UNKNOWN), is_binary(None)
    (True, False, False, False)
    """
    return detected not in _MAY_BE_TEXT and not (detected or "").startswith(("text/", "message/"))


def _detect_container(head: bytes) -> str | None:
    """Tell formats that share their first octets with others."""
    if head.startswith(_LOCAL_FILE):
        named = _MIMETYPE.search(head, 30, 200)
        if named is not None:  # OpenDocument and EPUB say first of all what they are
            return named[1].decode("ascii")
        return next((kind for name, kind in _ZIPPED if name in head), "application/zip")
    if head.startswith((b"PK\x05\x06", b"PK\x07\x08")):
        return "application/zip"
    if head.startswith(_OLE):
        return "application/x-ole-storage"
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return "application/x-tar" if head[257:262] == b"ustar" else None


def _detect_executable(head: bytes) -> str | None:
    if head.startswith(b"MZ") and _BINARY.search(head):
        return "application/vnd.microsoft.portable-executable"
    return None


def _detect_text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) % 2 == 0:
        return "text/plain"  # UTF-16 with its mark
    if _BINARY.search(head) is not None:
        return None
    if _HTML.match(head):
        return "text/html"
    if _XML.match(head):
        return "image/svg+xml" if _SVG.search(head) else "application/xml"
    if _HEADER.match(head):
        return "message/rfc822"
    return "application/json" if _JSON.match(head) else "text/plain"
