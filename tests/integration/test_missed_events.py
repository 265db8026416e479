"""What a run changed that failed or was killed is announced by the next one that ends well, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException

from mailroom.archive import Archive
from mailroom.model import Endpoint, MailProtocol
from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.import_mail import MailImportOperator
from mailroom.operators.pop3 import Pop3FetchOperator
from mailroom.operators.retention import MailRetentionOperator
from tests.support.archives import archive_messages
from tests.support.dovecot import Dovecot
from tests.support.imap_server import ImapServer, Mail, Mailbox
from tests.support.mail import make_message
from tests.support.maildir import Stored
from tests.support.pop3_server import Maildrop, Pop3Server

CHILD = """
import os, signal
import mailroom.operators.imap as module
module.conclude = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
module.ImapMirrorOperator(task_id="t", imap_conn_id="office", archive=os.environ["ROOT"]).execute({})
"""
"""A mirror that is killed when all is committed and nothing announced."""

LIBRARIES = """
import os, sys
from mailroom.operators.imap import ImapMirrorOperator
before = set(sys.modules)
ImapMirrorOperator(task_id="t", imap_conn_id="office", archive=os.environ["ROOT"]).execute({})
sys.exit(str({"pyarrow", "deltalake"} & (set(sys.modules) - before) or 0).replace("0", "") or 0)
"""
"""A mirror that says which of the libraries it loaded that a run with nothing new has no need of."""


class Events(dict[Any, Any]):
    """Outlet events of one task; ``told`` holds asset names and counts."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, int]]] = []

    def __missing__(self, alias: Any) -> Any:
        return self

    def add(self, asset: Asset, extra: dict[str, int]) -> None:
        """Take an event as Airflow does."""
        self.told.append((asset.name, {name: count for name, count in extra.items() if name in COUNTED}))


COUNTED = ("added", "deleted", "delivered")


def connect(monkeypatch: pytest.MonkeyPatch, kind: str, endpoint: Endpoint) -> None:
    """Name a server as the connection ``office``."""
    said = {
        "conn_type": kind,
        "host": endpoint.host,
        "port": endpoint.port,
        "login": endpoint.user,
        "password": "secret",
        "extra": {"security": endpoint.security.value, "ca_file": endpoint.ca_file},
    }
    monkeypatch.setenv("AIRFLOW_CONN_OFFICE", json.dumps(said))


def run(operator: Any) -> list[tuple[str, dict[str, int]]]:
    """Execute, and return the events that Airflow publishes: none where the task failed."""
    events = Events()
    try:
        operator.execute(cast(Any, {"outlet_events": events}))
    except AirflowException:
        return []
    return events.told


def mail(number: int) -> Mail:
    """Return a message as the server has it."""
    return Mail(content=make_message(subject=f"Factura {number}"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ImapServer]:
    """An account of two messages, with a folder that the server does not open."""
    folders = {"INBOX": Mailbox(mail={1: mail(1), 2: mail(2)}), "Zwei": Mailbox(is_broken=True)}
    with ImapServer(folders) as running:
        connect(monkeypatch, "imap", running.endpoint())
        yield running


def mirror(root: Path, **words: Any) -> ImapMirrorOperator:
    return ImapMirrorOperator(task_id="t", imap_conn_id="office", archive=str(root), max_gone=1, **words)


def test_mirror_that_failed_in_part_is_announced_by_the_next(server: ImapServer, archive_root: Path) -> None:
    """Airflow drops the events of the failed task; the folder that it could read has news all the same."""
    assert run(mirror(archive_root)) == []
    assert run(mirror(archive_root)) == []  # a second failure that added nothing keeps the first's
    server.folders["Zwei"] = Mailbox(mail={1: mail(3)})
    assert run(mirror(archive_root)) == [
        ("mailroom/office", {"added": 3}),
        ("mailroom/office/Zwei", {"added": 1}),
        ("mailroom/office/INBOX", {"added": 2}),
    ]
    assert run(mirror(archive_root)) == []


def test_run_with_nothing_new_announces_what_was_missed(server: ImapServer, archive_root: Path) -> None:
    """Its own count is nought, and the one before it had no event."""
    assert run(mirror(archive_root)) == []
    server.folders["Zwei"] = Mailbox()
    found = run(mirror(archive_root))
    assert found == [("mailroom/office", {"added": 2}), ("mailroom/office/INBOX", {"added": 2})]
    assert run(mirror(archive_root)) == []
    assert not [path for path in (archive_root / "unannounced").rglob("*") if path.is_file()]


def child(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a task in a process of its own."""
    environment = {**os.environ, "ROOT": str(root), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True
    )


def test_killed_mirror_is_announced_by_the_next(server: ImapServer, archive_root: Path) -> None:
    """Nothing of the killed process says what it did but the rows it committed."""
    server.folders["Zwei"] = Mailbox()
    assert child(CHILD, archive_root).returncode == -9
    assert run(mirror(archive_root))[0] == ("mailroom/office", {"added": 2})
    assert run(mirror(archive_root)) == []


def test_run_with_nothing_new_still_loads_no_table_library(
    dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch, archive_root: Path
) -> None:
    """Looking for what was missed costs such a run a listing of one folder."""
    dovecot.fill(user, [Stored(content=make_message())])
    endpoint = dovecot.endpoint(user, MailProtocol.IMAP)
    connect(monkeypatch, "imap", endpoint)
    assert run(mirror(archive_root))
    done = child(LIBRARIES, archive_root)
    assert done.returncode == 0, done.stderr


def test_runs_at_work_are_left_alone(server: ImapServer, archive_root: Path) -> None:
    """What another task is about to announce itself is not announced twice."""
    from mailroom.archive.unannounced import Unannounced
    from mailroom.model import Announced
    from mailroom.operators.run import run_context

    server.folders["Zwei"] = Mailbox()
    run(mirror(archive_root))
    archive = Archive(archive_root)
    other = run_context(cast(Any, {}), what="mirror", account="office", announces=Announced.MAILBOX)
    mine = run_context(cast(Any, {}), what="mirror", account="office", announces=Announced.MAILBOX)
    note = Unannounced(archive, other).begin()
    assert Unannounced(archive, mine).missed() == []
    note.let_go()
    assert [one.run_id for one in Unannounced(archive, mine).missed()] == [other.run_id]


def test_run_that_changed_nothing_leaves_nothing_to_tell(server: ImapServer, archive_root: Path) -> None:
    """A server that is away for days must not leave a note of each try."""
    assert run(mirror(archive_root)) == []
    (note,) = [path for path in (archive_root / "unannounced").rglob("*") if path.is_file()]
    assert run(mirror(archive_root)) == []
    assert [path for path in (archive_root / "unannounced").rglob("*") if path.is_file()] == [note]


def test_lane_that_is_tried_again_is_told_of_with_its_folders(archive_root: Path) -> None:
    """Airflow may fail a task that was through: its events are gone, and the next try has nothing new."""
    from mailroom.archive.unannounced import Unannounced
    from mailroom.model import Announced, RunContext

    def notes(task: str, attempt: int) -> Unannounced:
        run_id = f"mail/monday/{task}#{attempt}"
        return Unannounced(
            archive,
            RunContext(
                run_id=run_id,
                what="mirror",
                account="office",
                started=datetime.now(UTC),
                who="a test",
                announces=Announced.MAILBOX,
            ),
        )

    archive = Archive(archive_root)
    for task, attempt in (("mirror[0]", 1), ("mirror[1]", 1)):
        notes(task, attempt).begin().let_go()
        notes(task, attempt).note_folders_told()
    notes("mirror[0]", 2).note_folders_told()
    found = notes("whole", 1).missed()
    assert {one.run_id: one.are_folders_told for one in found} == {
        "mail/monday/mirror[0]#1": False,
        "mail/monday/mirror[1]#1": True,
    }


def test_lanes_leave_the_account_to_the_mirror_after_them(server: ImapServer, archive_root: Path) -> None:
    """A lane has the events of its folders; the account hears of it once, with or without its result."""
    server.folders["Zwei"] = Mailbox(mail={1: mail(3)})
    events = Events()
    result = mirror(archive_root, lane=["INBOX"]).execute(cast(Any, {"outlet_events": events}))
    assert events.told == [("mailroom/office/INBOX", {"added": 2})]
    whole = [("mailroom/office", {"added": 3}), ("mailroom/office/Zwei", {"added": 1})]
    assert run(mirror(archive_root, after_lanes=[result])) == whole
    assert run(mirror(archive_root)) == []


def test_lane_is_announced_where_the_mirror_after_it_failed(server: ImapServer, archive_root: Path) -> None:
    """The whole of the next run tells of it, for it was left to a task that failed."""
    result = mirror(archive_root, lane=["INBOX"]).execute(cast(Any, {"outlet_events": Events()}))
    assert run(mirror(archive_root, after_lanes=[result])) == []
    server.folders["Zwei"] = Mailbox()
    assert run(mirror(archive_root)) == [("mailroom/office", {"added": 2})]


def test_fetch_that_failed_in_part_is_announced_by_the_next(
    monkeypatch: pytest.MonkeyPatch, archive_root: Path
) -> None:
    """One message that the server lists and does not deliver makes a failed task of each run."""
    messages = [(f"u{number}", make_message(subject=f"Factura {number}")) for number in (1, 2, 3)]
    maildrop = Maildrop(messages=messages, refused={2: "-ERR not today"})
    with Pop3Server(maildrop) as running:
        connect(monkeypatch, "pop3", running.endpoint())
        fetch = Pop3FetchOperator(task_id="t", pop3_conn_id="office", archive=str(archive_root))
        assert run(fetch) == []
        maildrop.refused.clear()
        assert run(fetch) == [("mailroom/office", {"added": 3, "deleted": 0})]
        assert run(fetch) == []


def test_deletions_are_announced_by_a_retention_of_another_task(
    server: ImapServer, archive_root: Path
) -> None:
    """An account is one, whoever changes it: what a mirror left untold, a retention tells."""
    assert run(mirror(archive_root)) == []
    server.folders["Zwei"] = Mailbox()
    retention = MailRetentionOperator(
        task_id="r", conn_id="office", older_than=9000, archive=str(archive_root), dry_run=True
    )
    assert run(retention) == []  # a dry run tells of nothing
    assert run(mirror(archive_root))[0] == ("mailroom/office", {"added": 2})


def test_import_that_failed_in_part_is_announced_by_the_next(tmp_path: Path, archive_root: Path) -> None:
    """A file that cannot be read stops no other, and fails the task."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "1.eml").write_bytes(make_message())
    (source / "2.eml").symlink_to(tmp_path / "nowhere.eml")
    task = MailImportOperator(task_id="i", source=str(source), account="old", archive=str(archive_root))
    first = run(task)
    (source / "2.eml").unlink()
    assert first + run(task) == [("mailroom/old", {"added": 1})]
    assert run(task) == []


def test_delivery_that_failed_in_part_is_announced_by_the_next(tmp_path: Path, archive_root: Path) -> None:
    """With a name that is taken every run fails, until somebody makes room; then all is told."""
    message = make_message(
        attachments=[(name, "application/pdf", name.encode()) for name in ("a.pdf", "b.pdf", "c.pdf")]
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").write_bytes(message)
    run(MailImportOperator(task_id="i", source=str(tmp_path / "in"), account="x", archive=str(archive_root)))
    place = tmp_path / "out"
    place.mkdir()
    (place / "c.pdf").write_bytes(b"somebody's")
    task = AttachmentsToObjectStorageOperator(
        task_id="t",
        archive=str(archive_root),
        destination=str(place),
        template="{filename}",
        on_collision="fail",
    )
    assert run(task) == []
    assert run(task) == []
    (place / "c.pdf").unlink()
    assert run(task) == [(f"mailroom/attachments/file://{place}", {"delivered": 3})]
    assert run(task) == []


def test_notes_that_cannot_be_read_stop_nobody(server: ImapServer, archive_root: Path) -> None:
    """They order nothing; one that is damaged stands for a run that changed nothing."""
    archive_messages(Archive(archive_root), [1])
    assert run(mirror(archive_root)) == []
    (note,) = [path for path in (archive_root / "unannounced").rglob("*") if path.is_file()]
    note.write_bytes(b"{")
    server.folders["Zwei"] = Mailbox()
    assert run(mirror(archive_root)) == []
    assert not note.exists()
