"""Encoded words: RFC 2047 by its examples, and as programs write them."""

from __future__ import annotations

import base64

import pytest

from mailroom.message.encoded_words import MAX_VALUE_CHARACTERS, decode_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?ISO-8859-1?Q?a?=", "a"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        ("=?US-ASCII?Q?Keith_Moore?=", "Keith Moore"),
        ("=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?=", "Patrik Fältström"),
        ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        ("=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "u understand the example."),
        ("=?iso-8859-8?b?7eXs+SDv4SDo7Oj08A==?=", "םולש ןב טלטפנ"),
    ],
)
def test_examples_of_the_rfc(value: str, text: str) -> None:
    """RFC 2047 section 8 is read as it says."""
    assert decode_words(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?UTF-8*en-GB?Q?caf=C3=A9?=", "café"),
        ("=?utf-8?B?Y2E=ZsOp?=", "café"),
        ("=?euc-jp?B?raGkraSs?=", "①きが"),
        ("=?utf-8?q?caf=c3=a9?=", "café"),
        ("=? UTF-8? Q?caf=C3=A9?=", "café"),
        ("=?utf-8?Q?two words?=", "two words"),
        ("=?utf-8?Q?1+1=?=", "1+1="),
        ("=?utf-8?B?w6Q?= =?utf-8?B?w7Y?=", "äö"),
        ("=?utf-8?B?w6?= =?utf-8?B?TDtg==?=", "äö"),
        ("=?utf-8?B?Y2Fmw6k?=", "café"),
        ("=?utf-8?B?Y2Fm w6k=?=", "café"),
        ("=?utf-8?B?Y2Fmw6k==?=", "café"),
        ("=?utf-8?B?Y2Fmw6nD?=", "café\ufffd"),
        ("=?UTF-8?B?8J-YgA==?=", "😀"),
        ("Re:=?utf-8?Q?_caf=C3=A9?=!", "Re: café!"),
        ("=?utf-8?Q?Why=3F?=", "Why?"),
        ("=?utf-8?Q?Why??=", "Why?"),
        ("=?utf-8?Q?Why?=20Me?=", "Why? Me"),
        ("=?utf-8?Q??=", ""),
        ("=?utf-8?Q?a=ZZb?=", "a=ZZb"),
        ('"=?utf-8?Q?caf=C3=A9?="', '"café"'),
        ("=?NONE?B?VEVTVA=?=", "TEST"),
        ("=??Q?caf=C3=A9?=", "café"),
        ("=?utf-8?Q?a\tb?=", "a b"),
        ("=?utf-8?Q?line=0D=0Abreak?=", "line break"),
    ],
)
def test_words_as_programs_write_them(value: str, text: str) -> None:
    """Stray spaces, missing padding, URL-safe alphabets, languages and empty labels are read through."""
    assert decode_words(value) == text


def test_a_character_split_between_words_is_whole_again() -> None:
    """Adjacent words of one charset are decoded together (RFC 2047 section 5 forbids the split)."""
    octets = "日本語".encode()
    words = [f"=?UTF-8?B?{base64.b64encode(octets[at : at + 4]).decode()}?=" for at in range(0, 9, 4)]
    assert decode_words(" ".join(words)) == "日本語"
    assert decode_words("=?utf-8?Q?=E6=97?= =?UTF-8?Q?=A5?=") == "日"
    assert decode_words("=?utf-8?Q?=E6=97?= =?utf-8?B?pQ==?=") == "日"
    assert decode_words("=?utf-8?Q?=E6=97=?= =?utf-8?Q?A5=E6=9?= =?utf-8?Q?C=AC?=") == "日本"


def test_base64_cut_into_words_without_regard_to_quanta() -> None:
    """Words that each hold a slice of one base64 text are put together before they are decoded."""
    text = base64.b64encode("Factura número catorce".encode()).decode()
    words = [f"=?utf-8?B?{text[at : at + 10]}?=" for at in range(0, len(text), 10)]
    assert decode_words(" ".join(words)) == "Factura número catorce"


def test_a_word_that_lost_its_end_is_decoded() -> None:
    """A terminator that is missing before the next word, or at the end of the value, is put back."""
    assert decode_words("=?utf-8?B?SGVsbG8g =?utf-8?B?d29ybGQ=?=") == "Hello world"
    assert decode_words("=?utf-8?Q?caf=C3=A9") == "café"
    assert decode_words("=?utf-8?Q?caf=C3=A9?") == "café"


def test_what_only_looks_like_a_word_stays() -> None:
    """An opening without an end among plain words is text."""
    assert decode_words("what is =?utf-8?Q? for you") == "what is =?utf-8?Q? for you"
    assert decode_words("a =? b ?= c") == "a =? b ?= c"
    assert decode_words("=?utf-8?X?abc?=") == "=?utf-8?X?abc?="


def test_words_encoded_twice_are_decoded_twice() -> None:
    """Programs that forward encode what was encoded; nobody wants to read the inner form."""
    inner = "=?utf-8?Q?caf=C3=A9?="
    outer = f"=?us-ascii?B?{base64.b64encode(inner.encode()).decode()}?="
    assert decode_words(outer) == "café"


@pytest.mark.parametrize(
    ("octets", "hint", "text"),
    [
        ("café".encode(), None, "café"),
        ("café".encode("latin-1"), None, "café"),
        ("10 €".encode("cp1252"), None, "10 €"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("发票".encode("gb18030"), "gb2312", "发票"),
        (b"\x1b$B$3$s$K$A$O\x1b(B", None, "こんにちは"),
        (b"caf\xe9 =?utf-8?Q?=C3=A9?=", None, "café é"),
    ],
)
def test_raw_octets_are_decoded(octets: bytes, hint: str | None, text: str) -> None:
    """Octets that should have been encoded are read as UTF-8, by the message's charset, or as a guess."""
    assert decode_words(octets.decode("utf-8", "surrogateescape"), hint) == text


def test_the_label_counts_more_than_the_hint_and_less_than_the_facts() -> None:
    """A label that cannot be right gives way to UTF-8."""
    assert decode_words("=?koi8-r?B?8NLJ18XU?=", "utf-8") == "Привет"
    assert decode_words("=?iso-8859-1?Q?caf=C3=A9?=") == "café"
    assert decode_words("=?us-ascii?Q?caf=E9?=") == "café"


def test_controls_become_spaces() -> None:
    """No line end or NUL gets out of a header value."""
    assert decode_words("a\x00b\x1fc") == "a b c"


def test_a_value_beyond_the_limit_is_cut() -> None:
    """Decoding stops at the named limit."""
    assert len(decode_words("=?utf-8?Q?x?= " + "y" * (2 * MAX_VALUE_CHARACTERS))) <= MAX_VALUE_CHARACTERS
    assert len(decode_words("é" * (2 * MAX_VALUE_CHARACTERS))) == MAX_VALUE_CHARACTERS
