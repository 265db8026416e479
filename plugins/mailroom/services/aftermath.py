"""What happens to messages on the server once their attachments are delivered, or were not.

Here: which messages, and asking for the change. Not here: doing it (``two_way``), which proves for
each message that it is the one that was archived, survives a kill, and records what became of it.

Nothing is asked for before the row of a delivery is committed. Which messages are settled is noted in the
table ``consumed``; a kill before the note makes the next run ask again, and a change that waits or is
done already is not asked for twice. So a run finishes what a killed one had delivered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption
from mailroom.model import LocationRow, MailProtocol, RunContext
from mailroom.policy.aftermath import Aftermath
from mailroom.policy.restore_folders import TargetAccount, place_target

__all__ = ["Asked", "ask_after_delivery"]

INBOX = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many messages something was asked for.

    :param succeeded: whose attachments are delivered; ``failed`` are those with one that was not, or
        that went to quarantine.
    """

    succeeded: int = 0
    failed: int = 0


def ask_after_delivery(
    archive: Archive,
    account: str,
    destinations: Sequence[str],
    context: RunContext,
    *,
    on_success: Aftermath | None,
    on_failure: Aftermath | None,
    failed: Collection[str],
    now: datetime,
) -> Asked:
    """Ask for the changes of messages whose delivery has ended, on the server of their account.

    The first run with ``on_success`` asks for all that was ever delivered to these places.

    :param destinations: where attachments go, as ``deliveries`` names them.
    :param failed: messages with an attachment that could not be delivered in this run.
    :raises StoreUnavailable: where the archive refuses.
    """
    delivered, quarantined = _outcomes(archive, account, destinations)
    unwell = (quarantined | set(failed)) if on_failure is not None else set()
    lost = 0 if on_failure is None else _ask(archive, account, unwell, on_failure, context)
    if on_success is None:
        return Asked(failed=lost)
    settled = Consumption(
        archive, f"after delivery of {account} to {' '.join(destinations)}: {on_success.words}"
    )
    well = {d for d in delivered - quarantined - set(failed) if not settled.is_taken(d, "")}
    done = _ask(archive, account, well, on_success, context)
    settled.commit([(digest, "") for digest in sorted(well)], now, context.run_id)
    return Asked(succeeded=done, failed=lost)


def _outcomes(archive: Archive, account: str, destinations: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the messages with something delivered, and those with something in quarantine."""
    delivered: set[str] = set()
    quarantined: set[str] = set()
    columns = ["message_sha256", "quarantine"]
    for destination in destinations:
        equal = {"destination": destination, "account": account}
        for table in archive.scan_table("deliveries", columns, equal=equal):
            for row in table.to_pylist():
                (delivered if row["quarantine"] is None else quarantined).add(row["message_sha256"])
    return delivered, quarantined


def _ask(
    archive: Archive, account: str, digests: Collection[str], wanted: Aftermath, context: RunContext
) -> int:
    """Ask for what is not so yet, and return of how many messages."""
    if not digests:
        return 0
    rows = list(_places(archive, account, digests))
    changes = archive.changes(account)
    asked: set[str | None] = set()
    if wanted.flags:
        lacking = [row for row in rows if not {f.lower() for f in wanted.flags} <= _lower(row.flags)]
        if lacking:
            changes.request_flags(lacking, add=wanted.flags, by=context.who)
            asked |= {row.sha256 for row in lacking}
    if wanted.folder is not None:
        target = _known_as(archive, account, wanted.folder)
        there = {row.sha256 for row in rows if row.folder == target}
        first = {row.sha256: row for row in reversed(rows) if row.sha256 not in there}
        changes.request_move(first.values(), wanted.folder, by=context.who)
        asked |= set(first)
    return len(asked)


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


def _lower(flags: Collection[str]) -> set[str]:
    return {flag.lower() for flag in flags}
