"""What an export tells whoever asked for it: counts, warnings, failures, whether it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ExportReport", "ExportTally"]

MAX_WARNINGS_SUMMED_UP = 10
"""How many warnings a summary carries; all of them are in the log."""


@dataclass(slots=True, kw_only=True)
class ExportTally:
    """Counts that grow while mail is exported."""

    accounts: int = 0
    folders: int = 0
    exported: int = 0
    already: int = 0
    octets: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export did.

    :param destination: the folder or zip file.
    :param folders: folders that lie there now.
    :param exported: messages written by this run; a folder of an mbox is written whole each time.
    :param already: messages that earlier runs put there, which were left as they are.
    :param octets: octets of the messages that were written.
    :param warnings: what the format cannot say, such as a folder's twenty-seventh keyword.
    """

    destination: str
    format: str
    accounts: int = 0
    folders: int = 0
    exported: int = 0
    already: int = 0
    octets: int = 0
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "destination": self.destination,
            "format": self.format,
            "accounts": self.accounts,
            "folders": self.folders,
            "exported": self.exported,
            "already": self.already,
            "octets": self.octets,
            "failed": len(self.failures),
            "interrupted": self.interrupted,
            "warnings": list(self.warnings[:MAX_WARNINGS_SUMMED_UP]),
        }
