"""Octets to text by charset labels as mail really has them; never raises.

Belongs here: what a label means to mail programs, which is seldom what its registration
says (``gb2312`` is GB 18030, ``iso-8859-1`` is windows-1252, ``ks_c_5601-1987`` is
code page 949), and what to do when the label is missing, unknown or wrong. Does not
belong here: finding the label. RFC 2978; the WHATWG Encoding Standard where it reports
what clients do.
"""

from __future__ import annotations

import codecs
import functools
import re

from mailroom.message.guesses import guess_codec

__all__ = [
    "MAX_LABEL_CHARACTERS",
    "STATEFUL_CODECS",
    "codec_of",
    "decode_text",
    "guess_charset",
    "is_known",
    "text_of",
]

MAX_LABEL_CHARACTERS = 64
"""Longer labels are no labels. Characters."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

# Labels in lower case, letters and digits only; those of "" say honestly that they say nothing.
_CODECS_BY_LABEL = {
    "utf-8": "utf8 utf8mb4 unicode11utf8 cp65001 xutf8",
    "utf-7": "utf7 unicode11utf7 utf7imap",
    "utf-16": "unicode ucs2 iso10646ucs2",
    "cp1252": "iso88591 latin1 l1 iso885911987 isoir100 iso8859 iso88590 xansi ansix3110 ansix31101983 "
    "cp28591 cp20127",
    "cp1254": "iso88599 latin5",
    "cp1255": "iso88598 iso88598i iso88598e",
    "iso8859-8": "visual",
    "cp1256": "iso88596i iso88596e",
    "cp874": "iso885911 tis620 windows874",
    "gb18030": "gb2312 gbk gb xgbk cp936 windows936 ms936 euccn gb231280 chinese csgb2312 xeuccn",
    "hz": "hz hzgb2312",
    "big5hkscs": "big5 xxbig5 cnbig5 csbig5 big5eten",
    "cp949": "ksc56011987 ksc5601 ksc56011989 euckr korean csksc56011987 windows949 xwindows949 ms949 uhc",
    "cp932": "shiftjis sjis xsjis mskanji windows31j csshiftjis shiftjisms xmssjis cswindows31j",
    "euc_jp": "eucjp xeucjp cp51932 ujis eucjpms",
    "iso2022_jp": "iso2022jp csiso2022jp iso2022jpms iso2022jp1 iso2022esc iso2022jpesc jis "
    "cp50220 cp50221 cp50222",
    "iso2022_jp_2": "iso2022jp2",
    "mac_roman": "macintosh xmacroman mac",
    "mac_cyrillic": "xmaccyrillic",
    "mac_latin2": "xmacce",
    "mac_greek": "xmacgreek",
    "mac_turkish": "xmacturkish",
    "koi8_r": "koi8 koi koi8r cskoi8r xkoi8r cp20866",
    "koi8_u": "koi8u koi8ru cp21866",
    "cp1251": "win",
    "cp866": "dos",
    "iso8859-2": "cp28592",
    "iso8859-5": "cp28595",
    "iso8859-7": "cp28597",
    "iso8859-15": "cp28605",
    "": "usascii ascii ansix341968 iso646us us 7bit 8bit unknown8bit unknown xunknown default none binary "
    "xuserdefined ansi encoding charset text",
}
_ALIASES = {label: codec for codec, labels in _CODECS_BY_LABEL.items() for label in labels.split()}
_NUMBERED = re.compile(r"(?:x)?(?:windows|win|cp|ibm|ms|mscp|dos|microsoftcp|ansi)0*(\d{3,5})\Z")
_ISO = re.compile(r"(?:x)?iso0*8859(\d{1,2})(?:\d{4})?\Z")
# Codecs of Python that are no charset of mail; some of them would run code paths meant for source text.
_NOT_CHARSETS = frozenset(
    ["idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "charmap", "mbcs", "oem"]
)
STATEFUL_CODECS = frozenset(
    ["utf-7", "hz", "iso2022_jp", "iso2022_jp_2", "iso2022_kr", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
"""Codecs in which octets of ASCII may mean something else."""
_MULTI_OCTET = frozenset(
    [
        "utf-8",
        "gb18030",
        "big5hkscs",
        "cp950",
        "cp949",
        "cp932",
        "euc_jp",
        "shift_jis",
        "johab",
        "euc_jis_2004",
        "shift_jis_2004",
    ]
)
_JIS_ESCAPE = re.compile(rb"\x1b(\$\([@-D]|\$[@AB]|\([BIJH]|&@\x1b\$B)")
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_WINDOWS_1252 = {octet: bytes([octet]).decode("cp1252", "replace") for octet in range(0x80, 0xA0)}
_SURROGATE = re.compile("[\ud800-\udfff]")
_EUC_PAIRS = re.compile(rb"(?:[\xa1-\xfe]{2})++|\x8e(?=[\xa1-\xdf])")


def is_known(label: str) -> bool:
    """Whether a label names a charset, or says honestly that it names none."""
    return codec_of(label) is not None or _ALIASES.get(_squeezed(label)) == ""


@functools.lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """Return Python's codec for a charset label, or None where the label tells nothing."""
    key = _squeezed(label)
    if not key or len(label) > MAX_LABEL_CHARACTERS:
        return None
    if key in _ALIASES:
        return _ALIASES[key] or None
    if (numbered := _NUMBERED.match(key)) is not None:
        return _ALIASES.get("cp" + numbered[1]) or _codec("cp" + numbered[1])
    if (iso := _ISO.match(key)) is not None:
        return _codec("iso8859-" + iso[1])
    return _codec(re.sub(r"[^a-z0-9]+", "-", label.strip().lower())) or _codec(key)


def _squeezed(label: str) -> str:
    label = re.split(r"[*;,(]", label.lower(), maxsplit=1)[0]
    return re.sub(r"[^a-z0-9]+", "", label.rpartition("=")[2])  # charset="charset=us-ascii"


def _codec(name: str) -> str | None:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    plain = found.name.replace("-", "_")
    if plain in _NOT_CHARSETS or not getattr(found, "_is_text_encoding", True):
        return None
    return found.name


def guess_charset(data: bytes) -> str | None:
    """Return the codec that unlabelled octets are surely in, or None where they may be of any Latin one."""
    return "utf-8" if _decoded(data, "utf-8") is not None else guess_codec(data)


def text_of(data: bytes) -> str:
    """Return a file's octets as text: by its byte order mark if it has one, else as a reader would guess."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    return decode_text(data)


def decode_text(data: bytes, label: str | None = None, hint: str | None = None) -> str:
    """Return octets as text: by label where it fits, else as a reader would guess.

    :param hint: a charset seen elsewhere in the message, for octets with no label of their own.
    """
    codec = codec_of(label) if label else None
    if data.isascii() and codec not in STATEFUL_CODECS:
        if b"\x1b" in data and _JIS_ESCAPE.search(data) is not None:
            return _decode_jis(data)
        return data.decode("ascii")
    is_labelled = codec is not None
    if codec is None and hint:
        codec = codec_of(hint)
    if codec is None or codec == "cp1252":  # a Latin charset elsewhere is what programs write by habit
        return _decode_western(data, is_labelled=is_labelled)
    return _decode_as(data, codec, is_labelled=is_labelled)


def _decode_western(data: bytes, *, is_labelled: bool) -> str:
    """Decode what is labelled Latin, or nothing: UTF-8 if it can be, for Latin text never looks like it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        is_cut = error.end == len(data) and error.reason == "unexpected end of data"
        if _is_mostly_utf8(data, is_cut=is_cut):
            return _decode_hurt_utf8(data)
    if not is_labelled and (guess := guess_codec(data)) is not None and (text := _decoded(data, guess)):
        return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:  # five octets have no character there
        return data.decode("latin-1").translate(_WINDOWS_1252)


def _decode_as(data: bytes, codec: str, *, is_labelled: bool) -> str:
    if codec == "iso2022_jp":
        return _decode_jis(data)
    if codec not in _MULTI_OCTET and codec not in STATEFUL_CODECS and len(_UTF8_SEQUENCE.findall(data)) > 1:
        text = _decoded(data, "utf-8")  # a wrong label: two sequences in a row are no accident
        if text is not None:
            return text
    text = _decoded(data, codec)
    if text is None and codec == "utf-8":
        return _decode_western(data, is_labelled=is_labelled)
    if text is None and codec == "euc_jp":
        text = _decoded(_EUC_PAIRS.sub(_shifted_pairs, data), "cp932")
    if text is None and codec not in STATEFUL_CODECS:
        text = _decoded(data, "utf-8")
    if text is None:
        text = data.decode(codec, "replace")
    return _SURROGATE.sub("\ufffd", text) if codec in STATEFUL_CODECS else text


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _decode_hurt_utf8(data: bytes) -> str:
    """Decode UTF-8 with some damage; surrogates written one by one are what old Java programs send."""
    if b"\xed" in data:
        try:
            pairs = data.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        except UnicodeDecodeError:
            pass
        else:
            return pairs.decode("utf-16-le", "replace")
    return data.decode("utf-8", "replace")


def _is_mostly_utf8(data: bytes, *, is_cut: bool) -> bool:
    """Whether text that is not valid UTF-8 was so before something cut or hurt it."""
    whole = sum(map(len, _UTF8_SEQUENCE.findall(data)))
    hurt = sum(map(len, _HIGH_RUN.findall(data))) - whole
    if is_cut and whole:
        return True
    return whole > 2 and (hurt * 4 < whole or hurt <= min(3, whole - 1))


def _decode_jis(data: bytes) -> str:
    """Decode ISO-2022-JP with the characters that vendors added (RFC 1468; code page 50221)."""
    text = _decoded(data, "iso2022_jp")
    if text is not None:
        return text
    if not data.isascii():
        if len(b"".join(_HIGH_RUN.findall(data))) == 1:  # no letter of Shift_JIS, but one that got lost
            return data.decode("iso2022_jp", "replace")
        return _decoded(data, "cp932") or _decode_western(data, is_labelled=True)
    pieces = _JIS_ESCAPE.split(data)
    text = pieces[0].decode("ascii")
    for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        text += _decode_jis_run(escape, piece)
    return text


def _decode_jis_run(escape: bytes, piece: bytes) -> str:
    if escape == b"(I":
        return bytes(octet | 0x80 for octet in piece).decode("cp932", "replace")
    if escape in (b"$@", b"$B", b"&@\x1b$B"):
        return _shifted(piece).decode("cp932", "replace")
    if escape == b"$(D":
        return (b"\x1b$(D" + piece + b"\x1b(B").decode("iso2022_jp_2", "replace")
    return piece.decode("ascii")


def _shifted_pairs(found: re.Match[bytes]) -> bytes:
    """Return EUC-JP as Shift_JIS, which has the characters that vendors added (code page 51932)."""
    return b"" if found[0] == b"\x8e" else _shifted(bytes(octet & 0x7F for octet in found[0]))


def _shifted(piece: bytes) -> bytes:
    """Return pairs of JIS X 0208 as Shift_JIS; white space among them stays."""
    shifted = bytearray()
    octets = iter(piece)
    for row in octets:
        if row <= 0x20:
            shifted.append(row)
            continue
        cell = next(octets, 0x21)
        shifted.append(((row + 1) >> 1) + (0x70 if row <= 0x5E else 0xB0))
        if row & 1:
            shifted.append(cell + (0x1F if cell <= 0x5F else 0x20))
        else:
            shifted.append((cell + 0x7E) & 0xFF)
    return bytes(octet & 0xFF for octet in shifted)
