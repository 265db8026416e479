"""When pyarrow's own client reads tables on S3, and when it must not."""

from __future__ import annotations

import pytest

from mailroom.archive.storage.arrow_s3 import open_arrow_s3

AWS = {"aws_region": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
LOCAL = AWS | {
    "aws_endpoint_url_s3": "http://127.0.0.1:9000",
    "aws_endpoint_url": "http://127.0.0.1:9000",
    "aws_allow_http": "true",
    "aws_conditional_put": "etag",
}


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (AWS, {}),
        (AWS | {"aws_session_token": "c"}, {"HTTPS_PROXY": ""}),
        (LOCAL, {"AWS_CA_BUNDLE": "/etc/ca.pem"}),
        ({"aws_region": "eu-west-1", "aws_skip_signature": "true"}, {}),
    ],
)
def test_it_reads_what_it_can_reach_as_it_is_told(
    options: dict[str, str], environment: dict[str, str]
) -> None:
    """Of AWS and of other stores, with a key, with a passing one, with none."""
    found = open_arrow_s3(options, environment)
    assert found is not None
    assert found.region == "eu-west-1"


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({}, {}),
        ({"aws_region": "eu-west-1"}, {}),
        (AWS | {"allow_invalid_certificates": "true"}, {}),
        (AWS | {"proxy_url": "http://proxy.example:3128"}, {}),
        (AWS, {"https_proxy": "http://proxy.example:3128"}),
        (LOCAL, {"HTTP_PROXY": "http://proxy.example:3128"}),
        (AWS, {"AWS_CA_BUNDLE": "/etc/ca.pem"}),
        (AWS, {"AWS_ENDPOINT": "http://127.0.0.1:9000"}),
    ],
)
def test_what_it_would_leave_out_keeps_it_away(options: dict[str, str], environment: dict[str, str]) -> None:
    """Proxies, certificates, keys that it would look for itself, and whatever is not known here."""
    assert open_arrow_s3(options, environment) is None


@pytest.mark.parametrize("name", ["aws_endpoint_url_s3", "aws_endpoint_url"])
def test_an_endpoint_is_where_it_reads_under_either_name(name: str) -> None:
    """Never at AWS instead, with a key that is for somebody else."""
    found = open_arrow_s3(AWS | {name: "http://127.0.0.1:9000"}, {"AWS_ENDPOINT": "http://127.0.0.1:1"})
    assert found is not None
    assert "127.0.0.1:9000" in str(found.__reduce__())
