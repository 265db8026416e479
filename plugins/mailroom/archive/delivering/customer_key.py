"""A key of the customer's own, with which S3 encrypts objects and which it does not keep (SSE-C).

Belongs here: reading such a key, and a file system that sends it with each request. Does not belong
here: what is delivered (``object_delivery``). Whoever loses the key has lost the objects. It goes into
no message, no ``repr`` and no cache of file systems.
"""

from __future__ import annotations

import base64
import binascii
import errno
import ipaddress
import urllib.parse
from dataclasses import dataclass, field
from typing import Any  # s3fs has no types

from mailroom.exceptions import ConfigurationError

__all__ = ["CustomerKey", "needs_a_key", "read_customer_key", "with_customer_key"]

KEY_OCTETS = 32
"""Length of a key for AES-256."""

_OTHER_ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """The key itself; never shown."""

    octets: bytes = field(repr=False)


def read_customer_key(text: str, source: str) -> CustomerKey:
    """Return a key as ``openssl rand -base64 32`` writes one.

    :param source: where it was found, for the error.
    :raises ConfigurationError: where it is no such key; the message does not repeat it.
    """
    try:
        octets = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != KEY_OCTETS:
        raise ConfigurationError(
            f"{source} is no key for SSE-C: it takes 32 octets in base64, as openssl rand -base64 32 makes."
        )
    return CustomerKey(octets)


def with_customer_key(filesystem: Any, key: CustomerKey) -> Any:
    """Return a file system like an ``s3fs`` one that sends the key with each request about an object.

    :raises ConfigurationError: where it could not, or the key would be readable on its way.
    """
    if type(filesystem).__name__ != "S3FileSystem":
        raise ConfigurationError("A customer's key can be sent through s3fs only, and this is another store.")
    filesystem.connect()
    endpoint = filesystem.s3.meta.endpoint_url or ""
    at = urllib.parse.urlsplit(endpoint)
    if at.scheme == "http" and not _is_loopback(at.hostname or ""):
        raise ConfigurationError(
            f"A customer's key would go to {at.hostname} readable for everybody "
            "on the way: its endpoint must begin with https://."
        )
    stated = {
        name: value
        for name, value in filesystem.s3_additional_kwargs.items()
        if name not in _OTHER_ENCRYPTION
    }
    asked = {**stated, "SSECustomerAlgorithm": "AES256", "SSECustomerKey": key.octets}
    options = {**filesystem.storage_options, "s3_additional_kwargs": asked, "skip_instance_cache": True}
    return type(filesystem)(*filesystem.storage_args, **options)


def needs_a_key(filesystem: Any, path: str) -> bool:
    """Return whether an object cannot be read without a customer's key; the file system sends none."""
    try:
        filesystem.info(path, refresh=True)
    except OSError as error:
        return error.errno == errno.EINVAL
    return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
