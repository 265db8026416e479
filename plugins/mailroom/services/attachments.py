"""Attachments of archived mail delivered to another store, each once.

Here: the service a user calls, and its report. Not here: the choice (``attachment_choice``,
``policy.attachments``), names (``policy.destinations``), the work (``delivery_run``),
exactly-once storing (``archive.deliveries``). The archive is the source: mail that is gone
from its server delivers its attachments all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from itertools import chain

from mailroom.archive import Archive
from mailroom.archive.delivering.customer_key import CustomerKey
from mailroom.archive.storage.store import Root
from mailroom.archive.unannounced import HeldNote, Unannounced
from mailroom.client.dkim_signatures import KeyLookup
from mailroom.model import Announced, RunContext
from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule, Choice
from mailroom.policy.destinations import Collision
from mailroom.services.delivering.attachment_choice import AttachmentChoice, Unsettled
from mailroom.services.delivering.authentication import Authentication
from mailroom.services.delivering.delivery_report import (
    MAX_PATHS_SHOWN,
    DeliveryReport,
    DeliveryTally,
    RuleTally,
)
from mailroom.services.delivering.delivery_run import DeliveryRun
from mailroom.services.delivering.delivery_targets import Targets
from mailroom.services.delivering.manifest import ManifestForm, write_manifests
from mailroom.services.ending import counts_of, outcome_of
from mailroom.services.known_accounts import check_account_known
from mailroom.services.progress import Progress

__all__ = ["DeliveryReport", "deliver_attachments"]


def deliver_attachments(
    archive: Archive,
    destination: Root | None,
    context: RunContext,
    *,
    rules: tuple[AttachmentRule, ...],
    destinations: Mapping[str, Root] | None = None,
    template: str = DEFAULT_TEMPLATE,
    collision: Collision = Collision.NUMBER,
    object_options: Mapping[str, str] | None = None,
    customer_key: CustomerKey | None = None,
    account: str | None = None,
    unzip_password: str | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
    dkim_keys: KeyLookup | None = None,
    manifest: ManifestForm | None = None,
    unsettled: Unsettled | None = None,
    dry_run: bool = False,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> DeliveryReport:
    """Put attachments that a rule chooses at a destination, each once over all runs, overwriting nothing.

    One attachment that cannot be delivered stops no other; it is in the report's failures and is
    tried again next time.

    :param destination: where rules send what they choose that name no destination; None where all do.
    :param rules: alternatives, of which the first that holds counts; an empty rule chooses all
        attachments but images inside texts.
    :param destinations: places of destinations that rules name, where they are more than a path or URL.
    :param template: names at the destination, see ``policy.destinations``.
    :param collision: what is done where a name at the destination is taken.
    :param object_options: what S3 is asked of every object, such as ``{"ServerSideEncryption": "aws:kms"}``.
    :param customer_key: what S3 encrypts every object with (SSE-C), manifests included.
    :param account: only mail of this account.
    :param unzip_password: for zip archives that are encrypted, where a rule says ``unzip``.
    :param authserv_id: the name that the receiving server writes in Authentication-Results; None has it
        learned from the mail of each account.
    :param verify_dkim: whether signatures are checked anew, where a rule requires ``dkim``.
    :param dkim_keys: where their keys come from, if not from the DNS.
    :param manifest: write an object at each destination that tells what is there and where it came from.
    :param unsettled: returns for the destinations what tells which rows' messages are still to be settled;
        the report's ``concerned`` are then complete for these (`services.aftermath`).
    :param dry_run: tell what would be delivered; nothing is written anywhere.
    :param stop: when set, what is in flight is delivered and recorded, and the run ends.
    :raises ConfigurationError: if there is no archive or no mail of that account in it, a template cannot be
        used or a destination is none.
    :raises StoreUnavailable: if archive or destination cannot be reached.
    """
    archive.require()
    if account is not None:
        check_account_known(archive, account)
    asked = rules or (AttachmentRule(),)
    targets = Targets(
        archive,
        asked,
        destination=destination,
        destinations=destinations or {},
        template=template,
        object_options=object_options,
        customer_key=customer_key,
    )
    labels = [target.label for target in targets.of_rules]
    tally = DeliveryTally(rules={label: RuleTally() for label in labels if label is not None})
    choice = AttachmentChoice(
        archive=archive,
        rules=asked,
        account=account,
        are_delivered=targets.questions(),
        is_delivered=targets.is_delivered,
        is_quarantined=targets.is_quarantined,
        tally=tally,
        looks_again=None if unsettled is None else unsettled(targets.urls),
        unzip_password=unzip_password,
        now=None if dry_run else now,
        authentication=Authentication(
            archive=archive, server=authserv_id, checks_dkim=verify_dkim, keys=dkim_keys
        ),
    )
    progress.start("attachments", None, None)
    try:
        if dry_run:
            _rehearse(choice, targets, tally)
        else:
            run = DeliveryRun(
                archive=archive,
                targets=targets.of_rules,
                context=context,
                tally=tally,
                now=now,
                progress=progress,
                collision=collision,
                unzip_password=unzip_password,
            )
            with ExitStack() as ending, targets:
                run.deliver(_noted(choice.chosen(), archive, context, ending), stop)
    finally:
        progress.finish()
    report = _report(tally, account, targets.urls, dry_run=dry_run, interrupted=stop.is_set())
    if manifest is not None:
        stores = [] if dry_run else targets.stores()
        written = (write_manifests(archive, store, context, manifest, now) for store in stores)
        report = replace(report, manifests=tuple(chain.from_iterable(written)))
    if not dry_run:
        _record_run(archive, context, report)
    return report


def _noted(
    chosen: Iterable[Choice], archive: Archive, context: RunContext, ending: ExitStack
) -> Iterator[Choice]:
    """Yield what is chosen; before the first, write down that a run is at work which is to be announced."""
    note: HeldNote | None = None
    for one in chosen:
        if note is not None:
            note.renew()
        elif context.announces is Announced.DELIVERIES:
            note = Unannounced(archive, context).begin()
            ending.callback(note.let_go)
        yield one


def _rehearse(choice: AttachmentChoice, targets: Targets, tally: DeliveryTally) -> None:
    """Count what would be delivered, and note the first paths."""
    are_many = len(targets.urls) > 1
    for one in choice.chosen():
        target = targets.of_rules[one.number]
        tally.count_chosen(target.label, is_quarantined=one.quarantine is not None)
        tally.octets += one.attachment.size
        if len(tally.paths) < MAX_PATHS_SHOWN:
            path = target.names_for(one).render(one.attachment, one.place)
            tally.paths.append(f"{target.deliveries.url}/{path}" if are_many else path)


def _report(
    tally: DeliveryTally, account: str | None, urls: tuple[str, ...], *, dry_run: bool, interrupted: bool
) -> DeliveryReport:
    return DeliveryReport(
        account=account,
        destination=urls[0],
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
        destinations=urls,
        rules=tally.rules,
        unopened=tally.unopened,
        quarantined=tally.quarantined,
        failed_messages=frozenset(tally.failed_messages),
        concerned=frozenset(tally.concerned),
    )


def _record_run(archive: Archive, context: RunContext, report: DeliveryReport) -> None:
    """Record the run with its counts, unless it found nothing to do."""
    with archive.writer(context) as writer:
        writer.finish(outcome_of(report), counts_of(report), report.octets, changed=report.delivered > 0)
