"""Objects put and fetched over HTTP, by the compiled client and by the file system: the same objects."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mailroom.archive.storage.explicit_s3 import ExplicitS3
from mailroom.archive.storage.native_s3 import open_native_s3
from mailroom.archive.storage.object_requests import CHUNK_OCTETS, PART_OCTETS, PARTS_AT_ONCE, ObjectRequests
from mailroom.archive.storage.s3_settings import bucket_region, s3_options
from tests.support.answering import Asked, answering
from tests.support.s3 import S3Server

LARGE = bytes(range(256)) * 10_000
ODD_NAMES = (
    "100% *#?~^{}[]&=+;,$!'()@|<>.pdf",
    "ä/ü😀 x.txt",
    "a%20b",
    " blank ",
    "tab\there",
    "..dots/.hidden",
    "a//b",
)


def requests_to(s3: S3Server, bucket: str, *, fast: bool, **options: Any) -> ObjectRequests:
    """Return requests by the compiled client, or without it."""
    filesystem = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True, **options)

    def settings() -> dict[str, str]:
        return s3_options(filesystem, bucket_region(filesystem, bucket))

    return ObjectRequests(lambda: filesystem, "s3", bucket, settings if fast else None)


@pytest.fixture(params=["fast", "slow"])
def is_fast(request: pytest.FixtureRequest) -> bool:
    """Whether the compiled client sends requests; where it is not installed only the other way is tried."""
    if request.param == "fast":
        pytest.importorskip("obstore")
    return bool(request.param == "fast")


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def objects(s3: S3Server, bucket: str, is_fast: bool) -> ObjectRequests:
    return requests_to(s3, bucket, fast=is_fast)


def test_object_comes_back_with_type_and_metadata(s3: S3Server, bucket: str, objects: ObjectRequests) -> None:
    """Bytes, media type and metadata are the same whichever client put them; metadata is ASCII."""
    objects.put(f"{bucket}/a.pdf", b"data", content_type="application/pdf", facts={"filename": "März 1.pdf"})
    found = s3.client().get_object(Bucket=bucket, Key="a.pdf")
    assert found["Body"].read() == b"data"
    assert found["ContentType"] == "application/pdf"
    assert found["Metadata"] == {"filename": "M%C3%A4rz 1.pdf"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_keys_are_spelled_as_they_are(s3: S3Server, bucket: str, objects: ObjectRequests, name: str) -> None:
    """No character of a name is changed on its way, not even one that URLs or the client dislike."""
    objects.put(f"{bucket}/{name}", b"data", content_type="text/plain", exclusive=True)
    assert s3.keys(bucket) == [name]
    size, pieces = objects.fetch(f"{bucket}/{name}")
    assert (size, b"".join(pieces)) == (4, b"data")


def test_exclusive_put_never_overwrites(s3: S3Server, bucket: str, objects: ObjectRequests) -> None:
    """The store itself refuses the second one."""
    objects.put(f"{bucket}/a", b"one", content_type="text/plain", exclusive=True)
    with pytest.raises(FileExistsError):
        objects.put(f"{bucket}/a", b"two", content_type="text/plain", exclusive=True)
    assert b"".join(objects.fetch(f"{bucket}/a")[1]) == b"one"
    objects.put(f"{bucket}/a", b"three", content_type="text/plain")
    assert b"".join(objects.fetch(f"{bucket}/a")[1]) == b"three"


def test_large_object_comes_in_pieces(bucket: str, objects: ObjectRequests) -> None:
    """A reader never holds more than about a piece, and an empty object has none or an empty one."""
    objects.put(f"{bucket}/large", LARGE, content_type="text/plain")
    size, pieces = objects.fetch(f"{bucket}/large")
    found = list(pieces)
    assert size == len(LARGE)
    assert b"".join(found) == LARGE
    assert max(map(len, found)) <= 2 * CHUNK_OCTETS
    objects.put(f"{bucket}/empty", b"", content_type="text/plain")
    size, pieces = objects.fetch(f"{bucket}/empty")
    assert (size, b"".join(pieces)) == (0, b"")


def test_missing_object_is_not_found(bucket: str, objects: ObjectRequests) -> None:
    """What is not there is said so, and the client stays in use."""
    with pytest.raises(FileNotFoundError):
        objects.fetch(f"{bucket}/none")


def test_files_of_a_few_megabytes_are_put_side_by_side(
    bucket: str, objects: ObjectRequests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would wait for each other for nothing; no more are in memory than a large upload has parts."""
    meet = threading.Barrier(PARTS_AT_ONCE, timeout=20)
    put = objects.put

    def put_together(*arguments: Any, **options: Any) -> None:
        meet.wait()
        put(*arguments, **options)

    monkeypatch.setattr(objects, "put", put_together)
    for number in range(PARTS_AT_ONCE):
        (tmp_path / str(number)).write_bytes(LARGE + bytes([number]))
    with ThreadPoolExecutor(PARTS_AT_ONCE) as threads:
        for number in range(PARTS_AT_ONCE):
            threads.submit(
                objects.put_file, str(tmp_path / str(number)), f"{bucket}/{number}", content_type="video/mp4"
            )
    for number in range(PARTS_AT_ONCE):
        size, pieces = objects.fetch(f"{bucket}/{number}")
        assert (size, b"".join(pieces)) == (len(LARGE) + 1, LARGE + bytes([number]))


def test_large_file_is_sent_in_small_parts(
    s3: S3Server, bucket: str, objects: ObjectRequests, tmp_path: Path
) -> None:
    """An upload of any size holds a few parts of 8 MiB in memory; exclusive it is, too."""
    file = tmp_path / "large"
    file.write_bytes(b"x" * (PARTS_AT_ONCE * PART_OCTETS + 1))
    objects.put_file(str(file), f"{bucket}/large", content_type="video/mp4", exclusive=True)
    head = s3.client().head_object(Bucket=bucket, Key="large")
    assert head["ContentLength"] == PARTS_AT_ONCE * PART_OCTETS + 1
    assert head["ContentType"] == "video/mp4"
    assert head["ETag"].strip('"').endswith(f"-{PARTS_AT_ONCE + 1}")
    with pytest.raises(FileExistsError):
        objects.put_file(str(file), f"{bucket}/large", content_type="video/mp4", exclusive=True)


def test_encryption_and_storage_class_are_passed_through(s3: S3Server, bucket: str, is_fast: bool) -> None:
    """What the file system was told of every object holds for ours."""
    asked = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/mail",
        "BucketKeyEnabled": True,
        "StorageClass": "STANDARD_IA",
    }
    objects = requests_to(s3, bucket, fast=is_fast, s3_additional_kwargs=asked)
    objects.put(f"{bucket}/a", b"data", content_type="text/plain")
    head = s3.client().head_object(Bucket=bucket, Key="a")
    assert {name: head.get(name) for name in asked} == asked


def test_credentials_of_a_session_serve(s3: S3Server, bucket: str, is_fast: bool) -> None:
    """An Airflow connection brings a session, which renews what it has; it is asked again in time."""
    from aiobotocore.session import AioSession

    session = AioSession()
    session.set_credentials("from-the-session", "secret", "token")
    filesystem = fsspec.filesystem(
        "s3", endpoint_url=s3.endpoint_url, session=session, skip_instance_cache=True
    )
    objects = ObjectRequests(
        lambda: filesystem, "s3", bucket, (lambda: s3_options(filesystem, "us-east-1")) if is_fast else None
    )
    objects.put(f"{bucket}/a", b"data", content_type="text/plain")
    assert b"".join(objects.fetch(f"{bucket}/a")[1]) == b"data"


@pytest.mark.parametrize(
    "options",
    [
        {"s3_additional_kwargs": {"ACL": "bucket-owner-full-control"}},
        {"s3_additional_kwargs": {"SSECustomerKey": "0" * 32, "SSECustomerAlgorithm": "AES256"}},
        {"requester_pays": True},
        {"config_kwargs": {"proxies": {"http": "http://127.0.0.1:9"}}},
        {"config_kwargs": {"s3": {"addressing_style": "virtual"}}},
        {"config_kwargs": {"s3": {"use_accelerate_endpoint": True}}},
        {"client_kwargs": {"verify": "/etc/ca.pem"}},
    ],
    ids=["access list", "customer key", "requester pays", "proxy", "virtual", "accelerated", "authority"],
)
def test_settings_that_would_be_left_out_need_the_file_system(s3: S3Server, options: dict[str, Any]) -> None:
    """Where the compiled client could not do all that is asked, it is not used at all."""
    pytest.importorskip("obstore")
    filesystem = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True, **options)
    assert open_native_s3(filesystem, "bucket", lambda: {"aws_region": "us-east-1"}) is None
    plain = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True)
    assert open_native_s3(plain, "bucket", lambda: s3_options(plain, "us-east-1")) is not None


def test_client_that_fails_gives_way(s3: S3Server, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    """A request that only the file system can send is sent by it, and so are all that follow."""
    pytest.importorskip("obstore")
    filesystem = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True)
    wrong = {"aws_region": "us-east-1", "aws_endpoint": "http://127.0.0.1:9"}
    objects = ObjectRequests(lambda: filesystem, "s3", bucket, lambda: wrong)
    caplog.set_level("INFO", "mailroom.archive.storage.object_requests")
    for name in ("a", "b"):
        objects.put(f"{bucket}/{name}", b"data", content_type="text/plain", exclusive=True)
    assert s3.keys(bucket) == ["a", "b"]
    assert len(caplog.records) == 1


def told(endpoint: str) -> ExplicitS3:
    """Return settings that are told outright."""
    return ExplicitS3(endpoint=endpoint, region="us-east-1", key="k", secret="s", token="t")


def unwanted() -> Any:
    """Stand for a file system that must not be opened."""
    raise AssertionError("a file system was opened")


def test_settings_that_are_told_need_no_file_system(s3: S3Server, bucket: str) -> None:
    """Neither s3fs nor botocore is loaded, and nothing is asked of the bucket, while all goes well."""
    pytest.importorskip("obstore")
    objects = ObjectRequests(unwanted, "s3", bucket, unwanted, {}, told(s3.endpoint_url))
    objects.put(f"{bucket}/a", b"data", content_type="text/plain", facts={"who": "me"}, exclusive=True)
    assert b"".join(objects.fetch(f"{bucket}/a")[1]) == b"data"
    with pytest.raises(FileExistsError):
        objects.put(f"{bucket}/a", b"data", content_type="text/plain", exclusive=True)


def test_file_that_fits_in_memory_needs_no_file_system(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    """What mail carries at most goes in one request, and nothing there is overwritten by it either."""
    pytest.importorskip("obstore")
    objects = ObjectRequests(unwanted, "s3", bucket, unwanted, {}, told(s3.endpoint_url))
    file = tmp_path / "large"
    file.write_bytes(b"x" * (PARTS_AT_ONCE * PART_OCTETS))
    objects.put_file(str(file), f"{bucket}/large", content_type="video/mp4", exclusive=True)
    head = s3.client().head_object(Bucket=bucket, Key="large")
    assert (head["ContentLength"], head["ContentType"]) == (PARTS_AT_ONCE * PART_OCTETS, "video/mp4")
    assert "-" not in head["ETag"]
    file.write_bytes(b"y" * (PARTS_AT_ONCE * PART_OCTETS))
    with pytest.raises(FileExistsError):
        objects.put_file(str(file), f"{bucket}/large", content_type="video/mp4", exclusive=True)
    assert s3.client().get_object(Bucket=bucket, Key="large")["Body"].read(1) == b"x"


DELIVER = """
import hashlib, sys
from mailroom.archive.delivering.delivery_store import open_delivery_store
store = open_delivery_store(sys.argv[1])
digest = hashlib.sha256(b"data").hexdigest()
assert store.create("a.txt", lambda: [b"data"], digest=digest, size=4, content_type="a/b", facts={})
print(sorted({"s3fs", "botocore", "fsspec"} & sys.modules.keys()), store.digest_of("a.txt", 4) == digest)
"""


def test_a_place_that_the_environment_tells_of_loads_no_other_client(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    """To load them takes as long as to deliver some two hundred objects."""
    pytest.importorskip("obstore")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    shown = subprocess.run(
        [sys.executable, "-c", DELIVER, f"s3://{bucket}/out"],
        capture_output=True,
        text=True,
        check=True,
        env={**ours, **s3.environment, "HOME": str(tmp_path)},
    )
    assert shown.stdout.strip() == "[] True"
    assert s3.keys(bucket) == ["out/a.txt"]


def test_settings_that_are_told_wrongly_give_way_to_those_of_the_file_system(
    s3: S3Server, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file system sends what failed, and the fast client goes on with the settings of that one."""
    pytest.importorskip("obstore")
    filesystem = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True)
    asked: list[str] = []

    def settings() -> dict[str, str]:
        asked.append(bucket)
        return s3_options(filesystem, bucket_region(filesystem, bucket))

    objects = ObjectRequests(lambda: filesystem, "s3", bucket, settings, {}, told("http://127.0.0.1:9"))
    caplog.set_level("INFO", "mailroom.archive.storage.object_requests")
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda n: objects.put(f"{bucket}/{n}", b"x", content_type="a/b"), range(8)):
            pass
    assert s3.keys(bucket) == [str(number) for number in range(8)]
    assert b"".join(objects.fetch(f"{bucket}/0")[1]) == b"x"
    assert (asked, caplog.records) == ([bucket], [])


def test_what_only_the_file_system_can_ask_for_is_asked_by_it(s3: S3Server, bucket: str) -> None:
    """An access list is nothing that the fast client knows, however its settings are told."""
    filesystem = fsspec.filesystem("s3", **s3.storage_options, skip_instance_cache=True)
    options = {"aws_region": "us-east-1"}
    objects = ObjectRequests(
        lambda: filesystem, "s3", bucket, lambda: options, {"ACL": "public-read"}, told(s3.endpoint_url)
    )
    objects.put(f"{bucket}/a", b"data", content_type="text/plain")
    granted = filesystem.call_s3("get_object_acl", Bucket=bucket, Key="a")["Grants"]
    assert "READ" in {grant["Permission"] for grant in granted}


def puts(seen: list[Asked]) -> list[str]:
    return [asked.path for asked in seen if asked.method == "PUT"]


def slow_down_twice(seen: list[Asked]) -> int:
    """Take a put at the third time; all else at once."""
    return 503 if seen[-1].method == "PUT" and len(puts(seen)) <= 2 else 200


def test_throttled_put_is_tried_again(is_fast: bool) -> None:
    """A store that asks to slow down gets the object a little later, and nobody hears of it."""
    with answering(slow_down_twice) as (url, seen):
        filesystem = fsspec.filesystem("s3", endpoint_url=url, key="k", secret="s", skip_instance_cache=True)
        objects = ObjectRequests(
            lambda: filesystem,
            "s3",
            "bucket",
            (lambda: s3_options(filesystem, "us-east-1")) if is_fast else None,
        )
        objects.put("bucket/a", b"data", content_type="text/plain")
    assert puts(seen) == ["/bucket/a"] * 3
