"""Servers that tests share, and folders of their own.

The servers start on first use, once a test process; a test that needs one that cannot
run is skipped with the reason, unless MAILROOM_REQUIRE_SERVERS says that they must run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.airflow_home import use_throwaway_home
from tests.support.dovecot import Dovecot, DovecotMissing
from tests.support.s3 import S3Server

use_throwaway_home()  # before any test module is collected, for Airflow reads its home when it is imported

FOLDER_MARKS = ("integration", "system")
TESTS = Path(__file__).parent

# How long an example takes says something of the machine only; no test asserts a time.
settings.register_profile("mailroom", deadline=None)
settings.load_profile("mailroom")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder."""
    for item in items:
        place = item.path.relative_to(TESTS) if item.path.is_relative_to(TESTS) else item.path
        folder = place.parts[0]
        if folder in FOLDER_MARKS:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A running mail server with no accounts."""
    server = Dovecot()
    try:
        server.start()
    except DovecotMissing as missing:
        if os.environ.get("MAILROOM_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(missing))
    yield server
    server.stop()


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    """The name of a fresh account whose password is ``secret``."""
    return dovecot.add_user()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3 server with no buckets."""
    with S3Server() as server:
        yield server


@pytest.fixture
def archive_root(tmp_path: Path) -> Path:
    """Where an archive may be made; nothing is there yet."""
    return tmp_path / "archive"
