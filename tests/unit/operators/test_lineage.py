"""OpenLineage is told where mail comes from and goes to, and nothing secret."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.lineage import place_dataset
from mailroom.operators.pop3 import Pop3FetchOperator


@dataclass
class Value:
    """What stands in for the values of the provider, where it is not installed."""

    namespace: str = ""
    name: str = ""
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the two classes of the provider, and two accounts."""
    for module, name in (
        ("airflow.providers.common.compat.openlineage.facet", "Dataset"),
        ("airflow.providers.openlineage", "__doc__"),
        ("airflow.providers.openlineage.extractors", "OperatorLineage"),
    ):
        made = ModuleType(module)
        setattr(made, name, Value)
        monkeypatch.setitem(sys.modules, module, made)
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


def told(operator: Any) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return namespaces and names of what went in and came out."""
    found = operator.get_openlineage_facets_on_complete(None)
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
        "import sys; from mailroom.operators import attachments, imap, pop3; "
        "print([m for m in sys.modules if 'openlineage' in m])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
