"""From what a user types to an account: URL and password.

Schemes: ``pop3s pop3 pop3+starttls imaps imap imap+starttls``, written as
``scheme://user@host:port`` with ``@`` in a user as ``%40``. A password never stands
in a URL or in an argument, where other users of the machine could read it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from urllib.parse import SplitResult, unquote, urlsplit

from mailroom.model import (
    DEFAULT_PORTS,
    AuthMethod,
    Compression,
    Endpoint,
    MailProtocol,
    Security,
    is_loopback,
)

__all__ = [
    "TARGET_PASSWORD_VARIABLE",
    "UsageError",
    "account_name",
    "endpoint_of_url",
    "user_at_host",
    "with_secret",
]

PASSWORD_VARIABLE = "MAILROOM_PASSWORD"

TARGET_PASSWORD_VARIABLE = "MAILROOM_TARGET_PASSWORD"
"""For the second account of a command that has two."""

_SCHEMES = {
    "pop3s": (MailProtocol.POP3, Security.SSL),
    "pop3": (MailProtocol.POP3, Security.PLAIN),
    "pop3+starttls": (MailProtocol.POP3, Security.STARTTLS),
    "imaps": (MailProtocol.IMAP, Security.SSL),
    "imap": (MailProtocol.IMAP, Security.PLAIN),
    "imap+starttls": (MailProtocol.IMAP, Security.STARTTLS),
}


class UsageError(Exception):
    """What was typed cannot be meant; the sentence says how to write it."""


def endpoint_of_url(options: argparse.Namespace) -> Endpoint:
    """Return the endpoint that ``options.url`` names, still without its secret.

    :raises UsageError: where the URL is not one of ours, or would send a password in the clear.
    """
    parts = _parsed(options.url)
    host, user = parts.hostname or "", unquote(parts.username or "")
    protocol, security = _SCHEMES[parts.scheme]
    if security is Security.PLAIN and not options.allow_plaintext and not is_loopback(host):
        raise UsageError(
            f"{parts.scheme}:// would send the password to {host} unencrypted. "
            f"Use {parts.scheme}s:// or {parts.scheme}+starttls://, or add --allow-plaintext."
        )
    return Endpoint(
        protocol=protocol,
        host=host,
        port=parts.port or DEFAULT_PORTS[protocol, security],
        user=user,
        security=security,
        auth=AuthMethod(options.auth),
        verify=not options.no_verify,
        ca_file=options.ca_file,
        timeout=options.timeout,
        compress=Compression(options.compress),
    )


def account_name(options: argparse.Namespace, endpoint: Endpoint) -> str:
    """Return the account's name in the tables: ``--account``, or ``user@host``."""
    return str(options.account) if options.account else user_at_host(endpoint)


def user_at_host(endpoint: Endpoint) -> str:
    """Return how an account is named where nothing else names it."""
    user = endpoint.user
    return user if user.endswith(f"@{endpoint.host}") else f"{user}@{endpoint.host}"


def with_secret(endpoint: Endpoint, variable: str = PASSWORD_VARIABLE) -> Endpoint:
    """Return the endpoint with its password or token, from the environment or a prompt.

    :raises UsageError: where there is neither.
    """
    secret = os.environ.get(variable) or _asked(endpoint, variable)
    if not secret:
        raise UsageError(f"The password of {endpoint.user} is empty; no account can be read without one.")
    if any("\udc80" <= character <= "\udcff" for character in secret):
        raise UsageError(f"The value of {variable} is not UTF-8; set it in a UTF-8 locale.")
    return replace(endpoint, secret=secret)


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.scheme not in _SCHEMES:
        raise UsageError(
            f"{_shown(url)} is not an account URL: write scheme://user@host:port "
            f"with one of {', '.join(_SCHEMES)}."
        )
    if parts.password is not None:
        raise UsageError(f"Leave the password out of the URL: set {PASSWORD_VARIABLE} or type it when asked.")
    if not parts.hostname or not unquote(parts.username or "").isprintable() or not parts.username:
        raise UsageError(
            f"{_shown(url)} has no user or no host: write scheme://user@host:port, "
            "with an @ in the user name as %40."
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            f"{_shown(url)} says more than an account: leave out what follows the host; "
            "folders are chosen with --folder."
        )
    return parts


def _asked(endpoint: Endpoint, variable: str) -> str:
    what = "password" if endpoint.auth is AuthMethod.PASSWORD else "access token"
    if sys.stdin is None or not sys.stdin.isatty():
        state = "is empty" if variable in os.environ else "is not set"
        raise UsageError(
            f"No {what} for {endpoint.user}: {variable} {state}; set it, or run on a terminal to be asked."
        )
    import getpass

    try:
        return getpass.getpass(f"{what.capitalize()} for {endpoint.user} at {endpoint.host}: ")
    except EOFError:
        return ""


def _shown(url: str) -> str:
    """Return the URL without what may be a password: all between a colon in its user part and the last @."""
    scheme, separator, rest = url.partition("://")
    user, at, host = (rest if separator else url).rpartition("@")
    name, colon, _ = user.partition(":")
    if not at and ":" in host:  # the host may have been forgotten
        port = host.rpartition(":")[2]
        host = host if port.strip("/").isdigit() else f"{host.partition(':')[0]}:***"
    return repr(f"{scheme + separator if separator else ''}{name}{':***' if colon else ''}{at}{host}")
