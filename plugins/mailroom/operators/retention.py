"""Delete from the server what is old, archived and verified; by POP3 or IMAP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_account, open_archive
from mailroom.hooks.connection import connection_of, protocol_of_connection
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.hooks.pop3 import Pop3Hook
from mailroom.model import Announced, MailProtocol
from mailroom.operators.arguments import (
    as_choice,
    as_duration,
    as_flag,
    as_fraction,
    as_patterns,
    as_text,
    is_given,
    required_duration,
    required_text,
)
from mailroom.operators.assets import announce, mailbox_asset, with_alias
from mailroom.operators.missed import missed_before
from mailroom.operators.policy_argument import as_policy
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.policy.proof import ProofMode
    from mailroom.policy.rules import RetentionPolicy

__all__ = ["MailRetentionOperator"]

CHANGES = ("deleted",)
"""The counts that make an asset event."""

BASES = ("internal", "archived", "saved", "date", "seen")
"""What days may count from; the words of ``policy.retention.Basis``, which is not imported at parse."""


PROOFS = ("read", "head")
"""The words of ``policy.proof.ProofMode``."""


class MailRetentionOperator(BaseOperator):
    """Delete from the server the messages that are older than some days, archived and verified.

    What is not in the archive with its exact bytes stays, whatever its age, and so do flagged
    messages unless asked. The type of the connection says whether by POP3 or IMAP.

    :param conn_id: connection of type ``pop3`` or ``imap``.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param older_than: days (a number, a text such as ``30d``, or a timedelta); 0 is everything.
    :param plan_id: carry out a plan that a dry run made, and nothing beyond it, instead of making one: the
        ``plan_id`` of its summary. What changed since stays, and is counted. With ``older_than`` what is
        younger than that stays after all. An empty one means that nothing was due: the task is skipped.
    :param basis: what the days count from: ``internal`` (arrival in the account), ``archived`` (first
        archived; by default over POP3), ``saved`` (arrival in its folder), ``date`` (when it was sent) or
        ``seen`` (since when it is known to be read). By default ``internal``, and ``saved`` in trash and
        junk folders, where arrival in the account says nothing.
    :param policy: several rules instead of ``older_than``, ``basis`` and so on: the text of a policy in
        YAML or JSON, a mapping of the same, or the path of a file that ends in ``.yaml``, ``.yml`` or
        ``.json``, which is read when the task runs. Where it wants somebody asked (``approval``), a plan
        that nobody has agreed to is refused; ``MailRetentionApprovalOperator`` asks. ``exclude``,
        ``max_fraction``, ``to_trash`` and ``mark_seen`` hold beside it where they keep more.
    :param folders: patterns of folder names, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave alone.
    :param include_flagged: whether flagged messages may go as well.
    :param to_trash: move into the server's trash instead of deleting for good (IMAP).
    :param mark_seen: mark unread messages as read before they are deleted (IMAP).
    :param dry_run: make a plan: say what would go, delete nothing.
    :param max_fraction: at most this share of a folder in one run, oldest first.
    :param allow_incomplete: delete also in a folder of which the archive does not hold everything.
    :param copies: roots of second archives, as ``ArchiveReplicateOperator`` fills them; only what each of
        them holds as well, read back there, is deleted.
    :param proof: how archived bytes are proved: ``read`` (each is read back) or ``head`` (the store is asked
        for the SHA-256 that it keeps, where it keeps one; a sample is read). By default as the policy says,
        else ``read``.
    :param refetch: fetch each message from the server once more, whole, and compare it. A plan that was made
        with more proof, or with copies, is carried out with these.
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "archive",
        "older_than",
        "policy",
        "plan_id",
        "basis",
        "folders",
        "exclude",
        "include_flagged",
        "to_trash",
        "mark_seen",
        "dry_run",
        "max_fraction",
        "allow_incomplete",
        "copies",
        "proof",
        "refetch",
    )
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        conn_id: str,
        older_than: timedelta | float | str | None = None,
        policy: str | Mapping[str, Any] | None = None,  # Any: as in the file
        archive: str | ObjectStoragePath | None = None,
        plan_id: str | None = None,
        basis: str | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        include_flagged: bool | str = False,
        to_trash: bool | str = False,
        mark_seen: bool | str = False,
        dry_run: bool | str = False,
        max_fraction: float | str = 1.0,
        allow_incomplete: bool | str = False,
        copies: Sequence[str] | str = (),
        proof: str | None = None,
        refetch: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.conn_id = conn_id
        self.archive = archive
        self.older_than = older_than
        self.policy = policy
        self.plan_id = plan_id
        self.basis = basis
        self.folders = folders
        self.exclude = exclude
        self.include_flagged = include_flagged
        self.to_trash = to_trash
        self.mark_seen = mark_seen
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self.max_fraction = max_fraction
        self.allow_incomplete = allow_incomplete
        self.copies = copies
        self.proof = proof
        self.refetch = refetch
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete what the rule says, and return counts.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowSkipException: the plan to carry out means no message.
        :raises AirflowException: the server or the store cannot be reached, or messages failed.
        """
        from mailroom.services.retention import enforce_retention

        with airflow_errors():
            account = required_text("conn_id", self.conn_id)
            protocol = protocol_of_connection(connection_of(account))
            hook = Pop3Hook(account) if protocol is MailProtocol.POP3 else ImapHook(account)
            dry_run = as_flag("dry_run", self.dry_run)
            announces = Announced.NOTHING if dry_run else Announced.MAILBOX
            run = run_context(context, what="retention", account=account, announces=announces)
            archive = archive_of_account(account, as_text("archive", self.archive))
            plan_id = as_text("plan_id", self.plan_id)
            if self.plan_id is not None and plan_id is None:
                raise AirflowSkipException("The plan means no message, so there is nothing to delete.")
            report = enforce_retention(
                hook.get_conn,
                archive,
                run,
                policy=None if plan_id else self._policy(protocol),
                plan_id=plan_id,
                least_age=as_duration("older_than", self.older_than) if plan_id else None,
                dry_run=dry_run,
                now=utc_now,
                progress=log_progress(self.log),
                stop=self._stop.arm(),
                proof=self._proof(),
                refetch=as_flag("refetch", self.refetch),
                copies=[open_archive(root) for root in as_patterns("copies", self.copies)],
            )
        summary = conclude(report, run, self.log)
        if summary["undo"] and not dry_run:
            self.log.info(
                "Or in Airflow: DAG mail_restore with 'Only what a run deleted' = %s, or "
                "ImapRestoreOperator(deleted_in_run=%r)",
                run.run_id,
                run.run_id,
            )
        with airflow_errors(), missed_before(archive, run) as missed:
            announce(context, mailbox_asset(account), summary, CHANGES, missed.account)
        return summary

    def on_kill(self) -> None:
        """Let the batch in hand be finished, then stop."""
        self._stop.press()

    def _proof(self) -> ProofMode | None:
        from mailroom.policy.proof import ProofMode

        mode = as_choice("proof", self.proof, PROOFS)
        return ProofMode(mode) if mode else None

    def _policy(self, protocol: MailProtocol) -> RetentionPolicy:
        from mailroom.policy.retention import Basis, RetentionRule, basis_of
        from mailroom.policy.rules import policy_of

        policy = as_policy("policy", self.policy)
        if policy is not None:
            return self._more_careful(policy)
        basis = as_choice("basis", self.basis, BASES)
        rule = RetentionRule(
            older_than=required_duration("older_than", self.older_than),
            basis=Basis(basis) if basis else None,
            folders=as_patterns("folders", self.folders, default=("*",)),
            exclude=as_patterns("exclude", self.exclude),
            include_flagged=as_flag("include_flagged", self.include_flagged),
            max_fraction=as_fraction("max_fraction", self.max_fraction, default=1.0),
            allow_incomplete=as_flag("allow_incomplete", self.allow_incomplete),
        )
        # Refused before anything is connected where the protocol cannot keep the rule.
        basis_of(rule, protocol, is_discarding=False)
        to_trash, mark_seen = as_flag("to_trash", self.to_trash), as_flag("mark_seen", self.mark_seen)
        return replace(policy_of(rule), to_trash=to_trash, mark_seen=mark_seen)

    def _more_careful(self, policy: RetentionPolicy) -> RetentionPolicy:
        """Return a policy with what is asked for beside it, which may keep more and never less.

        :raises ConfigurationError: where something beside it would have no say, or delete more.
        """
        beside = {
            "older_than": is_given(self.older_than),
            "basis": is_given(self.basis),
            "folders": as_patterns("folders", self.folders, default=("*",)) != ("*",),
            "include_flagged": as_flag("include_flagged", self.include_flagged),
            "allow_incomplete": as_flag("allow_incomplete", self.allow_incomplete),
        }
        stated = [name for name, is_stated in beside.items() if is_stated]
        if stated:
            raise ConfigurationError(
                f"policy states {' and '.join(stated)} itself: leave out {' and '.join(stated)}, or policy."
            )
        return replace(
            policy,
            exclude=(*policy.exclude, *as_patterns("exclude", self.exclude)),
            max_fraction=min(
                policy.max_fraction, as_fraction("max_fraction", self.max_fraction, default=1.0)
            ),
            to_trash=policy.to_trash or as_flag("to_trash", self.to_trash),
            mark_seen=policy.mark_seen or as_flag("mark_seen", self.mark_seen),
        )
