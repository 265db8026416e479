"""The button on a task instance leads to the folders of its account, wherever Airflow is served."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.links import FoldersLink
from mailroom.provider import get_provider_info


@pytest.mark.parametrize(
    ("base", "below"),
    [("", ""), ("https://airflow.example.org", ""), ("https://example.org/airflow/", "/airflow")],
)
def test_link_leads_to_the_assets_of_the_account(
    monkeypatch: pytest.MonkeyPatch, base: str, below: str
) -> None:
    """Names are quoted as those of the assets are."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    operator = ImapMirrorOperator(task_id="mirror", imap_conn_id="post office")
    link = FoldersLink().get_link(operator, ti_key=cast(Any, None))
    assert link == f"{below}/assets?name_pattern=mailroom%2Fpost%2520office"


def test_mirror_has_the_link_and_airflow_is_told_of_it() -> None:
    """A link that the provider does not name is not shown."""
    (link,) = ImapMirrorOperator(task_id="mirror").operator_extra_links
    assert f"{type(link).__module__}.{type(link).__name__}" in get_provider_info()["extra-links"]
