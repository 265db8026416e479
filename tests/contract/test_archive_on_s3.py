"""The archive's contract on S3, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import fsspec
import pytest
from upath import UPath

from mailroom import tables
from mailroom.archive import Archive
from tests.contract.archive_cases import StoreCases
from tests.support.archives import archive_messages
from tests.support.s3 import S3Server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class TestArchiveOnS3(StoreCases):
    """A root given as a URL, with fsspec's options."""

    @pytest.fixture
    def open_archive(self, s3: S3Server) -> Callable[[], Archive]:
        root = f"s3://{s3.new_bucket()}/some/mail"
        return lambda: Archive(root, storage_options=s3.storage_options)


class TestArchiveAtPath:
    """A root given as a path object that brings a signed-in file system."""

    def test_an_object_with_a_file_system_serves_as_root(self, s3: S3Server) -> None:
        """Endpoint and credentials for the tables come from the path's own file system."""
        bucket = s3.new_bucket()
        root = UPath(f"s3://{bucket}/mail", **s3.storage_options)
        archive = Archive(root)
        StoreCases().test_one_message_at_many_places_is_one_object(archive)
        assert archive.url == f"s3://{bucket}/mail"

    def test_options_for_the_table_library_can_be_given(self, s3: S3Server) -> None:
        """Where the caller knows the table library's options, nothing is derived."""
        bucket = s3.new_bucket()

        class Place:
            fs = fsspec.filesystem("s3", **s3.storage_options)
            path = f"{bucket}/mail"
            protocol = "s3"

        options = {
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_ENDPOINT_URL": s3.endpoint_url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": s3.region,
        }
        StoreCases().test_every_table_tells_of_a_message(Archive(Place(), storage_options=options))

    def test_its_tables_are_queried_where_they_lie(self, s3: S3Server) -> None:
        """Rows and SQL read a bucket as they read a folder."""
        archive = Archive(f"s3://{s3.new_bucket()}/mail", storage_options=s3.storage_options)
        archive_messages(archive, [1, 2])
        rows = tables.messages(archive.url, storage_options=s3.storage_options)
        assert rows.filter(subject="*2").count() == 1
        assert rows.to_polars().collect().height == 2
        connection = tables.connect(archive)
        assert connection.sql("SELECT count(*) FROM locations_now").fetchall() == [(2,)]
