"""Partitions are told with the task's success, and noted after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import AssetAlias
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from mailroom.archive import Archive
from mailroom.operators.assets import delivery_partitions, mailbox_asset, mailbox_partitions
from mailroom.operators.partitions import MailPartitionsOperator
from tests.support.archives import archive_messages

DAY = "2026-11-24"


@pytest.fixture
def root(archive_root: Path) -> str:
    archive_messages(Archive(archive_root), [1, 2])
    return str(archive_root)


def operator(root: str, **options: Any) -> MailPartitionsOperator:
    return MailPartitionsOperator(
        task_id="tell", **({"account": "post", "archive": root, "consumer": "tell"} | options)
    )


def executed(made: MailPartitionsOperator) -> tuple[dict[str, Any], OutletEventAccessors]:
    events = OutletEventAccessors()
    return made.execute(cast(Any, {"outlet_events": events})), events


def test_each_partition_is_an_event_with_counts(root: str) -> None:
    """The outlet is declared with the first: an outlet without a partition would be an event as well."""
    made = operator(root)
    assert made.outlets == []
    summary, events = executed(made)
    asset = mailbox_partitions("post", by="day")
    assert summary == {"by": "day", "partitions": 1, "items": 2}
    assert made.outlets == [asset]
    assert events[asset].partition_keys == {DAY}
    assert events[asset].extra == {"partitions": 1, "items": 2, "counts": {DAY: 2}}


def test_it_is_noted_only_after_the_success(root: str) -> None:
    """Until Airflow has recorded the events, another try tells the same; then nobody does."""
    first, second = operator(root), operator(root)
    executed(first)
    executed(second)
    (note,) = second.on_success_callback
    note(cast(Any, {}))
    with pytest.raises(AirflowSkipException, match="Nothing is new"):
        executed(operator(root))


def test_what_the_author_declared_stays(root: str) -> None:
    """Outlets and callbacks."""
    mine = AssetAlias("mine")
    heard: list[str] = []
    made = operator(root, outlets=[mine], on_success_callback=lambda _: heard.append("mine"))
    executed(made)
    for callback in made.on_success_callback:
        callback(cast(Any, {}))
    assert made.outlets == [mine, mailbox_partitions("post", by="day")]
    assert heard == ["mine"]


def test_old_mail_can_be_left_out(root: str) -> None:
    """As a text, for templates."""
    with pytest.raises(AirflowSkipException):
        executed(operator(root, since="2026-11-25"))


def test_partitions_are_assets_of_their_own() -> None:
    """What waits for a partition hears of nothing else, and no folder is called like one."""
    made = {
        asset.uri
        for asset in (
            mailbox_asset("office"),
            mailbox_asset("office", "?by=day"),
            mailbox_partitions("office", by="day"),
            mailbox_partitions("office", by="folder"),
            delivery_partitions("s3://c@b/in/", by="day"),
        )
    }
    assert len(made) == 5
    assert delivery_partitions("s3://c@b/in/", by="day") == delivery_partitions("s3://b/in", by="day")
    with pytest.raises(ValueError, match="'hour'"):
        mailbox_partitions("office", by="hour")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"by": "hour"}, "by"), ({"account": None}, "Say of which account"), ({"archive": "mail"}, "absolute")],
)
def test_wrong_input_is_one_sentence(root: str, options: dict[str, Any], said: str) -> None:
    """No retry mends it."""
    with pytest.raises(AirflowFailException, match=said):
        executed(operator(root, **options))
