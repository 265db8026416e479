"""What a number of days means on each basis, before anybody decides: counted from the archive alone.

Here: how many messages are older than that, and how much space they take. Not here: what other rules
say, and whether a message may go at all; that is for the plan, which asks the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from mailroom.archive import Archive
from mailroom.model import LocationRow
from mailroom.policy.folders import matches_pattern
from mailroom.policy.holds import FolderHolds
from mailroom.policy.retention import Basis, RetentionRule, discarding_folders, uses_of
from mailroom.policy.rules import BoundRule, FolderRules, Rule
from mailroom.services.deleting.brought_back import TakenAway
from mailroom.services.deleting.held import archived_folders
from mailroom.services.deleting.message_facts import FactSource, facts_of_folder, facts_of_maildrop

__all__ = ["BasisPreview", "preview_bases"]

MAILDROP_BASES = (Basis.ARCHIVED, Basis.DATE)
"""What days can count from over POP3."""

CHUNK_MESSAGES = 20_000
"""How many messages' contents are looked up at a time."""

FLAGGED = "\\flagged"


@dataclass(slots=True, kw_only=True)
class BasisPreview:
    """How much is old enough by one basis.

    :param unknown: messages of which nobody knows the date that counts; they stay.
    """

    basis: Basis
    messages: int = 0
    octets: int = 0
    unknown: int = 0
    oldest: datetime | None = None

    def count(self, row: LocationRow, since: datetime | None, cutoff: datetime) -> None:
        """Count one message."""
        if since is None:
            self.unknown += 1
        elif since <= cutoff:
            self.messages += 1
            self.octets += row.size or 0
            self.oldest = min(self.oldest or since, since)

    def summary(self) -> dict[str, Any]:
        """Return it as a small JSON object."""
        return {
            "basis": self.basis.value,
            "messages": self.messages,
            "octets": self.octets,
            "unknown": self.unknown,
            "oldest": self.oldest.isoformat() if self.oldest else None,
        }


def preview_bases(archive: Archive, account: str, rule: RetentionRule, now: datetime) -> list[BasisPreview]:
    """Return what the days of a rule mean on each basis that the account knows.

    Flags are those of the last mirror; a message's time in its folder is that of our first row.

    :param rule: the days, the folders, and whether flagged messages count; its basis does not matter.
    :raises ConfigurationError: if there is no archive.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    archive.require()
    has_folders = bool(archive.live_counts(account))
    bases = tuple(Basis) if has_folders else MAILDROP_BASES
    rules = FolderRules(
        keeping=(),
        deleting=tuple(
            BoundRule(rule=Rule(delete_after=rule.older_than), basis=basis, is_explicit=False)
            for basis in bases
        ),
    )
    found = {basis: BasisPreview(basis=basis) for basis in bases}
    where = _in_mailbox(archive, account, rule, rules) if has_folders else None
    counted = where or _in_maildrop(archive, account, rules)
    for row, dates in counted:
        if rule.include_flagged or FLAGGED not in {flag.lower() for flag in row.flags}:
            for basis, preview in found.items():
                preview.count(row, dates.get(basis), now - rule.older_than)
    return list(found.values())


def _in_mailbox(
    archive: Archive, account: str, rule: RetentionRule, rules: FolderRules
) -> Iterator[tuple[LocationRow, Mapping[Basis, datetime]]]:
    folders = archived_folders(archive, account)
    discarding, taken = discarding_folders(folders), TakenAway()
    for name, use in uses_of(folders).items():
        if not _means(rule.folders, name, use) or _means(rule.exclude, name, use):
            continue
        state = archive.folder_state(account, name)
        before = taken.before(state, is_discarding=name in discarding)
        source = facts_of_folder(archive, state, rules, FolderHolds(), taken=before)
        yield from _dated(source, ((row.uid or 0, row) for row in state.live_rows()))


def _means(patterns: Iterable[str], name: str, use: str | None) -> bool:
    return any(matches_pattern(pattern, name, use) for pattern in patterns)


def _in_maildrop(
    archive: Archive, account: str, rules: FolderRules
) -> Iterator[tuple[LocationRow, Mapping[Basis, datetime]]]:
    state = archive.maildrop_state(account)
    rows = dict(enumerate(state.live_rows(), start=1))
    yield from _dated(facts_of_maildrop(archive, state, rows, rules, FolderHolds()), rows.items())


def _dated(
    source: FactSource, rows: Iterable[tuple[int, LocationRow]]
) -> Iterator[tuple[LocationRow, Mapping[Basis, datetime]]]:
    """Yield rows and what each basis counts from, some thousands in memory."""
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK_MESSAGES)):
        source.load(row for _, row in chunk)
        for key, row in chunk:
            yield row, source.of(key, row).dates
