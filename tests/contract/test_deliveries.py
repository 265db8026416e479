"""The contract of deliveries, on a disk and on S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.delivering.deliveries import Deliveries
from tests.contract.delivery_cases import DeliveryCases
from tests.support.s3 import S3Server
from tests.unit.archive.test_deliveries import delivery


class TestDeliveriesToDisk(DeliveryCases):
    """A folder of this machine."""

    @pytest.fixture
    def open_deliveries(self, tmp_path: Path) -> Callable[[Archive], Deliveries]:
        return lambda archive: Deliveries(archive, tmp_path / "out")

    @pytest.fixture
    def read_back(self, tmp_path: Path) -> Callable[[str], bytes]:
        return lambda path: (tmp_path / "out" / path).read_bytes()


class TestDeliveriesToS3(DeliveryCases):
    """A bucket, over HTTP."""

    @pytest.fixture
    def bucket(self, s3: S3Server) -> str:
        return s3.new_bucket()

    @pytest.fixture
    def open_deliveries(self, s3: S3Server, bucket: str) -> Callable[[Archive], Deliveries]:
        return lambda archive: Deliveries(archive, f"s3://{bucket}/out", storage_options=s3.storage_options)

    @pytest.fixture
    def read_back(self, s3: S3Server, bucket: str) -> Callable[[str], bytes]:
        def read(path: str) -> bytes:
            found: bytes = s3.client().get_object(Bucket=bucket, Key=f"out/{path}")["Body"].read()
            return found

        return read

    def test_type_and_provenance_are_on_the_object(
        self, archive_root: Path, s3: S3Server, bucket: str, open_deliveries: Callable[[Archive], Deliveries]
    ) -> None:
        """The object itself says its media type and which message it came from."""
        with open_deliveries(Archive(archive_root)) as deliveries:
            row = delivery("a.pdf", b"one")
            deliveries.deliver(row, lambda: [b"one"])
        head = s3.client().head_object(Bucket=bucket, Key="out/a.pdf")
        assert head["ContentType"] == "application/pdf"
        assert head["Metadata"]["message-sha256"] == row.message_sha256
        assert head["Metadata"]["sender"] == "ana@example.org"
        assert head["Metadata"]["filename"] == "Rechnung M%C3%A4rz.pdf"
