"""Attachments of archived mail delivered to another store, each once.

Here: the service a user calls, and its report. Not here: the choice (``attachment_choice``,
``policy.attachments``), names (``policy.destinations``), the work (``delivery_run``),
exactly-once storing (``archive.deliveries``). The archive is the source: mail that is gone
from its server delivers its attachments all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.deliveries import Deliveries
from mailroom.archive.store import Root
from mailroom.exceptions import ConfigurationError
from mailroom.model import RunContext
from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule
from mailroom.policy.destinations import Collision, DestinationTemplate
from mailroom.services.attachment_choice import AttachmentChoice
from mailroom.services.delivery_report import MAX_PATHS_SHOWN, DeliveryReport, DeliveryTally
from mailroom.services.delivery_run import DeliveryRun
from mailroom.services.destinations import is_of_the_archive
from mailroom.services.progress import Progress

__all__ = ["DeliveryReport", "deliver_attachments"]


def deliver_attachments(
    archive: Archive,
    destination: Root,
    context: RunContext,
    *,
    rules: tuple[AttachmentRule, ...],
    template: str = DEFAULT_TEMPLATE,
    collision: Collision = Collision.NUMBER,
    object_options: Mapping[str, str] | None = None,
    account: str | None = None,
    dry_run: bool = False,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> DeliveryReport:
    """Put attachments that a rule chooses at a destination, each once over all runs, overwriting nothing.

    One attachment that cannot be delivered stops no other; it is in the report's failures and is
    tried again next time.

    :param rules: alternatives; an empty rule chooses all attachments but images inside texts.
    :param template: names at the destination, see ``policy.destinations``.
    :param collision: what is done where a name at the destination is taken.
    :param object_options: what S3 is asked of every object, such as ``{"ServerSideEncryption": "aws:kms"}``.
    :param account: only mail of this account.
    :param dry_run: tell what would be delivered; nothing is written anywhere.
    :param stop: when set, what is in flight is delivered and recorded, and the run ends.
    :raises ConfigurationError: if the template cannot be used or the destination is none.
    :raises StoreUnavailable: if archive or destination cannot be reached.
    """
    names = DestinationTemplate(template)
    deliveries = Deliveries(archive, destination, object_options=object_options)
    if is_of_the_archive(deliveries.url, archive.url):
        raise ConfigurationError(
            f"The destination {deliveries.url} is the archive itself or its raw or tables folder; "
            "choose a folder or prefix of its own."
        )
    tally = DeliveryTally()
    choice = AttachmentChoice(
        archive=archive,
        rules=rules or (AttachmentRule(),),
        account=account,
        are_delivered=deliveries.are_delivered,
        tally=tally,
    )
    progress.start("attachments", None, None)
    try:
        if dry_run:
            _rehearse(choice, names, tally)
        else:
            run = DeliveryRun(
                archive=archive,
                deliveries=deliveries,
                context=context,
                names=names,
                tally=tally,
                now=now,
                progress=progress,
                collision=collision,
            )
            with deliveries:
                run.deliver(choice.chosen(), stop)
    finally:
        progress.finish()
    report = _report(tally, account, deliveries.url, dry_run=dry_run, interrupted=stop.is_set())
    if not dry_run:
        _record_run(archive, context, report)
    return report


def _rehearse(choice: AttachmentChoice, names: DestinationTemplate, tally: DeliveryTally) -> None:
    """Count what would be delivered, and note the first paths."""
    for attachment, place in choice.chosen():
        tally.chosen += 1
        tally.octets += attachment.size
        if len(tally.paths) < MAX_PATHS_SHOWN:
            tally.paths.append(names.render(attachment, place))


def _report(
    tally: DeliveryTally, account: str | None, destination: str, *, dry_run: bool, interrupted: bool
) -> DeliveryReport:
    return DeliveryReport(
        account=account,
        destination=destination,
        dry_run=dry_run,
        examined=tally.examined,
        chosen=tally.chosen,
        delivered=tally.delivered,
        adopted=tally.adopted,
        already=tally.already,
        skipped=tally.skipped,
        octets=tally.octets,
        paths=tuple(tally.paths),
        failures=tuple(tally.failures),
        interrupted=interrupted,
    )


def _record_run(archive: Archive, context: RunContext, report: DeliveryReport) -> None:
    """Record the run with its counts, unless it found nothing to do."""
    outcome = "interrupted" if report.interrupted else "failed" if report.failures else "succeeded"
    counts = {name: value for name, value in report.summary().items() if type(value) is int}
    with archive.writer(context) as writer:
        writer.finish(outcome, counts, report.octets, changed=report.delivered > 0)
