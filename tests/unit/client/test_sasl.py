"""SASL responses against the examples of RFC 4616, RFC 7628 and Google's XOAUTH2 page."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailroom.client.sasl import MECHANISMS, error_status, initial_response, without_secrets
from mailroom.exceptions import ConfigurationError
from mailroom.model import AuthMethod, Endpoint, MailProtocol


def endpoint(user: str, secret: str, auth: AuthMethod, host: str = "server.example.com") -> Endpoint:
    return Endpoint(protocol=MailProtocol.IMAP, host=host, port=143, user=user, secret=secret, auth=auth)


def test_plain_of_rfc_4616() -> None:
    """RFC 4616 section 4: NUL, name, NUL, password, all in UTF-8."""
    assert (
        initial_response(endpoint("tim", "tanstaaftanstaaf", AuthMethod.PASSWORD))
        == b"\0tim\0tanstaaftanstaaf"
    )
    assert initial_response(endpoint("ñ", "€", AuthMethod.PASSWORD)) == "\0ñ\0€".encode()


def test_octets_of_the_environment_go_as_they_are() -> None:
    """A password in Latin-1 reaches Python as halves of characters, and the server as it was."""
    secret = "café".encode("latin-1").decode("utf-8", "surrogateescape")
    at = endpoint("tim", secret, AuthMethod.PASSWORD)
    assert initial_response(at) == b"\0tim\0caf\xe9"
    assert without_secrets(b"no caf\xe9 here", at) == b"no *** here"


@pytest.mark.parametrize("auth", list(AuthMethod))
@pytest.mark.parametrize("place", ["user", "secret"])
def test_half_a_character_is_refused(auth: AuthMethod, place: str) -> None:
    """What no charset has cannot be sent; neither the error nor what it came from shows the secret."""
    bad = {"user": "user", "secret": "hunter2"} | {place: "hunter2\ud83d"}
    at = endpoint(bad["user"], bad["secret"], auth)
    with pytest.raises(ConfigurationError, match="holds half a character: enter it again") as caught:
        initial_response(at)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
    assert without_secrets(b"as it came", at) == b"as it came"


def test_xoauth2_of_google() -> None:
    """The example of Google's page on the XOAUTH2 mechanism."""
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    response = initial_response(endpoint("someuser@example.com", token, AuthMethod.XOAUTH2))
    assert b64encode(response) == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl"
        b"0Q2cBAQ=="
    )


def test_oauthbearer_of_rfc_7628() -> None:
    """RFC 7628 section 4.1: the name in the GS2 header, host, port and token as key-value pairs."""
    token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    response = initial_response(endpoint("user@example.com", token, AuthMethod.OAUTHBEARER))
    assert response == (
        b"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer " + token.encode() + b"\1\1"
    )


def test_oauthbearer_name_is_escaped() -> None:
    """RFC 5801 section 4: a comma or an equals sign in a name would end it."""
    response = initial_response(endpoint("a,b=c", "t", AuthMethod.OAUTHBEARER))
    assert response.startswith(b"n,a=a=2Cb=3Dc,\1")


@pytest.mark.parametrize("auth", list(AuthMethod))
@pytest.mark.parametrize("place", ["user", "secret"])
def test_separator_in_a_value_is_refused(auth: AuthMethod, place: str) -> None:
    """A name that holds the separator would sign in as somebody else; the error does not show the secret."""
    bad = {"user": "user", "secret": "hunter2"} | {place: "hunter2\0\1"}
    with pytest.raises(ConfigurationError) as caught:
        initial_response(endpoint(bad["user"], bad["secret"], auth))
    assert "hunter2" not in str(caught.value)


def test_every_way_of_signing_in_has_a_mechanism() -> None:
    """The list of mechanisms is complete."""
    assert set(MECHANISMS) == set(AuthMethod)


@pytest.mark.parametrize(
    ("json", "status"),
    [
        (b'{"status":"invalid_token","scope":"example_scope"}', "invalid_token"),
        (b'{"status":401}', "401"),
        (b'{"scope":"x"}', None),
        (b"[1]", None),
        (b"not json", None),
        (b"\xff\xfe", None),
    ],
)
def test_reason_of_a_refused_token(json: bytes, status: str | None) -> None:
    """RFC 7628 section 3.2.2: the status is a member of a JSON object; anything else is no reason."""
    assert error_status(b64encode(json)) == status


def test_challenge_that_is_no_base64_gives_no_reason() -> None:
    """Text of any kind is passed over."""
    assert error_status(b"a") is None


ENDED = st.text(st.characters(codec="ascii", exclude_characters="*<>\0\1"), min_size=1)


@given(
    user=ENDED,
    secret=ENDED.filter(str.strip),
    auth=st.sampled_from(AuthMethod),
    form=st.integers(min_value=0, max_value=4),
)
@example(user="0", secret='0000"', auth=AuthMethod.PASSWORD, form=0)
def test_secret_is_taken_out_in_every_form_it_goes_out_in(
    user: str, secret: str, auth: AuthMethod, form: int
) -> None:
    """As it is, trimmed, as a quoted string, and in base64, alone or with the name."""
    account = endpoint(user, secret, auth)
    octets = secret.encode()
    echoed = (
        octets,
        octets.strip(),
        octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"'),
        b64encode(octets),
        b64encode(initial_response(account)),
    )[form]
    assert without_secrets(b"<" + echoed + b">", account).strip(b"< >\t\r\n\v\f") == b"***"


@pytest.mark.parametrize("secret", ["", "a\0b", "\udc80"])
def test_words_are_shown_where_there_is_no_such_secret(secret: str) -> None:
    """A secret that a mechanism cannot carry was not sent by it, and an empty one is in no text."""
    assert without_secrets(b"not today", endpoint("tim", secret, AuthMethod.PASSWORD)) == b"not today"


@pytest.mark.parametrize("end", [b"", b"...", b'"', b")."])
@pytest.mark.parametrize("octets", [4, 5, 9, 10])
def test_a_quote_that_is_cut_is_left_out_too(octets: int, end: bytes) -> None:
    """Servers shorten what they do not understand, and the beginning of a password is a part of it."""
    at = endpoint("tim", "hunter2and3", AuthMethod.PASSWORD)
    assert (
        without_secrets(b"unknown: PASS hunter2and3"[: 14 + octets] + end, at) == b"unknown: PASS ***" + end
    )


def test_words_are_no_quote() -> None:
    """A server's sentence may end like a short beginning of a password."""
    at = endpoint("tim", "defer2and3", AuthMethod.PASSWORD)
    assert without_secrets(b"mailbox is in use, try later: def", at) == b"mailbox is in use, try later: def"
