"""S3 as pyarrow itself reads it, for tables that are scanned.

Belongs here: when its own client can stand in for ``deltalake``'s, and its settings. Does not belong
here: single objects (``native_s3``), and writing.

Files that ``deltalake`` opens are objects of Python, which the threads of pyarrow let go of after the
last row was handed out; where the interpreter ends meanwhile, the process is aborted. Its own files are
none. What it would leave out in silence (a proxy or certificates of the environment, certificates that
nobody checks) keeps it from being used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailroom.archive.storage.explicit_s3 import TRUST
from mailroom.archive.storage.s3_settings import ENDPOINT, ENVIRONMENT_ENDPOINTS

if TYPE_CHECKING:
    import pyarrow.fs as pafs

__all__ = ["open_arrow_s3"]

_UNDERSTOOD = frozenset(
    {
        ENDPOINT,
        "aws_access_key_id",
        "aws_allow_http",
        "aws_conditional_put",
        "aws_endpoint_url",
        "aws_region",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_skip_signature",
        "aws_virtual_hosted_style_request",
    }
)
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def open_arrow_s3(options: Mapping[str, str], environment: Mapping[str, str]) -> pafs.S3FileSystem | None:
    """Return a file system for reading, or None where its client cannot do as asked.

    :param options: as ``deltalake`` takes them, with credentials as they are now.
    """
    if not _UNDERSTOOD.issuperset(options) or "aws_region" not in options:
        return None
    endpoint = options.get(ENDPOINT) or options.get("aws_endpoint_url", "")
    if not endpoint and any(environment.get(name) for name in ENVIRONMENT_ENDPOINTS):
        return None
    scheme, _, host = endpoint.rpartition("://")
    unknown = _PROXIES if scheme == "http" else _PROXIES | TRUST
    if any(value and (name in unknown or name.lower() in unknown) for name, value in environment.items()):
        return None
    is_anonymous = options.get("aws_skip_signature") == "true"
    if not is_anonymous and "aws_access_key_id" not in options:
        return None
    import pyarrow.fs as pafs

    return pafs.S3FileSystem(
        access_key=options.get("aws_access_key_id"),
        secret_key=options.get("aws_secret_access_key"),
        session_token=options.get("aws_session_token"),
        anonymous=is_anonymous,
        region=options["aws_region"],
        scheme=scheme or "https",
        endpoint_override=host.rstrip("/") or None,
        force_virtual_addressing=options.get("aws_virtual_hosted_style_request") == "true",
    )
