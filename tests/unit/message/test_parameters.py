"""Values with parameters: RFC 2045 and RFC 2231, and their abuses."""

from __future__ import annotations

import pytest

from mailroom.message.encoded_words import decode_words
from mailroom.message.parameters import MAX_PARAMETERS, lost_characters, parse_parameters


@pytest.mark.parametrize(
    ("value", "main", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/Plain; CharSet=US-ASCII", "text/plain", {"charset": "US-ASCII"}),
        (
            'text/plain; charset="utf-8"; format=flowed',
            "text/plain",
            {"charset": "utf-8", "format": "flowed"},
        ),
        ("text/plain;charset=utf-8;", "text/plain", {"charset": "utf-8"}),
        ("text/plain (plain text); charset=us-ascii (Latin)", "text/plain", {"charset": "us-ascii"}),
        ('attachment; filename="a\\"b\\\\c.txt"', "attachment", {"filename": 'a"b\\c.txt'}),
        ('multipart/mixed; boundary="a;b=c"', "multipart/mixed", {"boundary": "a;b=c"}),
        ("multipart/mixed; boundary=----=_Part_1.2", "multipart/mixed", {"boundary": "----=_Part_1.2"}),
        (
            "multipart/mixed; boundary=a(b),c:d?e; x=y",
            "multipart/mixed",
            {"boundary": "a(b),c:d?e", "x": "y"},
        ),
        ("", "", {}),
        ("; charset=utf-8", "", {"charset": "utf-8"}),
    ],
)
def test_well_formed_values(value: str, main: str, parameters: dict[str, str]) -> None:
    """Names and the value are lower case, quotes and comments are taken off."""
    assert parse_parameters(value) == (main, parameters)


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        ("application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "This is ***fun***"),
        (
            "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
            'title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn\'t it!"',
            "This is even more ***fun*** isn't it!",
        ),
        ('message/external-body; title*0="ftp://"; title*1="example.org/file"', "ftp://example.org/file"),
    ],
)
def test_examples_of_rfc_2231(value: str, parameters: str) -> None:
    """RFC 2231 sections 3 and 4 are read as they say."""
    assert parse_parameters(value).parameters["title"] == parameters


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("filename=report (1).pdf", "report (1).pdf"),
        ('filename="report.pdf""', "report.pdf"),
        ('filename:"report.pdf"', "report.pdf"),
        ("filename(the report)=report.pdf", "report.pdf"),
        ("filename=Invoice_(3).pdf", "Invoice_(3).pdf"),
        ("filename=a;b.pdf", "a;b.pdf"),
        ("filename=a.pdf; size=12", "a.pdf"),
        ("filename=a.pdf size=12", "a.pdf"),
        ("filename=a.pdf; junk", "a.pdf"),
        ("filename = a.pdf ;", "a.pdf"),
        ("filename=a, b.pdf", "a, b.pdf"),
        ('filename=two words.pdf; creation-date="x"', "two words.pdf"),
        ('filename="never ends.pdf', "never ends.pdf"),
        ('filename="never ends.pdf; size=3', "never ends.pdf"),
        ('filename="a "quoted" word.pdf"', 'a "quoted" word.pdf'),
        ('filename="a "quoted" word.pdf"; size=3', 'a "quoted" word.pdf'),
        ('filename="C:\\temp\\a.pdf"', "C:\\temp\\a.pdf"),
        ('filename="C:\\temp\\"; size=3', "C:\\temp\\"),
        ('filename=\\"a.pdf\\"', "a.pdf"),
        ('filename="a.pdf"; filename="b.pdf"', "a.pdf"),
        ('filename=""; filename="b.pdf"', "b.pdf"),
        ("filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),
        ("filename*=UTF-8''caf%c3%a9.pdf; filename=cafe.pdf", "café.pdf"),
        ("filename=caf?.pdf; filename*=UTF-8''caf%c3%a9.pdf", "café.pdf"),
        ("filename*=iso-8859-1''caf%E9.pdf", "café.pdf"),
        ("filename*=\"utf-8''caf%C3%A9.pdf\"", "café.pdf"),
        ("filename*=caf%C3%A9.pdf", "café.pdf"),
        ("filename*=utf-8'en'100%25.pdf", "100%.pdf"),
        ("filename*=''plain.pdf", "plain.pdf"),
        ("filename=\"utf-8''caf%C3%A9.pdf\"", "café.pdf"),
        ("filename*1*=%A9.pdf; filename*0*=utf-8''caf%C3", "café.pdf"),
        ("filename*0=long; filename*1=.pdf", "long.pdf"),
        ("filename*1=long; filename*2=.pdf", "long.pdf"),
        ("filename*0*=utf-8''%E6%97; filename*1*=%A5.pdf", "日.pdf"),
        ("filename*=utf-8''%FF%FE.pdf", "ÿþ.pdf"),
        ("filename*=utf-8'caf%C3%A9.pdf", "café.pdf"),
        ("filename*=o'neil.pdf", "o'neil.pdf"),
        ("filename*=utf-8''\"two words.pdf\"", "two words.pdf"),
        ("filename*0=caf; filename*1*=utf-8''%C3%A9.pdf", "café.pdf"),
        ('filename=""report.pdf""', "report.pdf"),
        ("FILENAME=a.pdf", "a.pdf"),
        (";;filename=a.pdf", "a.pdf"),
        ("\tfilename=a.pdf", "a.pdf"),
        ("=foo; filename=a.pdf", "a.pdf"),
    ],
)
def test_names_as_programs_write_them(rest: str, name: str) -> None:
    """Broken quoting, missing quotes and both forms of a name give the name a client shows."""
    found = parse_parameters("attachment; " + rest)
    assert found.value == "attachment"
    assert found.parameters["filename"] == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment filename="a.pdf"', "a.pdf"),
        ("attachment\tfilename=a.pdf", "a.pdf"),
        ('attachment, filename="a.pdf"', "a.pdf"),
        ('filename="a.pdf"', "a.pdf"),
    ],
)
def test_a_missing_semicolon_is_put_back(value: str, name: str) -> None:
    """A parameter is recognised by its equals sign."""
    assert parse_parameters(value).parameters["filename"] == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a/b; name==?utf-8?Q?caf=C3=A9.pdf?=", "café.pdf"),
        ("a/b; name==?utf-8?Q?caf=C3=A9?=.pdf", "café.pdf"),
        ("a/b; name==?utf-8?Q?two words.pdf?=", "two words.pdf"),
        ('a/b; name="=?utf-8?Q?caf=C3=A9?= =?utf-8?Q?.pdf?="', "café.pdf"),
        ('a/b; name*0="=?utf-8?B?Y2Fmw6ku"; name*1="cGRm?="', "café.pdf"),
        ("a/b; name*==?utf-8?Q?caf=C3=A9.pdf?=", "café.pdf"),
        ('a/b; name="=?utf-8?Q?a=3B_b.pdf?="; charset=x', "a; b.pdf"),
    ],
)
def test_encoded_words_in_parameters_come_through(value: str, name: str) -> None:
    """RFC 2047 section 5 forbids them there, and half of all programs write them."""
    assert decode_words(parse_parameters(value).parameters["name"]) == name


@pytest.mark.parametrize(
    ("text", "other", "lost"),
    [
        ("r?sum?.pdf", "résumé.pdf", True),
        ("r_sum_.pdf", "résumé.pdf", True),
        ("????.pdf", "日本.pdf", True),
        ("r\ufffdsum\ufffd.pdf", "resume.pdf", True),
        ("resume.pdf", "résumé.pdf", False),
        ("résumé.pdf", "r?sum?.pdf", False),
        ("what?.pdf", "what.pdf", False),
        ("a_b.pdf", "a_b.pdf", False),
    ],
)
def test_the_form_that_lost_characters_is_known(text: str, other: str, lost: bool) -> None:
    """A name with ``?`` or ``_`` in place of letters gives way to the one that has them."""
    assert lost_characters(text, other) is lost


def test_values_longer_than_the_cache_takes_are_read_too() -> None:
    """Length changes nothing but the cache."""
    name = "x" * 300 + ".pdf"
    assert parse_parameters(f"attachment; filename={name}").parameters == {"filename": name}


def test_parameters_beyond_the_limit_are_not_read() -> None:
    """A value without end is read up to a named limit."""
    value = "a/b" + "".join(f'; p{n}="it\\"s"' for n in range(MAX_PARAMETERS + 10))
    assert len(parse_parameters(value).parameters) == MAX_PARAMETERS
