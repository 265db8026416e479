"""A POP3 maildrop beside the archive's: which listed messages it holds.

Here: UIDL and LIST against the archive's rows; where there is no UIDL, headers by TOP. RETR is
sent for lost messages alone that are to be fetched again, for it marks them as read on many servers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from mailroom.archive import Archive
from mailroom.client.pop3 import MaildropMessage, Pop3Client
from mailroom.exceptions import ConfigurationError
from mailroom.model import Body, LocationRow
from mailroom.policy.fetch import may_be_there
from mailroom.services.checking.check_report import FolderCheck
from mailroom.services.checking.lost_mail import LostMail
from mailroom.services.fetching.maildrop_identity import list_maildrop
from mailroom.services.fetching.maildrop_ledger import INBOX

__all__ = ["check_maildrop"]


def check_maildrop(
    client: Pop3Client,
    archive: Archive,
    account: str,
    folders: tuple[str, ...],
    exclude: tuple[str, ...],
    *,
    lost_mail: LostMail,
) -> FolderCheck:
    """Return how the maildrop and the archive stand to each other.

    :param lost_mail: tells what the archive has lost of them, and fetches that again where asked.
    :raises ConfigurationError: if folders are chosen: POP3 has one only.
    :raises ConnectionLost: if the server goes away.
    """
    if exclude or any(folder.upper() not in ("*", "INBOX") for folder in folders):
        raise ConfigurationError(
            "POP3 knows one folder only, INBOX: leave folders and exclude as they are, or use an imap "
            "connection to the same account."
        )
    messages = list_maildrop(client).messages
    state = archive.maildrop_state(account)
    known = state.rows({message.uidl for message in messages if message.uidl is not None})
    held = _held(messages, known)
    nameless = sum(message.uidl is None for message in messages)
    digests = [row.sha256 for row in held if row.sha256 is not None]
    lost = lost_mail.among([(range(len(digests)), digests)])
    healed = lost_mail.fetch_again(
        _by_number(messages, held, set(lost.values())), lambda numbers: _fetch(client, archive, numbers)
    )
    repaired = sum(digest in healed for digest in lost.values())
    return FolderCheck(
        folder=INBOX,
        messages=len(messages),
        archived=len(held),
        gone=len(state.live_uidls() - {message.uidl for message in messages if message.uidl is not None}),
        octets=sum(message.octets for message in messages),
        archived_octets=sum(row.size or 0 for row in held),
        damaged=len(lost) - repaired,
        repaired=repaired,
        note=f"{nameless:,} messages have no name by which they could be recognised" if nameless else None,
    )


def _by_number(
    messages: Sequence[MaildropMessage], held: Sequence[LocationRow], lost: Collection[str]
) -> dict[int, str]:
    """Return the numbers of this session under which lost messages are listed, and their SHA-256."""
    wanted = {row.uidl: row.sha256 for row in held if row.sha256 is not None and row.sha256 in lost}
    return {m.number: digest for m in messages if m.uidl and (digest := wanted.get(m.uidl)) is not None}


def _fetch(client: Pop3Client, archive: Archive, numbers: Sequence[int]) -> Iterator[Body | None]:
    return (found.body for found in client.retrieve(numbers, archive.new_spool))


def _held(messages: Sequence[MaildropMessage], known: dict[str, list[LocationRow]]) -> list[LocationRow]:
    """Return the rows of listed messages that are archived; each row stands for one message.

    A server may give one UIDL to several messages: then as many count as have the size of a row.
    """
    listed: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message.uidl is not None:
            listed[message.uidl].append(message.octets)
    held: list[LocationRow] = []
    for uidl, sizes in listed.items():
        for row in known.get(uidl, ()):
            if may_be_there(row) and (size := _fitting(row, sizes)) is not None:
                sizes.remove(size)
                held.append(row)
    return held


def _fitting(row: LocationRow, sizes: list[int]) -> int | None:
    """Return the listed size that is the row's, where sizes were stated."""
    return next((size for size in sizes if not size or row.size in (None, size)), None)
