"""Mail removed from the archive itself: of an account, about a person, or older than so many days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_root, open_archive
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_duration, as_flag, as_text
from mailroom.operators.run import StopSwitch, conclude, run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["ArchiveForgetOperator"]


class ArchiveForgetOperator(BaseOperator):
    """Remove mail from an archive, and delete the objects of what was removed days ago.

    Rows, delivered attachments and search words go at once, objects with a later run of this task.
    What a legal hold means stays. **Without ``dry_run=False`` nothing is removed**: it makes a plan, which
    ``ArchiveForgetApprovalOperator`` can show to a person, and which is carried out by its ``plan_id``.
    The certificate of what went is kept in the archive; the summary says where.

    Give exactly one of ``plan_id``, ``account``, ``person`` and ``older_than``. With ``dry_run=False`` none
    of them only deletes objects, and so does an empty ``plan_id``: that of a plan that means nothing. There
    is no asset event, for nothing changes in a mailbox.

    :param archive: root of the archive; by default the configured one.
    :param plan_id: the plan to carry out, and nothing beyond it: what came since, or is held by now, stays.
    :param account: an account: all of its places, and messages that no other account has.
    :param person: an address: messages that it wrote or received.
    :param older_than: days since archiving; what is on a server still stays.
    :param by_date: count from when a message was sent.
    :param grace: days from removing rows to deleting objects; more than the longest run takes.
    :param dry_run: say what would go, change nothing; true by default.
    """

    template_fields: Sequence[str] = (
        "archive",
        "plan_id",
        "account",
        "person",
        "older_than",
        "by_date",
        "grace",
        "dry_run",
    )
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        archive: str | ObjectStoragePath | None = None,
        plan_id: str | None = None,
        account: str | None = None,
        person: str | None = None,
        older_than: timedelta | float | str | None = None,
        by_date: bool | str = False,
        grace: timedelta | float | str = 2,
        dry_run: bool | str = True,
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(**kwargs)
        self.archive = archive
        self.plan_id = plan_id
        self.account = account
        self.person = person
        self.older_than = older_than
        self.by_date = by_date
        self.grace = grace
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Remove what is meant, then sweep; return the counts of both.

        :raises AirflowFailException: an argument is wrong, or there is no archive.
        :raises AirflowException: the store refused, or delivered attachments could not be deleted.
        """
        from mailroom.services.forget import GRACE, ForgetWish, forget_mail, sweep_archive

        with airflow_errors():
            archive = open_archive(archive_root(as_text("archive", self.archive)))
            grace = as_duration("grace", self.grace) or GRACE
            dry_run = as_flag("dry_run", self.dry_run, default=True)
            plan_id = as_text("plan_id", self.plan_id)
            values = {
                "account": as_text("account", self.account),
                "person": as_text("person", self.person),
                "older_than": as_duration("older_than", self.older_than),
            }
            given = [name for name, value in {"plan_id": plan_id, **values}.items() if value is not None]
            if plan_id is not None and len(given) > 1:
                raise ConfigurationError(f"Give plan_id or {given[1]}: a plan says already what is to go.")
            if dry_run and not given and self.plan_id is None:
                raise ConfigurationError(
                    "Say what is to go from the archive: account, person or older_than; nothing was given."
                )
            run = run_context(context, what="forget", account=str(values["account"] or ""))
            swept = {} if dry_run else sweep_archive(archive, run, now=utc_now, grace=grace).summary()
            if not given:
                return swept
            wish = None
            if plan_id is None:
                wish = ForgetWish(**values, by_date=as_flag("by_date", self.by_date))  # type: ignore[arg-type]  # as checked above
            report = forget_mail(
                archive, run, wish, plan_id=plan_id, dry_run=dry_run, now=utc_now, grace=grace
            )
        return {**conclude(report, run, self.log), "swept": swept}

    def on_kill(self) -> None:
        """Do nothing more than Airflow does: a removal that is cut off is ended by the next one."""
        self._stop.press()
