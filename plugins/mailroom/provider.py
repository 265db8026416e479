"""What Airflow learns of Mailroom without importing it: connection types and their forms, configuration.

Airflow reads this while it reads its own configuration, so nothing here imports Airflow or
anything heavy. The forms are declarative; the hook classes are named, not imported. Values
land in the connection's extras, where ``hooks/connection.py`` checks them.
"""

from __future__ import annotations

from typing import Any

from mailroom import __version__

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata that Airflow's entry point ``apache_airflow_provider`` asks for."""
    return {
        "package-name": "airflow-mailroom",
        "name": "Mailroom",
        "description": "Mail for Airflow: POP3 and IMAP fetched, mirrored, archived, retained, delivered.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": "POP3", "tags": ["protocol"]},
            {"integration-name": "IMAP", "tags": ["protocol"]},
            {"integration-name": "Mail archive", "tags": ["software"]},
        ],
        "hooks": [
            {"integration-name": "POP3", "python-modules": ["mailroom.hooks.pop3"]},
            {"integration-name": "IMAP", "python-modules": ["mailroom.hooks.imap"]},
        ],
        "operators": [
            {"integration-name": "POP3", "python-modules": ["mailroom.operators.pop3"]},
            {
                "integration-name": "IMAP",
                "python-modules": [
                    "mailroom.operators.copy",
                    "mailroom.operators.imap",
                    "mailroom.operators.imap_lanes",
                    "mailroom.operators.restore",
                ],
            },
            {
                "integration-name": "Mail archive",
                "python-modules": [
                    "mailroom.operators.attachments",
                    "mailroom.operators.check",
                    "mailroom.operators.inspect",
                    "mailroom.operators.export",
                    "mailroom.operators.forget",
                    "mailroom.operators.forget_approval",
                    "mailroom.operators.import_mail",
                    "mailroom.operators.optimize",
                    "mailroom.operators.partitions",
                    "mailroom.operators.replicate",
                    "mailroom.operators.retention",
                    "mailroom.operators.retention_approval",
                    "mailroom.operators.retention_preview",
                ],
            },
        ],
        "extra-links": ["mailroom.operators.links.FoldersLink"],
        "connection-types": [_pop3_connection(), _imap_connection()],
        "config": {"mailroom": _config()},
    }


def _pop3_connection() -> dict[str, Any]:
    return {
        "connection-type": "pop3",
        "hook-class-name": "mailroom.hooks.pop3.Pop3Hook",
        "hook-name": "POP3",
        "ui-field-behaviour": _standard_fields("pop.example.org", "995 (or 110 with starttls or plain)"),
        "conn-fields": _fields(),
    }


def _imap_connection() -> dict[str, Any]:
    return {
        "connection-type": "imap",
        "hook-class-name": "mailroom.hooks.imap.ImapHook",
        "hook-name": "IMAP",
        "ui-field-behaviour": _standard_fields("imap.example.org", "993 (or 143 with starttls or plain)"),
        "conn-fields": _fields() | _imap_fields(),
    }


def _standard_fields(host: str, port: str) -> dict[str, Any]:
    return {
        "hidden-fields": ["schema"],
        "relabeling": {"login": "User name", "host": "Mail server"},
        "placeholders": {
            "host": host,
            "port": port,
            "login": "ana@example.org",
            "password": "the account's password, or an app password",
        },
    }


def _fields() -> dict[str, Any]:
    """Return the extra fields that both protocols have, in the order the form shows them."""
    return {
        "security": {
            "label": "Security",
            "description": "ssl: encrypted from the first byte. starttls: encrypted before sign-in, or "
            "refused. plain: not encrypted, for servers on this machine only, unless that is allowed below.",
            "schema": {"type": ["string", "null"], "enum": ["ssl", "starttls", "plain"], "default": "ssl"},
        },
        "allow_plaintext": {
            "label": "Allow an unencrypted connection to another machine",
            "description": "Only with Security plain: anyone on the way can then read password and mail.",
            "schema": {"type": ["boolean", "null"], "default": False},
        },
        "verify": {
            "label": "Check the server's certificate",
            "description": "Off means that anyone on the way can read the password.",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
        "ca_file": {
            "label": "Certificate authority file",
            "description": "Path on the workers of a PEM file to trust instead of the system's authorities.",
            "schema": {"type": ["string", "null"]},
        },
        "timeout": {
            "label": "Timeout in seconds",
            "description": "How long to wait for any answer of the server.",
            "schema": {"type": ["integer", "null"], "default": 60, "minimum": 1, "maximum": 3600},
        },
        "auth": {
            "label": "Sign in by",
            "description": "password, or an OAuth 2 access token (xoauth2 for Google and Microsoft).",
            "schema": {
                "type": ["string", "null"],
                "enum": ["password", "xoauth2", "oauthbearer"],
                "default": "password",
            },
        },
        "oauth_token": {
            "label": "OAuth 2 access token",
            "description": "Only where sign-in is by xoauth2 or oauthbearer.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "seal_key": {
            "label": "Key for seals",
            "description": "hmac: and a secret, or ed25519: and 32 octets in base64. Signs what each run "
            "writes to the archive's tables, so that changes by hand show; empty: MAILROOM_SEAL_KEY of the "
            "workers.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "archive": {
            "label": "Archive",
            "description": "Where this account's mail is kept, such as s3://aws_default@bucket/mail; empty: "
            "[mailroom] archive_root. Accounts that may not know of each other need archives of their own.",
            "schema": {"type": ["string", "null"]},
        },
    }


def _imap_fields() -> dict[str, Any]:
    """Return the extra fields that only IMAP has."""
    return {
        "compress": {
            "label": "Compress",
            "description": "Where the server offers it. auto: on slow lines only; on fast ones compression "
            "takes longer than it saves.",
            "schema": {
                "type": ["string", "null"],
                "enum": ["auto", "always", "never"],
                "default": "auto",
            },
        },
    }


def _config() -> dict[str, Any]:
    return {
        "description": "Options for Mailroom.",
        "options": {
            "archive_root": {
                "description": "Where mail is kept when neither the operator nor the connection names an "
                "archive:\na path, or the URL of an object store, with the connection to use before the @.\n"
                "Empty means the folder ``mailroom`` in AIRFLOW_HOME, which only suits a single machine.\n",
                "type": "string",
                "version_added": "0.1.0",
                "example": "s3://aws_default@my-bucket/mail",
                "default": "",
            },
            "connection_pool": {
                "description": "The pool of which each lane of ``mail_imap_mirror_lanes`` takes a slot while "
                "it is connected.\nMake it with as many slots as the server allows connections, before you "
                "name it here:\n``airflow pools set mail_connections 10 'Connections to mail servers'``\n",
                "type": "string",
                "version_added": "0.1.0",
                "example": "mail_connections",
                "default": "default_pool",
            },
        },
    }
