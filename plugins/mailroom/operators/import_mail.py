"""Mail from files and buckets into the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_root, object_path, open_archive
from mailroom.hooks.errors import airflow_errors
from mailroom.model import Announced
from mailroom.operators.arguments import as_choice, as_text, required_text
from mailroom.operators.assets import announce, mailbox_asset, with_alias
from mailroom.operators.missed import missed_before
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath


__all__ = ["MailImportOperator"]

CHANGES = ("added",)
"""The count that makes an asset event."""

FORMATS = ("auto", "mbox", "maildir", "eml")


class MailImportOperator(BaseOperator):
    """Archive the mail of mbox files, Maildirs, ``.eml`` files, zips of these, or a bucket of raw messages.

    A message that its folder in the account holds already is left out, so the task can run on a
    schedule over a bucket that a mail service writes to. Nothing changes at the source.

    :param source: a path, or a URL such as ``s3://aws_default@bucket/inbound``.
    :param account: the account that it becomes mail of; need not be a connection.
    :param archive: root of the archive; by default the configured one.
    :param folder: put all of it into this folder; by default folders are those of the source.
    :param format: ``auto``, ``mbox``, ``maildir`` or ``eml``: take files of this kind only.
    """

    template_fields: Sequence[str] = ("source", "account", "archive", "folder", "format")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        source: str | ObjectStoragePath,
        account: str,
        archive: str | ObjectStoragePath | None = None,
        folder: str | None = None,
        format: str = "auto",
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.source = source
        self.account = account
        self.archive = archive
        self.folder = folder
        self.format = format
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Import, and return counts.

        :raises AirflowFailException: an argument is wrong, or there is no mail at the source.
        :raises AirflowException: a store cannot be reached, or files could not be read.
        """
        from mailroom.services.import_mail import FileKind, import_mail

        with airflow_errors():
            account = required_text("account", self.account)
            form = as_choice("format", self.format, FORMATS) or "auto"
            run = run_context(context, what="import", account=account, announces=Announced.MAILBOX)
            archive = open_archive(archive_root(as_text("archive", self.archive)))
            report = import_mail(
                object_path(required_text("source", self.source)),
                archive,
                run,
                form=None if form == "auto" else FileKind(form),
                folder=as_text("folder", self.folder),
                now=utc_now,
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        summary = conclude(report, run, self.log)
        with airflow_errors(), missed_before(archive, run) as missed:
            announce(context, mailbox_asset(account), summary, CHANGES, missed.account)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage where the mail came from and went to."""
        from mailroom.operators.lineage import archive_dataset, lineage, place_dataset

        source = place_dataset(required_text("source", self.source))
        return lineage([source], [archive_dataset(None, as_text("archive", self.archive))])

    def on_kill(self) -> None:
        """Let what was read be committed, then stop."""
        self._stop.press()
