"""Keep the tables of an archive quick: few files, short logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_named_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_flag, as_names, as_text
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["ArchiveOptimizeOperator"]


class ArchiveOptimizeOperator(BaseOperator):
    """Join small files of an archive's tables, shorten their logs, and delete what nobody needs.

    The tables ``threads`` and ``contacts`` are brought up to date.

    Ordinary runs do the same in small doses. No row changes; fetches, mirrors and readers may go on
    meanwhile, and what they may need stays for a day.

    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: id of a mail connection whose archive is meant.
    :param tables: only these, such as ``["threads", "contacts"]`` after each mirror; by default all.
    :param dry_run: only tell how the tables are.
    """

    template_fields: Sequence[str] = ("archive", "account", "tables", "dry_run")
    ui_color = "#f1f3f4"

    def __init__(
        self,
        *,
        archive: str | ObjectStoragePath | None = None,
        account: str | None = None,
        tables: Sequence[str] | str = (),
        dry_run: bool | str = False,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.archive = archive
        self.account = account
        self.tables = tables
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Put the tables in order, and return counts.

        :raises AirflowFailException: an argument or connection is wrong.
        :raises AirflowException: the store cannot be reached, or a table could not be put in order.
        """
        from mailroom.services.optimize import optimize_archive

        with airflow_errors():
            account = as_text("account", self.account)
            run = run_context(context, what="optimize", account=account or "")
            report = optimize_archive(
                archive_of_named_account(account, as_text("archive", self.archive)),
                tables=as_names("tables", self.tables) or (),
                dry_run=as_flag("dry_run", self.dry_run),
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        return conclude(report, run, self.log)

    def on_kill(self) -> None:
        """Let the join in hand be finished, then stop."""
        self._stop.press()
