"""Fetch a POP3 inbox into the archive, in three modes (RFC 1939)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.pop3 import Pop3Hook
from mailroom.model import Announced
from mailroom.operators.arguments import as_duration, as_flag, as_patterns, as_text, required_text
from mailroom.operators.assets import announce, mailbox_asset, with_alias
from mailroom.operators.missed import missed_before
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["Pop3FetchOperator"]

CHANGES = ("added", "deleted", "differing", "not_listed")
"""The counts that make an asset event."""


class Pop3FetchOperator(BaseOperator):
    """Download the messages of a POP3 account that the archive does not have yet.

    Three modes: leave a copy on the server (the default), leave none
    (``leave_on_server=False``), or leave each message for some days, counted from when it was
    first archived (``delete_after``). A message leaves the server only after its exact bytes
    are safely in the archive.

    Reading by POP3 marks messages as read on servers that share this mark with IMAP; where
    that matters use ``ImapMirrorOperator``, which changes nothing. POP3 has one folder only.

    :param pop3_conn_id: connection of type ``pop3``; its id names the account in the archive.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param leave_on_server: whether a copy stays on the server.
    :param delete_after: days (a number, a text such as ``7d``, or a timedelta) until a copy goes.
    :param folder: refused, unless it is INBOX: POP3 shows no other folder.
    :param folders: likewise.
    """

    template_fields: Sequence[str] = (
        "pop3_conn_id",
        "archive",
        "leave_on_server",
        "delete_after",
        "folder",
        "folders",
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        pop3_conn_id: str = Pop3Hook.default_conn_name,
        archive: str | ObjectStoragePath | None = None,
        leave_on_server: bool | str = True,
        delete_after: timedelta | float | str | None = None,
        folder: str | None = None,
        folders: Sequence[str] | str | None = None,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.pop3_conn_id = pop3_conn_id
        self.archive = archive
        self.leave_on_server = leave_on_server
        self.delete_after = delete_after
        self.folder = folder
        self.folders = folders
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch, and return counts.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowException: the server or the store cannot be reached, or messages failed.
        """
        from mailroom.policy.fetch_mode import FetchMode
        from mailroom.services.fetch import fetch_maildrop

        with airflow_errors():
            account = required_text("pop3_conn_id", self.pop3_conn_id)
            self._refuse_folders()
            mode = FetchMode(
                leave_on_server=as_flag("leave_on_server", self.leave_on_server, default=True),
                delete_after=as_duration("delete_after", self.delete_after),
            )
            run = run_context(context, what="fetch", account=account, announces=Announced.MAILBOX)
            archive = archive_of_account(account, as_text("archive", self.archive))
            report = fetch_maildrop(
                Pop3Hook(account).get_conn,
                archive,
                run,
                mode=mode,
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
        from mailroom.operators.lineage import archive_dataset, lineage, mailbox_dataset

        account = required_text("pop3_conn_id", self.pop3_conn_id)
        archive = archive_dataset(account, as_text("archive", self.archive))
        return lineage([mailbox_dataset(account)], [archive])

    def on_kill(self) -> None:
        """Let the batch in hand be committed, then stop."""
        self._stop.press()

    def _refuse_folders(self) -> None:
        asked = (*as_patterns("folder", self.folder), *as_patterns("folders", self.folders))
        if any(name.upper() != "INBOX" for name in asked):
            raise ConfigurationError(
                "POP3 has one folder only, INBOX; to read other folders use IMAP: ImapMirrorOperator "
                "with a connection of type imap."
            )
