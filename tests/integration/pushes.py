"""A mirror in both directions as a test needs it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection
from typing import Any

from mailroom.archive import AccountChanges
from mailroom.model import LocationRow, RunContext
from mailroom.policy.mirror import MirrorSelection
from mailroom.services.progress import NoProgress
from mailroom.services.two_way import TwoWayReport, mirror_both_ways
from tests.integration.mirrors import MirrorAccount

__all__ = ["TwoWayAccount"]


class TwoWayAccount(MirrorAccount):
    """One account on a server and its archive, changed from both sides."""

    @property
    def changes(self) -> AccountChanges:
        """The changes as another process would see them."""
        return self.archive.changes(self.name)

    def live(self, folder: str = "INBOX", uids: Collection[int] | None = None) -> list[LocationRow]:
        """Return the rows of messages of a folder as the archive shows them."""
        state = self.archive.folder_state(self.name, folder)
        return state.rows(uids) if uids is not None else list(state.live_rows())

    def mirror_both_ways(self, **selection: Any) -> TwoWayReport:
        """Push what waits, and mirror."""
        return mirror_both_ways(
            self.connect,
            self.archive,
            RunContext(
                run_id=uuid.uuid4().hex, what="mirror", account=self.name, started=self.now(), who="a test"
            ),
            selection=MirrorSelection(**selection),
            now=self.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )
