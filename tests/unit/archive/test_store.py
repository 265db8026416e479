"""From what people write as a root to the place it names, or one sentence why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from upath import UPath

from mailroom.archive import Archive
from mailroom.archive.storage.object_store import ObjectStore
from mailroom.archive.storage.store import LocalStore, open_store
from mailroom.exceptions import ConfigurationError, StoreUnavailable


@pytest.mark.parametrize(
    "root",
    [
        "/srv/mail",
        "file:///srv/mail",
        "file://localhost/srv/mail",
        Path("/srv/mail"),
        UPath("file:///srv/mail"),
    ],
    ids=str,
)
def test_local_roots_are_folders(root: object) -> None:
    """A path, a file URL and a path object all name the same folder."""
    store = open_store(root)
    assert isinstance(store, LocalStore)
    assert store.url == "/srv/mail"
    assert store.delta_options() is None
    assert store.table_uri("messages") == "file:///srv/mail/tables/messages"


def test_escapes_of_a_file_url_are_read() -> None:
    """A URL is percent-encoded, a path is not."""
    assert open_store("file:///srv/my%20mail").url == "/srv/my mail"


def test_a_relative_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later change of folder does not move the archive."""
    monkeypatch.chdir(tmp_path)
    store = open_store("mail")
    monkeypatch.chdir("/")
    assert store.url == str(tmp_path / "mail")


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """People write ~/mail in a DAG, where no shell expands it."""
    monkeypatch.setenv("HOME", "/home/ana")
    assert open_store("~/mail").url == "/home/ana/mail"


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("file://mail", "three slashes"),
        ("s3://", "names no bucket"),
        ("s3:///mail", "names no bucket"),
        ("s3://aws_default@bucket/mail", "ObjectStoragePath"),
        ("memory://mail", "cannot lie on memory://"),
        ("nonsense://bucket/mail", "No file system for nonsense://"),
        ("/srv/mail%20box", "percent sign"),
    ],
)
def test_a_root_that_cannot_hold_an_archive_says_why(root: str, says: str) -> None:
    """One sentence that names the mistake, not a traceback of a library."""
    with pytest.raises(ConfigurationError, match=says):
        open_store(root)


def test_a_secret_in_a_url_is_not_shown() -> None:
    """What stands before the @ may be a key."""
    with pytest.raises(ConfigurationError) as raised:
        open_store("s3://AKIA:s3cr3t@bucket/mail")
    assert "s3cr3t" not in str(raised.value)


def test_unknown_storage_options_are_named() -> None:
    """A misspelt option is the user's mistake, and said so."""
    with pytest.raises(ConfigurationError, match="endpoint"):
        open_store("s3://bucket/mail", {"endpointt": "http://127.0.0.1:1"}).delta_options()


def test_a_path_object_on_s3_brings_its_file_system() -> None:
    """Nothing is asked of the network before it is needed."""
    root = UPath("s3://bucket/some/mail", endpoint_url="http://127.0.0.1:1", key="k", secret="s")
    store = open_store(root)
    assert isinstance(store, ObjectStore)
    assert store.url == "s3://bucket/some/mail"
    assert store.table_uri("texts") == "s3://bucket/some/mail/tables/texts"


def test_a_store_that_cannot_be_reached_is_one_sentence() -> None:
    """Nobody listens there: the sentence says so, and no credentials."""
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "AKIA", "secret": "s3cr3t"}
    config = {"retries": {"max_attempts": 0}, "connect_timeout": 1}
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        Archive("s3://bucket/mail", storage_options={**options, "config_kwargs": config}).exists()
    assert "s3cr3t" not in str(raised.value)


def test_options_given_for_the_table_library_are_used_as_they_are() -> None:
    """Nothing is derived beside them; only S3's safe way to commit is added."""
    store = ObjectStore(None, "bucket/mail", "s3", {"AWS_REGION": "eu-south-2"})
    assert store.delta_options() == {"aws_conditional_put": "etag", "AWS_REGION": "eu-south-2"}


@pytest.mark.parametrize(
    ("scheme", "facts", "expected"),
    [
        ("gs", {"token": "/keys/robot.json"}, {"google_service_account": "/keys/robot.json"}),
        ("gs", {"token": None}, {}),
        (
            "abfs",
            {"account_name": "acme", "account_key": "k", "sas_token": None},
            {"azure_storage_account_name": "acme", "azure_storage_account_key": "k"},
        ),
    ],
)
def test_google_and_azure_options_come_from_their_file_systems(
    scheme: str, facts: dict[str, object], expected: dict[str, str]
) -> None:
    """What the file system was signed in with serves the tables as well."""

    class Signed:
        pass

    for name, value in facts.items():
        setattr(Signed, name, value)
    assert ObjectStore(Signed(), "bucket/mail", scheme).delta_options() == expected


def test_a_new_file_is_removed_where_writing_it_fails(tmp_path: Path) -> None:
    """Half a file never stays."""
    store = LocalStore(tmp_path)

    def write() -> None:
        with store.create("tables/x/part.parquet") as file:
            file.write(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write()
    assert not store.exists("tables/x/part.parquet")
    store.remove("tables/x/part.parquet")


def test_a_root_we_make_is_not_for_everyone(tmp_path: Path) -> None:
    """Other users of the machine cannot look into a new archive."""
    Archive(tmp_path / "mail").prepare().close()
    assert os.stat(tmp_path / "mail").st_mode & 0o007 == 0


def test_importing_the_archive_is_quick() -> None:
    """Nothing heavy is loaded before it is needed."""
    import subprocess
    import sys

    code = (
        "import sys; from mailroom.archive import Archive; Archive('/srv/mail').url; "
        "print(sorted({'pyarrow', 'deltalake', 'numpy', 'fsspec'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
