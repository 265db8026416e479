"""S3 requests by a compiled client (``obstore``), where it is installed and can do what is asked.

Belongs here: when that client stands in for ``s3fs``, its settings, single requests. Does not
belong here: what happens where it fails (``object_requests``). A request by way of ``botocore``
costs two milliseconds of this process, which is what a fast store takes to answer it; here it is
half of one, mostly outside of the interpreter's lock. It signs in as the file system
does, which the caller brought; settings that it would leave out in silence (encryption by a
customer's key, access lists, a signer or proxy of one's own) keep it from being used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any  # s3fs has no types, and obstore is not there for everyone

from mailroom.archive.storage.explicit_s3 import TRUST
from mailroom.archive.storage.s3_settings import ENDPOINT, s3_credentials

if TYPE_CHECKING:
    from mailroom.archive.storage.explicit_s3 import ExplicitS3

__all__ = ["NativeS3", "open_explicit_s3", "open_native_s3"]

CREDENTIALS_LAST = timedelta(minutes=5)
"""How long credentials of a session are used before it is asked for them again; it renews them in time."""

RETRY_FOR = timedelta(seconds=30)
"""How long a throttled or failing request is tried again, with growing pauses."""

MAX_RETRIES = 8
"""How often a request is tried again: 100 ms after the first failure, 13 s in all."""

UNPROVEN_RETRIES = 1
"""How often a request of a client is tried again that no answer has shown to be set rightly."""

REQUEST_LASTS = timedelta(minutes=1)
"""How long a request may take: 24 MiB, the most that is put in one, at 3.4 Mbit/s."""

_CLIENT_SETTINGS = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "endpoint_url",
        "region_name",
        "use_ssl",
        "verify",
    }
)
_CONFIG_SETTINGS = frozenset({"connect_timeout", "max_pool_connections", "read_timeout", "retries", "s3"})
_ENCRYPTION = {
    "ServerSideEncryption": "aws_server_side_encryption",
    "SSEKMSKeyId": "aws_sse_kms_key_id",
    "BucketKeyEnabled": "aws_sse_bucket_key_enabled",
}
_OF_CLIENT = ("aws_allow_http", "allow_invalid_certificates")


class NativeS3:
    """One bucket.

    Besides those that are named below, methods raise ``errors``.

    :param store: an ``obstore.store.S3Store``.
    :param attributes: what every object that is created is told, such as its storage class.
    """

    def __init__(self, store: Any, attributes: Mapping[str, str]) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        self._requests = obstore
        self._store = store
        self._attributes = dict(attributes)
        self._taken = AlreadyExistsError
        self.errors: tuple[type[Exception], ...] = (BaseError, FileNotFoundError, ValueError)

    def put(self, key: str, data: bytes, *, exclusive: bool, attributes: Mapping[str, str]) -> None:
        """Put an object in one request.

        :param exclusive: whether nothing may be there.
        :raises FileExistsError: where something is.
        :raises ValueError: where the client could not ask for this key as it is.
        """
        _check(key)
        try:
            self._requests.put(
                self._store,
                key,
                data,
                attributes={**self._attributes, **attributes},
                mode="create" if exclusive else "overwrite",
                use_multipart=False,
            )
        except self._taken as error:
            raise FileExistsError(key) from error

    def get(self, key: str, chunk_octets: int) -> tuple[int, Iterator[bytes]]:
        """Ask for an object; return its size, and its bytes in chunks of about this size.

        :raises FileNotFoundError: where nothing is there.
        :raises ValueError: where the client could not ask for this key as it is.
        """
        _check(key)
        found = self._requests.get(self._store, key)
        size = int(found.meta["size"])
        if size <= chunk_octets:
            return size, iter((found.bytes().to_bytes(),))
        return size, (bytes(chunk) for chunk in found.stream(min_chunk_size=chunk_octets))


def open_native_s3(
    filesystem: Any,
    bucket: str,
    options: Callable[[], Mapping[str, str]],
    asked: Mapping[str, Any] | None = None,
) -> NativeS3 | None:
    """Return a client for a bucket of a file system, or None where it must do without.

    :param options: returns endpoint, region and the like as ``deltalake`` takes them; called only
        where the client will be made of them.
    :param asked: what S3 is asked of every object, beside what the file system asks.
    """
    if not _is_understood(filesystem):
        return None
    client = {"allow_invalid_certificates": True} if filesystem.client_kwargs.get("verify") is False else {}
    return _open(
        bucket,
        options,
        {**filesystem.s3_additional_kwargs, **(asked or {})},
        client_options=client,
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_FOR},
        credential_provider=None if filesystem.anon else _Credentials(filesystem),
    )


def open_explicit_s3(
    settings: ExplicitS3, bucket: str, asked: Mapping[str, Any] | None = None
) -> NativeS3 | None:
    """Return a client for a bucket whose settings are told outright, or None where it cannot do as asked.

    It gives up early, for whoever knows all settings is to go on then.

    :param asked: what S3 is asked of every object.
    """
    config = {
        "aws_conditional_put": "etag",
        ENDPOINT: settings.endpoint,
        "aws_region": settings.region,
        "aws_access_key_id": settings.key,
        "aws_secret_access_key": settings.secret,
    } | ({"aws_session_token": settings.token} if settings.token else {})
    retries = {"max_retries": UNPROVEN_RETRIES, "retry_timeout": RETRY_FOR}
    return _open(bucket, lambda: config, asked or {}, client_options={}, retry_config=retries)


def _open(
    bucket: str,
    options: Callable[[], Mapping[str, str]],
    asked: Mapping[str, Any],
    *,
    client_options: Mapping[str, bool],
    **settings: Any,  # as S3Store takes them
) -> NativeS3 | None:
    of_objects = dict(asked)
    storage_class = of_objects.pop("StorageClass", None)
    if not _ENCRYPTION.keys() >= of_objects.keys():
        return None
    try:
        from obstore.store import S3Store
    except ImportError:
        return None
    config = {name: value for name, value in options().items() if name not in _OF_CLIENT}
    store: Any = S3Store  # options are what a store is set to, whichever they are
    made = store(
        bucket,
        config=config | {_ENCRYPTION[name]: _text(value) for name, value in of_objects.items()},
        client_options={
            "allow_http": True,
            "timeout": REQUEST_LASTS,
            **client_options,
        },  # HTTP where it says so
        **settings,
    )
    return NativeS3(made, {"Storage-Class": storage_class} if storage_class else {})


def _check(key: str) -> None:
    """Refuse a key that the client would cut at its ends; others it refuses itself."""
    if key.startswith("/") or key.endswith("/"):
        raise ValueError(f"The key {key!r} begins or ends with a slash.")


class _Credentials:
    """Gives a file system's credentials as they are now."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    def __call__(self) -> dict[str, Any]:
        found = s3_credentials(self._filesystem)
        if found is None:
            raise PermissionError("The file system has no credentials any more.")
        until = None if found.is_lasting else datetime.now(UTC) + CREDENTIALS_LAST
        return {
            "access_key_id": found.key,
            "secret_access_key": found.secret,
            "token": found.token,
            "expires_at": until,
        }


def _is_understood(filesystem: Any) -> bool:
    """Say whether there is nothing about a file system that the client would leave out."""
    if type(filesystem).__name__ != "S3FileSystem" or filesystem.requester_pays:
        return False
    filesystem.connect()
    endpoint = filesystem.s3.meta.endpoint_url or ""
    if not endpoint.startswith("http://") and any(os.environ.get(name) for name in TRUST):
        return False
    config = filesystem.config_kwargs
    style = (config.get("s3") or {}).get("addressing_style")
    return (
        not filesystem.kwargs
        and _CLIENT_SETTINGS.issuperset(filesystem.client_kwargs)
        and filesystem.client_kwargs.get("verify", True) in (True, False, None)
        and _CONFIG_SETTINGS.issuperset(config)
        and set(config.get("s3") or ()) <= {"addressing_style"}
        and (style != "virtual" or ".amazonaws.com" in endpoint)
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
