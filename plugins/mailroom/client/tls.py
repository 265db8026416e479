"""TLS for mail connections (RFC 8314): the context, the handshake, its errors as sentences.

Certificates are verified unless the endpoint says otherwise, and nothing older than
TLS 1.2 is spoken. No reading or writing of mail data happens here.
"""

from __future__ import annotations

import socket
import ssl

from mailroom.exceptions import CertificateRejected, ConfigurationError, ConnectionLost, MailroomError

TYPE_CHECKING = False  # the modules of value types take as long to load as ssl
if TYPE_CHECKING:
    from typing import Protocol

    class TlsEndpoint(Protocol):
        """What matters of an endpoint here."""

        @property
        def host(self) -> str:
            """The name that the certificate must carry."""

        @property
        def port(self) -> int:
            """For error messages."""

        @property
        def ca_file(self) -> str | None:
            """A PEM file with the authorities to trust instead of the system's."""

        @property
        def verify(self) -> bool:
            """Whether the certificate must be valid."""

        @property
        def timeout(self) -> float:
            """Seconds, for error messages."""


__all__ = ["create_context", "wrap_socket"]

_HOSTNAME_MISMATCH = {62, 64}
_EXPIRED = {10}
_NOT_YET_VALID = {9}
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}

_SPOKE_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
"""Reasons OpenSSL gives for an answer that is no TLS record; the names changed with OpenSSL 3.2."""

_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")


def create_context(endpoint: TlsEndpoint) -> ssl.SSLContext:
    """Build the TLS context of an endpoint: TLS 1.2 or newer, verified unless it says otherwise.

    :raises ConfigurationError: if ``ca_file`` cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"ca_file {endpoint.ca_file} holds no certificate in PEM form: give the file of the authority "
            "that signed the server's certificate."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"ca_file {endpoint.ca_file} cannot be read: {error.strerror}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not endpoint.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def wrap_socket(plain: socket.socket, endpoint: TlsEndpoint) -> ssl.SSLSocket:
    """Do the TLS handshake on a connected socket, with the host's name in SNI.

    :raises CertificateRejected: if the certificate is not valid for the host; the sentence says why.
    :raises ConnectionLost: with reason ``tls``, ``timeout`` or ``closed``.
    :raises ConfigurationError: if ``ca_file`` is of no use.
    """
    context = create_context(endpoint)
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        return context.wrap_socket(plain, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        raise CertificateRejected(_certificate_sentence(endpoint, error)) from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:  # which of them, depends on Python's build
        raise ConnectionLost(
            f"{where} closed the connection during the TLS handshake: is this a TLS port?", reason="tls"
        ) from error
    except ssl.SSLError as error:
        raise _handshake_error(where, error) from error
    except TimeoutError as error:
        raise ConnectionLost(
            f"{where} did not complete the TLS handshake within {endpoint.timeout:g} s: is this a TLS port?",
            reason="timeout",
        ) from error
    except OSError as error:
        raise ConnectionLost(
            f"{where} closed the connection during the TLS handshake ({error.strerror or error}): "
            "is this a TLS port?",
            reason="tls",
        ) from error
    except ValueError as error:
        # server_hostname that OpenSSL refuses: empty, or with a leading dot.
        raise ConfigurationError(f"{endpoint.host!r} is no host name: {error}.") from error


def _handshake_error(where: str, error: ssl.SSLError) -> MailroomError:
    reason = error.reason or ""
    if any(word in reason for word in _SPOKE_NO_TLS):
        text = (
            f"{where} spoke no TLS: is this the port for starttls or plain? "
            "Use the TLS port, or set security to starttls."
        )
    elif any(word in reason for word in _TOO_OLD):
        text = f"{where} speaks no TLS 1.2 or newer, and older versions are not secure: update the server."
    else:
        text = f"{where} failed the TLS handshake: {reason.replace('_', ' ').lower() or 'unknown reason'}."
    return ConnectionLost(text, reason="tls")


def _certificate_sentence(endpoint: TlsEndpoint, error: ssl.SSLCertVerificationError) -> str:
    where = f"{endpoint.host}:{endpoint.port}"
    code = error.verify_code
    if code in _HOSTNAME_MISMATCH:
        why = "is not for this host name: use the name that the certificate carries as host"
    elif code in _EXPIRED:
        why = "has expired: its owner must renew it"
    elif code in _NOT_YET_VALID:
        why = "is not valid yet: check the clock of this machine"
    elif code in _UNKNOWN_AUTHORITY:
        why = "is signed by an authority that is not trusted here: set ca_file to that authority's PEM file"
    else:
        why = f"was not accepted: {error.verify_message}"
    return f"The certificate of {where} {why}, or, for a server you trust anyway, set verify to false."
