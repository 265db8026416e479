"""Say what a number of days means on each basis, before anything is planned; no server is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_duration, as_flag, as_patterns, as_text, required_text
from mailroom.operators.run import utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["MailRetentionPreviewOperator"]


class MailRetentionPreviewOperator(BaseOperator):
    """Count how many archived messages are older than some days, by each thing that days can count from.

    A person who chose the days sees in the log, and a task in XCom, what each basis would mean. Counted
    from the archive alone: what may really go is for the plan.

    :param conn_id: the connection whose account it is.
    :param older_than: days (a number, a text such as ``30d``, or a timedelta); empty counts nothing, as
        where a policy states times of its own.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param include_flagged: whether flagged messages count as well.
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "older_than",
        "archive",
        "folders",
        "exclude",
        "include_flagged",
    )
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        conn_id: str,
        older_than: timedelta | float | str | None,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        include_flagged: bool | str = False,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.older_than = older_than
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.include_flagged = include_flagged

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Count, and return a small object a basis.

        :raises AirflowFailException: an argument is wrong.
        :raises AirflowException: the archive cannot be read.
        """
        from mailroom.policy.retention import Basis, RetentionRule
        from mailroom.services.retention_preview import preview_bases

        with airflow_errors():
            account = required_text("conn_id", self.conn_id)
            older_than = as_duration("older_than", self.older_than)
            if older_than is None:
                self.log.info("A policy states the times; the plan shows what they mean")
                return []
            rule = RetentionRule(
                older_than=older_than,
                folders=as_patterns("folders", self.folders, default=("*",)),
                exclude=as_patterns("exclude", self.exclude),
                include_flagged=as_flag("include_flagged", self.include_flagged),
            )
            archive = archive_of_account(account, as_text("archive", self.archive))
            found = [each.summary() for each in preview_bases(archive, account, rule, utc_now())]
        for each in found:
            self.log.info(
                "counted from when %s: %d messages are old enough, %d octets, oldest %s; %d have no such day",
                Basis(each["basis"]).event,
                each["messages"],
                each["octets"],
                each["oldest"],
                each["unknown"],
            )
        return found
