"""Assets: one name to one URI, no secrets, events only where something changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Asset, AssetAlias
from hypothesis import given
from hypothesis import strategies as st

from mailroom.operators.assets import (
    MAILROOM_ALIAS,
    MAX_FOLDER_EVENTS,
    announce,
    announce_folders,
    delivery_asset,
    mailbox_asset,
    with_alias,
)
from mailroom.operators.attachments import _by_destination
from mailroom.policy.attachments import AttachmentRule

folder_names = st.text(min_size=1, max_size=300)


class Events(dict[Any, Any]):
    """Outlet events as a task has them."""

    def __missing__(self, key: Any) -> Any:
        made: list[tuple[Asset, dict[str, Any]]] = []
        self[key] = SimpleNamespace(made=made, add=lambda asset, extra: made.append((asset, extra)))
        return self[key]


def announced(counts: dict[str, Any], changes: tuple[str, ...]) -> list[tuple[Asset, dict[str, Any]]]:
    events = Events()
    announce(cast(Any, {"outlet_events": events}), mailbox_asset("office"), counts, changes)
    return cast(list[tuple[Asset, dict[str, Any]]], events[MAILROOM_ALIAS].made)


def test_account_and_folder_have_assets_of_their_own() -> None:
    """A DAG may wait for the account or for one folder."""
    assert mailbox_asset("office").name == "mailroom/office"
    assert mailbox_asset("office", "Facturas/2026").name == "mailroom/office/Facturas%2F2026"
    assert mailbox_asset("office", "Facturas/2026").uri == "mailroom://office/Facturas%2F2026"


@given(folder_names, folder_names)
def test_different_folders_never_share_an_asset(one: str, other: str) -> None:
    """Names and URIs are one to one; Airflow switches an asset off where they are not."""
    first, second = mailbox_asset("office", one), mailbox_asset("office", other)
    assert (first.name == second.name) == (first.uri == second.uri) == (one == other)
    assert first.name.isascii()
    assert len(first.uri) < 1500


@given(folder_names)
def test_folder_is_never_the_account(folder: str) -> None:
    """A folder called like anything at all stays below its account."""
    assert mailbox_asset("office", folder).uri != mailbox_asset("office").uri


def test_asset_uri_is_kept_as_it_was_made() -> None:
    """Airflow normalises URIs; ours come out the same, or one asset would be two."""
    for asset in (mailbox_asset("a@b:c"), mailbox_asset("office", "..?#/"), delivery_asset("s3://c@b/p/")):
        assert Asset(name=asset.name, uri=asset.uri).uri == asset.uri


def test_delivery_asset_leaves_the_connection_out() -> None:
    """The same bucket by another connection is the same place."""
    assert delivery_asset("s3://mine@bucket/in").uri == "s3://bucket/in"
    assert delivery_asset("s3://yours@bucket/in/") == delivery_asset("s3://bucket/in")
    assert delivery_asset("/srv/in").uri == "file:///srv/in"


def test_alias_joins_the_outlets_of_the_author() -> None:
    """What a DAG author declared stays."""
    mine = Asset("mine")
    assert with_alias(None) == [MAILROOM_ALIAS]
    assert with_alias(mine) == [mine, MAILROOM_ALIAS]
    assert with_alias([mine, AssetAlias("mailroom")]) == [mine, AssetAlias("mailroom")]


@pytest.mark.parametrize(
    ("counts", "events"),
    [
        ({"added": 0, "listed": 9}, 0),
        ({"added": 2, "listed": 9}, 1),
        ({"deleted": 2, "dry_run": False}, 1),
        ({"deleted": 2, "dry_run": True}, 0),
    ],
)
def test_event_only_where_something_changed(counts: dict[str, Any], events: int) -> None:
    """A run with nothing new, or one that only says what it would do, wakes nobody."""
    assert len(announced(counts, ("added", "deleted"))) == events


def test_event_carries_counts_only() -> None:
    """Whoever may see assets may not see folder names or addresses."""
    summary = {"added": 2, "account": "office", "warnings": ["x"], "dry_run": False}
    ((_, extra),) = announced(summary, ("added",))
    assert extra == {"added": 2}


def test_each_changed_folder_has_an_event_of_its_own() -> None:
    """With its counts, through every alias; a great many have none, for Airflow stores each."""
    events = Events()
    changes = {"INBOX": {"added": 2}, "Facturas/2026": {"flags": 1, "expunged": 3}}
    announce_folders(cast(Any, {"outlet_events": events}), "office", changes)
    assert events[MAILROOM_ALIAS].made == [
        (mailbox_asset("office", folder), counts) for folder, counts in changes.items()
    ]
    many = {f"f{number}": {"added": 1} for number in range(MAX_FOLDER_EVENTS + 7)}
    announce_folders(cast(Any, {"outlet_events": (events := Events())}), "office", many)
    assert len(events[MAILROOM_ALIAS].made) == MAX_FOLDER_EVENTS
    announce_folders(cast(Any, {}), "office", changes)


def test_no_event_outside_of_a_task() -> None:
    """An operator that is called by hand has nobody to tell."""
    announce(cast(Any, {}), mailbox_asset("office"), {"added": 1}, ("added",))


def test_aliases_of_the_author_carry_the_event_too() -> None:
    """So that a DAG can wait for ``AssetAlias("invoices")``, wherever templates send what is chosen."""
    mine = AssetAlias("invoices")
    events = Events()
    task = SimpleNamespace(outlets=[Asset("other"), mine, MAILROOM_ALIAS])
    context = cast(Any, {"outlet_events": events, "task": task})
    announce(context, delivery_asset("s3://b/in"), {"delivered": 1}, ("delivered",))
    assert (
        events[mine].made == events[MAILROOM_ALIAS].made == [(delivery_asset("s3://b/in"), {"delivered": 1})]
    )
    assert set(events) == {mine, MAILROOM_ALIAS}


RULES = (
    AttachmentRule(rule="pdf", destination="s3://b/pdf"),
    AttachmentRule(rule="csv"),
    AttachmentRule(rule="more", destination="s3://b/pdf"),
)


def test_each_destination_has_the_counts_of_its_rules() -> None:
    """A rule that delivered nothing has no counts; a destination that got nothing makes no event."""
    tally = {"chosen": 2, "delivered": 2, "octets": 10}
    summary = {"dry_run": False, "delivered": 4, "rules": {"pdf": tally, "more": tally}}
    assert _by_destination(RULES, "s3://b/rest", summary) == {
        "s3://b/pdf": {"dry_run": False, "chosen": 4, "delivered": 4, "octets": 20},
        "s3://b/rest": {"dry_run": False},
    }


def test_the_only_destination_has_all_counts() -> None:
    """Those that belong to no rule as well."""
    summary = {"dry_run": False, "delivered": 1, "adopted": 1, "rules": {}}
    assert _by_destination(RULES[:1], None, summary) == {"s3://b/pdf": summary}
