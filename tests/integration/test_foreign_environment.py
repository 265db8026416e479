"""An environment that speaks of another store than the one that is meant: nothing goes there."""

from __future__ import annotations

import pytest
import s3fs

from mailroom.archive import Archive
from mailroom.archive.storage.explicit_s3 import explicit_s3
from mailroom.archive.storage.native_s3 import open_explicit_s3, open_native_s3
from mailroom.archive.storage.s3_settings import s3_options
from mailroom.exceptions import ConfigurationError
from tests.support.answering import answering
from tests.support.archives import archive_messages
from tests.support.s3 import S3Server

TOKEN = "a-token-of-another-key"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_archive_is_where_its_options_say(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Raw objects and tables go to one store, whatever endpoint the environment holds."""
    with answering() as (url, seen):
        monkeypatch.setenv(name, url)
        archive = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=s3.storage_options)
        archive_messages(archive, [1, 2])
        assert archive.read_table("messages").num_rows == 2
    assert seen == []


def test_tables_of_other_stores_ask_nothing_of_a_cloud_machine(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address at which machines of AWS learn their region answers nowhere else, which costs seconds."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with answering() as (url, seen):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        archive = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=s3.storage_options)
        archive_messages(archive, [1])
        assert archive.read_table("messages").num_rows == 1
    assert seen == []


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_delivery_goes_where_its_options_say(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where all is told outright as well."""
    bucket = s3.new_bucket()
    with answering() as (url, seen):
        monkeypatch.setenv(name, url)
        told = explicit_s3(s3.url(bucket, "in"), s3.storage_options, {name: url})
        assert told is not None
        client = open_explicit_s3(told, bucket)
        assert client is not None
        client.put("in/a.pdf", b"%PDF", exclusive=True, attributes={})
        assert b"".join(client.get("in/a.pdf", 1024)[1]) == b"%PDF"
    assert seen == []


@pytest.mark.parametrize("environment", ["", "http://127.0.0.1:9"])
def test_a_bucket_of_aws_is_asked_for_in_its_region(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """Told outright, so that nobody asks the machine for it, whatever endpoint the environment holds."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT", environment)
    opened = s3fs.S3FileSystem(key="mine", secret="also", client_kwargs={"region_name": "us-east-1"})
    told = s3_options(opened, "eu-west-1")
    assert told["aws_endpoint_url_s3"] == "https://s3.eu-west-1.amazonaws.com"
    assert open_native_s3(opened, "bucket", lambda: told) is not None


def test_buckets_whose_name_is_in_the_host_are_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told would have to name the bucket."""
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    virtual = {"s3": {"addressing_style": "virtual"}}
    opened = s3fs.S3FileSystem(key="mine", secret="also", config_kwargs=virtual)
    told = s3_options(opened, "eu-west-1")
    assert "aws_endpoint_url_s3" not in told
    assert told["aws_virtual_hosted_style_request"] == "true"


def test_an_endpoint_that_is_told_is_asked_with_the_bucket_in_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the name in the host it would be left out, and the first folder taken for the bucket."""
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    virtual = {"s3": {"addressing_style": "virtual"}}
    opened = s3fs.S3FileSystem(key="mine", secret="also", config_kwargs=virtual)
    told = s3_options(opened, "eu-west-1")
    assert told["aws_endpoint_url_s3"] == "https://s3.eu-west-1.amazonaws.com"
    assert "aws_virtual_hosted_style_request" not in told


def test_a_key_is_sent_without_the_token_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the client for objects; what the environment holds is for the key that stands beside it."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    with answering() as (url, seen):
        opened = s3fs.S3FileSystem(key="mine", secret="also", endpoint_url=url)
        client = open_native_s3(opened, "bucket", lambda: s3_options(opened, "us-east-1"))
        assert client is not None
        client.put("a", b"1", exclusive=False, attributes={})
    assert len(seen) == 1
    assert TOKEN not in str(seen)
    assert "Credential=mine/" in seen[0].headers["authorization"]


def test_tables_are_not_opened_with_the_token_of_another(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their library cannot be kept from sending it, so whoever runs this is told before it does."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    archive = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=s3.storage_options)
    with pytest.raises(ConfigurationError, match="unset it where this runs") as refused:
        archive_messages(archive, [1])
    assert TOKEN not in str(refused.value)
    own = s3.storage_options | {"token": "its own"}
    archive = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=own)
    archive_messages(archive, [1])
    assert archive.read_table("messages").num_rows == 1
