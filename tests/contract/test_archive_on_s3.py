"""The archive's contract on S3, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import fsspec
import pytest
from upath import UPath

from mailroom.archive import Archive
from tests.contract.archive_cases import StoreCases
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
