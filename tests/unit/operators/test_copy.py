"""What a copy refuses before any server is asked."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowFailException

from mailroom.operators.copy import ImapToImapOperator


@pytest.mark.parametrize("other", [{"port": 143}, {"host": "IMAP.example.org"}])
def test_two_connections_to_one_account_are_no_pair(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    """Each run would put all of it one level deeper."""
    account = {"conn_type": "imap", "host": "imap.example.org", "login": "ana", "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_HOME", json.dumps(account))
    monkeypatch.setenv("AIRFLOW_CONN_HOME_AGAIN", json.dumps(account | other))
    copy = ImapToImapOperator(
        task_id="copy", source_conn_id="home", target_conn_id="home_again", into="Backup"
    )
    with pytest.raises(AirflowFailException, match="home and home_again are one account"):
        copy.execute(cast(Any, {}))
