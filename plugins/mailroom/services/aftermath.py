"""What happens to messages on the server once their attachments are delivered, or were not.

Here: which messages, and asking for the change. Not here: doing it (``two_way``), which proves for
each message that it is the one that was archived, survives a kill, and records what became of it.

Nothing is asked for before the row of a delivery is committed. Which messages are settled is noted in the
table ``consumed``; a kill before the note makes the next run ask again, and a change that waits or is
done already is not asked for twice. So a run finishes what a killed one had delivered, and what a person
moved elsewhere afterwards stays there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption
from mailroom.model import LocationRow, MailProtocol, RunContext
from mailroom.policy.aftermath import Aftermath
from mailroom.policy.restore_folders import TargetAccount, place_target
from mailroom.services.delivering.attachment_choice import Unsettled
from mailroom.services.delivering.delivery_report import DeliveryReport

__all__ = ["Asked", "ask_after_delivery", "unsettled_messages"]

INBOX = "INBOX"

DELIVERED, FAILED = "delivery", "failed"

Rows = Any  # a pyarrow table


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many messages something was asked for.

    :param succeeded: whose attachments are all delivered; ``failed`` are those with one that was not,
        or with a zip archive that could not be opened, or that went to quarantine.
    """

    succeeded: int = 0
    failed: int = 0


def unsettled_messages(
    archive: Archive, account: str, on_success: Aftermath | None, on_failure: Aftermath | None
) -> Unsettled:
    """Return what a delivery is to look at again, so that its report knows which messages it concerns.

    :raises StoreUnavailable: when it is called, if the archive cannot be read.
    """

    def question(places: Sequence[str]) -> Callable[[Rows], npt.NDArray[np.bool_]]:
        what, wanted = (DELIVERED, on_success) if on_success is not None else (FAILED, on_failure)
        settled = Consumption(archive, _notes(what, account, places, wanted))
        return lambda rows: ~settled.are_messages_taken(rows["message_sha256"])

    return question


def ask_after_delivery(
    archive: Archive,
    account: str,
    report: DeliveryReport,
    context: RunContext,
    *,
    on_success: Aftermath | None,
    on_failure: Aftermath | None,
    now: datetime,
) -> Asked:
    """Ask for the changes of messages whose delivery has ended, on the server of their account.

    Success is a message of which the rules of this delivery chose something, and all of that is delivered,
    by whichever run; so the first run with ``on_success`` asks for all that was ever delivered by them. A
    delivery that was interrupted asks for nothing: what it did not come to is not known to be whole.

    :param report: the delivery, which was told what is unsettled (`unsettled_messages`).
    :raises StoreUnavailable: where the archive refuses.
    """
    if report.interrupted:
        return Asked()
    places = report.destinations or (report.destination,)
    delivered, quarantined = _outcomes(archive, places)
    unwell = (quarantined & report.concerned) | report.failed_messages
    well = (delivered & report.concerned) - unwell
    asking = _Asking(archive=archive, account=account, places=places, context=context, now=now)
    return Asked(
        failed=asking.ask(unwell, FAILED, on_failure) if on_failure is not None else 0,
        succeeded=asking.ask(well, DELIVERED, on_success) if on_success is not None else 0,
    )


def _notes(what: str, account: str, places: Sequence[str], wanted: Aftermath | None) -> str:
    """Return the name that notes of settled messages have."""
    return f"after {what} of {account} to {' '.join(places)}: {'' if wanted is None else wanted.words}"


def _outcomes(archive: Archive, destinations: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the messages with something delivered, and those with something that is in quarantine alone."""
    delivered: set[str] = set()
    held: set[tuple[str, str]] = set()
    for row in _deliveries(archive, destinations):
        if row["quarantine"] is None:
            delivered.add(row["message_sha256"])
        else:
            held.add((row["message_sha256"], row["part"]))
    if held:  # what was let out since lies at both places
        for row in _deliveries(archive, destinations):
            if row["quarantine"] is None:
                held.discard((row["message_sha256"], row["part"]))
    return delivered, {digest for digest, _ in held}


def _deliveries(archive: Archive, destinations: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of these destinations, whichever account the message was taken from."""
    columns = ["message_sha256", "part", "quarantine"]
    for destination in destinations:
        for table in archive.scan_table("deliveries", columns, equal={"destination": destination}):
            yield from table.to_pylist()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """The wishes of one run for messages of one account; each is asked for once."""

    archive: Archive
    account: str
    places: Sequence[str]
    context: RunContext
    now: datetime

    def ask(self, digests: Collection[str], what: str, wanted: Aftermath) -> int:
        """Ask for what is not so yet, and return of how many messages."""
        settled = Consumption(self.archive, _notes(what, self.account, self.places, wanted))
        new = {digest for digest in digests if not settled.is_taken(digest, "")}
        if not new:
            return 0
        rows = list(_places(self.archive, self.account, new))
        asked = _ask(self.archive, self.account, rows, wanted, self.context)
        settled.commit(
            sorted({(row.sha256, "") for row in rows if row.sha256}), self.now, self.context.run_id
        )
        return asked


def _ask(
    archive: Archive, account: str, rows: Sequence[LocationRow], wanted: Aftermath, context: RunContext
) -> int:
    """Ask for what is not so yet where these messages are, and return of how many."""
    changes = archive.changes(account)
    asked: set[str | None] = set()
    if wanted.flags:
        lacking = [row for row in rows if not {f.lower() for f in wanted.flags} <= _lower(row.flags)]
        if lacking:
            changes.request_flags(lacking, add=wanted.flags, by=context.who)
            asked |= {row.sha256 for row in lacking}
    if wanted.labels:
        unlabelled = _unlabelled(rows, wanted.labels)
        changes.request_labels(unlabelled, add=wanted.labels, by=context.who)
        asked |= {row.sha256 for row in unlabelled}
    if wanted.folder is not None:
        target = _known_as(archive, account, wanted.folder)
        there = {row.sha256 for row in rows if row.folder == target}
        first = {row.sha256: row for row in reversed(rows) if row.sha256 not in there}
        changes.request_move(first.values(), wanted.folder, by=context.who)
        asked |= set(first)
    return len(asked)


def _unlabelled(rows: Sequence[LocationRow], labels: Collection[str]) -> list[LocationRow]:
    """Return one place of each message that lacks a label; a folder that it lies in is one, too."""
    places: dict[str | None, list[LocationRow]] = defaultdict(list)
    for row in rows:
        places[row.sha256].append(row)
    wanted = _lower(labels)
    return [
        found[0]
        for found in places.values()
        if not wanted <= _lower({name for row in found for name in (*row.labels, row.folder)})
    ]


def _known_as(archive: Archive, account: str, folder: str) -> str:
    """Return what the archive calls the folder that was asked for, as far as it knows it by then."""
    known = {name: row for name, row in archive.last_folders(account).items() if not row.deleted}
    delimiter = next((row.delimiter for row in known.values() if row.delimiter), "/")
    prefix = f"{INBOX}." if delimiter == "." else ""
    there = {name: row.special_use for name, row in known.items()}
    target = place_target(folder, TargetAccount(delimiter=delimiter, prefix=prefix, folders=there))
    return target if target in known else folder


def _places(archive: Archive, account: str, digests: Collection[str]) -> Iterator[LocationRow]:
    """Yield where these messages are on the server, the inbox first."""
    folders = archive.live_counts(account)
    for folder in sorted(folders, key=lambda name: (name.upper() != INBOX, name)):
        for row in archive.folder_state(account, folder).live_rows():
            if row.sha256 in digests and row.protocol is MailProtocol.IMAP:
                yield row


def _lower(names: Collection[str]) -> set[str]:
    return {name.lower() for name in names}
