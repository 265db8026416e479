"""Properties of mailbox names: what a server calls a folder is what it is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from imapclient.imap_utf7 import decode as others_decode
from imapclient.imap_utf7 import encode as others_encode

from mailroom.protocol.modified_utf7 import RAW, decode_mailbox_name, encode_mailbox_name

proper = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda name: not name.startswith(RAW)
)
shifts = st.sampled_from(
    [b"&", b"-", b"&-", b"&AOk-", b"&2D0-", b"&,", b"a", b"/", b"\xc3\xa9", RAW.encode()]
)
octets = st.lists(shifts | st.binary(max_size=4), max_size=6).map(b"".join)


@given(octets)
def test_every_name_a_server_can_send_goes_back_as_it_came(name: bytes) -> None:
    """And fits a table on the way."""
    decoded = decode_mailbox_name(name)
    assert encode_mailbox_name(decoded) == name
    decoded.encode("utf-8")


@given(octets, octets)
def test_two_names_never_look_the_same(one: bytes, other: bytes) -> None:
    """Else one folder's messages would be recorded under the other's name."""
    assert (decode_mailbox_name(one) == decode_mailbox_name(other)) == (one == other)


@given(proper)
def test_every_proper_name_is_written_as_others_write_it(name: str) -> None:
    """imapclient and we agree on the names that are proper."""
    written = encode_mailbox_name(name)
    assert written == others_encode(name)
    assert decode_mailbox_name(written) == others_decode(written) == name


@given(proper)
def test_what_is_written_is_printable_ascii(name: str) -> None:
    """So that it fits a quoted string (RFC 3501 section 5.1.3)."""
    assert all(0x20 <= octet <= 0x7E for octet in encode_mailbox_name(name))
