"""What a delivery of attachments tells whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mailroom.services.delivering.manifest import Manifest

__all__ = ["DeliveryReport", "DeliveryTally", "RuleTally"]

MAX_PATHS_SHOWN = 20
"""How many paths a dry run's summary shows."""


@dataclass(slots=True, kw_only=True)
class RuleTally:
    """Counts of what one rule chose."""

    chosen: int = 0
    delivered: int = 0
    failed: int = 0
    quarantined: int = 0
    octets: int = 0


@dataclass(slots=True, kw_only=True)
class DeliveryTally:
    """Counts that grow while attachments are delivered.

    :param rules: counts of each rule that has a name, by that name; those that chose nothing too.
    """

    examined: int = 0
    chosen: int = 0
    delivered: int = 0
    adopted: int = 0
    already: int = 0
    skipped: int = 0
    octets: int = 0
    paths: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed_messages: set[str] = field(default_factory=set)
    concerned: set[str] = field(default_factory=set)
    rules: dict[str, RuleTally] = field(default_factory=dict)
    unopened: int = 0
    quarantined: int = 0

    def count_chosen(self, rule: str | None, *, is_quarantined: bool) -> None:
        """Count an attachment that a rule chose."""
        self.chosen += 1
        self.quarantined += is_quarantined
        if rule is not None:
            mine = self.rules.setdefault(rule, RuleTally())
            mine.chosen += 1
            mine.quarantined += is_quarantined

    def count_delivered(self, rule: str | None, octets: int, *, is_adopted: bool) -> None:
        """Count an attachment that lies at its destination now."""
        self.delivered += 1
        self.adopted += is_adopted
        self.octets += octets
        if rule is not None:
            mine = self.rules.setdefault(rule, RuleTally())
            mine.delivered += 1
            mine.octets += octets

    def count_failed(self, rule: str | None, reason: str) -> None:
        """Note why an attachment was not delivered."""
        self.failures.append(reason)
        if rule is not None:
            self.rules.setdefault(rule, RuleTally()).failed += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What a delivery did, or in a dry run would do.

    :param examined: attachments of the archive that were looked at.
    :param chosen: those of them that a rule chooses and that were not delivered here before.
    :param delivered: those that lie at the destination now; ``adopted`` ones among them lay there
        already, put there by a run that was killed before it could say so.
    :param already: attachments that earlier runs delivered to this destination.
    :param skipped: attachments left out because their name at the destination was taken.
    :param octets: decoded octets of what was delivered, or would be.
    :param paths: of a dry run, the first paths below the destination; with it where there are several.
    :param destinations: all of them, where rules name several; ``destination`` is the first.
    :param rules: counts of each rule by its name, where it has one or there are several.
    :param quarantined: those chosen whose message is not from whom their rule requires.
    :param failed_messages: messages with an attachment that was not delivered, or not opened.
    :param concerned: messages with an attachment that a rule chooses, now or in an earlier run, of which
        somebody wanted to know.
    :param manifests: manifests that this run wrote; None where none were asked for.
    :param unopened: zip archives that could not be looked into and count as the files they are.
    """

    account: str | None
    destination: str
    dry_run: bool
    examined: int = 0
    chosen: int = 0
    delivered: int = 0
    adopted: int = 0
    already: int = 0
    skipped: int = 0
    octets: int = 0
    paths: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False
    destinations: tuple[str, ...] = ()
    rules: Mapping[str, RuleTally] = field(default_factory=dict)
    unopened: int = 0
    quarantined: int = 0
    manifests: tuple[Manifest, ...] | None = None
    failed_messages: frozenset[str] = frozenset()
    concerned: frozenset[str] = frozenset()

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        counts: dict[str, Any] = {
            "destination": self.destination,
            "dry_run": self.dry_run,
            "examined": self.examined,
            "chosen": self.chosen,
            "delivered": self.delivered,
            "adopted": self.adopted,
            "already": self.already,
            "skipped": self.skipped,
            "octets": self.octets,
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }
        if self.account is not None:
            counts["account"] = self.account
        if self.quarantined:
            counts["quarantined"] = self.quarantined
        if self.unopened:
            counts["unopened"] = self.unopened
        if len(self.destinations) > 1:
            counts["destinations"] = list(self.destinations)
        if self.rules:
            counts["rules"] = {name: asdict(tally) for name, tally in self.rules.items()}
        if self.manifests is not None:
            counts["manifests"] = [one.as_json() for one in self.manifests]
        if self.dry_run:
            counts["paths"] = list(self.paths)
        return counts
