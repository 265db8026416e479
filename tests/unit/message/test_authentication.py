"""Authentication-Results as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import AuthenticationResults, Hop, author_addresses, receipt_fields
from mailroom.message.authentication import NAMELESS_SERVER

GMAIL = (
    "Authentication-Results: mx.google.com;\r\n"
    "       dkim=pass header.i=@supplier.com header.s=s1 header.b=abc;\r\n"
    "       spf=pass (google.com: domain of a@bounce.supplier.com designates 1.2.3.4) "
    'smtp.mailfrom="a@bounce.supplier.com";\r\n'
    "       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=supplier.com\r\n"
)
EXCHANGE = (
    "Authentication-Results: spf=pass (sender IP is 1.2.3.4)\r\n smtp.mailfrom=supplier.com; dkim=pass "
    "(signature was verified)\r\n header.d=supplier.com;dmarc=bestguesspass action=none "
    "header.from=supplier.com;compauth=pass reason=109\r\n"
)


def read(header: str) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return servers with method, value and domain of each result."""
    found = receipt_fields(header.encode() + b"\r\nbody")
    fields = [one for one in found if isinstance(one, AuthenticationResults)]
    return [(one.server, [(r.method, r.value, r.domain) for r in one.results]) for one in fields]


def test_what_gmail_writes() -> None:
    """Comments are passed over, quoted addresses are read, and domains found in either form."""
    passes = [("dkim", "supplier.com"), ("spf", "bounce.supplier.com"), ("dmarc", "supplier.com")]
    assert read(GMAIL) == [("mx.google.com", [(method, "pass", domain) for method, domain in passes])]


def test_what_exchange_online_writes() -> None:
    """It writes no name of its own."""
    ((server, results),) = read(EXCHANGE)
    assert server == NAMELESS_SERVER
    assert results[:2] == [("spf", "pass", "supplier.com"), ("dkim", "pass", "supplier.com")]
    assert results[2] == ("dmarc", "bestguesspass", "supplier.com")


@pytest.mark.parametrize(
    ("value", "results"),
    [
        ("MX.example.org 1; none", []),
        ("mx.example.org", []),
        ("mx.example.org; dkim/1 = FAIL (bad; dkim=pass header.d=x.com) header.d=Supplier.COM.", [
            ("dkim", "fail", "supplier.com")]),
        ('mx.example.org; dkim=fail reason="dkim=pass header.d=x.com; a" header.d=y.com', [
            ("dkim", "fail", "y.com")]),
        ("mx.example.org; spf=pass smtp.mailfrom=<>; spf=none smtp.helo=h.example", [
            ("spf", "pass", ""), ("spf", "none", "")]),
        ("(comment (nested \\) ) ) mx.example.org; auth=pass smtp.auth=ana", [("auth", "pass", "")]),
        ("mx.example.org; dkim=pass (never closed header.d=x.com", []),
        ('mx.example.org; spf=pass header.d="never closed; dkim=pass header.d=x.com', []),
        ("mx.example.org; spf=pass smtp.mailfrom=a@y.com) ; dkim=pass header.d=x.com", []),
        ("mx.example.org; hotmail.com; dkim=pass header.d=x.com;; dmarc=pass action=x header.from=x.com;", [
            ("dkim", "pass", "x.com"), ("dmarc", "pass", "x.com")]),
        ("mx.example.org; dkim=pass and more header.d=x.com; spf=fail", [("spf", "fail", "")]),
    ],
)  # fmt: skip
def test_forms_of_a_field(value: str, results: list[tuple[str, str, str]]) -> None:
    """What looks like a result within a comment or a quoted reason is none."""
    assert read(f"Authentication-Results: {value}\r\n") == [("mx.example.org", results)]


@pytest.mark.parametrize(
    ("value", "results"),
    [
        ('spf=pass smtp.mailfrom="ceo@x.com"@y.com', [("spf", "pass", "y.com")]),
        (r'spf=pass smtp.mailfrom="\"ceo@x.com\"@y.com"', [("spf", "pass", "y.com")]),
        (r'spf=pass smtp.mailfrom="z\"; dkim=pass header.d=x.com; z=\""@y.com', [("spf", "pass", "y.com")]),
        ('spf=pass smtp.mailfrom="z; dkim=pass header.d=x.com"@y.com', [("spf", "pass", "y.com")]),
        ('spf=pass smtp.mailfrom="ceo@"x.com', [("spf", "pass", "")]),
        ("spf=pass smtp.mailfrom=ceo@y.com@x.com", [("spf", "pass", "")]),
        ("spf=pass smtp.mailfrom=a@[x:@x.com]", [("spf", "pass", "")]),
        ("spf=pass smtp.mailfrom=<a@y.com>", [("spf", "pass", "y.com")]),
        ("spf=pass smtp.helo=x.com", [("spf", "pass", "")]),
        ("dkim=pass header.d=y.com header.d=x.com", [("dkim", "pass", "")]),
        ('dkim=pass header.x="header.d=x.com" header.d=y.com', [("dkim", "pass", "y.com")]),
        (r"spf=fail smtp.mailfrom=z\"; dkim=pass header.d=x.com", []),
    ],
)  # fmt: skip
def test_sender_writes_no_domain_into_what_a_server_says(
    value: str, results: list[tuple[str, str, str]]
) -> None:
    """A local part in quotes may hold anything, and is only a local part; what is not clear is nothing."""
    assert read(f"Authentication-Results: mx.example.org; {value}\r\n") == [("mx.example.org", results)]


def test_fields_come_with_the_hops_between_them() -> None:
    """In their order, and from the header alone."""
    field = "Authentication-Results: mx.me; spf=pass\r\n"
    head = f"Return-Path: <x>\r\nReceived: by store.me; date\r\n{field}Received: from a by mx.me; date\r\n"
    found = receipt_fields(f"{head}\r\n{field}".encode())
    assert [one.by if isinstance(one, Hop) else one.server for one in found] == ["store.me", "mx.me", "mx.me"]


@given(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60), st.booleans()
)
def test_no_local_part_speaks_for_another_domain(local: str, is_whole: bool) -> None:
    """Whatever a sender calls himself, quoted as servers quote it."""

    def quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    address = quoted(f"{quoted(local)}@y.com") if is_whole else f"{quoted(local)}@y.com"
    said = read(f"Authentication-Results: m; spf=pass smtp.mailfrom={address}; dkim=none\r\n")
    assert said == [("m", [("spf", "pass", "y.com"), ("dkim", "none", "")])]


def test_authors_are_those_of_every_from_field() -> None:
    """Names beside them are none."""
    content = (
        b'From: "ceo@x.example" <Eve@y.example>,\r\n z@y.example\r\nFROM: ceo@x.example\r\n\r\nFrom: a@b.c'
    )
    assert author_addresses(content) == ("eve@y.example", "z@y.example", "ceo@x.example")


@given(st.text(max_size=200))
def test_any_value_is_read(value: str) -> None:
    """Nothing breaks it."""
    receipt_fields(f"Authentication-Results: {value}\r\n".encode("utf-8", "replace"))
