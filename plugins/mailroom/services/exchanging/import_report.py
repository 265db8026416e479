"""What an import tells whoever asked for it: counts, failures, whether it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ImportReport", "ImportTally"]

MAX_SKIPPED_NAMED = 10
"""How many files that are no mail a summary names."""


@dataclass(slots=True, kw_only=True)
class ImportTally:
    """Counts that grow while mail is imported."""

    files: int = 0
    added: int = 0
    already: int = 0
    octets: int = 0
    skipped: int = 0
    folders: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def skip(self, path: str) -> None:
        """Count a file that is no mail."""
        self.skipped += 1
        if len(self.named) < MAX_SKIPPED_NAMED:
            self.named.append(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    :param files: files with mail that were read.
    :param folders: folders that mail was found for.
    :param added: messages that a folder of the account did not hold before.
    :param already: messages that their folder held, from an earlier import or from a server.
    :param octets: octets of the messages that were added.
    :param skipped: files that are no mail; ``skipped_files`` names the first of them.
    """

    account: str
    source: str
    files: int = 0
    folders: int = 0
    added: int = 0
    already: int = 0
    octets: int = 0
    skipped: int = 0
    skipped_files: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "account": self.account,
            "source": self.source,
            "files": self.files,
            "folders": self.folders,
            "added": self.added,
            "already": self.already,
            "octets": self.octets,
            "skipped": self.skipped,
            "skipped_files": list(self.skipped_files),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }
