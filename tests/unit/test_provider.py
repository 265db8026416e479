"""What Airflow learns of us by metadata: forms, hooks, configuration."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import airflow
import jsonschema  # type: ignore[import-untyped] # has no types of its own
import pytest

from mailroom.hooks.connection import endpoint_from_connection
from mailroom.model import SERVER_PROTOCOLS, AuthMethod, Compression, MailProtocol, Security
from mailroom.provider import get_provider_info

AIRFLOW = Path(airflow.__file__).parent
TYPES = {t["connection-type"]: t for t in get_provider_info()["connection-types"]}


def test_metadata_keeps_to_airflows_schema() -> None:
    """Airflow drops a provider whose metadata it cannot read, with a log line nobody sees."""
    schema = json.loads((AIRFLOW / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_forms_keep_to_airflows_schema() -> None:
    """The forms have a schema of their own, which Airflow itself checks only at its release."""
    schema = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text())
    part = schema["properties"]["connection-types"]
    jsonschema.validate(get_provider_info()["connection-types"], part)
    definitions = {"definitions": schema["definitions"]}
    jsonschema.validate(get_provider_info()["config"], schema["properties"]["config"] | definitions)


@pytest.mark.parametrize("conn_type", ["pop3", "imap"])
def test_hook_of_each_type_is_there(conn_type: str) -> None:
    """The class that is named exists, and is for this type."""
    module, _, name = TYPES[conn_type]["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook.conn_type == conn_type
    assert hook.hook_name == TYPES[conn_type]["hook-name"]
    assert callable(hook.test_connection)


def test_modules_named_can_be_imported() -> None:
    """Airflow lists them in its documentation and its user interface."""
    info = get_provider_info()
    for kind in ("hooks", "operators"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)


class Filled:
    """A connection as the form leaves it when nothing was changed."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.conn_id = "office"
        self.conn_type: str | None = None
        self.host: str | None = "mail.example.org"
        self.login: str | None = "ana"
        self.password: str | None = "pw"
        self.port: int | None = None
        defaults = {name: field["schema"].get("default") for name, field in fields.items()}
        self.extra: str | None = json.dumps(defaults)
        self.extra_dejson: dict[str, Any] = defaults


@pytest.mark.parametrize("protocol", SERVER_PROTOCOLS)
def test_untouched_form_is_the_same_as_no_extras(protocol: MailProtocol) -> None:
    """What the form shows as default is what holds when nobody opens the form."""
    untouched = endpoint_from_connection(Filled(TYPES[protocol.value]["conn-fields"]), protocol)
    assert untouched == endpoint_from_connection(Filled({}), protocol)


@pytest.mark.parametrize("conn_type", ["pop3", "imap"])
def test_form_offers_exactly_what_is_understood(conn_type: str) -> None:
    """A choice in a list that the engine refuses would be a trap."""
    fields = TYPES[conn_type]["conn-fields"]
    assert fields["security"]["schema"]["enum"] == [s.value for s in Security]
    assert fields["auth"]["schema"]["enum"] == [a.value for a in AuthMethod]
    assert all(field["description"] and field["label"] for field in fields.values())
    if conn_type == "imap":
        assert fields["compress"]["schema"]["enum"] == [c.value for c in Compression]
    else:
        assert "compress" not in fields


def test_secrets_are_typed_into_password_fields() -> None:
    """A token shown in the clear is a token given away; Airflow masks by the name as well."""
    for connection in TYPES.values():
        secret = [
            name
            for name in connection["conn-fields"]
            if any(word in name for word in ("token", "password", "key"))
        ]
        assert secret == ["oauth_token", "seal_key"]
        assert connection["conn-fields"]["oauth_token"]["schema"]["format"] == "password"


def test_metadata_needs_no_airflow() -> None:
    """Airflow reads it while it reads its own configuration; importing it there would be a circle."""
    code = (
        "import sys, mailroom.provider as p; p.get_provider_info(); "
        "heavy = {'airflow', 'deltalake', 'pyarrow', 'numpy', 'imapclient', 'ssl'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_distribution_registers_provider_and_plugin() -> None:
    """Forms come by the entry point only, never by the plugins folder."""
    points = {(e.group, e.value) for e in distribution("airflow-mailroom").entry_points}
    assert ("apache_airflow_provider", "mailroom.provider:get_provider_info") in points
    assert ("airflow.plugins", "mailroom_plugin:installed") in points


def test_our_imap_form_comes_before_airflows_own() -> None:
    """With Airflow's imap provider installed, the form and the test button of ``imap`` are ours."""
    from airflow.providers_manager import ProvidersManager

    assert distribution("apache-airflow-providers-imap").version
    hooks = ProvidersManager().hooks  # type: ignore[no-untyped-call] # Airflow's own
    for conn_type, name in (("imap", "ImapHook"), ("pop3", "Pop3Hook")):
        hook = hooks[conn_type]
        assert hook is not None
        assert hook.package_name == "airflow-mailroom"
        assert hook.hook_class_name == f"mailroom.hooks.{conn_type}.{name}"
        assert hook.connection_testable
    importlib.import_module("airflow.providers.imap.hooks.imap")


def test_archive_root_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option has a default, so that reading it never fails."""
    from airflow.sdk.configuration import conf

    assert conf.get("mailroom", "archive_root") == ""
    monkeypatch.setenv("AIRFLOW__MAILROOM__ARCHIVE_ROOT", "/srv/mail")
    assert conf.get("mailroom", "archive_root") == "/srv/mail"
