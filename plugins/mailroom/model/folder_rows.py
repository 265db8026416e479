"""Folders as the archive knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["FolderRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRow:
    """One row of the ``folders`` log: a folder as the server stated it at the end of a run.

    :param complete: whether every message the server listed is in the archive.
    :param windowed: whether only a part was asked for or shown, so that absence proves nothing.
    :param deleted: whether the server no longer lists the folder.
    :param subscribed: whether mail programs are to show it (RFC 3501 section 6.3.6).
    :param mailbox_id: MAILBOXID (RFC 8474), where offered.
    :param renamed_from: the name it had before, where it is known to be the same folder.
    """

    account: str
    folder: str
    at: datetime
    run_id: str
    delimiter: str | None = None
    special_use: str | None = None
    uid_validity: int | None = None
    uid_next: int | None = None
    highest_modseq: int | None = None
    messages: int = 0
    complete: bool = True
    windowed: bool = False
    deleted: bool = False
    subscribed: bool | None = None
    mailbox_id: str | None = None
    renamed_from: str | None = None
