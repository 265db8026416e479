"""A closer look at archived messages, into tables of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_named_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_flag, as_patterns, as_text
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["MailInspectOperator"]

FINDINGS = ("authentication", "envelopes", "links")


class MailInspectOperator(BaseOperator):
    """Look closer at archived messages that were not looked at yet; run it after a fetch or mirror.

    Each table has its rows once, however often this runs: ``authentication`` (what the receiving
    server found of SPF, DKIM and DMARC), ``envelopes`` (journal reports and certified mail), ``links``.

    :param what: tables to bring up to date; all by default.
    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: only mail of this account (the id of its connection); by default of all.
    :param authserv_id: the name by which the receiving server signs its Authentication-Results, such as
        ``mx.google.com``; by default it is learned from the mail of each account.
    :param verify_dkim: check DKIM signatures anew instead of taking the server's word; asks the DNS.
    """

    template_fields: Sequence[str] = ("what", "archive", "account", "authserv_id", "verify_dkim")
    ui_color = "#e8eaf6"

    def __init__(
        self,
        *,
        what: Sequence[str] | str = FINDINGS,
        archive: str | ObjectStoragePath | None = None,
        account: str | None = None,
        authserv_id: str | None = None,
        verify_dkim: bool | str = False,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.what = what
        self.archive = archive
        self.account = account
        self.authserv_id = authserv_id
        self.verify_dkim = verify_dkim
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Inspect, and return counts.

        :raises AirflowFailException: an argument is wrong, or the archive is not there.
        :raises AirflowException: the store cannot be reached, or messages could not be read.
        """
        from mailroom.services.inspection import inspect_messages

        with airflow_errors():
            account = as_text("account", self.account)
            run = run_context(context, what="inspect", account=account or "")
            report = inspect_messages(
                archive_of_named_account(account, as_text("archive", self.archive)),
                what=as_patterns("what", self.what, default=FINDINGS),
                account=account,
                authserv_id=as_text("authserv_id", self.authserv_id),
                verify_dkim=as_flag("verify_dkim", self.verify_dkim),
                now=utc_now,
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        return conclude(report, run, self.log)

    def on_kill(self) -> None:
        """Let the batch in hand be committed, then stop."""
        self._stop.press()
