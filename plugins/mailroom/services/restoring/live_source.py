"""Another account as the source of mail: which of its folders, and what they look like.

Here: the session with it. Not here: the messages of one folder (``live_supply``). Nothing changes at the
source: EXAMINE and BODY.PEEK only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailroom.client.imap import ImapClient
from mailroom.client.imap_statuses import states_with_list, with_statuses
from mailroom.in_step import FolderMark, InStep
from mailroom.model import Folder
from mailroom.policy.folders import match_folders
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.restore_folders import Archived
from mailroom.services.restoring.live_supply import LiveSupply

__all__ = ["LiveSource"]


@dataclass(slots=True, kw_only=True)
class LiveSource:
    """An account on a server.

    :param with_marks: whether anybody will ask for marks.
    """

    connect: Callable[[], ImapClient]
    selection: RestoreSelection
    with_marks: bool = False
    done: str = "copied"
    stops_when_full: bool = True
    _client: ImapClient | None = None
    _folders: dict[str, Folder] = field(default_factory=dict)

    @property
    def client(self) -> ImapClient:
        """The session under way."""
        assert self._client is not None, "only within session()"
        return self._client

    @contextmanager
    def session(self) -> Iterator[None]:
        """Connect, for as long as one session with the target lasts.

        :raises ConnectionLost: if the server cannot be reached.
        """
        with self.connect() as self._client:
            yield

    def choose(self) -> list[Archived]:
        """Return the folders that are chosen.

        :raises ConfigurationError: if a pattern means no folder.
        :raises ConnectionLost: if the server goes away.
        """
        listed = [
            folder for folder in self.client.list_folders(with_subscriptions=True) if folder.is_selectable
        ]
        if self.with_marks and not states_with_list(self.client):
            listed = with_statuses(self.client, listed)
        self._folders = {folder.name: folder for folder in listed}
        uses = {name: folder.special_use for name, folder in self._folders.items()}
        chosen = match_folders(self.selection.folders, self.selection.exclude, uses, special_use=uses)
        return [
            Archived(
                name=name,
                delimiter=self._folders[name].delimiter,
                special_use=uses[name],
                subscribed=self._folders[name].subscribed,
            )
            for name in chosen
        ]

    def problems(self) -> list[str]:
        """Return nothing: what is asked for is folders, and a pattern that means none is an error."""
        return []

    def mark(self, folder: str) -> FolderMark | None:
        """Return the counts of a folder as they were listed."""
        return FolderMark.of(self._folders[folder].status)

    def supply(self, folder: str, in_step: InStep | None) -> LiveSupply:
        """Open a folder for its messages.

        :raises CommandRejected: if the server does not open it.
        :raises ConnectionLost: if it goes away.
        """
        return LiveSupply(source=self.client, opened=self.client.examine(folder), in_step=in_step)
