"""Making folders, and what a server allows in them: CREATE, SUBSCRIBE, NAMESPACE, PERMANENTFLAGS.

Here: one function a question, over an `ImapClient`. Not here: which folders (``policy``).
RFC 3501 sections 6.3.3 and 6.3.6, RFC 6154 (special use), RFC 2342, RFC 3691, RFC 7889.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.model import Folder
from mailroom.protocol.imap_append import parse_flags, parse_personal_namespace
from mailroom.protocol.imap_listing import parse_status

__all__ = [
    "append_limit",
    "create_folder",
    "list_foreign",
    "permanent_flags",
    "personal_namespace",
    "subscribe",
    "unselect",
]


def create_folder(client: ImapClient, name: str, special_use: str | None = None) -> None:
    """Make a folder, marked with its special use where the server takes that (CREATE-SPECIAL-USE).

    One that is there already is no error, whether the server says so by a code (RFC 5530) or in words only.

    :raises CommandRejected: if the server refuses.
    :raises ConnectionLost: if it goes away.
    """
    mailbox = client.wire.quoted_name(name, "CREATE")
    if special_use is not None and client.supports("CREATE-SPECIAL-USE"):
        try:
            return _create(client, name, mailbox, f"(USE ({special_use}))")
        except CommandRejected as error:
            if error.kind == "NO" and error.code not in ("USEATTR", None):
                raise
    return _create(client, name, mailbox)


def _create(client: ImapClient, name: str, mailbox: bytes, *more: str) -> None:
    try:
        client.wire.run("CREATE", mailbox, *more)
    except CommandRejected as error:
        if error.code == "ALREADYEXISTS" or (error.kind == "NO" and _is_there(client, name)):
            return
        raise


def _is_there(client: ImapClient, name: str) -> bool:
    try:
        client.folder_status(name)
    except CommandRejected:
        return False
    return True


def subscribe(client: ImapClient, name: str) -> None:
    """Put a folder on the list of those that mail programs show.

    :raises CommandRejected: if the server refuses.
    :raises ConnectionLost: if it goes away.
    """
    client.wire.run("SUBSCRIBE", client.wire.quoted_name(name, "SUBSCRIBE"))


def unselect(client: ImapClient) -> None:
    """Leave the open folder without an EXPUNGE, where the server can; else it stays open."""
    if client.supports("UNSELECT"):
        client.wire.run("UNSELECT")


def personal_namespace(client: ImapClient) -> tuple[str, str | None]:
    """Return how the names of one's own folders begin, and what separates their levels.

    :raises ConnectionLost: if the server goes away.
    """
    found = None
    if client.supports("NAMESPACE"):
        client.wire.untagged_responses.pop("NAMESPACE", None)
        client.wire.run("NAMESPACE")
        told = client.wire.untagged_responses.pop("NAMESPACE", None) or [b""]
        found = parse_personal_namespace(told[-1]) if isinstance(told[-1], bytes) else None
    if found is None:
        listed = client.list_folders()
        return "", next((folder.delimiter for folder in listed if folder.delimiter), None)
    return client.wire.folder_name(found[0]), found[1]


def list_foreign(client: ImapClient, own: Iterable[Folder], names: Iterable[str]) -> list[Folder]:
    """Return those of some folders that are shared, or other users' (RFC 2342); listed only where need be.

    :param own: the account's own folders.
    :raises ConnectionLost: if the server goes away.
    """
    wanted = set(names) - {folder.name for folder in own}
    if not wanted or not client.supports("NAMESPACE"):
        return []
    return [folder for folder in client.list_folders(other_namespaces=True) if folder.name in wanted]


def permanent_flags(client: ImapClient, name: str) -> frozenset[str] | None:
    """Open a folder for changes and return the flags that can be stored there, in small letters.

    ``\\*`` among them says that new keywords can be made; None that the server does not tell.

    :raises CommandRejected: if the folder cannot be opened, or for reading only.
    :raises ConnectionLost: if the server goes away.
    """
    selected = client.select(name)
    if selected.read_only:
        why = "the server opens it for reading only"
        raise CommandRejected(f"Folder {name!r}: {why}.", command="SELECT", kind="NO", code=None, text=why)
    told = client.wire.untagged_responses.get("PERMANENTFLAGS") or ()
    found = [parse_flags(item) for item in told if isinstance(item, bytes)]
    return found[-1] if found else None


def append_limit(client: ImapClient, name: str) -> int | None:
    """Return how large a message a folder takes, in octets, where the server says (RFC 7889).

    :raises ConnectionLost: if the server goes away.
    """
    for word in client.capabilities:
        if word.startswith("APPENDLIMIT="):
            value = word.partition("=")[2]
            return int(value) if value.isdigit() else None
    if not client.supports("APPENDLIMIT"):
        return None
    client.wire.untagged_responses.pop("STATUS", None)
    try:
        client.wire.run("STATUS", client.wire.quoted_name(name, "STATUS"), "(APPENDLIMIT)")
    except CommandRejected:
        return None
    told = client.wire.untagged_responses.pop("STATUS", None) or ()
    counts = [parse_status(item)[1] for item in told if isinstance(item, bytes)]
    return counts[-1].get("APPENDLIMIT") if counts else None
