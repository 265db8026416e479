"""From an Airflow connection to an ``Endpoint``: every setting read, checked and named when wrong.

Extras come typed (from the form or JSON) or as strings (from ``AIRFLOW_CONN_*`` URIs), and
``bool("false")`` is true, so nothing is taken as it comes. Connections made for Airflow's
own imap provider (``use_ssl``, ``ssl_context``) mean here what they mean there. No value of
a setting is ever repeated in a message: people paste passwords into the wrong field.

Nothing here opens a connection. Ports and implicit TLS: RFC 8314.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from mailroom.exceptions import ConfigurationError
from mailroom.model import (
    DEFAULT_PORTS,
    SERVER_PROTOCOLS,
    AuthMethod,
    Compression,
    Endpoint,
    MailProtocol,
    Security,
    is_loopback,
)

if TYPE_CHECKING:
    from mailroom.archive.delivering.customer_key import CustomerKey

__all__ = [
    "MailConnection",
    "archive_of_connection",
    "connection_of",
    "customer_key_of",
    "endpoint_from_connection",
    "password_of",
    "protocol_of_connection",
    "seal_key_of_connection",
]

DEFAULT_TIMEOUT_SECONDS = 60.0
"""How long to wait for any answer of the server."""

MAX_TIMEOUT_SECONDS = 3600.0
"""A longer silence is never a slow server; POP3 and IMAP servers themselves hang up before."""


class MailConnection(Protocol):
    """What is read of an Airflow connection, of the Task SDK or of the metadata database."""

    conn_id: str
    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    port: int | None
    extra: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extras, with secrets among them masked in logs from here on."""


def connection_of(conn_id: str) -> MailConnection:
    """Return the Airflow connection with this id.

    :raises ConfigurationError: there is none.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"There is no connection '{conn_id}'; create it in Airflow under Admin > Connections.",
            conn_id=conn_id,
        ) from None


def password_of(conn_id: str | None) -> str | None:
    """Return the password of a connection of any type, or None where no connection is named.

    :raises ConfigurationError: there is no such connection, or it has no password.
    """
    if conn_id is None:
        return None
    password = connection_of(conn_id).password
    if not password:
        raise ConfigurationError(f"The connection '{conn_id}' has no password; give it one.", conn_id=conn_id)
    return str(password)


def customer_key_of(conn_id: str | None) -> CustomerKey | None:
    """Return the key for SSE-C that is the password of a connection, or None where none is named.

    :raises ConfigurationError: there is no such connection, or its password is no such key.
    """
    from mailroom.archive.delivering.customer_key import read_customer_key

    text = password_of(conn_id)
    if text is None:
        return None
    key = read_customer_key(text, f"The password of the connection '{conn_id}'")
    mask_secret(repr(key.octets)[2:-1])  # as libraries that log their arguments would write it
    return key


def endpoint_from_connection(conn: MailConnection, protocol: MailProtocol) -> Endpoint:
    """Return where the account of a connection is and how to sign in to it.

    :raises ConfigurationError: a setting is missing or wrong; the message names it and what is allowed.
    """
    if conn.conn_type in {p.value for p in SERVER_PROTOCOLS} and conn.conn_type != protocol.value:
        raise _wrong(conn, f"is of type {conn.conn_type}, but {protocol.value} was asked for")
    extras = _Extras(conn)
    security = _security(extras, protocol)
    if security is Security.PLAIN and not is_loopback(_host(conn)) and not extras.truth("allow_plaintext"):
        raise _wrong(
            conn,
            f"would send the password to {_host(conn)} unencrypted; set Security to ssl or starttls, or "
            "allow it with the extra 'allow_plaintext'",
            field="security",
        )
    auth = AuthMethod(extras.choice("auth", [a.value for a in AuthMethod]) or AuthMethod.PASSWORD.value)
    return Endpoint(
        protocol=protocol,
        host=_host(conn),
        port=_port(conn) or DEFAULT_PORTS[protocol, security],
        user=_required(conn, conn.login, "login", "the user name of the mail account"),
        secret=_secret(conn, extras, auth),
        security=security,
        auth=auth,
        verify=_verify(extras, protocol),
        ca_file=extras.text("ca_file"),
        timeout=extras.seconds("timeout") or DEFAULT_TIMEOUT_SECONDS,
        compress=_compress(extras, protocol),
    )


def protocol_of_connection(conn: MailConnection) -> MailProtocol:
    """Return the protocol a connection is made for, by its type.

    :raises ConfigurationError: the connection is of another type.
    """
    for protocol in SERVER_PROTOCOLS:
        if conn.conn_type == protocol.value:
            return protocol
    raise _wrong(conn, "must be of type pop3 or imap")


def archive_of_connection(conn: MailConnection) -> str | None:
    """Return the archive root that a connection names in its extra ``archive``, if any.

    :raises ConfigurationError: the extras are not a JSON object, or ``archive`` is not a text.
    """
    return _Extras(conn).text("archive")


def seal_key_of_connection(conn: MailConnection) -> str | None:
    """Return the key for seals that a connection holds in its extra ``seal_key``, if any.

    :raises ConfigurationError: the extras are not a JSON object, or ``seal_key`` is not a text.
    """
    return _Extras(conn).text("seal_key")


class _Extras:
    """The extras of one connection; empty values count as not given."""

    def __init__(self, conn: MailConnection) -> None:
        self.conn = conn
        self._values = _parse_extra(conn)

    def _get(self, name: str) -> object:
        value = self._values.get(name)
        return None if value is None or (isinstance(value, str) and not value.strip()) else value

    def text(self, name: str) -> str | None:
        value = self._get(name)
        if value is None or isinstance(value, str):
            return value.strip() if value else None
        raise self.wrong(name, "must be a text")

    def choice(self, name: str, allowed: list[str]) -> str | None:
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, str) and value.strip().lower() in allowed:
            return value.strip().lower()
        raise self.wrong(name, f"must be one of {', '.join(allowed)}")

    def truth(self, name: str) -> bool | None:
        value = self._get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        raise self.wrong(name, "must be true or false")

    def seconds(self, name: str) -> float | None:
        value = self._get(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type] # refused below
        except (TypeError, ValueError):
            number = math.nan
        if 0 < number <= MAX_TIMEOUT_SECONDS:
            return number
        raise self.wrong(name, f"must be a number of seconds from 1 to {MAX_TIMEOUT_SECONDS:.0f}")

    def wrong(self, name: str, what: str) -> ConfigurationError:
        return _wrong(self.conn, f"has an extra '{name}' that {what}", field=name)


def _parse_extra(conn: MailConnection) -> Mapping[str, Any]:
    """Return the extras; Airflow takes broken JSON for no extras, and ``ca_file`` and the rest are lost."""
    if not conn.extra or not conn.extra.strip():
        return {}
    try:
        values = json.loads(conn.extra)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _wrong(conn, "has extras that are not a JSON object; correct its field Extra", field="extra")
    return conn.extra_dejson


def _security(extras: _Extras, protocol: MailProtocol) -> Security:
    """Return the protection asked for: ``security``, else the imap provider's ``use_ssl``, else TLS."""
    chosen = extras.choice("security", [s.value for s in Security])
    if chosen is not None:
        return Security(chosen)
    if protocol is MailProtocol.IMAP and extras.truth("use_ssl") is False:
        return Security.PLAIN
    return Security.SSL


def _verify(extras: _Extras, protocol: MailProtocol) -> bool:
    """Return whether to check the certificate: ``verify``, else the imap provider's ``ssl_context``."""
    chosen = extras.truth("verify")
    if chosen is not None:
        return chosen
    return not (protocol is MailProtocol.IMAP and extras.choice("ssl_context", ["default", "none"]) == "none")


def _compress(extras: _Extras, protocol: MailProtocol) -> Compression:
    """Return when to compress; POP3 knows no compression, so what is set there does not matter."""
    if protocol is MailProtocol.POP3:
        return Compression.AUTO
    return Compression(extras.choice("compress", [c.value for c in Compression]) or Compression.AUTO.value)


def _host(conn: MailConnection) -> str:
    host = _required(conn, conn.host, "host", "the name of the mail server")
    is_ipv6 = host.count(":") > 1
    if "://" in host or "@" in host or any(c in "/\\" or c.isspace() for c in host):
        raise _wrong(
            conn, "needs the server's name alone as its host, such as mail.example.org", field="host"
        )
    if ":" in host and not is_ipv6:
        raise _wrong(conn, "has a port in its host; put it into the field Port", field="host")
    return host.strip("[]") if is_ipv6 else host


def _port(conn: MailConnection) -> int | None:
    if conn.port and not 0 < int(conn.port) < 65536:
        raise _wrong(conn, "has a port outside 1 to 65535", field="port")
    return int(conn.port) if conn.port else None


def _secret(conn: MailConnection, extras: _Extras, auth: AuthMethod) -> str:
    """Return the password, or for OAuth the access token (extra ``oauth_token``, else the password field)."""
    if auth is AuthMethod.PASSWORD:
        if not conn.password:
            raise _wrong(conn, "has no password", field="password")
        return conn.password
    token = extras.text("oauth_token") or conn.password
    if not token:
        raise _wrong(conn, f"signs in by {auth.value} but has no extra 'oauth_token'", field="oauth_token")
    return token


def _required(conn: MailConnection, value: str | None, field: str, meaning: str) -> str:
    if value and value.strip():
        return value.strip()
    raise _wrong(conn, f"has no {field}; enter {meaning}", field=field)


def _wrong(conn: MailConnection, what: str, **facts: object) -> ConfigurationError:
    return ConfigurationError(f"The connection '{conn.conn_id}' {what}.", conn_id=conn.conn_id, **facts)
