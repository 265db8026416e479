"""From what a user types to an account: URL, password, durations, sizes.

Schemes: ``pop3s pop3 pop3+starttls imaps imap imap+starttls``, written as
``scheme://user@host:port`` with ``@`` in a user as ``%40``. A password never stands
in a URL or in an argument, where other users of the machine could read it.
"""

from __future__ import annotations

import argparse
import getpass
import ipaddress
import os
import re
import sys
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from mailroom.model import DEFAULT_PORTS, AuthMethod, Endpoint, MailProtocol, Security

__all__ = ["UsageError", "account_name", "duration", "endpoint_of_url", "octets", "with_secret"]

PASSWORD_VARIABLE = "MAILROOM_PASSWORD"

_SCHEMES = {
    "pop3s": (MailProtocol.POP3, Security.SSL),
    "pop3": (MailProtocol.POP3, Security.PLAIN),
    "pop3+starttls": (MailProtocol.POP3, Security.STARTTLS),
    "imaps": (MailProtocol.IMAP, Security.SSL),
    "imap": (MailProtocol.IMAP, Security.PLAIN),
    "imap+starttls": (MailProtocol.IMAP, Security.STARTTLS),
}
_DURATION_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "w": 604_800}
_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class UsageError(Exception):
    """What was typed cannot be meant; the sentence says how to write it."""


def endpoint_of_url(options: argparse.Namespace) -> Endpoint:
    """Return the endpoint that ``options.url`` names, still without its secret.

    :raises UsageError: where the URL is not one of ours, or would send a password in the clear.
    """
    try:
        parts = urlsplit(options.url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{_shown(options.url)} is not an account URL: {error}.") from error
    if parts.scheme not in _SCHEMES:
        raise UsageError(
            f"{_shown(options.url)} is not an account URL. Write scheme://user@host:port "
            f"with one of {', '.join(_SCHEMES)}."
        )
    if parts.password is not None:
        raise UsageError(f"Leave the password out of the URL: set {PASSWORD_VARIABLE} or type it when asked.")
    if not parts.hostname or not parts.username:
        raise UsageError(
            f"{_shown(options.url)} lacks a user or a host. Write scheme://user@host:port, "
            "with an @ in the user name as %40."
        )
    protocol, security = _SCHEMES[parts.scheme]
    if security is Security.PLAIN and not options.allow_plaintext and not _is_loopback(parts.hostname):
        raise UsageError(
            f"{parts.scheme}:// would send the password to {parts.hostname} unencrypted. "
            f"Use {parts.scheme}s:// or {parts.scheme}+starttls://, or add --allow-plaintext."
        )
    return Endpoint(
        protocol=protocol,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[protocol, security],
        user=unquote(parts.username),
        security=security,
        auth=AuthMethod(options.auth),
        ca_file=options.ca_file,
        timeout=options.timeout,
    )


def account_name(options: argparse.Namespace, endpoint: Endpoint) -> str:
    """Return the account's name in the tables: ``--account``, or ``user@host``."""
    if options.account:
        return str(options.account)
    user = endpoint.user
    return user if user.endswith(f"@{endpoint.host}") else f"{user}@{endpoint.host}"


def with_secret(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with its password or token, from the environment or a prompt.

    :raises UsageError: where there is neither.
    """
    secret = os.environ.get(PASSWORD_VARIABLE)
    if secret is None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"No password for {endpoint.user}: set {PASSWORD_VARIABLE}, or run on a terminal to be asked."
            )
        what = "Password" if endpoint.auth is AuthMethod.PASSWORD else "Access token"
        secret = getpass.getpass(f"{what} for {endpoint.user} at {endpoint.host}: ")
    return replace(endpoint, secret=secret)


def duration(text: str) -> timedelta:
    """Read a duration such as ``7d``, ``12h`` or ``0d``; a bare number counts days.

    >>> duration("7d")
    datetime.timedelta(days=7)
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([wdhms]?)", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 7d, 12h or 30d")
    return timedelta(seconds=float(match[1]) * _DURATION_UNITS[match[2] or "d"])


def octets(text: str) -> int:
    """Read a size such as ``500k``, ``10M`` or ``1048576`` (octets).

    >>> octets("10M")
    10485760
    """
    match = re.fullmatch(r"(\d{1,15})\s*([kmg]?)i?b?", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 500k, 10M or a number of octets")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Return the URL with whatever stands before an ``@`` after a colon taken out."""
    return repr(re.sub(r"(?<=//)([^/@:]*):[^@]*@", r"\1:***@", url))
