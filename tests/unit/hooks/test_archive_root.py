"""Which archive is opened, and where."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_account, archive_root, object_path, open_archive


def test_operator_comes_before_connection_before_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest word counts."""
    monkeypatch.setenv("AIRFLOW__MAILROOM__ARCHIVE_ROOT", "/configured")
    assert archive_root("/operator", "/connection") == "/operator"
    assert archive_root(None, "/connection") == "/connection"
    assert archive_root(" ", None) == "/configured"


def test_nothing_named_is_a_folder_in_airflow_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first try needs no configuration."""
    monkeypatch.delenv("AIRFLOW__MAILROOM__ARCHIVE_ROOT", raising=False)
    assert archive_root(None) == os.path.join(os.environ["AIRFLOW_HOME"], "mailroom")


def test_account_brings_its_own_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two accounts that may not know of each other name roots of their own."""
    own = tmp_path / "own"
    monkeypatch.setenv(
        "AIRFLOW_CONN_OFFICE",
        json.dumps({"conn_type": "imap", "host": "h", "extra": {"archive": str(own)}}),
    )
    assert str(own) in archive_of_account("office", None).url
    assert str(tmp_path / "other") in archive_of_account("office", str(tmp_path / "other")).url


def test_opening_creates_nothing(tmp_path: Path) -> None:
    """A slip in a path leaves no folder behind."""
    open_archive(str(tmp_path / "archive"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", ["/var/mail/archive", "file:///var/mail/archive"])
def test_local_root_is_taken_as_it_is(root: str) -> None:
    """A path on this machine needs no connection."""
    assert object_path(root) == root


@pytest.mark.parametrize("root", ["archive", "./archive", "../archive"])
def test_relative_path_is_refused(root: str) -> None:
    """Workers share no current folder, so the next run would not find the mail again."""
    with pytest.raises(ConfigurationError, match="absolute"):
        object_path(root)


@pytest.mark.parametrize("root", ["s3://", "s3://conn@", "s3:///prefix"])
def test_url_without_a_bucket_is_refused(root: str) -> None:
    """It would be taken for the store's top."""
    with pytest.raises(ConfigurationError, match="names no bucket"):
        object_path(root)


def test_store_nobody_can_open_says_what_to_install() -> None:
    """An unknown scheme is a slip or a missing extra."""
    with pytest.raises(ConfigurationError, match="nosuch://"):
        object_path("nosuch://bucket/prefix")


def test_connection_that_is_not_there_is_refused() -> None:
    """Airflow would go on without credentials, and only log it."""
    with pytest.raises(ConfigurationError, match="no connection 'nowhere'"):
        object_path("s3://nowhere@bucket/prefix")


def test_s3_root_is_signed_in_by_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path carries the connection, and keeps it for what is below."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", "aws://key:secret@/?region_name=eu-west-1")
    path = object_path("s3://store@bucket/prefix")
    assert isinstance(path, ObjectStoragePath)
    assert (path.conn_id, path.bucket, (path / "raw").conn_id) == ("store", "bucket", "store")
