"""Tell other DAGs which days or folders have new mail: a run for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_named_account, object_path
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_choice, as_date, as_text
from mailroom.operators.assets import delivery_partitions, mailbox_partitions
from mailroom.operators.run import run_context, task_name, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context, ObjectStoragePath

    from mailroom.model import RunContext
    from mailroom.services.partitions import NewPartitions

__all__ = ["MailPartitionsOperator"]

BY = ("day", "folder")

MAX_COUNTED = 100
"""With up to so many partitions an event says how many messages each has; extras are kept small."""


class MailPartitionsOperator(BaseOperator):
    """Emit an asset event for each day, or folder, that has mail this task has not told of yet.

    Run it after a fetch, a mirror or an import; a DAG with
    ``schedule=PartitionedAssetTimetable(assets=mailbox_partitions("imap_default", by="day"))`` then has a
    run for each day, with the day as ``partition_key``. With ``destination`` the same of attachments
    that were delivered there, and ``delivery_partitions``. Days are those of the Date header, in UTC.

    The task is skipped where nothing is new. What it told is noted in the archive once Airflow has recorded
    its success; a kill in between tells a partition again, so a run should replace what the
    partition held before.

    The asset may be among ``outlets``, so that Airflow's graph shows it: it has no other events.

    :param account: id of the mail connection.
    :param destination: path or URL that attachments are delivered to, instead of ``account``.
    :param by: ``day`` or ``folder``.
    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param since: nothing older than this day, so that years of old mail make no runs.
    :param consumer: whose notes count; by default ``dag_id/task_id``.
    """

    template_fields: Sequence[str] = ("account", "destination", "by", "archive", "since", "consumer")
    ui_color = "#f3e8fd"

    def __init__(
        self,
        *,
        account: str | None = None,
        destination: str | ObjectStoragePath | None = None,
        by: str = "day",
        archive: str | ObjectStoragePath | None = None,
        since: date | str | None = None,
        consumer: str | None = None,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=outlets, **kwargs)
        self.account = account
        self.destination = destination
        self.by = by
        self.archive = archive
        self.since = since
        self.consumer = consumer

    def execute(self, context: Context) -> dict[str, Any]:
        """Find what is new, have Airflow tell of it, and return counts.

        :raises AirflowSkipException: nothing is new.
        :raises AirflowFailException: an argument is wrong, or the archive is not there.
        :raises AirflowException: the archive cannot be read.
        """
        from mailroom.services.partitions import PartitionBy, find_partitions

        with airflow_errors():
            asset = self._asset()
            account, place = as_text("account", self.account), as_text("destination", self.destination)
            run = run_context(context, what="partitions", account=account or "")
            found = find_partitions(
                archive_of_named_account(account, as_text("archive", self.archive)),
                as_text("consumer", self.consumer) or task_name(context),
                by=PartitionBy(self._by()),
                account=account,
                destination=None if place is None else object_path(place),
                since=_start_of(as_date("since", self.since)),
            )
        if not found.counts:
            raise AirflowSkipException(f"Nothing is new for {asset.name}.")
        self._tell(context, asset, found, run)
        return {"by": self._by(), "partitions": len(found.counts), "items": found.items}

    def _by(self) -> str:
        return as_choice("by", self.by, BY) or "day"

    def _asset(self) -> Asset:
        account, place = as_text("account", self.account), as_text("destination", self.destination)
        if place is not None:
            return delivery_partitions(place, by=self._by())
        if account is None:
            raise ConfigurationError("Say of which account, or of which destination, partitions are told.")
        return mailbox_partitions(account, by=self._by())

    def _tell(self, context: Context, asset: Asset, found: NewPartitions, run: RunContext) -> None:
        """Leave the events for Airflow to record with the task's success, and the note for afterwards.

        Which account it is, templates say; and a declared outlet has an event after every success, also
        one without a partition, so this outlet is declared only now.
        """

        def note(_: Context) -> None:
            found.note(utc_now(), run.run_id)

        events = context.get("outlet_events")
        if events is None:
            return
        if asset not in self.outlets:
            self.outlets = [*self.outlets, asset]
        event = events[asset]
        event.extra = {"partitions": len(found.counts), "items": found.items}
        if len(found.counts) <= MAX_COUNTED:
            event.extra["counts"] = dict(found.counts)
        event.add_partitions(list(found.counts))
        self.on_success_callback = [*self.on_success_callback, note]


def _start_of(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
