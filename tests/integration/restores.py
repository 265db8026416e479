"""Restoring as a test needs it, and an account as another client sees it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.model import Endpoint
from mailroom.policy.restore import RestoreSelection
from mailroom.services.progress import NoProgress
from mailroom.services.restore import FolderRestore, RestoreReport, restore_account
from tests.support.dovecot import Dovecot

__all__ = ["Content", "of", "restore", "shown"]

Content = dict[str, list[tuple[str, tuple[str, ...], datetime]]]
"""SHA-256, flags and internal date of the messages of each folder, in the order of their UIDs."""

ITEMS = ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]


def shown(server: Dovecot, user: str) -> Content:
    """Return what another client sees: folders, and the messages in each."""
    found: Content = {}
    with server.mailbox(user) as client:
        for attributes, _, folder in client.list_folders():
            if b"\\Noselect" in attributes or b"\\NonExistent" in attributes:
                continue
            client.select_folder(folder, readonly=True)
            uids = client.search()
            fetched = client.fetch(uids, ITEMS) if uids else {}
            found[folder] = [
                (
                    hashlib.sha256(data[b"BODY[]"]).hexdigest(),
                    tuple(sorted(flag.decode() for flag in data[b"FLAGS"] if flag != b"\\Recent")),
                    data[b"INTERNALDATE"].astimezone(UTC),
                )
                for _, data in sorted(fetched.items())
            ]
    return found


def restore(
    endpoint: Endpoint,
    root: Path | Archive,
    account: str,
    *,
    connect: Callable[[], Any] | None = None,
    dry_run: bool = False,
    stop: threading.Event | None = None,
    **selection: Any,
) -> RestoreReport:
    """Restore an archived account onto the account of an endpoint."""
    return restore_account(
        connect or (lambda: ImapClient.connect(endpoint)),
        root if isinstance(root, Archive) else Archive(root),
        account,
        f"{endpoint.user}@{endpoint.host}",
        selection=RestoreSelection(**selection),
        dry_run=dry_run,
        progress=NoProgress(),
        stop=stop or threading.Event(),
    )


def of(report: RestoreReport, folder: str = "INBOX") -> FolderRestore:
    """Return what became of one folder."""
    return next(found for found in report.folders if found.folder == folder)
