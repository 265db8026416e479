"""The archived messages that somebody chose, and new ones from files, for a change on the server.

Here: from a choice to rows, and from files to archived messages. Not here: asking for the change
(``archive.changes``), making it (``two_way``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from mailroom.archive import Archive, NewMessage
from mailroom.archive.exchanging.imports import HeldDigests, open_source
from mailroom.archive.reading.snapshot import accounts_of
from mailroom.exceptions import ConfigurationError, RemoteProtocolError
from mailroom.message.mbox_reader import is_mbox
from mailroom.model import Change, LocationRow, MailProtocol, RunContext
from mailroom.policy.change_choice import MessageChoice
from mailroom.policy.folders import match_folders
from mailroom.policy.import_layout import FileKind
from mailroom.policy.query import QUERY_COLUMNS, parse_query
from mailroom.protocol.sequence_set import decode_sequence_set
from mailroom.services.exchanging.import_messages import FoundMessage, MessageReader

__all__ = ["archive_new", "choose_messages", "only_account"]

HEAD_OCTETS = 4096


def only_account(archive: Archive, named: str | None) -> str:
    """Return the archived account that is meant: the one named, or the only one there is.

    :raises ConfigurationError: where that is none, or not one.
    """
    known = accounts_of(archive)
    if named in known:
        return str(named)
    if named is None and len(known) == 1:
        return known[0]
    what = "several accounts" if named is None else f"no mail of an account {named!r}"
    names = ", ".join(map(repr, known)) or "none"
    raise ConfigurationError(f"The archive has {what}: name one of these with --account: {names}.")


def choose_messages(archive: Archive, account: str, choice: MessageChoice) -> Iterator[LocationRow]:
    """Yield the chosen messages that are on the server as far as the archive knows, folder by folder.

    :raises ConfigurationError: where a pattern means no folder, or nothing is meant.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    known = {name: row for name, row in archive.last_folders(account).items() if not row.deleted}
    names = [name for name, count in archive.live_counts(account).items() if count or name in known]
    uses = {name: row.special_use for name, row in known.items()}
    digests = _meant(archive, choice)
    for folder in match_folders(choice.folders, choice.exclude, names, special_use=uses):
        state = archive.folder_state(account, folder)
        rows: Iterable[LocationRow] = state.live_rows()
        if choice.uids is not None:
            rows = (row for row in state.rows(_uids(choice.uids)) if row.change.is_live)
        yield from (row for row in rows if digests is None or row.sha256 in digests)


def archive_new(
    archive: Archive,
    context: RunContext,
    paths: Sequence[str],
    folder: str,
    *,
    flags: tuple[str, ...],
    internal_date: datetime | None,
    now: Callable[[], datetime],
) -> list[NewMessage]:
    """Archive messages from files, so that they can be added to a folder of the server.

    Until that is done they are mail of the folder that came from files, as after an import.

    :param paths: one message each.
    :param internal_date: the date they get; None takes when each was delivered, as far as it says.
    :raises ConfigurationError: where a path is no single message.
    :raises ArchiveError: where the archive cannot be read or written.
    """
    held = HeldDigests(archive, context.account)
    found: list[NewMessage] = []
    with archive.writer(context) as writer:
        for path in paths:
            for message in _read(archive, path, now):
                is_new = held.add(folder, message.digest)
                date = internal_date or message.internal_date or now()
                if is_new:
                    row = LocationRow(
                        account=context.account,
                        protocol=MailProtocol.IMPORT,
                        folder=folder,
                        change=Change.ADDED,
                        at=now(),
                        run_id=context.run_id,
                        uidl=message.name,
                        size=message.body.octets,
                        flags=flags,
                        internal_date=date,
                    )
                    writer.add(message.body, row)
                elif message.body.path is not None:
                    os.unlink(message.body.path)
                found.append(
                    NewMessage(sha256=message.digest, flags=flags, internal_date=date, is_new=is_new)
                )
        writer.finish("succeeded", {"added": len(found)}, 0)
    return found


def _read(archive: Archive, path: str, now: Callable[[], datetime]) -> Iterator[FoundMessage]:
    archive.prepare().close()
    with contextlib.closing(open_source(path)) as source:
        reader = MessageReader(source=source, new_spool=archive.new_spool, now=now)
        files = list(source.files())
        if len(files) != 1:
            raise ConfigurationError(f"{path} is not one file: name each message by itself.")
        with files[0].reading() as content:
            if is_mbox(content[:HEAD_OCTETS]):
                raise ConfigurationError(
                    f"{path} is an mbox: import it (mailroom import), and append what a query means."
                )
            yield from reader.messages(files[0], content, FileKind.EML)


def _meant(archive: Archive, choice: MessageChoice) -> set[str] | None:
    if choice.messages:
        return set(choice.messages)
    if choice.query is None:
        return None
    is_meant = parse_query(choice.query)
    found: set[str] = set()
    for table in archive.scan_table("messages", QUERY_COLUMNS):
        found.update(row["sha256"] for row in table.to_pylist() if is_meant(row))
    return found


def _uids(text: str) -> list[int]:
    try:
        found: list[int] = decode_sequence_set(text.replace(" ", "").encode("ascii", "replace")).tolist()
    except RemoteProtocolError as error:
        raise ConfigurationError(f"{text!r} names no UIDs: write 1:7,9 for example.") from error
    return found
