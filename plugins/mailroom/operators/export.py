"""Archived mail as files that any mail program reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_named_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import (
    as_choice,
    as_flag,
    as_moment,
    as_patterns,
    as_text,
    required_text,
)
from mailroom.operators.assets import announce, delivery_asset, with_alias
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.services.export import ExportSelection

__all__ = ["MailExportOperator"]

CHANGES = ("exported",)
"""The count that makes an asset event."""

FORMATS = ("mbox", "maildir", "eml")


class MailExportOperator(BaseOperator):
    """Write archived mail to a folder as mbox files, a Maildir or ``.eml`` files, or to a zip of these.

    Works on the archive, not on the server. A Maildir or tree of files that is there gets what it
    lacks; an mbox or zip file is replaced when the new one is whole.

    :param destination: a folder that this worker can write to, or with ``zipped`` a ``.zip`` file.
    :param format: ``mbox``, ``maildir`` or ``eml``.
    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: only this account (the id of its connection), straight into the destination; by
        default all, in a folder each.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param deleted: also what was deleted on the server and is in no other folder.
    :param as_of: the account as it was at this moment; a day means its end, in UTC.
    :param with_status: write flags into an mbox, as Status headers.
    :param zipped: into one zip file.
    """

    template_fields: Sequence[str] = (
        "destination",
        "format",
        "archive",
        "account",
        "folders",
        "exclude",
        "deleted",
        "as_of",
        "with_status",
        "zipped",
    )
    ui_color = "#f3e8fd"

    def __init__(
        self,
        *,
        destination: str,
        format: str,
        archive: str | ObjectStoragePath | None = None,
        account: str | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        deleted: bool | str = False,
        as_of: datetime | str | None = None,
        with_status: bool | str = False,
        zipped: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.destination = destination
        self.format = format
        self.archive = archive
        self.account = account
        self.folders = folders
        self.exclude = exclude
        self.deleted = deleted
        self.as_of = as_of
        self.with_status = with_status
        self.zipped = zipped
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Export, and return counts.

        :raises AirflowFailException: an argument is wrong, or archive or destination cannot be used.
        :raises AirflowException: a store cannot be reached, or messages failed.
        """
        from mailroom.services.export import ExportFormat, export_archive

        with airflow_errors():
            account = as_text("account", self.account)
            form = as_choice("format", self.format, FORMATS)
            if form is None:
                raise ConfigurationError(f"format is missing; give one of {', '.join(FORMATS)}.")
            run = run_context(context, what="export", account=account or "")
            destination = required_text("destination", self.destination)
            report = export_archive(
                archive_of_named_account(account, as_text("archive", self.archive)),
                destination,
                form=ExportFormat(form),
                selection=self._selection(account),
                zipped=as_flag("zipped", self.zipped),
                with_status=as_flag("with_status", self.with_status),
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        summary = conclude(report, run, self.log)
        announce(context, delivery_asset(destination), summary, CHANGES)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which archive the files are of, and where they lie."""
        from mailroom.operators.lineage import archive_dataset, lineage, place_dataset

        archive = archive_dataset(as_text("account", self.account), as_text("archive", self.archive))
        return lineage([archive], [place_dataset(required_text("destination", self.destination))])

    def on_kill(self) -> None:
        """Let the message in hand be written, then stop."""
        self._stop.press()

    def _selection(self, account: str | None) -> ExportSelection:
        from mailroom.services.export import ExportSelection

        return ExportSelection(
            account=account,
            folders=as_patterns("folders", self.folders, default=("*",)),
            exclude=as_patterns("exclude", self.exclude),
            deleted=as_flag("deleted", self.deleted),
            as_of=as_moment("as_of", self.as_of),
        )
