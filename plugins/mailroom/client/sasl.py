"""The octets a client sends to sign in by SASL: PLAIN, XOAUTH2, OAUTHBEARER.

Pure: values in, octets out, not yet encoded in base64; and a server's words without what they quote of
them. How each protocol carries them, and what its server answers, is the clients' work. No error here
quotes a secret.
"""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64

from mailroom.exceptions import ConfigurationError
from mailroom.model import AuthMethod, Endpoint

__all__ = ["MECHANISMS", "error_status", "initial_response", "sign_in_octets", "without_secrets"]

MECHANISMS = {
    AuthMethod.PASSWORD: "PLAIN",
    AuthMethod.XOAUTH2: "XOAUTH2",
    AuthMethod.OAUTHBEARER: "OAUTHBEARER",
}
"""The SASL mechanism each way of signing in uses."""

_TELLING_OCTETS = 4
"""From how many octets on the beginning of a secret is taken for one, and not for words of the server."""

_CLOSING = b" .,;:!?)]}>\"'\r\n"
"""What a server may put after what it quotes."""


def initial_response(endpoint: Endpoint) -> bytes:
    """Return the one message that signs in by the endpoint's mechanism.

    :raises ConfigurationError: if user or secret hold an octet the mechanism uses as separator, or half a
        character.
    """
    if endpoint.auth is AuthMethod.PASSWORD:
        return _plain(endpoint)
    if endpoint.auth is AuthMethod.XOAUTH2:
        return _xoauth2(endpoint)
    return _oauthbearer(endpoint)


def sign_in_octets(endpoint: Endpoint, text: str) -> bytes:
    """Return the octets of a text that holds the user or the secret: UTF-8 (RFC 4616, RFC 6855).

    What the environment gave in another charset goes as it came: Python carries such octets as halves of
    characters (PEP 383).

    :raises ConfigurationError: if it holds other halves, which no charset has.
    """
    with contextlib.suppress(UnicodeEncodeError):  # which holds the text
        return text.encode("utf-8", "surrogateescape")
    raise ConfigurationError(
        f"The user name or secret for {endpoint.host}:{endpoint.port} holds half a character: enter it again."
    )


def error_status(challenge: bytes) -> str | None:
    """Return the status from the error challenge of XOAUTH2 or OAUTHBEARER, or None.

    RFC 7628 section 3.2.2: base64 of JSON such as ``{"status":"invalid_token"}``.
    """
    try:
        answer = json.loads(a2b_base64(challenge))
    except (Base64Error, ValueError):
        return None
    status = answer.get("status") if isinstance(answer, dict) else None
    return str(status)[:100] if status is not None else None


def without_secrets(text: bytes, endpoint: Endpoint) -> bytes:
    """Return a server's words without what they quote of a sign-in, in whichever form that was sent."""
    from mailroom.protocol.imap_syntax import quoted  # few sign-ins are refused, and POP3 needs none of it

    try:
        secret = sign_in_octets(endpoint, endpoint.secret)
    except ConfigurationError:  # then it was not sent
        return text
    forms = {secret, secret.strip(), quoted(secret)[1:-1], b64encode(secret)}
    with contextlib.suppress(ConfigurationError):  # then it was not sent in this form
        forms.add(b64encode(initial_response(endpoint)))
    longest_first = sorted(filter(None, forms), key=len, reverse=True)
    for form in longest_first:
        text = text.replace(form, b"***")
    for (
        form
    ) in longest_first:  # once none is whole: one that ends in a quote looks like another cut before it
        text = _without_beginning(text, form)
    return text


def _without_beginning(text: bytes, form: bytes) -> bytes:
    """Return a text without the first octets of a secret at its end, for servers cut what they quote."""
    said = text.rstrip(_CLOSING)
    for octets in range(min(len(form) - 1, len(said)), _TELLING_OCTETS - 1, -1):
        if said.endswith(form[:octets]):
            return said[:-octets] + b"***" + text[len(said) :]
    return text


def _plain(endpoint: Endpoint) -> bytes:
    """``message = [authzid] NUL authcid NUL passwd`` (RFC 4616 section 2)."""
    _refuse(endpoint, "\0")
    return sign_in_octets(endpoint, f"\0{endpoint.user}\0{endpoint.secret}")


def _xoauth2(endpoint: Endpoint) -> bytes:
    """Google's forerunner of RFC 7628: ``user=... ^A auth=Bearer ... ^A ^A``."""
    _refuse(endpoint, "\1")
    return sign_in_octets(endpoint, f"user={endpoint.user}\1auth=Bearer {endpoint.secret}\1\1")


def _oauthbearer(endpoint: Endpoint) -> bytes:
    """``client-resp = gs2-header kvsep *kvpair kvsep`` (RFC 7628 section 3.1; names as in RFC 5801)."""
    _refuse(endpoint, "\1")
    name = endpoint.user.replace("=", "=3D").replace(",", "=2C")
    where = f"host={endpoint.host}\1port={endpoint.port}"
    return sign_in_octets(endpoint, f"n,a={name},\1{where}\1auth=Bearer {endpoint.secret}\1\1")


def _refuse(endpoint: Endpoint, separator: str) -> None:
    if separator in endpoint.user or separator in endpoint.secret:
        raise ConfigurationError(
            f"The user name or secret for {endpoint.host}:{endpoint.port} holds a control "
            "character that signing in does not allow: enter it again."
        )
