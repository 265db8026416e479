"""An S3 place whose settings are all told outright, by options or environment, so that none is looked for.

Belongs here: whether that is so, and which they are. Does not belong here: clients (``native_s3``).
``s3fs`` and ``botocore`` find out what else may hold: profiles, roles, single sign-on, files of
settings, a bucket's region. To load them and ask takes a quarter of a second of processor time, which is
as much as two hundred objects. Whatever is not known here is left to them.
"""

from __future__ import annotations

import importlib.util
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any  # options are the caller's

__all__ = ["TRUST", "ExplicitS3", "explicit_s3"]

DEFAULT_REGION = "us-east-1"
"""What requests are signed for where nothing is said, as by ``s3fs``."""

_SCHEMES = ("s3", "s3a")
_OPTIONS = frozenset({"key", "secret", "token", "endpoint_url"})
_UNDERSTOOD = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EC2_METADATA_DISABLED",
    }
)
TRUST = frozenset({"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"})
"""What tells whom TLS trusts, and is of no account without TLS."""

_FILES = ("~/.aws/config", "~/.aws/credentials", "~/.config/fsspec")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitS3:
    """Where requests go, and how they are signed; the key is never shown."""

    endpoint: str
    region: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(repr=False)


def explicit_s3(url: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> ExplicitS3 | None:
    """Return the settings of a place if all of them are told, or None.

    Never of AWS itself, where the region of a bucket has to be asked for.

    :param options: as for ``s3fs``.
    """
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if scheme not in _SCHEMES or not bucket or "@" in bucket or not _OPTIONS.issuperset(options):
        return None
    told = {name: value for name, value in environment.items() if value}
    endpoint = options.get("endpoint_url") or told.get("AWS_ENDPOINT_URL_S3") or told.get("AWS_ENDPOINT_URL")
    if not _is_other_store(endpoint) or not _is_all_known(str(endpoint), told) or not _has_clients():
        return None
    # A key of the options goes with the secret of the options, and so does one of the environment.
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = [options.get(name) for name in ("key", "secret", "token")]
    if not any(credentials):
        credentials = [told.get(name) for name in names]
    key, secret, token = credentials
    if not key or not secret:
        return None
    if not token and "AWS_SESSION_TOKEN" in environment:
        return None  # the client would send it along with a key that it does not belong to
    region = told.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    return ExplicitS3(
        endpoint=str(endpoint), region=region, key=str(key), secret=str(secret), token=token and str(token)
    )


def _is_other_store(endpoint: object) -> bool:
    """Say whether an endpoint is a URL that is not one of AWS."""
    try:
        at = urllib.parse.urlsplit(str(endpoint or ""))
    except ValueError:
        return False
    return at.scheme in ("http", "https") and bool(at.hostname) and ".amazonaws." not in f".{at.hostname}."


def _is_all_known(endpoint: str, told: Mapping[str, str]) -> bool:
    """Say whether neither environment nor files may hold settings that are not understood here."""
    understood = _UNDERSTOOD | (TRUST if endpoint.startswith("http://") else frozenset())
    of_clients = (name for name in told if name.startswith(("AWS_", "FSSPEC_", "S3FS_")) or name in TRUST)
    if not understood.issuperset(of_clients):
        return False
    return not any(os.path.exists(os.path.expanduser(path)) for path in _FILES)


def _has_clients() -> bool:
    """Say whether both clients are installed: the other has to step in where the fast one fails."""
    return all(importlib.util.find_spec(name) is not None for name in ("obstore", "s3fs"))
