"""Charsets told from octets alone."""

from __future__ import annotations

import pytest

from mailroom.message.charsets import decode_text
from mailroom.message.guesses import guess_codec


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Счёт за ноябрь и акт", "cp1251"),
        ("Счёт за ноябрь и акт", "koi8-r"),
        ("привет", "koi8-r"),
        ("Договор", "cp1251"),
        ("請求書", "cp932"),
        ("日本語", "cp932"),
        ("ДОГОВОР ПОСТАВКИ", "cp1251"),
        ("Счет на оплату № 15", "cp1251"),
        ("Τιμολόγιο πωλήσεων", "iso8859-7"),
        ("Πρόσκληση σε συνάντηση", "cp1253"),
        ("חשבונית מס", "cp1255"),
        ("שלום וברכה", "iso8859-8"),
        ("فاتورة جديدة", "cp1256"),
        ("دعوة لحضور الاجتماع", "cp1256"),
        ("ใบเสนอราคาสินค้า", "tis-620"),
        ("关于发票的通知", "gb2312"),
        ("您好，请查收附件中的报价单", "gbk"),
        ("關於發票的通知", "big5"),
        ("請求書を送付します", "cp932"),
        ("請求書をお送りします", "euc_jp"),
        ("송장을 보내드립니다", "euc_kr"),
    ],
)
def test_scripts_that_are_not_latin_are_told_apart(text: str, charset: str) -> None:
    """A subject that was sent without any label is read in its script."""
    assert decode_text(text.encode(charset)) == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Façade à côté", "cp1252"),
        ("España €", "cp1252"),
        ("Größe", "latin-1"),
        ("ÀÉÈÙÇ", "latin-1"),
        ("日", "gbk"),
    ],
)
def test_accents_and_scraps_are_not_guessed_at(text: str, charset: str) -> None:
    """Accented letters among Latin ones, and what is too short to tell, give no guess."""
    assert guess_codec(text.encode(charset)) is None


def test_noise_gives_no_guess_or_one_that_is_a_codec() -> None:
    """Binary rubbish is not taken for a script with certainty."""
    assert guess_codec(bytes(range(0x80, 0x100))) is None
    assert guess_codec(b"") is None
