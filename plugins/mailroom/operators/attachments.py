"""Attachments of archived mail to object storage, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_named_account, object_path
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_choice, as_date, as_flag, as_octets, as_text, required_text
from mailroom.operators.assets import announce, delivery_asset, with_alias
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.policy.attachments import AttachmentRule

__all__ = ["AttachmentsToObjectStorageOperator"]

CHANGES = ("delivered", "adopted")
"""The counts that make an asset event."""

COLLISIONS = ("number", "skip", "fail")
"""What may be done where a name is taken."""

RULE_FIELDS = {
    "name": as_text,
    "name_regex": as_text,
    "content_type": as_text,
    "min_size": as_octets,
    "max_size": as_octets,
    "sender": as_text,
    "subject": as_text,
    "folder": as_text,
    "since": as_date,
    "until": as_date,
    "inline": as_flag,
}
"""What a rule may say, and how each is read."""


class AttachmentsToObjectStorageOperator(BaseOperator):
    """Deliver the attachments that rules choose to a path in object storage, each once.

    Works on the archive, not on the server: run it after a fetch or mirror. Names that came by
    mail are made safe, nothing is ever overwritten, and where an attachment came from is kept.

    An attachment is chosen if it meets all of ``name`` … ``inline``, or all that one entry of
    ``rules`` says.

    :param destination: path or URL, such as ``s3://aws_default@bucket/invoices``.
    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: only mail of this account (the id of its connection); by default of all.
    :param name: pattern of the file name, such as ``*.pdf``.
    :param name_regex: regular expression for the file name.
    :param content_type: pattern of the MIME type, such as ``image/*``.
    :param min_size: at least so many octets, such as ``10k``.
    :param max_size: at most so many octets.
    :param sender: pattern of the sender's address, such as ``*@supplier.example``.
    :param subject: pattern of the subject.
    :param folder: pattern of the folder the message is in.
    :param since: only mail dated on this day or later.
    :param until: only mail dated before this day.
    :param inline: whether inline parts, such as pictures in a text, count as attachments.
    :param rules: several rules, each a mapping with the words above.
    :param template: name below the destination, such as ``{date:%Y/%m}/{filename}``.
    :param on_collision: where a name at the destination is taken: ``number`` the new one, ``skip`` it,
        or ``fail``; nothing is ever overwritten.
    :param object_options: what S3 is asked of every object: ``ServerSideEncryption``, ``SSEKMSKeyId``,
        ``BucketKeyEnabled``, ``StorageClass``, ``ACL``, ``CacheControl``, ``Tagging``.
    :param dry_run: say what would be delivered, deliver nothing.
    """

    template_fields: Sequence[str] = (
        "destination",
        "archive",
        "account",
        *RULE_FIELDS,
        "rules",
        "template",
        "on_collision",
        "object_options",
        "dry_run",
    )
    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        destination: str | ObjectStoragePath,
        archive: str | ObjectStoragePath | None = None,
        account: str | None = None,
        name: str | None = None,
        name_regex: str | None = None,
        content_type: str | None = None,
        min_size: int | str | None = None,
        max_size: int | str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        folder: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        inline: bool | str = False,
        rules: Sequence[Mapping[str, Any]] = (),  # Any: as the words above
        template: str | None = None,
        on_collision: str = "number",
        object_options: Mapping[str, str] | None = None,
        dry_run: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.destination = destination
        self.archive = archive
        self.account = account
        self.name = name
        self.name_regex = name_regex
        self.content_type = content_type
        self.min_size = min_size
        self.max_size = max_size
        self.sender = sender
        self.subject = subject
        self.folder = folder
        self.since = since
        self.until = until
        self.inline = inline
        self.rules = rules
        self.template = template
        self.on_collision = on_collision
        self.object_options = object_options
        # The public name is ours: of Airflow's method of this name nothing in Airflow makes use.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Deliver, and return counts.

        :raises AirflowFailException: an argument is wrong, or the archive or destination is not there.
        :raises AirflowException: a store cannot be reached, or attachments failed.
        """
        from mailroom.policy.attachments import DEFAULT_TEMPLATE
        from mailroom.policy.destinations import Collision
        from mailroom.services.attachments import deliver_attachments

        with airflow_errors():
            account = as_text("account", self.account)
            destination = required_text("destination", self.destination)
            run = run_context(context, what="attachments", account=account or "")
            report = deliver_attachments(
                archive_of_named_account(account, as_text("archive", self.archive)),
                object_path(destination),
                run,
                rules=self._rules(),
                template=as_text("template", self.template) or DEFAULT_TEMPLATE,
                collision=Collision(as_choice("on_collision", self.on_collision, COLLISIONS) or "number"),
                object_options=self.object_options,
                account=account,
                dry_run=as_flag("dry_run", self.dry_run),
                now=utc_now,
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        summary = conclude(report, run, self.log)
        announce(context, delivery_asset(destination), summary, CHANGES)
        return summary

    def on_kill(self) -> None:
        """Let the attachment in hand be delivered, then stop."""
        self._stop.press()

    def _rules(self) -> tuple[AttachmentRule, ...]:
        own = {word: getattr(self, word) for word in RULE_FIELDS}
        return tuple(_rule(words) for words in (self.rules or (own,)))


def _rule(words: Mapping[str, Any]) -> AttachmentRule:
    from mailroom.policy.attachments import AttachmentRule

    unknown = sorted(set(words) - set(RULE_FIELDS))
    if unknown:
        raise ConfigurationError(
            f"A rule says {', '.join(unknown)}; it may say {', '.join(RULE_FIELDS)}.", argument="rules"
        )
    read: dict[str, Any] = {word: RULE_FIELDS[word](word, value) for word, value in words.items()}
    return AttachmentRule(**read)
