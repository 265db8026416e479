"""Octets to text by labels as mail has them."""

from __future__ import annotations

import pytest

from mailroom.message.charsets import codec_of, decode_text, is_known


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ks_c_5601-1987", "cp949"),
        ("KS_C_5601-1987", "cp949"),
        ("euc-kr", "cp949"),
        ("gb2312", "gb18030"),
        ("GB2312", "gb18030"),
        ("gbk", "gb18030"),
        ("x-gbk", "gb18030"),
        ("big5", "big5hkscs"),
        ("iso-8859-1", "cp1252"),
        ("ISO_8859-1:1987", "cp1252"),
        ("latin1", "cp1252"),
        ("iso8859-15", "iso8859-15"),
        ("iso-8859-8-i", "cp1255"),
        ("iso-8859-9", "cp1254"),
        ("x-sjis", "cp932"),
        ("Shift_JIS", "cp932"),
        ("windows-31j", "cp932"),
        ("windows-1251", "cp1251"),
        ("win-1251", "cp1251"),
        ("cp-850", "cp850"),
        ("cp65001", "utf-8"),
        ("utf8", "utf-8"),
        ("UTF-8", "utf-8"),
        ('"utf-8"', "utf-8"),
        ("charset=utf-8", "utf-8"),
        ("utf-8;format=flowed", "utf-8"),
        ("iso-2022-jp", "iso2022_jp"),
        ("koi8-ru", "koi8_u"),
        ("macintosh", "mac_roman"),
        ("windows-874", "cp874"),
    ],
)
def test_labels_mean_what_mail_programs_mean(label: str, codec: str) -> None:
    """A label names the charset that is really used under it."""
    assert codec_of(label) == codec
    assert is_known(label)


@pytest.mark.parametrize(
    "label", ["us-ascii", "unknown-8bit", "x-unknown", "8bit", "default", "none", "ANSI_X3.4-1968"]
)
def test_labels_that_say_nothing(label: str) -> None:
    """ASCII says nothing of octets beyond it, and neither do labels that admit it."""
    assert codec_of(label) is None
    assert is_known(label)


@pytest.mark.parametrize(
    "label", ["x-martian", "rot13", "hex", "idna", "punycode", "unicode_escape", "zip", "", "\0", "a" * 500]
)
def test_labels_that_are_no_charset(label: str) -> None:
    """Unknown names and Python's codecs that are no charsets are not used."""
    assert codec_of(label) is None
    assert not is_known(label)
    assert decode_text(b"caf\xc3\xa9", label) == "café"


@pytest.mark.parametrize(
    ("text", "charset", "label"),
    [
        ("한국어 똠방각하", "cp949", "ks_c_5601-1987"),
        ("中文简体 鎔", "gb18030", "gb2312"),
        ("繁體中文", "big5", "big5"),
        ("①㈱はしご髙", "cp932", "shift_jis"),
        ("日本語", "euc_jp", "x-euc-jp"),
        ("Съешь ещё", "koi8-r", "koi8-r"),
        ("Съешь ещё", "cp1251", "windows-1251"),
        ("Žluťoučký kůň", "iso8859-2", "iso-8859-2"),
        ("“quotes” – €", "cp1252", "iso-8859-1"),
        ("İstanbul ğ", "cp1254", "iso-8859-9"),
        ("שלום", "iso8859-8", "iso-8859-8-i"),
        ("ภาษาไทย", "cp874", "tis-620"),
        ("naïve – ok", "utf-7", "utf-7"),
        ("naïve", "utf-16", "utf-16"),
        ("汉字", "hz", "hz-gb-2312"),
        ("plain", "ascii", "x-martian"),
    ],
)
def test_text_comes_back_by_its_label(text: str, charset: str, label: str) -> None:
    """What a program wrote under a label is what is read."""
    assert decode_text(text.encode(charset), label) == text


def test_iso_2022_jp_with_characters_that_vendors_added() -> None:
    """NEC's circled numbers and half-width kana are read (code page 50221), and escapes without a label."""
    assert decode_text(b"\x1b$B-!-j\x1b(B 1", "iso-2022-jp") == "①㈱ 1"
    assert decode_text(b"\x1b(I1\x1b(B", "iso-2022-jp") == "ｱ"
    assert decode_text(b"\x1b$B$3$s\x1b(B") == "こん"
    assert decode_text("日本".encode("cp932"), "iso-2022-jp") == "日本"
    assert decode_text(b"\x1b$(D0!\x1b(B-!", "iso-2022-jp").endswith("-!")
    assert decode_text(b"\x1b$B-", "iso-2022-jp") != ""
    assert decode_text(b"one oct\x8aet", "iso-2022-jp") == "one oct\ufffdet"


@pytest.mark.parametrize("label", ["iso-8859-1", "us-ascii", "windows-1251", "koi8-r", None])
def test_utf8_under_a_wrong_label_is_utf8(label: str | None) -> None:
    """Several sequences of UTF-8 in a row are no accident, whatever the label says."""
    assert decode_text("Größe: 10 €, naïve".encode(), label) == "Größe: 10 €, naïve"


@pytest.mark.parametrize("label", ["utf-8", "us-ascii", "iso-8859-1", None, "x-martian"])
def test_latin_text_that_is_not_utf8_is_windows_1252(label: str | None) -> None:
    """What is labelled UTF-8 and is not is what Windows writes."""
    assert decode_text(b"10 \x80, caf\xe9 \x93x\x94", label) == "10 €, café “x”"
    assert decode_text(b"\x81\xe9", label) == "\ufffdé"


def test_utf8_with_some_damage_stays_utf8() -> None:
    """One octet lost does not turn all the others into rubbish."""
    assert decode_text("日本語のテキスト".encode()[:-1], "utf-8") == "日本語のテキス\ufffd"
    assert decode_text("日本語".encode() + b"\xff" + "のテキスト".encode()) == "日本語\ufffdのテキスト"
    assert decode_text(b"\xed\xa0\xbd\xed\xb8\x80 ok", "utf-8") == "😀 ok"


def test_damage_under_a_multi_octet_label_costs_one_character() -> None:
    """A broken octet among Chinese or Korean is replaced, not the charset."""
    assert decode_text("中文".encode("gb18030") + b"\xff" + "简体".encode("gb18030"), "gb2312").startswith(
        "中文\ufffd"
    )
    assert decode_text("中文".encode(), "euc-kr") == "中文"


def test_the_hint_is_for_octets_without_a_label() -> None:
    """The charset of the rest of the message explains unlabelled octets, but never a labelled one."""
    assert decode_text("Привет".encode("koi8-r"), None, "koi8-r") == "Привет"
    assert decode_text("Привет".encode("koi8-r"), "us-ascii", "koi8-r") == "Привет"
    assert decode_text("Привет".encode("cp1251"), "windows-1251", "koi8-r") == "Привет"
    for hint in ("iso-8859-1", "utf-8"):
        assert decode_text("Привет, мир".encode("cp1251"), None, hint) == "Привет, мир"
        assert decode_text("Grüße".encode("cp1252"), None, hint) == "Grüße"


def test_no_lone_surrogate_gets_out() -> None:
    """Text can always be written as UTF-8 afterwards."""
    decode_text(b"+2AA-", "utf-7").encode("utf-8")
    decode_text(b"\x00\xd8\x00", "utf-16-le").encode("utf-8")
