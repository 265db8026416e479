"""Attachments of archived mail delivered to another store, each once.

Here: the service a user calls, several deliveries in flight at once, and names for those whose
name is taken. Not here: the choice (``attachment_choice``, ``policy.attachments``), names
(``policy.destinations``), exactly-once storing (``archive.deliveries``). The archive is the
source: mail that is gone from its server delivers its attachments all the same.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.deliveries import Deliveries, DeliveryOutcome, DeliveryRow
from mailroom.archive.store import Root
from mailroom.exceptions import ConfigurationError, MailroomError, StoreUnavailable
from mailroom.message import iter_attachment
from mailroom.model import RunContext
from mailroom.policy.attachments import DEFAULT_TEMPLATE, Attachment, AttachmentRule, Place
from mailroom.policy.destinations import DestinationTemplate
from mailroom.services.attachment_choice import AttachmentChoice
from mailroom.services.delivery_report import MAX_PATHS_SHOWN, DeliveryReport, DeliveryTally
from mailroom.services.destinations import is_of_the_archive
from mailroom.services.progress import Progress

__all__ = ["DeliveryReport", "deliver_attachments"]

IN_FLIGHT = 8
"""Deliveries at once: a store answers in tens of milliseconds, and each may hold some megabytes."""

MAX_REFUSALS = 5
"""After so many refusals in a row the store is taken to be away, and the run ends."""

_log = logging.getLogger(__name__)


def deliver_attachments(
    archive: Archive,
    destination: Root,
    context: RunContext,
    *,
    rules: tuple[AttachmentRule, ...],
    template: str = DEFAULT_TEMPLATE,
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
    :param account: only mail of this account.
    :param dry_run: tell what would be delivered; nothing is written anywhere.
    :param stop: when set, what is in flight is delivered and recorded, and the run ends.
    :raises ConfigurationError: if the template cannot be used or the destination is none.
    :raises StoreUnavailable: if archive or destination cannot be reached.
    """
    names = DestinationTemplate(template)
    deliveries = Deliveries(archive, destination)
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
        is_delivered=deliveries.is_delivered,
        tally=tally,
    )
    progress.start("attachments", None, None)
    try:
        if dry_run:
            _rehearse(choice, names, tally)
        else:
            run = _DeliveryRun(
                archive=archive, deliveries=deliveries, context=context, names=names, tally=tally, now=now
            )
            with deliveries:
                run.deliver(choice.chosen(), progress, stop)
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


@dataclass(slots=True, kw_only=True)
class _DeliveryRun:
    """Deliveries in flight, and what became of those before."""

    archive: Archive
    deliveries: Deliveries
    context: RunContext
    names: DestinationTemplate
    tally: DeliveryTally
    now: Callable[[], datetime]
    refusals: int = 0
    turns: dict[str, int] = field(default_factory=dict)

    def deliver(
        self, chosen: Iterator[tuple[Attachment, Place]], progress: Progress, stop: threading.Event
    ) -> None:
        """Deliver all that is chosen, a few at a time, in the order chosen where names meet."""
        waiting: deque[tuple[Attachment, str, Future[DeliveryOutcome]]] = deque()
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="mailroom-delivery") as threads:
            try:
                for attachment, place in chosen:
                    if stop.is_set():
                        break
                    self.tally.chosen += 1
                    path = self.names.render(attachment, place)
                    while len(waiting) >= IN_FLIGHT or any(path == other for _, other, _ in waiting):
                        self._take_in(*waiting.popleft(), progress)
                    waiting.append((attachment, path, threads.submit(self._deliver, attachment, place, path)))
                while waiting:
                    self._take_in(*waiting.popleft(), progress)
            finally:
                for _, _, future in waiting:
                    future.cancel()

    def _deliver(self, attachment: Attachment, place: Place, path: str) -> DeliveryOutcome:
        """Deliver one attachment under the first name that is free."""
        turn = self.turns.get(path, 1)
        while True:
            row = self._row(attachment, place, self.names.render(attachment, place, turn))
            outcome = self.deliveries.deliver(row, lambda: self._content(attachment))
            if outcome is not DeliveryOutcome.TAKEN:
                break
            turn += 1
        if turn > 1:
            self.turns[path] = turn
        return outcome

    def _content(self, attachment: Attachment) -> Iterator[bytes]:
        with self.archive.raw.mapped(attachment.message_sha256) as content:
            yield from iter_attachment(content, attachment.part)

    def _take_in(
        self, attachment: Attachment, path: str, future: Future[DeliveryOutcome], progress: Progress
    ) -> None:
        """Count one delivery, or note why there was none.

        :raises ConfigurationError: where no other will fare better.
        :raises StoreUnavailable: where a store has refused many times in a row.
        """
        try:
            outcome = future.result()
        except ConfigurationError:
            raise
        except MailroomError as error:
            self.refusals += isinstance(error, StoreUnavailable)
            if self.refusals >= MAX_REFUSALS:
                raise
            self.tally.failures.append(
                f"Part {attachment.part} of message {attachment.message_sha256} was not delivered: {error}"
            )
            return
        self.refusals = 0
        self.tally.delivered += 1
        self.tally.adopted += outcome is DeliveryOutcome.ADOPTED
        self.tally.octets += attachment.size
        progress.advance(1, attachment.size)

    def _row(self, attachment: Attachment, place: Place, path: str) -> DeliveryRow:
        return DeliveryRow(
            path=path,
            message_sha256=attachment.message_sha256,
            part=attachment.part,
            sha256=attachment.sha256,
            size=attachment.size,
            content_type=attachment.content_type or "application/octet-stream",
            filename=attachment.filename,
            account=place.account,
            sender=attachment.sender,
            subject=attachment.subject,
            date=attachment.date,
            at=self.now(),
            run_id=self.context.run_id,
        )


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
