"""Deliveries that S3 encrypts with a key of the customer's own (SSE-C)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import ClientError

from mailroom.archive import Archive
from mailroom.archive.delivering.customer_key import CustomerKey, read_customer_key
from mailroom.archive.removing.delivered import withdraw_deliveries
from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import customer_key_of
from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.services.delivering.manifest import ManifestForm
from tests.integration.test_attachments import CSV, PDF, Store, _s3_path
from tests.support.command import run_command
from tests.support.mail import make_message
from tests.support.s3 import S3Server

OCTETS = bytes(range(32))
TEXT = base64.b64encode(OCTETS).decode()
KEY, OTHER = CustomerKey(OCTETS), CustomerKey(b"o" * 32)
LARGE = bytes(range(256)) * 80_000


@pytest.fixture(scope="module")
def keyed() -> Iterator[S3Server]:
    """An S3 server that minds customers' keys."""
    with S3Server(knows_keys=True) as server:
        yield server


@pytest.fixture
def store(archive_root: Path) -> Store:
    """Two small attachments, and a large one that goes in parts."""
    store = Store(archive_root)
    store.add(make_message(attachments=[PDF, CSV]))
    store.add(make_message(attachments=[("big.bin", "application/octet-stream", LARGE)]))
    return store


def read(server: S3Server, bucket: str, name: str, key: CustomerKey | None = KEY) -> bytes:
    """Return an object as whoever has the key reads it."""
    asked: dict[str, Any] = {}
    if key is not None:
        asked = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key.octets}
    content: bytes = server.client().get_object(Bucket=bucket, Key=name, **asked)["Body"].read()
    return content


def put(server: S3Server, bucket: str, name: str, content: bytes, key: CustomerKey | None) -> None:
    """Put an object there as somebody else does."""
    asked: dict[str, Any] = {}
    if key is not None:
        asked = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key.octets}
    server.client().put_object(Bucket=bucket, Key=name, Body=content, **asked)


def test_objects_are_encrypted_with_the_key(store: Store, keyed: S3Server) -> None:
    """Small ones, one in parts, and the manifest; nobody reads them without it."""
    bucket = keyed.new_bucket()
    where = _s3_path(keyed, bucket)
    report = store.deliver(where, customer_key=KEY, template="{filename}", manifest=ManifestForm.JSONL)
    assert (report.delivered, report.failures) == (3, ())
    names = keyed.keys(bucket)
    assert len(names) == 4
    assert read(keyed, bucket, "invoice.pdf") == PDF[2]
    assert read(keyed, bucket, "big.bin") == LARGE
    for name in names:
        for key, status in ((None, 400), (OTHER, 403)):
            with pytest.raises(ClientError) as refused:
                read(keyed, bucket, name, key)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    again = store.deliver(where, customer_key=KEY, template="{filename}")
    assert (again.delivered, again.failures) == (0, ())


def test_what_a_killed_run_had_sent_is_taken_over(store: Store, keyed: S3Server) -> None:
    """It is recognised by its content, which takes the key to read."""
    bucket = keyed.new_bucket()
    put(keyed, bucket, "invoice.pdf", PDF[2], KEY)
    report = store.deliver(_s3_path(keyed, bucket), customer_key=KEY, template="{filename}")
    assert (report.delivered, report.failures) == (3, ())
    assert keyed.keys(bucket) == ["big.bin", "data.csv", "invoice.pdf"]


@pytest.mark.parametrize("key", [None, OTHER])
def test_a_name_taken_by_what_the_key_does_not_open_gets_a_number(
    store: Store, keyed: S3Server, key: CustomerKey | None
) -> None:
    """As where the key was changed meanwhile, or one was not used before; what is there stays."""
    bucket = keyed.new_bucket()
    put(keyed, bucket, "invoice.pdf", PDF[2], key)
    report = store.deliver(_s3_path(keyed, bucket), customer_key=KEY, template="{filename}")
    assert (report.delivered, report.failures) == (3, ())
    assert keyed.keys(bucket) == ["big.bin", "data.csv", "invoice-2.pdf", "invoice.pdf"]
    assert read(keyed, bucket, "invoice.pdf", key) == PDF[2]


def test_what_may_not_be_read_at_all_is_delivered_under_no_other_name(store: Store, keyed: S3Server) -> None:
    """What has the name may be the attachment itself: it is said, run after run, and nothing piles up."""
    bucket = keyed.new_bucket()
    put(keyed, bucket, "write-only/invoice.pdf", PDF[2], KEY)
    where = _s3_path(keyed, bucket, "write-only")
    for delivered in (2, 0):
        report = store.deliver(where, customer_key=KEY, template="{filename}")
        assert report.delivered == delivered
        assert ["s3:GetObject" in failure for failure in map(str, report.failures)] == [True]
        assert keyed.keys(bucket) == [f"write-only/{name}" for name in ("big.bin", "data.csv", "invoice.pdf")]


def test_what_cannot_be_read_without_the_key_is_not_deleted(
    store: Store, keyed: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever removes mail from the archive is told of it, with what it takes."""
    bucket = keyed.new_bucket()
    for name, value in keyed.environment.items():
        monkeypatch.setenv(name, value)
    store.deliver(f"s3://{bucket}", customer_key=KEY, template="{filename}")
    digests = set(Archive(store.root).read_table("messages")["sha256"].to_pylist())
    done = withdraw_deliveries(Archive(store.root), digests)
    assert done.deleted == 0
    assert "the customer's key that it was encrypted with" in done.failures[0]
    assert len(keyed.keys(bucket)) == 3


@pytest.mark.parametrize(
    "text", ["", "secret", TEXT[:-4], "?" + TEXT[1:], base64.b64encode(b"x" * 33).decode()]
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    """People paste passwords into the wrong field."""
    with pytest.raises(ConfigurationError, match="32 octets in base64") as refused:
        read_customer_key(text, "The password of x")
    assert not text or text not in str(refused.value)


def test_a_key_shows_itself_nowhere() -> None:
    """Not where it is printed, nor with what holds it."""
    assert str(OCTETS) not in repr(KEY)
    assert read_customer_key(f" {TEXT}\n", "it") == KEY


def test_a_key_is_for_s3_alone_and_for_nothing_else_beside(
    store: Store, keyed: S3Server, tmp_path: Path
) -> None:
    """What cannot be done is never left out in silence, nor is the key sent where others read it."""
    with pytest.raises(ConfigurationError, match="S3 only"):
        store.deliver(tmp_path / "out", customer_key=KEY)
    where = _s3_path(keyed, keyed.new_bucket())
    with pytest.raises(ConfigurationError, match="not both"):
        store.deliver(where, customer_key=KEY, object_options={"ServerSideEncryption": "AES256"})
    from upath import UPath

    for scheme in ("http", "HTTP"):
        far = UPath("s3://bucket/x", endpoint_url=f"{scheme}://192.0.2.1:9000", key="k", secret="s")
        with pytest.raises(ConfigurationError, match="https://"):
            store.deliver(far, customer_key=KEY)


def test_the_operator_takes_the_key_from_a_connection_and_tells_nobody(
    store: Store, keyed: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its summary nor a log that a DAG's author sees has it; a wrong one fails at once."""
    bucket = keyed.new_bucket()
    monkeypatch.setenv("AIRFLOW_CONN_KEYED", keyed.connection_uri())
    monkeypatch.setenv("AIRFLOW_CONN_KEY", json.dumps({"conn_type": "generic", "password": TEXT}))
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps({"conn_type": "generic", "password": "hunter2"}))
    caplog.set_level(logging.INFO)

    def deliver(conn_id: str) -> Any:
        operator = AttachmentsToObjectStorageOperator(
            task_id="t",
            archive=str(store.root),
            destination=f"s3://keyed@{bucket}/in",
            template="{filename}",
            customer_key_conn_id=conn_id,
        )
        return operator.execute({})

    summary = deliver("key")
    assert summary["delivered"] == 3
    assert read(keyed, bucket, "in/data.csv") == CSV[2]
    told = f"{json.dumps(summary)} {caplog.text}"
    assert TEXT not in told
    assert repr(OCTETS)[2:-1] not in told
    with pytest.raises(AirflowException, match="connection 'wrong' is no key") as refused:
        deliver("wrong")
    assert "hunter2" not in str(refused.value)


def test_libraries_that_log_their_arguments_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's logs of a task hide the key in both spellings."""
    from airflow.sdk.log import redact

    monkeypatch.setenv("AIRFLOW_CONN_KEY", json.dumps({"conn_type": "generic", "password": TEXT}))
    assert customer_key_of("key") == KEY
    assert customer_key_of(None) is None
    said = redact(f"put_object {{'SSECustomerKey': {OCTETS!r}}} {TEXT}")
    assert TEXT not in str(said)
    assert repr(OCTETS)[2:-1] not in str(said)


def test_the_command_reads_the_key_from_the_environment(store: Store, keyed: S3Server) -> None:
    """Never from its arguments, which everybody on the machine sees."""
    bucket = keyed.new_bucket()
    arguments = [
        "attachments",
        "--archive",
        str(store.root),
        "--to",
        f"s3://{bucket}",
        "--template",
        "{filename}",
    ]
    done = run_command(*arguments, environment={**keyed.environment, "MAILROOM_S3_CUSTOMER_KEY": TEXT})
    assert done.status == 0, done.err
    assert read(keyed, bucket, "data.csv") == CSV[2]
    wrong = run_command(*arguments, environment={**keyed.environment, "MAILROOM_S3_CUSTOMER_KEY": "hunter2"})
    assert wrong.status != 0
    assert "MAILROOM_S3_CUSTOMER_KEY is no key" in wrong.err
    assert "hunter2" not in wrong.err + wrong.out
