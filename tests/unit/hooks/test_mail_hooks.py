"""The two mail hooks, as far as they go without a server."""

from __future__ import annotations

import json
import socket

import pytest
from airflow.sdk import BaseHook

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.imap import ImapHook
from mailroom.hooks.pop3 import Pop3Hook
from mailroom.model import MailProtocol

HOOKS = [Pop3Hook, ImapHook]


def set_connection(monkeypatch: pytest.MonkeyPatch, conn_type: str, **changes: object) -> None:
    values = {"conn_type": conn_type, "host": "127.0.0.1", "login": "ana", "password": "hunter2-hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_OFFICE", json.dumps({**values, **changes}))


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_says_what_airflow_asks_of_hooks(hook: type[Pop3Hook | ImapHook]) -> None:
    """The attributes by which Airflow makes a hook from a connection."""
    assert issubclass(hook, BaseHook)
    assert hook.conn_name_attr == f"{hook.conn_type}_conn_id"
    assert hook.default_conn_name == f"{hook.conn_type}_default"
    assert hook.hook_name
    assert getattr(hook(), hook.conn_name_attr) == hook.default_conn_name
    assert getattr(hook(**{hook.conn_name_attr: "office"}), hook.conn_name_attr) == "office"


@pytest.mark.parametrize("hook", HOOKS)
def test_endpoint_comes_from_the_connection(
    hook: type[Pop3Hook | ImapHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook asks for the connection when it is needed, not when it is made."""
    made = hook("office")
    set_connection(monkeypatch, hook.conn_type, extra={"security": "plain"})
    endpoint = made.get_endpoint()
    assert endpoint.protocol is MailProtocol(hook.conn_type)
    assert (endpoint.host, endpoint.user) == ("127.0.0.1", "ana")


@pytest.mark.parametrize("hook", HOOKS)
def test_testing_a_wrong_connection_names_the_field(
    hook: type[Pop3Hook | ImapHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test button answers with the same sentence as a run."""
    set_connection(monkeypatch, hook.conn_type, extra={"timeout": "soon"})
    ok, message = hook("office").test_connection()
    assert not ok
    assert "'timeout'" in message


@pytest.mark.parametrize("hook", HOOKS)
def test_testing_a_connection_nobody_listens_on_says_refused(
    hook: type[Pop3Hook | ImapHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong port is the commonest slip of all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    set_connection(monkeypatch, hook.conn_type, port=port)
    ok, message = hook("office").test_connection()
    assert not ok
    assert "refused" in message
    assert str(port) in message
    assert "hunter2" not in message


@pytest.mark.parametrize("hook", HOOKS)
def test_unknown_connection_is_refused_before_anything_is_opened(
    hook: type[Pop3Hook | ImapHook],
) -> None:
    """There is nothing to sign in to."""
    with pytest.raises(ConfigurationError, match="no connection 'nowhere'"):
        hook("nowhere").get_conn()
