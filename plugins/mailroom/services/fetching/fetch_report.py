"""What a POP3 fetch tells whoever asked for it: counts, failures, whether it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["FetchReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a fetch did.

    :param identity: what told messages apart: ``uidl``, ``header`` or ``content``.
    :param age: how long messages had to be archived before they go, in words; None where no days count.
    :param listed: messages in the last listing.
    :param retrieved: messages that came over the line, known ones among them.
    :param added: messages that the archive recorded at this place for the first time.
    :param deleted: messages whose deletion the server confirmed.
    :param left: known messages that stay on the server as the mode says.
    :param held: messages that would go as the mode says, and stay under legal hold.
    :param differing: messages under a known UIDL that were others; archived, and kept on the server.
    :param not_listed: known messages that the server no longer lists, which proves nothing.
    :param vanished: messages that went away between listing and retrieval.
    """

    account: str
    identity: str
    age: str | None = None
    sessions: int = 0
    listed: int = 0
    retrieved: int = 0
    octets: int = 0
    added: int = 0
    deleted: int = 0
    left: int = 0
    held: int = 0
    differing: int = 0
    not_listed: int = 0
    vanished: int = 0
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "account": self.account,
            "age": self.age,
            "listed": self.listed,
            "added": self.added,
            "octets": self.octets,
            "deleted": self.deleted,
            "left": self.left,
            "held": self.held,
            "differing": self.differing,
            "not_listed": self.not_listed,
            "vanished": self.vanished,
            "retrieved": self.retrieved,
            "sessions": self.sessions,
            "identity": self.identity,
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }
