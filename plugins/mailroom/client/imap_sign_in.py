"""From the greeting to a connection ready for use: STARTTLS, sign-in, ID, ENABLE, COMPRESS.

RFC 3501 section 6.2, RFC 2971, 4959, 4978, 5161 and 9755.

A password never leaves over a connection that should have been encrypted: a server that
refuses STARTTLS is an error. No error quotes a secret.
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode

from mailroom import __version__
from mailroom.client.imap_wire import BUSY_CODES, ImapWire, farewell, rejection
from mailroom.client.sasl import (
    MECHANISMS,
    error_status,
    initial_response,
    sign_in_octets,
    without_secrets,
)
from mailroom.client.transport import Transport
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    CommandRejected,
    ConfigurationError,
    ConnectionLost,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Compression, Endpoint, Security
from mailroom.protocol.imap_syntax import quoted

__all__ = ["SLOW_SECONDS", "open_connection"]

SLOW_SECONDS = 0.1
"""The round trip from which a line counts as slow enough to compress.

What limits a compressed connection is the server: Dovecot 2.3 deflates 20 MB/s of mail, so that
compression gains a quarter to two thirds where the line carries less, and costs up to four
times the time where it carries more. At 100 ms the 3 MB that a kernel has on its way by
default are 30 MB/s on a line without any loss, and less on every real one.
"""

_LATER_CODES = BUSY_CODES | {"SERVERBUG"}
"""Response codes that say nothing against the credentials (RFC 9051 section 7.1)."""

_BUSY_WORDS = re.compile(r"(?i)too many|try again|temporar|in use|maximum number of connections|unavailable")

IDENTITY = {"name": "mailroom", "version": __version__}
"""What ID says; some servers refuse SELECT to a client that says nothing (RFC 2971)."""

MAX_CHALLENGES = 10
"""How often a server may ask in one sign-in."""

_log = logging.getLogger(__name__)

_OTHER_GREETINGS = {b"+OK": "POP3", b"220": "SMTP or FTP", b"HTT": "HTTP", b"SSH": "SSH"}


def open_connection(
    endpoint: Endpoint, transport: Transport | None = None, *, with_courtesies: bool = True
) -> tuple[ImapWire, frozenset[str]]:
    """Connect and sign in; return the connection and the server's capabilities.

    :param transport: a connection to begin with, its greeting not read yet.
    :param with_courtesies: whether to say who we are and to ask for UTF-8; else the connection is left
        as it is after a sign-in, with no answer under way.
    :raises ConnectionLost: if the server cannot be reached, is busy or goes away.
    :raises AuthenticationFailed: if it refuses user, password or token.
    :raises CapabilityMissing: if it offers no TLS or no such way of signing in.
    :raises RemoteProtocolError: if it is no IMAP server.
    """
    transport = transport or Transport.connect(endpoint)
    try:
        _check_greeting(transport)
        wire = ImapWire(transport)
        wire.greet()
        if endpoint.security is Security.STARTTLS:
            _start_tls(wire, transport)
        if wire.state == "NONAUTH":
            _sign_in(wire, transport, endpoint)
        capabilities = _capabilities(wire)
        if with_courtesies and "ID" in capabilities:
            _identify(wire)
        if with_courtesies and "ENABLE" in capabilities and capabilities & {"UTF8=ACCEPT", "UTF8=ONLY"}:
            _speak_utf8(wire)
        if _is_worth_compressing(transport, endpoint, capabilities):
            _compress(wire, transport)
    except BaseException:
        transport.close()
        raise
    return wire, capabilities


def _check_greeting(transport: Transport) -> None:
    """Refuse a greeting of another protocol, or one that sends us away, in words that help."""
    greeting = transport.readline()
    for start, name in _OTHER_GREETINGS.items():
        if greeting.startswith(start):
            raise RemoteProtocolError(
                f"{transport.where} speaks {name}, not IMAP: check the port (993 with TLS, 143 without)."
            )
    if greeting.upper().startswith(b"* BYE"):
        refused = rejection(transport.where, "greeting", "BYE", greeting[6:].strip())
        raise ConnectionLost(f"{transport.where} takes no connections now: {refused.text}.", reason="busy")
    transport.pushback(greeting)


def _capabilities(wire: ImapWire) -> frozenset[str]:
    """Return what the server offers now; it may have said so unasked with its last answer."""
    found = wire.learn_capabilities()
    wire.untagged_responses.pop("CAPABILITY", None)
    return found


def _start_tls(wire: ImapWire, transport: Transport) -> None:
    """Switch to TLS, or fail; never go on in the clear (RFC 3501 section 6.2.1)."""
    hint = "use the TLS port with security ssl; nothing was sent in the clear"
    if wire.state != "NONAUTH":
        raise CapabilityMissing(
            f"{transport.where} signed us in before the connection was encrypted, which may be the work of "
            f"someone in between: {hint}.",
            capability="STARTTLS",
        )
    if "STARTTLS" not in wire.capabilities:
        raise CapabilityMissing(f"{transport.where} does not offer STARTTLS: {hint}.", capability="STARTTLS")
    try:
        wire.run("STARTTLS")
    except CommandRejected as error:
        raise CapabilityMissing(
            f"{transport.where} refused STARTTLS: {error.text}: {hint}.", capability="STARTTLS"
        ) from error
    transport.start_tls()
    # What was said before TLS is not to be trusted.
    wire.untagged_responses.clear()


def _sign_in(wire: ImapWire, transport: Transport, endpoint: Endpoint) -> None:
    offered = _capabilities(wire)
    mechanism = MECHANISMS[endpoint.auth]
    if f"AUTH={mechanism}" in offered:
        response = b64encode(initial_response(endpoint))
        command = b"AUTHENTICATE " + mechanism.encode()
        pieces = [command + b" " + response] if "SASL-IR" in offered else [command, response]
    elif endpoint.auth is AuthMethod.PASSWORD and "LOGINDISABLED" not in offered:
        pieces = _login(endpoint, has_literal_plus="LITERAL+" in offered)
    else:
        raise _not_offered(transport, endpoint, offered, mechanism)
    try:
        _converse(wire, transport, endpoint, pieces)
    except CommandRejected as error:
        raise _refusal(transport, endpoint, error) from error
    wire.state = "AUTH"


def _not_offered(
    transport: Transport, endpoint: Endpoint, offered: frozenset[str], mechanism: str
) -> CapabilityMissing:
    ways = ", ".join(sorted(item[5:] for item in offered if item.startswith("AUTH="))) or "none"
    if "LOGINDISABLED" in offered and not transport.is_tls:
        advice = "it takes passwords over TLS only: set security to ssl or starttls"
    else:
        advice = "set auth to another way"
    return CapabilityMissing(
        f"{transport.where} does not offer sign-in by {mechanism} (it offers: {ways}): {advice}.",
        capability=mechanism,
    )


def _login(endpoint: Endpoint, *, has_literal_plus: bool) -> list[bytes]:
    """Return LOGIN, cut where the server must ask for more (RFC 3501 section 6.2.3, RFC 7888).

    What is no ASCII goes as literals in UTF-8: quoted strings are ASCII.
    """
    line = b"LOGIN"
    pieces: list[bytes] = []
    for word in (endpoint.user, endpoint.secret):
        octets = sign_in_octets(endpoint, word)
        if b"\0" in octets:
            raise ConfigurationError(
                f"The user name or password for {endpoint.host}:{endpoint.port} holds a control character "
                "that signing in does not allow: enter it again."
            )
        if re.fullmatch(rb"[ -~]*", octets):
            line += b" " + quoted(octets)
        elif has_literal_plus:
            line += b" {%d+}\r\n%b" % (len(octets), octets)
        else:
            pieces.append(line + b" {%d}" % len(octets))
            line = octets
    return [*pieces, line]


def _converse(wire: ImapWire, transport: Transport, endpoint: Endpoint, pieces: list[bytes]) -> None:
    """Send a sign-in, each piece after the first when the server asks for it; return at OK.

    :raises CommandRejected: if the server refuses; its words without anything secret.
    """
    tag: bytes = wire.new_tag()
    transport.send(tag + b" " + pieces[0] + b"\r\n")
    waiting = iter(pieces[1:])
    reason = b""
    for _ in range(MAX_CHALLENGES):
        line = _next_line(wire, transport, endpoint)
        if not line.startswith(b"+"):
            return _conclude(transport, endpoint, line, tag, reason)
        piece = next(waiting, None)
        if piece is None:
            # A failed token gets its reason as a challenge, NO after a dummy response (RFC 7628 3.2.3).
            reason = (error_status(line[1:].strip()) or "").encode("ascii", "replace")
            piece = b"AQ==" if endpoint.auth is AuthMethod.OAUTHBEARER else b""
        transport.send(piece + b"\r\n")
    raise RemoteProtocolError(f"{transport.where} asked again and again during sign-in.")


def _conclude(transport: Transport, endpoint: Endpoint, line: bytes, tag: bytes, reason: bytes) -> None:
    """Return where the tagged answer is OK."""
    given, _, answer = line.partition(b" ")
    kind, _, text = answer.partition(b" ")
    if given != tag or kind.upper() not in (b"OK", b"NO", b"BAD"):
        raise RemoteProtocolError(f"{transport.where} answered a sign-in with what is no IMAP.")
    if kind.upper() == b"OK":
        return
    because = b" (" + reason + b")" if reason else b""
    raise rejection(
        transport.where, "sign-in", kind.decode().upper(), without_secrets(text, endpoint) + because
    )


def _next_line(wire: ImapWire, transport: Transport, endpoint: Endpoint) -> bytes:
    """Return the next line that is no untagged response; capabilities among those are kept."""
    while True:
        line = transport.readline().rstrip(b"\r\n")
        if not line.startswith(b"*"):
            told = re.search(rb"\[CAPABILITY ([^\]]*)\]", line, re.IGNORECASE)
            if told:
                wire.untagged_responses["CAPABILITY"] = [told[1]]
            return line
        if line.upper().startswith(b"* BYE"):
            raise farewell(transport.where, without_secrets(line[5:], endpoint))
        if line.upper().startswith(b"* CAPABILITY "):
            wire.untagged_responses["CAPABILITY"] = [line[13:]]


def _identify(wire: ImapWire) -> None:
    """Say who we are; the answer is passed over while that of the next command is read.

    Even where ID is offered and refused: it is a courtesy, and the account may work all the same.
    """
    fields = " ".join(f'"{word}"' for pair in IDENTITY.items() for word in pair)
    wire.begin("ID", f"({fields})")


def _speak_utf8(wire: ImapWire) -> None:
    """Ask for UTF-8 (RFC 9755): else a server may hide mail whose header needs it, or give it otherwise.

    Older Couriers do. Folder names come in UTF-8 then.
    """
    wire.untagged_responses.pop("ENABLED", None)
    try:
        wire.run("ENABLE", "UTF8=ACCEPT")
    except CommandRejected as error:
        _log.info("%s refused to speak UTF-8: %s", wire.transport.where, error.text)
    told = wire.untagged_responses.pop("ENABLED", None) or ()
    wire.is_utf8 = any(isinstance(words, bytes) and b"UTF8=ACCEPT" in words.upper() for words in told)


def _is_worth_compressing(transport: Transport, endpoint: Endpoint, capabilities: frozenset[str]) -> bool:
    """Return whether to compress: by what was set, else by the quickest answer since the greeting."""
    if "COMPRESS=DEFLATE" not in capabilities or endpoint.compress is Compression.NEVER:
        return False
    if endpoint.compress is Compression.ALWAYS:
        return True
    return transport.round_trip is not None and transport.round_trip >= SLOW_SECONDS


def _compress(wire: ImapWire, transport: Transport) -> None:
    """Switch to compression (RFC 4978); a server that offers and refuses it is used without."""
    try:
        wire.run("COMPRESS", "DEFLATE")
    except CommandRejected as error:
        _log.info("%s refused to compress: %s", transport.where, error.text)
        return
    transport.start_compression()
    _log.debug("the connection to %s is compressed", transport.where)


def _refusal(transport: Transport, endpoint: Endpoint, error: CommandRejected) -> MailroomError:
    """Return the error for a refused sign-in: try later, or other credentials."""
    where = transport.where
    if error.code in _LATER_CODES or (error.code in (None, "ALERT") and _BUSY_WORDS.search(error.text)):
        return ConnectionLost(f"{where} is busy for {endpoint.user}: {error.text}.", reason="busy")
    secret = "password" if endpoint.auth is AuthMethod.PASSWORD else "access token"
    hint = "" if transport.is_tls else " Some servers take passwords only over TLS."
    return AuthenticationFailed(
        f"{where} refused the sign-in of {endpoint.user}: {error.text or 'no reason given'}. Check user name "
        f"and {secret}, and that the account allows IMAP.{hint}"
    )
