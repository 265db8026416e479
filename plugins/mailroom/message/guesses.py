"""Which charset unlabelled octets are written in, by what their script leaves behind.

Belongs here: text that is not UTF-8 and that no label or neighbour explains, mostly
subjects that programs wrote without encoding. Does not belong here: labels
(``charsets``). A guess is made only where Latin text is out of the question.
"""

from __future__ import annotations

import re

__all__ = ["guess_codec"]

_SAMPLE_OCTETS = 4096
_FEWEST_OCTETS = 6
_FEWEST_SHIFTED = 4
_HIGH = re.compile(rb"[\x80-\xff]+")
_LETTER = re.compile(rb"[A-Za-z]")
_LOWER_HALF = re.compile(rb"[\xc0-\xdf\xa3\xb3]")
_UPPER_HALF = re.compile(rb"[\xe0-\xff\xa8\xb8]")
_KANA = re.compile(rb"[\xa4\xa5]")
_NOT_HANGUL = re.compile(rb"[^\xb0-\xc8]")
_PAIRS = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_SHIFT_JIS = re.compile(rb"(?:[\x81-\x9f\xe0-\xea][\x40-\x7e\x80-\xfc]|[\xa1-\xdf])+")
_BIG5 = re.compile(rb"(?:[\xa1-\xf9][\x40-\x7e\xa1-\xfe])+")
_SHIFTED = re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x9f][\x40-\x7e\x80-\xfc]")
_COMMON_BIG5 = re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]")


_CLEAR_SHARE = 55
_CLEAR_LEAD = 10
_THAI_MARKS = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_COMMON_LETTERS = {
    "cp1251": "оеаинтсрвлкд",
    "koi8_r": "оеаинтсрвлкд",
    "iso8859_7": "αοιετσνηυρπκλςίό",
    "cp1255": "יוהלאמרתבשנח",
    "cp1256": "اليمنتروبدةع",
    "cp874": "านรอกเงมยวส่้ีัแใบ",
}


def guess_codec(data: bytes) -> str | None:
    """Return Python's codec for octets of a script that is not Latin, or None."""
    data = data[:_SAMPLE_OCTETS]
    runs = _HIGH.findall(data)
    high = b"".join(runs)
    if len(high) < len(_LETTER.findall(data)):
        return None  # accents among Latin letters
    if _is_shift_jis(data, high):
        return "cp932"
    if len(high) < _FEWEST_OCTETS:
        return None
    alphabet = _guess_alphabet(runs, high)
    if alphabet is not None:
        return alphabet
    if all(map(_PAIRS.fullmatch, runs)):
        return _guess_pairs(high[::2])
    is_big5 = len(_COMMON_BIG5.findall(data)) >= 3 and _covers(_BIG5, data, high)
    return "big5hkscs" if is_big5 else None


def _guess_alphabet(runs: list[bytes], high: bytes) -> str | None:
    """Tell alphabets by how many letters are those that their languages use most, in plausible words."""
    shares = []
    for codec, common in _COMMON_LETTERS.items():
        words = _words(runs, codec)
        if words is not None:
            text = "".join(words).lower() or " "
            shares.append((sum(map(text.count, common)) * 100 // len(text), codec))
    shares.sort(reverse=True)
    if shares and shares[0][0] >= _CLEAR_SHARE:
        second = shares[1][0] if len(shares) > 1 else 0
        if shares[0][0] >= second + _CLEAR_LEAD:
            return shares[0][1]
    return _guess_cyrillic(high)


def _words(runs: list[bytes], codec: str) -> list[str] | None:
    """Return runs as words, or None where they are none: small, capital, or small after one capital.

    One octet alone may be a sign, such as a number sign.
    """
    try:
        words = [word for run in runs if len(word := run.decode(codec)) > 1 or word.isalpha()]
    except UnicodeDecodeError:
        return None
    for word in words:
        letters = word if codec != "cp874" else _THAI_MARKS.sub("", word)
        if not letters.isalpha():
            return None
        if word != word.lower() and word != word.upper() and word[1:] != word[1:].lower():
            return None
    return words


def _guess_cyrillic(high: bytes) -> str | None:
    """Tell by the small letters: they are the upper half of windows-1251, and the lower half of KOI8-R."""
    lower, upper = len(_LOWER_HALF.findall(high)), len(_UPPER_HALF.findall(high))
    if (lower + upper) * 20 < len(high) * 19 or max(lower, upper) * 10 < len(high) * 7:
        return None
    return "cp1251" if upper > lower else "koi8_r"


def _guess_pairs(leads: bytes) -> str:
    """Tell EUC charsets by their first octets: kana have two rows, hangul 25, hanzi many."""
    if len(_KANA.findall(leads)) * 3 > len(leads):
        return "euc_jp"
    return "gb18030" if _NOT_HANGUL.search(leads) is not None else "cp949"


def _is_shift_jis(data: bytes, high: bytes) -> bool:
    """Tell Shift_JIS, whose second octets may be ASCII, by octets that are rare in other charsets."""
    if len(high) < _FEWEST_SHIFTED or len(_SHIFTED.findall(data)) < 2:
        return False
    return _covers(_SHIFT_JIS, data, high)


def _covers(pattern: re.Pattern[bytes], data: bytes, high: bytes) -> bool:
    covered = sum(len(_HIGH.sub(b"", run)) - len(run) for run in pattern.findall(data))
    return -covered >= len(high)
