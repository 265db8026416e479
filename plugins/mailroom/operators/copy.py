"""Copy an IMAP account to another one, or keep a copy of it in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import copy_marks, open_archive
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.operators.arguments import as_choice, as_flag, as_pairs, as_patterns, as_text, required_text
from mailroom.operators.assets import announce, mailbox_asset, with_alias
from mailroom.operators.restore import READ_BACK
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.model import RunContext
    from mailroom.policy.restore import RestoreSelection
    from mailroom.services.copy import CopyReport

__all__ = ["ImapToImapOperator"]

CHANGES = ("added", "updated", "created_folders")
"""The counts that make an asset event."""


class ImapToImapOperator(BaseOperator):
    """Add to an IMAP account what another one holds and it does not: folders, messages, flags, dates.

    Only ever adds: nothing is deleted or overwritten on either side, and a message that is there
    already is not added again, so that a task can run on a schedule until everybody has moved.

    :param source_conn_id: connection of type ``imap`` to the account that is copied.
    :param target_conn_id: connection of type ``imap`` to the account that mail is added to.
    :param archive: go by way of this archive: mirror the source, then add what the target lacks;
        by default mail goes straight, and nothing is kept.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param folder_map: where folders go, as ``{"Sent Items": "Sent"}`` or one ``OLD=NEW`` a line; their
        subfolders go with them. What is not named goes to the folder of the same name or use.
    :param into: a folder below which everything goes.
    :param update_flags: whether messages that are there already get the flags they have at the source.
    :param state: a folder (path, or URL of an object store) in which to remember what both accounts had, so
        that what is in step is not compared again; an archive remembers by itself.
    :param read_back: how closely to look at what was added: ``none``, ``facts`` (size, date and
        flags), ``sample`` or ``all`` (octets as well).
    :param dry_run: say what would be added, add nothing.
    """

    template_fields: Sequence[str] = (
        "source_conn_id",
        "target_conn_id",
        "archive",
        "folders",
        "exclude",
        "folder_map",
        "into",
        "update_flags",
        "state",
        "read_back",
        "dry_run",
    )
    ui_color = "#e3f2fd"

    def __init__(
        self,
        *,
        source_conn_id: str,
        target_conn_id: str,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        folder_map: Mapping[str, str] | Sequence[str] | str = (),
        into: str | None = None,
        update_flags: bool | str = False,
        state: str | ObjectStoragePath | None = None,
        read_back: str = "facts",
        dry_run: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.folder_map = folder_map
        self.into = into
        self.update_flags = update_flags
        self.state = state
        self.read_back = read_back
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy, and return counts.

        :raises AirflowFailException: an argument or a connection is wrong, or a sign-in was refused.
        :raises AirflowException: a server or the store cannot be reached, or messages were not taken.
        """
        with airflow_errors():
            source = required_text("source_conn_id", self.source_conn_id)
            target = required_text("target_conn_id", self.target_conn_id)
            run = run_context(context, what="copy", account=source)
            report = self._copy(run, target)
        summary = conclude(report, run, self.log)
        announce(context, mailbox_asset(target), summary, CHANGES)
        return summary

    def _copy(self, run: RunContext, target: str) -> CopyReport:
        """Copy straight, or by way of the archive that is named."""
        from mailroom.services.copy import copy_account, copy_by_archive, is_one_account

        source, from_hook, to_hook = run.account, ImapHook(run.account), ImapHook(target)
        if is_one_account(from_hook.get_endpoint(), to_hook.get_endpoint()):
            raise ConfigurationError(f"{source} and {target} are one account: name two.")
        common: dict[str, Any] = {
            "selection": self._selection(),
            "dry_run": as_flag("dry_run", self.dry_run),
            "progress": log_progress(self.log),
            "stop": self._stop.arm(),
        }
        connect, root = (from_hook.get_conn, to_hook.get_conn), as_text("archive", self.archive)
        if root is not None:
            return copy_by_archive(*connect, open_archive(root), run, target, now=utc_now, **common)
        state = as_text("state", self.state)
        marks = None if state is None else copy_marks(state, source, target)
        return copy_account(*connect, source, target, marks=marks, **common)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage from which account to which, and through which archive."""
        from mailroom.operators.lineage import lineage, mailbox_dataset, place_dataset

        source = required_text("source_conn_id", self.source_conn_id)
        target = required_text("target_conn_id", self.target_conn_id)
        root = as_text("archive", self.archive)
        passed = [] if root is None else [place_dataset(root)]
        is_rehearsal = as_flag("dry_run", self.dry_run)
        return lineage([mailbox_dataset(source)], [] if is_rehearsal else [*passed, mailbox_dataset(target)])

    def on_kill(self) -> None:
        """Let what is under way be finished, then stop."""
        self._stop.press()

    def _selection(self) -> RestoreSelection:
        from mailroom.policy.restore import ReadBack, RestoreSelection

        return RestoreSelection(
            folders=as_patterns("folders", self.folders, default=("*",)),
            exclude=as_patterns("exclude", self.exclude),
            folder_names=as_pairs("folder_map", self.folder_map),
            into=as_text("into", self.into),
            with_flags=as_flag("update_flags", self.update_flags),
            read_back=ReadBack(as_choice("read_back", self.read_back, READ_BACK) or "facts"),
        )
