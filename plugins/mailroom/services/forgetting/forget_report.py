"""What a removal from the archive, and a sweep, have done.

Here: the values that services return. Not here: the certificate (``certificate``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["ForgetReport", "SweepReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What a removal did, or in a dry run would do.

    :param plan_id: the plan; None where nothing was to go, or it cannot be written down.
    :param messages: messages that left the archive by the plan, in whatever run; in a dry run, that would.
    :param oldest: when the oldest of them was sent, or archived where nobody knows; ``newest`` likewise.
    :param shared: messages that stay, for other accounts have them.
    :param held: messages that stay under legal hold.
    :param later: messages that stay, for they came after the plan.
    :param on_server: of an age: messages that stay, for they are on a server; else: messages that are on a
        server as well, and will come back from there unless they are deleted there.
    :param deliveries: delivered attachments, deleted or to be.
    :param changed: delivered attachments that had another content by now, or were gone, and were left alone.
    :param rows: rows removed, by table.
    :param digests: SHA-256 of every message.
    :param certificate: where in the archive the certificate is; None where nothing went.
    :param certified: the certificate itself.
    """

    what: str
    archive: str
    who: str
    run_id: str
    at: datetime
    dry_run: bool
    plan_id: str | None = None
    approved_by: str | None = None
    messages: int = 0
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    shared: int = 0
    held: int = 0
    later: int = 0
    on_server: int = 0
    deliveries: int = 0
    changed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    objects_go_after: datetime | None = None
    digests: tuple[str, ...] = field(default=(), repr=False)
    certificate: str | None = None
    certified: dict[str, Any] = field(default_factory=dict, repr=False)
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        names = ("messages", "octets", "shared", "held", "later", "on_server", "deliveries", "changed")
        moments = ("oldest", "newest", "objects_go_after")
        return {
            "what": self.what,
            "dry_run": self.dry_run,
            "plan_id": self.plan_id,
            "approved_by": self.approved_by,
            **{name: getattr(self, name) for name in names},
            **{name: _stated(getattr(self, name)) for name in moments},
            "rows": dict(self.rows),
            "certificate": self.certificate,
            "failed": len(self.failures),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did.

    :param removed: raw objects deleted.
    :param revived: messages that came back meanwhile, and stay.
    :param waiting: messages whose days of grace are not over.
    """

    removed: int = 0
    octets: int = 0
    revived: int = 0
    waiting: int = 0
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        names = ("removed", "octets", "revived", "waiting")
        return {name: getattr(self, name) for name in names}


def _stated(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
