"""From what a user names to the place that mail is exported to.

Belongs here: which kind of place it is. Does not belong here: writing to it (``export_store``,
``export_zip``).
"""

from __future__ import annotations

import os

from mailroom.archive.exchanging.export_store import ExportStore, FolderExport
from mailroom.archive.exchanging.export_zip import ZipExport

__all__ = ["open_export"]


def open_export(path: str, *, zipped: bool) -> ExportStore:
    """Return the place to export to; nothing is created yet.

    :param zipped: make one zip file: ``path`` where that ends with ``.zip``, else ``mail.zip`` in it.
    """
    place = os.path.abspath(os.path.expanduser(path))
    if not zipped:
        return FolderExport(place)
    return ZipExport(place if place.lower().endswith(".zip") else f"{place}/mail.zip")
