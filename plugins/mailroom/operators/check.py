"""Compare an account with the archive: is everything safe? By POP3 or IMAP; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.connection import connection_of, protocol_of_connection
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.hooks.pop3 import Pop3Hook
from mailroom.model import MailProtocol
from mailroom.operators.arguments import as_flag, as_patterns, as_text, required_text
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["MailCheckOperator"]


class MailCheckOperator(BaseOperator):
    """Compare each folder of an account with the archive, and fail where something is missing.

    Put it between a mirror and whatever relies on it. Nothing changes, neither on the server nor in
    the archive, unless it is to repair. The type of the connection says whether by POP3 or IMAP.

    :param conn_id: connection of type ``pop3`` or ``imap``.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param quick: compare numbers only, not the size and date of each message.
    :param read: read every archived message back and compare its checksum; else the name and size of its
        raw object are looked at.
    :param repair: fetch what is missing or damaged in the archive from the server again; only the very same
        bytes are taken. By POP3 that marks it as read on servers that share their mail with IMAP.
    :param allow_new: whether mail that arrived since the last mirror may be missing (IMAP); on by
        default, for mail arrives between a mirror and its check.
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "archive",
        "folders",
        "exclude",
        "quick",
        "read",
        "repair",
        "allow_new",
    )
    ui_color = "#e8eaf6"

    def __init__(
        self,
        *,
        conn_id: str,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        quick: bool | str = False,
        read: bool | str = False,
        repair: bool | str = False,
        allow_new: bool | str = True,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.quick = quick
        self.read = read
        self.repair = repair
        self.allow_new = allow_new
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare, and return counts.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowException: the server or the store cannot be reached, or something is missing.
        """
        from mailroom.services.check import check_account

        with airflow_errors():
            account = required_text("conn_id", self.conn_id)
            is_pop3 = protocol_of_connection(connection_of(account)) is MailProtocol.POP3
            run = run_context(context, what="check", account=account)
            report = check_account(
                (Pop3Hook(account) if is_pop3 else ImapHook(account)).get_conn,
                archive_of_account(account, as_text("archive", self.archive)),
                account,
                folders=as_patterns("folders", self.folders, default=("*",)),
                exclude=as_patterns("exclude", self.exclude),
                quick=as_flag("quick", self.quick),
                read=as_flag("read", self.read),
                repair=as_flag("repair", self.repair),
                allow_new=as_flag("allow_new", self.allow_new, default=True),
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        return conclude(report, run, self.log)

    def on_kill(self) -> None:
        """Let the folder in hand be finished, then stop."""
        self._stop.press()
