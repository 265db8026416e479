"""From the greeting to the TRANSACTION state: capabilities, TLS, sign-in (RFC 1939, 2449, 2595, 5034).

A password never leaves over a connection that should have been encrypted: a server that
refuses STLS is an error. No error quotes a secret.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

from mailroom.client.pop3_session import Pop3Session
from mailroom.client.sasl import MECHANISMS, error_status, initial_response, sign_in_octets
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    ConfigurationError,
    ConnectionLost,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Endpoint, Security
from mailroom.protocol.pop3 import Answer, Challenge, Status, serialise_command
from mailroom.protocol.pop3_listing import parse_capabilities

__all__ = ["MAX_CAPABILITY_OCTETS", "open_session"]

MAX_CAPABILITY_OCTETS = 64 * 1024
"""Longest answer to CAPA accepted; real ones are below 1 KiB."""

_MAX_WORD_OCTETS = 248
"""Longest name or password that goes by USER and PASS at once: a line has 255 octets (RFC 2449 section 4)."""

_BUSY_CODES = ("IN-USE", "LOGIN-DELAY", "SYS/TEMP")
"""Response codes that say "later" instead of "no" (RFC 2449 section 8.1, RFC 3206)."""

_BUSY_WORDS = re.compile(r"(?i)mail ?(box|drop)\b.*\b(lock|in use|busy)|\block\b.*mail ?(box|drop)")
"""The same in the words of servers without response codes, such as RFC 1939's own examples."""

_OTHER_GREETINGS = {b"* ": "IMAP", b"22": "SMTP or FTP", b"HTTP": "HTTP", b"SSH": "SSH"}


def open_session(session: Pop3Session) -> None:
    """Take a fresh connection to the TRANSACTION state.

    :raises AuthenticationFailed: if the server refuses user, password or token.
    :raises CapabilityMissing: if it offers no TLS or no such way of signing in.
    :raises ConnectionLost: if it is busy (reason ``busy``), or goes away.
    :raises RemoteProtocolError: if it is no POP3 server.
    """
    _read_greeting(session)
    session.capabilities = _ask_capabilities(session)
    if session.endpoint.security is Security.STARTTLS:
        _start_tls(session)
        session.capabilities = _ask_capabilities(session)
    session.capabilities = _sign_in(session)


def _read_greeting(session: Pop3Session) -> None:
    try:
        greeting = session.read_event()
    except RemoteProtocolError as error:
        for start, name in _OTHER_GREETINGS.items():
            if error.received.startswith(start):
                text = f"{session.where} speaks {name}, not POP3: check the port (995 with TLS, 110 without)."
                raise RemoteProtocolError(text, received=error.received) from error
        raise
    if isinstance(greeting, Status) and not greeting.is_ok:
        text = f"{session.where} takes no connections now: {session.words(greeting)}."
        raise ConnectionLost(text, reason="busy")


def _ask_capabilities(session: Pop3Session) -> Mapping[str, tuple[str, ...]]:
    """Return what CAPA says, nothing where the server does not know the command."""
    (answer,) = session.ask_blocks(MAX_CAPABILITY_OCTETS, "CAPA")
    return _capabilities(answer)


def _capabilities(answer: bytes | Status) -> Mapping[str, tuple[str, ...]]:
    return {} if isinstance(answer, Status) else parse_capabilities(answer)


def _start_tls(session: Pop3Session) -> None:
    """Switch to TLS by STLS (RFC 2595 section 4), or fail; never go on in the clear."""
    hint = "use the TLS port with security ssl; nothing was sent in the clear"
    if session.capabilities and "STLS" not in session.capabilities:
        raise CapabilityMissing(f"{session.where} does not offer STLS (starttls): {hint}.", capability="STLS")
    status = session.ask("STLS")
    if not status.is_ok:
        text = f"{session.where} refused STLS (starttls): {session.words(status)}: {hint}."
        raise CapabilityMissing(text, capability="STLS")
    session.start_tls()


def _sign_in(session: Pop3Session) -> Mapping[str, tuple[str, ...]]:
    """Sign in, and return what the server offers from then on."""
    endpoint = session.endpoint
    mechanism = MECHANISMS[endpoint.auth]
    offered = session.capabilities.get("SASL", ())
    if endpoint.auth is AuthMethod.PASSWORD and _takes_password_at_once(session):
        return _send_password_at_once(session)
    if mechanism in offered or (endpoint.auth is not AuthMethod.PASSWORD and not session.capabilities):
        _authenticate(session, mechanism)
    elif endpoint.auth is AuthMethod.PASSWORD:
        _send_password(session)
    else:
        listed = ", ".join(offered) or "none"
        raise CapabilityMissing(
            f"{session.where} does not offer sign-in by {mechanism} (it offers: {listed}): "
            "set auth to another way.",
            capability=mechanism,
        )
    return _ask_capabilities(session)


def _takes_password_at_once(session: Pop3Session) -> bool:
    """Return whether USER and PASS can go out together, where SASL takes two round trips."""
    has_password = "USER" in session.capabilities or not _offers_plain(session)
    return session.pipelines and has_password and _fits_lines(session.endpoint)


def _fits_lines(endpoint: Endpoint) -> bool:
    """Return whether USER and PASS carry this to every server: blanks may part words (RFC 1939 section 7).

    Some servers trim them. SASL carries all, so a sign-in must not fail for the sake of a round trip, run
    after run until the account is locked.
    """
    words = (endpoint.user, endpoint.secret)
    return all(word.isascii() and word.split() == [word] and len(word) <= _MAX_WORD_OCTETS for word in words)


def _offers_plain(session: Pop3Session) -> bool:
    return MECHANISMS[AuthMethod.PASSWORD] in session.capabilities.get("SASL", ())


def _send_password(session: Pop3Session) -> None:
    """Sign in by USER and PASS (RFC 1939 section 7)."""
    for words in _password_commands(session):
        status = session.ask(*words)
        if not status.is_ok:
            raise _refusal(session, status)


def _send_password_at_once(session: Pop3Session) -> Mapping[str, tuple[str, ...]]:
    """Sign in by USER and PASS, and ask what is offered from then on, in one round trip (RFC 2449 6.6)."""
    commands = [(serialise_command(*words), Answer.LINE) for words in _password_commands(session)]
    session.send_together(*commands, (serialise_command("CAPA"), Answer.BLOCK))
    for _ in commands:
        status = session.read_status()
        if not status.is_ok:
            raise _refusal(session, status)
    return _capabilities(session.read_block("CAPA", MAX_CAPABILITY_OCTETS))


def _password_commands(session: Pop3Session) -> tuple[tuple[str, str], ...]:
    endpoint = session.endpoint
    if re.search(r"[\r\n\0]", endpoint.user + endpoint.secret):
        raise ConfigurationError(
            f"The user name or password for {session.where} holds a line break: enter it again."
        )
    sign_in_octets(endpoint, endpoint.user + endpoint.secret)  # refuses what cannot be sent
    return ("USER", endpoint.user), ("PASS", endpoint.secret)


def _authenticate(session: Pop3Session, mechanism: str) -> None:
    """Sign in by AUTH in two steps: the mechanism, then on a challenge the response.

    RFC 5034 allows both in one line, but Exchange takes XOAUTH2 only in two, and a long
    token would not fit into a line of 255 octets.
    """
    response = b64encode(initial_response(session.endpoint))
    answer = session.ask_auth(serialise_command("AUTH", mechanism))
    reason = None
    if isinstance(answer, Challenge):
        answer = session.ask_auth(response + b"\r\n")
    if isinstance(answer, Challenge):
        # A failed token gets its reason as a challenge, and -ERR after a dummy response (RFC 7628 3.2.3).
        reason = error_status(answer.text)
        answer = session.ask_auth(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
    if isinstance(answer, Challenge):
        raise RemoteProtocolError(f"{session.where} asked again and again in a sign-in by {mechanism}.")
    if not answer.is_ok:
        raise _refusal(session, answer, reason)


def _refusal(session: Pop3Session, status: Status, reason: str | None = None) -> MailroomError:
    """Return the error for a refused sign-in: try later, or other credentials."""
    where, words = session.where, session.words(status)
    if status.code in _BUSY_CODES or (status.code is None and _BUSY_WORDS.search(status.text)):
        return ConnectionLost(f"{where} is busy for {session.endpoint.user}: {words}.", reason="busy")
    if status.code == "SYS/PERM":
        return session.rejected("sign-in", status)
    secret = "password" if session.endpoint.auth is AuthMethod.PASSWORD else "access token"
    because = f"{words} ({reason})" if reason else words
    hint = "" if session.transport.is_tls else " Some servers take passwords only over TLS."
    return AuthenticationFailed(
        f"{where} refused the sign-in of {session.endpoint.user}: {because}. Check user name and "
        f"{secret}, and that the account allows POP3.{hint}"
    )
