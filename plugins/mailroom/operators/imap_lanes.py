"""Share the folders of an IMAP account out among mapped mirror tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.model import DEFAULT_CONNECTIONS, MAX_CONNECTIONS
from mailroom.operators.arguments import as_count, as_flag, as_patterns, as_text, required_text

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["ImapLanesOperator"]


class ImapLanesOperator(BaseOperator):
    """Return the folders of an account in lanes of about the same length, for ``ImapMirrorOperator``.

    A lane is a list of folder names, and each is to be one mapped task with one connection::

        lanes = ImapLanesOperator(task_id="lanes", imap_conn_id="imap_default", lanes=4)
        mirror = ImapMirrorOperator.partial(task_id="mirror", connections=1, outlets=[MAILROOM_ALIAS])
        done = mirror.expand(lane=lanes.output)
        ImapMirrorOperator(task_id="whole", after_lanes=done.output, trigger_rule="all_done")

    No lane records what is gone from the server: how much that is, and whether it was moved or renamed,
    shows in the account as a whole only. That is for the mirror after the lanes, which opens no folder
    that they brought in step, and which makes the account's asset event for all of them.

    Only names leave the task, no mail. Nothing changes on the server or in the archive.

    :param imap_conn_id: connection of type ``imap``; its id names the account in the archive.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param folders: patterns of folder names to read, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param other_namespaces: whether to read shared folders and other users' folders too.
    :param lanes: how many at most; no more than the server allows connections of one account.
    """

    template_fields: Sequence[str] = (
        "imap_conn_id",
        "archive",
        "folders",
        "exclude",
        "other_namespaces",
        "lanes",
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        imap_conn_id: str = ImapHook.default_conn_name,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        other_namespaces: bool | str = False,
        lanes: int | str = DEFAULT_CONNECTIONS,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.imap_conn_id = imap_conn_id
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.other_namespaces = other_namespaces
        self.lanes = lanes

    def execute(self, context: Context) -> list[list[str]]:
        """Ask for the folders and their counts, and return the lanes.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowException: the server or the store cannot be reached.
        """
        from mailroom.policy.mirror import MirrorSelection
        from mailroom.services.lanes import plan_lanes

        with airflow_errors():
            account = required_text("imap_conn_id", self.imap_conn_id)
            lanes = plan_lanes(
                ImapHook(account).get_conn,
                archive_of_account(account, as_text("archive", self.archive)),
                account,
                selection=MirrorSelection(
                    folders=as_patterns("folders", self.folders, default=("*",)),
                    exclude=as_patterns("exclude", self.exclude),
                    other_namespaces=as_flag("other_namespaces", self.other_namespaces),
                ),
                lanes=as_count("lanes", self.lanes, default=DEFAULT_CONNECTIONS, most=MAX_CONNECTIONS),
            )
        self.log.info("%d folders of %s in %d lanes", sum(map(len, lanes)), account, len(lanes))
        return lanes
