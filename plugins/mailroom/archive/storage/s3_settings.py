"""What an ``s3fs`` file system is set to, told to clients other than its own.

Belongs here: endpoint, region and credentials, read from the file system that the caller
brought, so that one Airflow connection serves all clients. Does not belong here: requests.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple  # s3fs and botocore have no types

__all__ = [
    "ENDPOINT",
    "ENVIRONMENT_ENDPOINTS",
    "S3Credentials",
    "bucket_region",
    "s3_credentials",
    "s3_options",
]

_AWS = re.compile(r"(https?://s3)(?:\.[a-z0-9-]+)?(\.amazonaws\.com(?:\.cn)?)/?\Z")
"""The plain endpoints of AWS, each of which serves the buckets of one region."""

ENDPOINT = "aws_endpoint_url_s3"
"""The option that says where requests go; of all such names the one that the environment cannot overrule."""

ENVIRONMENT_ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Where these clients look for an endpoint if they are told none."""


class S3Credentials(NamedTuple):
    """A key as it is now; with a token where it is a passing one."""

    key: str
    secret: str
    token: str | None
    is_lasting: bool


def s3_options(filesystem: Any, region: str) -> dict[str, str]:
    """Return where a file system's requests go, and how, as ``deltalake`` and ``obstore`` take it."""
    filesystem.connect()
    meta = filesystem.s3.meta
    options = {"aws_conditional_put": "etag", "aws_region": region}
    endpoint = meta.endpoint_url or ""
    is_virtual = ((meta.config.s3 or {}).get("addressing_style")) == "virtual"
    is_aws = endpoint.rstrip("/").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    # AWS is where these clients go by themselves, but not before they have asked the machine for a region.
    is_told = not is_aws or (_AWS.match(endpoint) is not None and not is_virtual)
    if is_told or any(os.environ.get(name) for name in ENVIRONMENT_ENDPOINTS):
        options[ENDPOINT] = _AWS.sub(rf"\1.{region}\2", endpoint)
    if endpoint.startswith("http://"):
        options["aws_allow_http"] = "true"
    if filesystem.client_kwargs.get("verify") is False:
        options["allow_invalid_certificates"] = "true"
    if is_virtual and ENDPOINT not in options:  # such an endpoint would have to name the bucket
        options["aws_virtual_hosted_style_request"] = "true"
    if filesystem.anon:
        options["aws_skip_signature"] = "true"
    return options


def bucket_region(filesystem: Any, bucket: str) -> str:
    """Ask for the bucket's region: unlike botocore, other clients do not follow redirects to it."""
    try:
        answer = filesystem.call_s3("head_bucket", Bucket=bucket)
        region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    except PermissionError:
        region = None  # a key that may use objects but not ask about the bucket
    return str(region or filesystem.s3.meta.region_name or "us-east-1")


def s3_credentials(filesystem: Any) -> S3Credentials | None:
    """Return a file system's credentials as they are now; None where it has none."""
    if filesystem.anon:
        return None
    if filesystem.key and filesystem.secret:
        return S3Credentials(filesystem.key, filesystem.secret, filesystem.token, is_lasting=True)
    from fsspec.asyn import sync

    frozen = sync(filesystem.loop, _frozen_credentials, filesystem.session)
    if frozen is None:
        return None
    return S3Credentials(frozen.access_key, frozen.secret_key, frozen.token, is_lasting=False)


async def _frozen_credentials(session: Any) -> Any:
    credentials = await session.get_credentials()
    return None if credentials is None else await credentials.get_frozen_credentials()
