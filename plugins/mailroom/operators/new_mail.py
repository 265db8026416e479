"""New messages and attachments for a ``@task``: each handed out until the task was done with it.

    @task
    def load() -> int:
        with new_attachments(archive="s3://aws_default@company-mail/archive", name="*.csv") as found:
            for attachment in found:
                insert(attachment.read(), attachment.key)
        return len(found.taken)

When the block ends well, what was gone through is noted in the archive, and the next run gets
what came since. When it fails, nothing is noted. The consumer is the task: its DAG and task id.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from mailroom.hooks.archive import archive_of_named_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.run import run_context, task_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.services.new_mail import NewAttachment, NewItems, NewMessage

__all__ = ["new_attachments", "new_messages"]


def new_attachments(
    archive: str | ObjectStoragePath | None = None,
    *,
    account: str | None = None,
    consumer: str | None = None,
    limit: int | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
    **rule: Any,  # Any: the words of a rule
) -> AbstractContextManager[NewItems[NewAttachment]]:
    """Return a context manager that hands out the attachments this task has not taken yet.

    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: only mail of this account (the id of its connection).
    :param consumer: whose notes count; by default ``dag_id/task_id`` of the running task.
    :param limit: how many at most in one run.
    :param authserv_id: the name by which the receiving server signs its Authentication-Results, where
        ``require_auth`` is a word of the rule; see ``AttachmentsToObjectStorageOperator``.
    :param verify_dkim: check DKIM signatures anew instead of taking the server's word; asks the DNS.
    :param rule: which attachments, in the words of ``AttachmentsToObjectStorageOperator``: ``name``,
        ``content_type``, ``min_size``, ``sender``, ``subject``, ``folder`` …
    :raises AirflowFailException: an argument is wrong, or there is no archive.
    :raises AirflowException: the archive cannot be read, or what was taken cannot be noted.
    """
    trust = {"authserv_id": authserv_id, "verify_dkim": verify_dkim}
    return _attachments(archive, account, consumer, limit, rule, trust)


def new_messages(
    archive: str | ObjectStoragePath | None = None,
    *,
    account: str | None = None,
    consumer: str | None = None,
    limit: int | None = None,
    query: str | None = None,
    require_auth: str | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
) -> AbstractContextManager[NewItems[NewMessage]]:
    """Return a context manager that hands out the messages this task has not taken yet.

    :param query: which messages, such as ``from:*@supplier.example subject:order``; all by default.
    :param require_auth: who they must really be from, such as ``dmarc=pass``; others are not handed out.
    :param authserv_id: as for ``new_attachments``, and so is ``verify_dkim``.
    :raises AirflowFailException: an argument is wrong, or there is no archive.
    :raises AirflowException: the archive cannot be read, or what was taken cannot be noted.
    """
    trust = {"require_auth": require_auth, "authserv_id": authserv_id, "verify_dkim": verify_dkim}
    return _messages(archive, account, consumer, limit, query, trust)


@contextmanager
def _attachments(
    archive: str | ObjectStoragePath | None,
    account: str | None,
    consumer: str | None,
    limit: int | None,
    rule: dict[str, Any],
    trust: dict[str, Any],
) -> Iterator[NewItems[NewAttachment]]:
    from mailroom.policy.rule_words import read_rule
    from mailroom.services.new_mail import MAX_ITEMS, new_attachments

    context = _context()
    with airflow_errors():
        block = new_attachments(
            archive_of_named_account(account, None if archive is None else str(archive)),
            consumer or task_name(context),
            run_context(context, what="consume", account=account or ""),
            rule=read_rule(rule),
            account=account,
            limit=limit or MAX_ITEMS,
            **trust,
        )
        with block as found:
            yield found


@contextmanager
def _messages(
    archive: str | ObjectStoragePath | None,
    account: str | None,
    consumer: str | None,
    limit: int | None,
    query: str | None,
    trust: dict[str, Any],
) -> Iterator[NewItems[NewMessage]]:
    from mailroom.services.new_mail import MAX_ITEMS, new_messages

    context = _context()
    with airflow_errors():
        block = new_messages(
            archive_of_named_account(account, None if archive is None else str(archive)),
            consumer or task_name(context),
            run_context(context, what="consume", account=account or ""),
            query=query,
            account=account,
            limit=limit or MAX_ITEMS,
            **trust,
        )
        with block as found:
            yield found


def _context() -> Context:
    from airflow.sdk import get_current_context

    try:
        return get_current_context()
    except RuntimeError:
        return {}  # outside of a task the consumer has to be named
