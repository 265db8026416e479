"""LIST, UIDL, STAT and CAPA against the RFCs' examples and real servers' liberties."""

from __future__ import annotations

import pytest

from mailroom.exceptions import RemoteProtocolError
from mailroom.protocol.pop3_listing import (
    MAX_UNIQUE_ID_OCTETS,
    parse_capabilities,
    parse_drop_listing,
    parse_scan_listing,
    parse_unique_ids,
)


def test_scan_listing_of_rfc_1939() -> None:
    """RFC 1939 section 5: number and size a line; nothing for an empty maildrop."""
    assert parse_scan_listing(b"1 120\r\n2 200\r\n") == {1: 120, 2: 200}
    assert parse_scan_listing(b"") == {}


@pytest.mark.parametrize(
    "line", [b"1 120 more\r\n", b" 1 120\r\n", b"1\t120 \r\n", b"1   120\n", b"01 120\r\n"]
)
def test_scan_listing_with_liberties(line: bytes) -> None:
    """Extra spaces, text after the size and a bare LF are understood."""
    assert parse_scan_listing(line) == {1: 120}


@pytest.mark.parametrize(
    "block",
    [
        b"1\r\n",
        b"a 120\r\n",
        b"0 120\r\n",
        b"-1 120\r\n",
        b"x 1 120\r\n",
        b"1 120\r\n\r\n",
        b"1 120",
        b"1 120\r\n2 junk\r\n3 5\r\n",
        b"1 120x\r\n",
        b"99999999999 1\r\n",
    ],
)
def test_scan_listing_of_garbage_is_an_error(block: bytes) -> None:
    """A line that is no listing is an error that names the server, never a guess."""
    with pytest.raises(RemoteProtocolError, match=r"LIST from mail\.example:110"):
        parse_scan_listing(block, "mail.example:110")


def test_unique_ids_of_rfc_1939() -> None:
    """RFC 1939 section 7: number and unique id a line."""
    block = b"1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n"
    assert parse_unique_ids(block) == {1: "whqtswO00WBw418f9t5JxYwZ", 2: "QhdPYR:00WBw1Ph7x7"}


def test_two_messages_may_share_a_unique_id() -> None:
    """Servers that were restored give one id twice; both are passed on."""
    assert parse_unique_ids(b"1 same\r\n2 same\r\n") == {1: "same", 2: "same"}


@pytest.mark.parametrize(
    ("line", "unique_id"),
    [
        (b"1\r\n", None),
        (b"1 \r\n", None),
        (b"1 a b\r\n", "a b"),
        (b"1 \xe9\xff\r\n", "éÿ"),
        (b"1 " + b"x" * MAX_UNIQUE_ID_OCTETS + b"\r\n", "x" * MAX_UNIQUE_ID_OCTETS),
    ],
)
def test_unique_ids_with_liberties(line: bytes, unique_id: str | None) -> None:
    """Ids that are missing, too long, or not of printable ASCII are still told apart."""
    assert parse_unique_ids(line) == {1: unique_id}


@pytest.mark.parametrize(
    "block", [b"a\r\n", b"1 " + b"x" * (MAX_UNIQUE_ID_OCTETS + 1) + b"\r\n", b"\r\n", b"1 a\rb\r\n"]
)
def test_unique_ids_of_garbage_are_an_error(block: bytes) -> None:
    """A line that is no unique-id listing is an error."""
    with pytest.raises(RemoteProtocolError, match="UIDL"):
        parse_unique_ids(block)


def test_drop_listing_of_rfc_1939() -> None:
    """RFC 1939 section 5: count and octets; what follows is ignored."""
    assert parse_drop_listing("2 320") == (2, 320)
    assert parse_drop_listing("2 320 or so") == (2, 320)


@pytest.mark.parametrize("text", ["", "2", "two 320", "2 320x"])
def test_drop_listing_of_garbage_is_an_error(text: str) -> None:
    """STAT without two numbers is an error."""
    with pytest.raises(RemoteProtocolError, match="STAT"):
        parse_drop_listing(text)


def test_capabilities_of_rfc_2449() -> None:
    """RFC 2449 section 5: a name a line, with arguments, in any case."""
    block = (
        b"TOP\r\nUSER\r\nSASL CRAM-MD5 plain\r\nRESP-CODES\r\nLOGIN-DELAY 900\r\nPIPELINING\r\nEXPIRE 60\r\n"
        b"uidl\r\nIMPLEMENTATION Shlemazle-Plotz-v302\r\n"
    )
    capabilities = parse_capabilities(block)
    assert capabilities["SASL"] == ("CRAM-MD5", "PLAIN")
    assert capabilities["LOGIN-DELAY"] == ("900",)
    assert capabilities["IMPLEMENTATION"] == ("Shlemazle-Plotz-v302",)
    assert {"TOP", "USER", "PIPELINING", "UIDL"} <= capabilities.keys()


def test_capability_named_twice_means_both() -> None:
    """Some servers give SASL mechanisms on several lines."""
    assert parse_capabilities(b"SASL PLAIN\r\n\r\nSASL XOAUTH2\r\n") == {"SASL": ("PLAIN", "XOAUTH2")}
