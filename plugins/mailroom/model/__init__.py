"""Frozen value types shared by all layers, named as the RFCs name things.

Nothing here does work: no sockets, no clock, no storage. A *mailbox* is what IMAP
calls a folder; user-facing names say folder. Times are aware UTC datetimes, sizes
are octets.

Names are imported when first asked for: to make a dataclass takes a millisecond, and a run
with nothing new needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailroom.model.accounts import (
        DEFAULT_CONNECTIONS,
        DEFAULT_PORTS,
        MAX_CONNECTIONS,
        SERVER_PROTOCOLS,
        AuthMethod,
        Compression,
        Endpoint,
        MailProtocol,
        Security,
        is_loopback,
    )
    from mailroom.model.folder_rows import FolderRow
    from mailroom.model.folders import Folder
    from mailroom.model.locations import Change, LocationRow, return_of
    from mailroom.model.losses import RunLoss
    from mailroom.model.messages import Body, FetchedMessage, Fingerprint, SpoolFactory
    from mailroom.model.runs import Announced, RunContext

__all__ = [
    "DEFAULT_CONNECTIONS",
    "DEFAULT_PORTS",
    "MAX_CONNECTIONS",
    "SERVER_PROTOCOLS",
    "Announced",
    "AuthMethod",
    "Body",
    "Change",
    "Compression",
    "Endpoint",
    "FetchedMessage",
    "Fingerprint",
    "Folder",
    "FolderRow",
    "LocationRow",
    "MailProtocol",
    "RunContext",
    "RunLoss",
    "Security",
    "SpoolFactory",
    "is_loopback",
    "return_of",
]

_HOMES = {
    "AuthMethod": "accounts",
    "Compression": "accounts",
    "DEFAULT_CONNECTIONS": "accounts",
    "DEFAULT_PORTS": "accounts",
    "Endpoint": "accounts",
    "MAX_CONNECTIONS": "accounts",
    "MailProtocol": "accounts",
    "SERVER_PROTOCOLS": "accounts",
    "Security": "accounts",
    "is_loopback": "accounts",
    "FolderRow": "folder_rows",
    "Folder": "folders",
    "Change": "locations",
    "LocationRow": "locations",
    "return_of": "locations",
    "RunLoss": "losses",
    "Body": "messages",
    "FetchedMessage": "messages",
    "Fingerprint": "messages",
    "SpoolFactory": "messages",
    "Announced": "runs",
    "RunContext": "runs",
}


def __getattr__(name: str) -> Any:  # Any: whatever the module of that name defines
    if name in _HOMES:
        found = globals()[name] = getattr(import_module(f"mailroom.model.{_HOMES[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
