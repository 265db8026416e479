"""Attachments of archived mail to object storage, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.archive import archive_of_named_account, object_path
from mailroom.hooks.connection import customer_key_of, password_of
from mailroom.hooks.errors import airflow_errors
from mailroom.model import Announced
from mailroom.operators.after_delivery import read_wishes, settle
from mailroom.operators.arguments import as_choice, as_flag, as_pairs, as_text, is_given
from mailroom.operators.assets import announce_deliveries, with_alias
from mailroom.operators.missed import missed_before
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now
from mailroom.policy.choosing_words import CHOOSING_WORDS, FLAGS

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath

    from mailroom.policy.attachments import AttachmentRule
    from mailroom.policy.rule_words import RulePolicy

__all__ = ["AttachmentsToObjectStorageOperator"]

CHANGES = ("delivered", "adopted")
"""The counts that make an asset event."""

MANIFESTS = ("jsonl", "parquet")
"""How a manifest may be written."""

COLLISIONS = ("number", "skip", "fail")
"""What may be done where a name is taken."""


class AttachmentsToObjectStorageOperator(BaseOperator):
    """Deliver the attachments that rules choose to a path in object storage, each once.

    Works on the archive, not on the server: run it after a fetch or mirror. Names that came by
    mail are made safe, nothing is ever overwritten, and where an attachment came from is kept.

    An attachment is chosen if it meets all of ``name`` … ``position``. Or else ``rules`` say several
    things, each with a destination and a name template of its own if need be; the first that holds
    takes the attachment.

    :param destination: path or URL, such as ``s3://aws_default@bucket/invoices``; may be left out
        where every rule names its own.
    :param archive: root of the archive; by default the one the account's connection or the
        configuration names.
    :param account: only mail of this account (the id of its connection); by default of all.
    :param name: pattern of the file name, such as ``*.pdf``.
    :param name_regex: regular expression to be found in the file name; case does not count.
    :param content_type: pattern of the MIME type that the mail declares, such as ``image/*``.
    :param detected_type: pattern of the MIME type that the content looks like; CSV is ``text/plain``.
    :param min_size: at least so many octets, such as ``10k``.
    :param max_size: at most so many octets.
    :param sender: pattern of the sender's address, such as ``*@supplier.example``.
    :param recipient: pattern of an address in To or Cc.
    :param subject: pattern of the subject.
    :param folder: pattern of the folder the message is in.
    :param since: only mail dated on this day or later.
    :param until: only mail dated before this day.
    :param inline: whether inline parts, such as pictures in a text, count as attachments.
    :param disposition: only what the mail says is an ``attachment``, or only what is ``inline``.
    :param position: which attachments of a message, such as ``1``, ``1-3`` or ``2-``.
    :param unzip: whether the members of zip archives are chosen from, as if they were attached, instead
        of the archives; one that is damaged or unpacks to more than mail should is left whole.
    :param unwrap: whether journal reports and certified mail (PEC) count as the message they carry.
    :param require_auth: who the message must really be from: ``dkim=supplier.com``, ``spf=supplier.com``,
        ``dmarc=pass``, several with commas between. What is not is delivered under ``quarantine``.
    :param quarantine: prefix of the name of what is not, ``quarantine`` by default.
    :param rules: several rules, each a mapping with the words from ``name`` to ``quarantine``, and ``rule``
        (its name in counts and in the table ``deliveries``), ``destination``, ``template``; or a text
        that writes such a list as YAML or JSON.
    :param rules_file: path of a YAML or JSON file with ``rules``, and a ``destination`` and
        ``template`` for all of them if need be.
    :param template: name below the destination, such as ``{date:%Y/%m}/{filename}``.
    :param on_collision: where a name at the destination is taken: ``number`` the new one, ``skip`` it,
        or ``fail``; nothing is ever overwritten.
    :param unzip_conn_id: id of the connection whose password opens zip archives that are encrypted.
    :param authserv_id: the name by which the receiving server signs its Authentication-Results, such as
        ``mx.google.com``; by default it is learned from the mail of the account.
    :param verify_dkim: check DKIM signatures anew instead of taking the server's word; asks the DNS.
    :param object_options: what S3 is asked of every object: ``ServerSideEncryption``, ``SSEKMSKeyId``,
        ``BucketKeyEnabled``, ``StorageClass``, ``ACL``, ``CacheControl``, ``Tagging``; as a text one
        NAME=VALUE a line.
    :param customer_key_conn_id: id of the connection whose password is the key that S3 encrypts every object
        with (SSE-C), manifests included: 32 octets in base64. Whoever loses it has lost the objects.
    :param manifest: ``jsonl`` or ``parquet``: write an object below ``_manifests/`` of each destination
        with a row for each delivery: message, part, path, checksum, time, rule. The summary names it.
    :param on_success: what is done on the IMAP server to a message whose attachments are delivered:
        ``seen``, ``flag``, ``answered``, ``keyword:NAME``, ``label:NAME`` (Gmail), ``move:FOLDER``, or a
        list of these. Done after the delivery is recorded, to the very message that was archived; needs
        ``account``, and does whatever else waits to be changed there.
    :param on_failure: likewise, where an attachment could not be delivered or went to quarantine.
    :param dry_run: say what would be delivered, deliver nothing.
    """

    template_fields: Sequence[str] = (
        "destination",
        "archive",
        "account",
        *CHOOSING_WORDS,
        "rules",
        "rules_file",
        "template",
        "on_collision",
        "unzip_conn_id",
        "authserv_id",
        "verify_dkim",
        "object_options",
        "customer_key_conn_id",
        "manifest",
        "on_success",
        "on_failure",
        "dry_run",
    )
    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        destination: str | ObjectStoragePath | None = None,
        archive: str | ObjectStoragePath | None = None,
        account: str | None = None,
        name: str | None = None,
        name_regex: str | None = None,
        content_type: str | None = None,
        detected_type: str | None = None,
        min_size: int | str | None = None,
        max_size: int | str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        subject: str | None = None,
        folder: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        inline: bool | str = False,
        disposition: str | None = None,
        position: int | str | None = None,
        unzip: bool | str = False,
        unwrap: bool | str = False,
        require_auth: str | None = None,
        quarantine: str | None = None,
        rules: Sequence[Mapping[str, Any]] | str = (),  # Any: as the words above
        rules_file: str | None = None,
        template: str | None = None,
        on_collision: str = "number",
        unzip_conn_id: str | None = None,
        authserv_id: str | None = None,
        verify_dkim: bool | str = False,
        object_options: Mapping[str, str] | str | None = None,
        customer_key_conn_id: str | None = None,
        manifest: str | None = None,
        on_success: Sequence[str] | str = (),
        on_failure: Sequence[str] | str = (),
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
        self.detected_type = detected_type
        self.min_size = min_size
        self.max_size = max_size
        self.sender = sender
        self.recipient = recipient
        self.subject = subject
        self.folder = folder
        self.since = since
        self.until = until
        self.inline = inline
        self.disposition = disposition
        self.position = position
        self.unzip = unzip
        self.unwrap = unwrap
        self.require_auth = require_auth
        self.quarantine = quarantine
        self.rules = rules
        self.rules_file = rules_file
        self.template = template
        self.on_collision = on_collision
        self.unzip_conn_id = unzip_conn_id
        self.authserv_id = authserv_id
        self.verify_dkim = verify_dkim
        self.object_options = object_options
        self.customer_key_conn_id = customer_key_conn_id
        self.manifest = manifest
        self.on_success = on_success
        self.on_failure = on_failure
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
        from mailroom.services.aftermath import unsettled_messages
        from mailroom.services.attachments import deliver_attachments
        from mailroom.services.delivering.manifest import ManifestForm

        with airflow_errors():
            form = as_choice("manifest", self.manifest, MANIFESTS)
            account = as_text("account", self.account)
            wishes = read_wishes(self.on_success, self.on_failure, account)
            policy = self._policy()
            destination = as_text("destination", self.destination) or policy.destination
            if destination is None and not all(rule.destination for rule in policy.rules):
                raise ConfigurationError("destination is missing; give a text.", argument="destination")
            dry_run = as_flag("dry_run", self.dry_run)
            announces = Announced.NOTHING if dry_run else Announced.DELIVERIES
            run = run_context(context, what="attachments", account=account or "", announces=announces)
            archive = archive_of_named_account(account, as_text("archive", self.archive))
            progress, stop = log_progress(self.log), self._stop.arm()
            report = deliver_attachments(
                archive,
                None if destination is None else object_path(destination),
                run,
                rules=policy.rules,
                destinations={
                    rule.destination: object_path(rule.destination)
                    for rule in policy.rules
                    if rule.destination is not None
                },
                template=as_text("template", self.template) or policy.template or DEFAULT_TEMPLATE,
                collision=Collision(as_choice("on_collision", self.on_collision, COLLISIONS) or "number"),
                object_options=dict(
                    as_pairs("object_options", self.object_options, form="an option; write NAME=VALUE")
                ),
                customer_key=customer_key_of(as_text("customer_key_conn_id", self.customer_key_conn_id)),
                account=account,
                unzip_password=password_of(as_text("unzip_conn_id", self.unzip_conn_id)),
                authserv_id=as_text("authserv_id", self.authserv_id),
                verify_dkim=as_flag("verify_dkim", self.verify_dkim),
                manifest=ManifestForm(form) if form else None,
                unsettled=unsettled_messages(archive, account or "", *wishes) if any(wishes) else None,
                dry_run=dry_run,
                now=utc_now,
                progress=progress,
                stop=stop,
            )
            settled: dict[str, Any] = {}
            if any(wishes) and account is not None and not report.dry_run:
                report, settled = settle(archive, account, report, run, wishes, progress=progress, stop=stop)
        summary = conclude(report, run, self.log) | settled
        with airflow_errors(), missed_before(archive, run) as missed:
            by_place = _by_destination(policy.rules, destination, summary)
            announce_deliveries(context, by_place, missed.destinations, CHANGES)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage where the mail came from and went to."""
        from mailroom.operators.lineage import archive_dataset, lineage, place_dataset

        policy = self._policy()
        said = as_text("destination", self.destination) or policy.destination
        places = dict.fromkeys(rule.destination or said for rule in policy.rules)
        archive = archive_dataset(as_text("account", self.account), as_text("archive", self.archive))
        if as_flag("dry_run", self.dry_run):
            return lineage([archive], [])
        return lineage([archive], [place_dataset(place) for place in places if place is not None])

    def on_kill(self) -> None:
        """Let the attachment in hand be delivered, then stop."""
        self._stop.press()

    def _policy(self) -> RulePolicy:
        """Return the rules of the file, those of ``rules``, or the one of the operator's own words."""
        from mailroom.policy.rule_words import RulePolicy, read_policy, read_rule
        from mailroom.services.rule_files import read_rule_file

        own = {word: getattr(self, word) for word in CHOOSING_WORDS}
        file = as_text("rules_file", self.rules_file)
        policy = read_policy(self.rules, "rules") if file is None else read_rule_file(file)
        if not policy.rules:
            return RulePolicy(rules=(read_rule(own),))
        said = [word for word in CHOOSING_WORDS if is_given(own[word]) and not _is_off(word, own[word])]
        if file is not None and is_given(self.rules) and self.rules:
            said.append("rules")
        if said:
            raise ConfigurationError(
                f"{', '.join(said)} would be overlooked beside other rules; say everything in one place.",
                argument=said[0],
            )
        return policy


def _is_off(word: str, value: object) -> bool:
    """Return whether a flag says no, which is what it says where nobody touched it."""
    return word in FLAGS and not as_flag(word, value)


def _by_destination(
    rules: Sequence[AttachmentRule], destination: str | None, summary: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Return what was done by destination: the sums of its rules' counts, or all where there is one."""
    from mailroom.policy.attachments import label_of

    places = [str(rule.destination or destination) for rule in rules]
    if len(set(places)) == 1:
        return {places[0]: summary}
    sums: dict[str, Counter[str]] = {place: Counter() for place in places}
    for number, place in enumerate(places):
        sums[place].update(summary.get("rules", {}).get(label_of(rules, number), {}))
    return {place: {"dry_run": summary["dry_run"], **counts} for place, counts in sums.items()}
