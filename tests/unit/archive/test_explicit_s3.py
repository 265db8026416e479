"""Whether all that S3 needs is told outright, so that nothing else has to be loaded and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailroom.archive.storage.explicit_s3 import ExplicitS3, explicit_s3

pytest.importorskip("obstore")
pytest.importorskip("s3fs")

URL = "s3://bucket/out"
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hidden"}
TOLD = {**KEYS, "AWS_ENDPOINT_URL": "http://store.example:9000"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without files of settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_environment_tells_all() -> None:
    """Endpoint and key are enough; a region is what requests are signed for."""
    assert explicit_s3(URL, {}, TOLD) == ExplicitS3(
        endpoint="http://store.example:9000", region="us-east-1", key="id", secret="hidden", token=None
    )
    more = explicit_s3(
        URL, {}, {**TOLD, "AWS_SESSION_TOKEN": "t", "AWS_DEFAULT_REGION": "fr-par", "AWS_REGION": "elsewhere"}
    )
    assert more is not None
    assert (more.token, more.region) == ("t", "fr-par")


def test_options_come_before_the_environment() -> None:
    """As with s3fs."""
    options = {"key": "mine", "secret": "also", "endpoint_url": "https://mine.example"}
    found = explicit_s3(URL, options, TOLD)
    assert found is not None
    assert (found.endpoint, found.key, found.secret, found.token) == (
        "https://mine.example",
        "mine",
        "also",
        None,
    )
    assert explicit_s3(URL, {"key": "mine"}, TOLD) is None


@pytest.mark.parametrize("token", ["of the other", ""])
def test_a_token_beside_the_key_of_another_is_left_to_s3fs(token: str) -> None:
    """The fast client would take it from the environment, and send it to a store it is not for."""
    options = {"key": "mine", "secret": "also", "endpoint_url": "https://mine.example"}
    environment = {**TOLD, "AWS_SESSION_TOKEN": token}
    assert explicit_s3(URL, options, environment) is None
    assert explicit_s3(URL, {**options, "token": "mine too"}, environment) is not None


def test_endpoint_of_s3_alone_comes_before_that_of_all_services() -> None:
    """As with botocore."""
    found = explicit_s3(URL, {}, {**TOLD, "AWS_ENDPOINT_URL_S3": "http://s3.example"})
    assert found is not None
    assert found.endpoint == "http://s3.example"


@pytest.mark.parametrize(
    ("url", "options", "environment"),
    [
        ("gs://bucket", {}, TOLD),
        ("s3://", {}, TOLD),
        ("s3://conn@bucket/x", {}, TOLD),
        (URL, {"anon": True}, TOLD),
        (URL, {"client_kwargs": {"region_name": "x"}}, TOLD),
        (URL, {}, KEYS),
        (URL, {}, {**KEYS, "AWS_ENDPOINT_URL": "store.example"}),
        (URL, {}, {**KEYS, "AWS_ENDPOINT_URL": "http://[broken"}),
        (URL, {}, {**KEYS, "AWS_ENDPOINT_URL": "https://s3.eu-west-1.amazonaws.com"}),
        (URL, {}, {**KEYS, "AWS_ENDPOINT_URL": "https://s3.cn-north-1.amazonaws.com.cn"}),
        (URL, {}, {"AWS_ENDPOINT_URL": "http://store.example"}),
        (URL, {}, {**TOLD, "AWS_PROFILE": "work"}),
        (URL, {}, {**TOLD, "AWS_CONFIG_FILE": "/etc/aws"}),
        (URL, {}, {**TOLD, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
        (URL, {}, {**TOLD, "AWS_SOMETHING_NEW": "1"}),
        (URL, {}, {**TOLD, "FSSPEC_S3_KEY": "another"}),
        (URL, {}, {**KEYS, "AWS_ENDPOINT_URL": "https://store.example", "AWS_CA_BUNDLE": "/ca.pem"}),
    ],
)
def test_what_is_not_understood_is_left_to_others(
    url: str, options: dict[str, Any], environment: dict[str, str]
) -> None:
    """Profiles, roles, regions of AWS, trust of one's own: s3fs and botocore know them."""
    assert explicit_s3(url, options, environment) is None


@pytest.mark.parametrize("file", [".aws/config", ".aws/credentials", ".config/fsspec/s3.json"])
def test_files_of_settings_are_left_to_others(home: Path, file: str) -> None:
    """They may say anything."""
    assert explicit_s3(URL, {}, TOLD) is not None
    (home / file).parent.mkdir(parents=True)
    (home / file).touch()
    assert explicit_s3(URL, {}, TOLD) is None


def test_trust_is_of_no_account_without_tls() -> None:
    """A bundle of authorities that is set for the whole machine changes nothing on a plain line."""
    assert explicit_s3(URL, {}, {**TOLD, "AWS_CA_BUNDLE": "/ca.pem"}) is not None


def test_key_is_never_shown() -> None:
    """Not even where settings are printed by mistake."""
    assert "hidden" not in repr(explicit_s3(URL, {}, TOLD))
