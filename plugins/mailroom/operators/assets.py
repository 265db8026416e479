"""Assets: how other DAGs learn that a mailbox, or a place attachments go to, has changed.

A DAG that shall run after new mail came says ``schedule=[mailbox_asset("imap_default")]``, or
``schedule=[mailbox_asset("imap_default", "Invoices/2026")]`` for one folder of a mirror; one that shall
run for each day of it schedules on a ``PartitionedAssetTimetable`` of ``mailbox_partitions``.
Events go through one alias, because which account a task works on is known only when its
templates are rendered. Airflow wants one name to one URI, everywhere and for ever, so both
come from here and nowhere else; they hold no host, user or credentials.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = [
    "MAILROOM_ALIAS",
    "announce",
    "announce_deliveries",
    "announce_folders",
    "delivery_asset",
    "delivery_partitions",
    "mailbox_asset",
    "mailbox_partitions",
    "with_alias",
]

log = logging.getLogger(__name__)

MAILROOM_ALIAS = AssetAlias("mailroom")
"""The outlet of all that change a mailbox or deliver; ``schedule=[AssetAlias("mailroom")]`` runs after each.

An alias of the author's, as in ``outlets=[AssetAlias("invoices")]``, has the same events of that operator.
"""

NOTHING_MISSED: Mapping[str, int] = {}
"""Of earlier runs nothing is left to be told."""

MAX_FOLDER_EVENTS = 500
"""How many folders of one run have events of their own; all of them count in the account's."""

MAX_FOLDER_CHARACTERS = 600
"""A longer folder name, quoted, is replaced by a digest: Airflow takes names of up to 1,500 characters."""


def mailbox_asset(conn_id: str, folder: str | None = None) -> Asset:
    """Return the asset of an account, or of one folder of it.

    :param conn_id: id of the mail connection, which names the account in the archive.
    :param folder: name of the folder as people see it.
    """
    account = quote(conn_id, safe="")
    if folder is None:
        return Asset(name=f"mailroom/{account}", uri=f"mailroom://{account}/")
    place = quote(folder, safe="")
    if len(place) > MAX_FOLDER_CHARACTERS:
        place = "sha256-" + hashlib.sha256(folder.encode()).hexdigest()
    return Asset(name=f"mailroom/{account}/{place}", uri=f"mailroom://{account}/{place}")


def delivery_asset(destination: str) -> Asset:
    """Return the asset of a place that attachments are delivered or mail is exported to.

    :param destination: path or URL; the connection in it is left out, as it is no part of the place.
    """
    parts = urlsplit(destination)
    if len(parts.scheme) > 1:
        place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    else:
        place = "file://" + quote(destination.rstrip("/"))
    return Asset(name=f"mailroom/attachments/{place}", uri=place)


def mailbox_partitions(conn_id: str, by: str) -> Asset:
    """Return the asset whose events are the days, or the folders, of an account that have new mail.

    ``MailPartitionsOperator`` emits them, one a partition; for ``PartitionedAssetTimetable``.

    :param by: ``day`` or ``folder``.
    """
    return _partitioned(mailbox_asset(conn_id), by)


def delivery_partitions(destination: str, by: str) -> Asset:
    """Return the asset whose events are the days, or the folders, of mail newly delivered to a place.

    :param by: ``day`` or ``folder``.
    """
    return _partitioned(delivery_asset(destination), by)


def _partitioned(asset: Asset, by: str) -> Asset:
    """Return an asset beside another: what waits for partitions must hear of nothing else."""
    if by not in ("day", "folder"):
        raise ValueError(f"Partitions are by day or by folder, not by {by!r}.")
    return Asset(name=f"{asset.name}?by={by}", uri=f"{asset.uri}?by={by}")


def with_alias(outlets: Any) -> list[Any]:  # Any: Airflow's own outlets argument is untyped
    """Return the outlets a DAG author gave, and the alias."""
    given = list(outlets) if isinstance(outlets, (list, tuple)) else [outlets] if outlets else []
    return given if MAILROOM_ALIAS in given else [*given, MAILROOM_ALIAS]


def announce(
    context: Context,
    asset: Asset,
    summary: Mapping[str, Any],
    changes: Sequence[str],
    missed: Mapping[str, int] = NOTHING_MISSED,
) -> None:
    """Record an asset event, which Airflow publishes when the task succeeds; none if nothing changed.

    It goes through every alias among the task's outlets, ours and the author's.

    :param summary: what the run did; its counts become the event's extra.
    :param changes: the counts that speak of a change.
    :param missed: what earlier runs changed that had no event; added to the counts.
    """
    is_changed = any(summary.get(name) for name in changes) or any(missed.values())
    if is_changed and not summary.get("dry_run"):
        counts = Counter({k: v for k, v in summary.items() if type(v) is int})
        counts.update(missed)
        _add_event(context, asset, counts)


def announce_deliveries(
    context: Context,
    summaries: Mapping[str, Mapping[str, Any]],
    missed: Mapping[str, Mapping[str, int]],
    changes: Sequence[str],
) -> None:
    """Record an asset event for each place that attachments were delivered to.

    :param summaries: what the run did, by destination.
    :param missed: what earlier runs delivered that had no event, by destination.
    """
    left = {(asset := delivery_asset(place)).name: (asset, counts) for place, counts in missed.items()}
    for place, counts in summaries.items():
        asset = delivery_asset(place)
        _, earlier = left.pop(asset.name, (asset, NOTHING_MISSED))
        announce(context, asset, counts, changes, earlier)
    for asset, earlier in left.values():
        announce(context, asset, {}, changes, earlier)


def announce_folders(context: Context, conn_id: str, changes: Mapping[str, Mapping[str, int]]) -> None:
    """Record an asset event for each folder in which something changed, with its counts.

    Airflow shows folder names to whoever may see assets.

    :param conn_id: id of the mail connection, which names the account in the archive.
    :param changes: the counts of each such folder.
    """
    for folder, counts in islice(changes.items(), MAX_FOLDER_EVENTS):
        _add_event(context, mailbox_asset(conn_id, folder), counts)
    if len(changes) > MAX_FOLDER_EVENTS:
        log.info("%d folders changed; the first %d have events", len(changes), MAX_FOLDER_EVENTS)


def _add_event(context: Context, asset: Asset, counts: Mapping[str, int]) -> None:
    events = context.get("outlet_events")
    if events is None:
        return
    outlets = getattr(context.get("task"), "outlets", None) or [MAILROOM_ALIAS]
    for alias in (outlet for outlet in outlets if isinstance(outlet, AssetAlias)):
        events[alias].add(asset, extra=dict(counts))
