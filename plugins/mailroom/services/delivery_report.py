"""What a delivery of attachments tells whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["DeliveryReport", "DeliveryTally"]

MAX_PATHS_SHOWN = 20
"""How many paths a dry run's summary shows."""


@dataclass(slots=True, kw_only=True)
class DeliveryTally:
    """Counts that grow while attachments are delivered."""

    examined: int = 0
    chosen: int = 0
    delivered: int = 0
    adopted: int = 0
    already: int = 0
    skipped: int = 0
    octets: int = 0
    paths: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


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
    :param paths: of a dry run, the first paths below the destination.
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
        if self.dry_run:
            counts["paths"] = list(self.paths)
        return counts
