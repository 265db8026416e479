"""OpenLineage is told where mail comes from and goes to, and nothing secret."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.copy import ImapToImapOperator
from mailroom.operators.export import MailExportOperator
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.import_mail import MailImportOperator
from mailroom.operators.lineage import place_dataset
from mailroom.operators.pop3 import Pop3FetchOperator
from mailroom.operators.replicate import ArchiveReplicateOperator
from mailroom.operators.restore import ImapRestoreOperator


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two accounts."""
    for name, values in {
        "OFFICE": {"conn_type": "pop3", "host": "pop.example", "login": "ana", "password": "hunter2"},
        "HOME": {
            "conn_type": "imap",
            "host": "imap.example",
            "password": "hunter2",
            "extra": {"archive": "s3://aws@mail/kept"},
        },
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(values))


Names = list[tuple[str, str]]


def told(operator: Any) -> tuple[Names, Names]:
    """Return namespaces and names of what went in and came out, as the provider asks for them."""
    pytest.importorskip("airflow.providers.openlineage")
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    found = DefaultExtractor(operator).extract_on_complete(None)
    assert found is not None
    both = [[(one.namespace, one.name) for one in some] for some in (found.inputs, found.outputs)]
    assert "hunter2" not in str(both)
    return both[0], both[1]


def test_a_fetch_goes_from_the_account_to_the_archive() -> None:
    """The account is named as its asset is."""
    operator = Pop3FetchOperator(task_id="t", pop3_conn_id="office", archive="/srv/mail")
    assert told(operator) == ([("mailroom", "office")], [("file", "/srv/mail")])


def test_the_archive_is_the_one_that_the_connection_names() -> None:
    """Where the operator names none."""
    operator = ImapMirrorOperator(task_id="t", imap_conn_id="home", archive="None")
    assert told(operator) == ([("mailroom", "home")], [("s3://mail", "kept")])


def test_a_delivery_goes_from_the_archive_to_each_destination() -> None:
    """Also those that rules name."""
    operator = AttachmentsToObjectStorageOperator(
        task_id="t",
        archive="/srv/mail",
        destination="s3://aws@data/in",
        rules=[{"name": "*.pdf"}, {"name": "*.csv", "destination": "/srv/csv/"}],
    )
    assert told(operator) == ([("file", "/srv/mail")], [("s3://data", "in"), ("file", "/srv/csv")])


def test_a_rehearsal_brings_nothing_anywhere() -> None:
    """A dry run has read, and written nothing."""
    operator = AttachmentsToObjectStorageOperator(
        task_id="t", archive="/srv/mail", destination="/srv/in", dry_run="True"
    )
    assert told(operator) == ([("file", "/srv/mail")], [])
    restore = ImapRestoreOperator(task_id="t", imap_conn_id="home", archive="/srv/mail", dry_run=True)
    assert told(restore) == ([("file", "/srv/mail")], [])


def test_files_go_into_the_archive_and_out_of_it() -> None:
    """Import, export and a second archive."""
    imports = MailImportOperator(task_id="t", source="s3://aws@old/mbox", account="old", archive="/srv/mail")
    assert told(imports) == ([("s3://old", "mbox")], [("file", "/srv/mail")])
    exports = MailExportOperator(task_id="t", destination="/srv/out", format="eml", account="home")
    assert told(exports) == ([("s3://mail", "kept")], [("file", "/srv/out")])
    copies = ArchiveReplicateOperator(task_id="t", copy="s3://aws@safe/mail", archive="/srv/mail")
    assert told(copies) == ([("file", "/srv/mail")], [("s3://safe", "mail")])


def test_mail_goes_back_to_an_account_and_on_to_another() -> None:
    """A restore, and a copy with and without an archive on its way."""
    restore = ImapRestoreOperator(task_id="t", imap_conn_id="home")
    assert told(restore) == ([("s3://mail", "kept")], [("mailroom", "home")])
    ends = {"source_conn_id": "home", "target_conn_id": "new"}
    straight = ImapToImapOperator(task_id="t", **ends)
    assert told(straight) == ([("mailroom", "home")], [("mailroom", "new")])
    passing = ImapToImapOperator(task_id="t", archive="/srv/mail", **ends)
    assert told(passing) == ([("mailroom", "home")], [("file", "/srv/mail"), ("mailroom", "new")])


@pytest.mark.parametrize(
    ("root", "namespace", "name"),
    [
        ("file:///srv/my%20mail", "file", "/srv/my mail"),
        ("gs://bucket", "gs://bucket", "/"),
        ("C", "file", "C"),
        ("/", "file", "/"),
    ],
)
def test_places_are_named_as_openlineage_names_them(root: str, namespace: str, name: str) -> None:
    """So that other tools' datasets of the same bucket are the same."""
    assert place_dataset(root) == (namespace, name)


def test_operators_load_without_the_provider() -> None:
    """It is asked for only where it asks."""
    code = (
        "import sys; from mailroom.operators import attachments, copy, export, imap, import_mail, pop3; "
        "from mailroom.operators import replicate, restore; "
        "print([m for m in sys.modules if m.startswith(('openlineage', 'airflow.providers.openlineage.e'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
