"""Where mail accounts are, and how one signs in to them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = [
    "DEFAULT_CONNECTIONS",
    "DEFAULT_PORTS",
    "MAX_CONNECTIONS",
    "SERVER_PROTOCOLS",
    "AuthMethod",
    "Compression",
    "Endpoint",
    "MailProtocol",
    "Security",
    "is_loopback",
]


class MailProtocol(enum.Enum):
    """The protocol a message was read by; ``IMPORT`` is none, but files that somebody had."""

    POP3 = "pop3"
    IMAP = "imap"
    IMPORT = "import"


class Security(enum.Enum):
    """How a connection is protected; ``STARTTLS`` is POP3's STLS as well."""

    SSL = "ssl"
    STARTTLS = "starttls"
    PLAIN = "plain"


class AuthMethod(enum.Enum):
    """How to sign in: a password, or an OAuth 2 access token (RFC 7628 and its forerunner)."""

    PASSWORD = "password"
    XOAUTH2 = "xoauth2"
    OAUTHBEARER = "oauthbearer"


class Compression(enum.Enum):
    """When an IMAP connection is compressed (RFC 4978); only ever where the server offers it."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


SERVER_PROTOCOLS = (MailProtocol.POP3, MailProtocol.IMAP)
"""Those that a server speaks."""

DEFAULT_PORTS = {
    (MailProtocol.POP3, Security.SSL): 995,
    (MailProtocol.POP3, Security.STARTTLS): 110,
    (MailProtocol.POP3, Security.PLAIN): 110,
    (MailProtocol.IMAP, Security.SSL): 993,
    (MailProtocol.IMAP, Security.STARTTLS): 143,
    (MailProtocol.IMAP, Security.PLAIN): 143,
}
"""The registered port of each protocol and protection (RFC 8314)."""


DEFAULT_CONNECTIONS = 4
"""Connections to one account at once; most servers allow 10 or more (Gmail 15, Dovecot 10 by default)."""

MAX_CONNECTIONS = 32
"""More than any hosted account is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a mail account is, and how to sign in to it.

    :param secret: password or access token; never shown in ``repr``.
    :param verify: whether the server's certificate must be valid for ``host``.
    :param ca_file: path of a PEM file with the authorities to trust instead of the system's.
    :param timeout: seconds to wait for any answer.
    :param compress: when to compress an IMAP connection; ``AUTO`` means where the line is slow.
    """

    protocol: MailProtocol
    host: str
    port: int
    user: str
    secret: str = field(repr=False, default="")
    security: Security = Security.SSL
    auth: AuthMethod = AuthMethod.PASSWORD
    verify: bool = True
    ca_file: str | None = None
    timeout: float = 60.0
    compress: Compression = Compression.AUTO


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself, so that what is sent to it is on no network."""
    import ipaddress  # takes longer to load than a whole command line

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
