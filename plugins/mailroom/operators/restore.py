"""Bring an archived account, or a part of it, back onto an IMAP account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.operators.arguments import (
    as_choice,
    as_flag,
    as_moment,
    as_pairs,
    as_patterns,
    as_text,
    required_text,
)
from mailroom.operators.assets import announce, mailbox_asset, with_alias
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.policy.restore import RestoreSelection

__all__ = ["ImapRestoreOperator"]

CHANGES = ("added", "updated", "created_folders")
"""The counts that make an asset event."""

READ_BACK = ("none", "facts", "sample", "all")
"""The words of ``policy.restore.ReadBack``, which is not imported at parse."""


class ImapRestoreOperator(BaseOperator):
    """Add to an IMAP account what the archive holds of it, or of another account, and is not there.

    Only ever adds: nothing on the server is deleted or overwritten, and a message that is there
    already is not added again, so that a task can be tried as often as it takes.

    :param imap_conn_id: connection of type ``imap`` to the account that mail is added to.
    :param account: the archived account; by default the one of that connection, or the only one there is.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param as_of: the account as it was at this moment (in UTC unless it says otherwise; the end of a day).
    :param query: only messages that it means, such as ``from:ana after:2024-01-31``.
    :param messages: only these messages, by their SHA-256, wherever they are or were last.
    :param deleted_in_run: only what this run of retention or fetch deleted on the server, by its ``run_id``.
    :param folder_map: where folders go, as ``{"Sent Items": "Sent"}`` or one ``OLD=NEW`` a line; their
        subfolders go with them. What is not named goes to the folder of the same name or use.
    :param into: a folder below which everything goes.
    :param update_flags: whether messages that are there already get the flags they have in the archive.
    :param with_deleted: whether to bring back what retention deleted on the server too.
    :param read_back: how closely to look at what was restored: ``none``, ``facts`` (size, date and
        flags), ``sample`` or ``all`` (octets as well).
    :param dry_run: say what would be added, add nothing.
    """

    template_fields: Sequence[str] = (
        "imap_conn_id",
        "account",
        "archive",
        "folders",
        "exclude",
        "as_of",
        "query",
        "messages",
        "deleted_in_run",
        "folder_map",
        "into",
        "update_flags",
        "with_deleted",
        "read_back",
        "dry_run",
    )
    ui_color = "#e0f2f1"

    def __init__(
        self,
        *,
        imap_conn_id: str = ImapHook.default_conn_name,
        account: str | None = None,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        as_of: datetime | str | None = None,
        query: str | None = None,
        messages: Sequence[str] | str = (),
        deleted_in_run: str | None = None,
        folder_map: Mapping[str, str] | Sequence[str] | str = (),
        into: str | None = None,
        update_flags: bool | str = False,
        with_deleted: bool | str = False,
        read_back: str = "facts",
        dry_run: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.imap_conn_id = imap_conn_id
        self.account = account
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.as_of = as_of
        self.query = query
        self.messages = messages
        self.deleted_in_run = deleted_in_run
        self.folder_map = folder_map
        self.into = into
        self.update_flags = update_flags
        self.with_deleted = with_deleted
        self.read_back = read_back
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Restore, and return counts.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowException: the server or the store cannot be reached, or messages were not taken.
        """
        from mailroom.services.restore import choose_account, restore_account

        with airflow_errors():
            target = required_text("imap_conn_id", self.imap_conn_id)
            run = run_context(context, what="restore", account=target)
            selection = self._selection()
            hook = ImapHook(target)
            hook.get_endpoint()
            archive = archive_of_account(target, as_text("archive", self.archive))
            report = restore_account(
                hook.get_conn,
                archive,
                choose_account(archive, as_text("account", self.account), target),
                target,
                selection=selection,
                dry_run=as_flag("dry_run", self.dry_run),
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        summary = conclude(report, run, self.log)
        announce(context, mailbox_asset(target), summary, CHANGES)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which archive the mail came from, and which account it was added to."""
        from mailroom.operators.lineage import archive_dataset, lineage, mailbox_dataset

        target = required_text("imap_conn_id", self.imap_conn_id)
        archive = archive_dataset(target, as_text("archive", self.archive))
        is_rehearsal = as_flag("dry_run", self.dry_run)
        return lineage([archive], [] if is_rehearsal else [mailbox_dataset(target)])

    def on_kill(self) -> None:
        """Let what is under way be finished, then stop."""
        self._stop.press()

    def _selection(self) -> RestoreSelection:
        from mailroom.policy.query import parse_query
        from mailroom.policy.restore import ReadBack, RestoreSelection

        query = as_text("query", self.query)
        if query is not None:
            parse_query(query)
        return RestoreSelection(
            folders=as_patterns("folders", self.folders, default=("*",)),
            exclude=as_patterns("exclude", self.exclude),
            as_of=as_moment("as_of", self.as_of),
            query=query,
            messages=as_patterns("messages", self.messages),
            run=as_text("deleted_in_run", self.deleted_in_run),
            folder_names=as_pairs("folder_map", self.folder_map),
            into=as_text("into", self.into),
            with_flags=as_flag("update_flags", self.update_flags),
            with_deleted=as_flag("with_deleted", self.with_deleted),
            read_back=ReadBack(as_choice("read_back", self.read_back, READ_BACK) or "facts"),
        )
