"""New messages and attachments since a pipeline last looked, each handed out until it was taken.

Here: which are new for a consumer, and when they count as taken: after the block that went through
them ended well. Not here: the notes of it (``archive.consumption``), Airflow (``operators.new_mail``).

A block that fails, or a kill before its end, takes nothing, and the next run is handed the same
again. A kill in the instant between the end of the block and the note hands it out once more: what the
block does must not mind, as an ``INSERT … ON CONFLICT DO NOTHING`` by digest and part does not.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption, consumption_of
from mailroom.exceptions import ConfigurationError, IntegrityError
from mailroom.message import iter_attachment, text_of
from mailroom.model import RunContext
from mailroom.policy.attachments import AttachmentRule, Choice
from mailroom.policy.authentication import read_requirements
from mailroom.policy.query import QUERY_COLUMNS, Query, parse_query
from mailroom.services.delivering.attachment_choice import AttachmentChoice
from mailroom.services.delivering.authentication import Authentication
from mailroom.services.delivering.delivery_report import DeliveryTally

__all__ = ["NewAttachment", "NewItems", "NewMessage", "new_attachments", "new_messages"]

log = logging.getLogger(__name__)

_COLUMNS = (*QUERY_COLUMNS, "attachment_count")

MAX_ITEMS = 100_000
"""How many are handed out in one block at most; the next run gets the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """One attachment that is new for a consumer.

    :ivar filename: name as a mail program shows it; not safe as a path.
    :ivar sha256: hex SHA-256 of the decoded content.
    :ivar account: connection id of the account, and ``folder`` where it was seen first.
    """

    message_sha256: str
    part: str
    filename: str
    content_type: str
    size: int
    sha256: str
    sender: str
    subject: str
    date: datetime | None
    account: str | None
    folder: str | None
    _archive: Archive = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart for good: digest of its message, and part."""
        return self.message_sha256, self.part

    def chunks(self) -> Iterator[bytes]:
        """Yield the decoded content in pieces, and compare its digest at the end.

        :raises IntegrityError: where the archived message is missing, or the content is not what it was.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        digest = hashlib.sha256()
        with self._archive.raw.mapped(self.message_sha256) as content:
            for piece in iter_attachment(content, self.part):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != self.sha256:
            raise IntegrityError(
                f"Part {self.part} of message {self.message_sha256} is not what was archived; "
                "run mailroom verify.",
                digest_expected=self.sha256,
                digest_found=digest.hexdigest(),
            )

    def read(self) -> bytes:
        """Return the decoded content, all of it in memory.

        :raises IntegrityError: as for ``chunks``.
        :raises StoreUnavailable: likewise.
        """
        return b"".join(self.chunks())

    def read_text(self) -> str:
        """Return the content as text, in the charset that it says by its first octets or is recognised in.

        :raises IntegrityError: as for ``chunks``.
        :raises StoreUnavailable: likewise.
        """
        return text_of(self.read())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """One message that is new for a consumer.

    :ivar sender: the author's address, in lower case; ``author`` is as people read it.
    """

    sha256: str
    message_id: str | None
    date: datetime | None
    author: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    size: int
    attachment_count: int
    _archive: Archive = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart for good: its digest, and no part."""
        return self.sha256, ""

    def read(self) -> bytes:
        """Return the exact bytes of the message.

        :raises IntegrityError: where the archived message is missing.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        with self._archive.raw.mapped(self.sha256) as content:
            return bytes(content)


Item = TypeVar("Item", NewAttachment, NewMessage)


class NewItems(Generic[Item]):
    """What is new; go through it once. What was gone through is taken when the block ends well.

    An item counts as gone through when the next one is asked for, so that one at which a loop breaks
    off comes again.

    :ivar taken: message and part of what was gone through so far.
    """

    def __init__(self, items: Iterator[Item], limit: int) -> None:
        self._items: Iterator[Item] = items
        self._limit = limit
        self.taken: list[tuple[str, str]] = []

    def __iter__(self) -> Iterator[Item]:
        """Yield what is new, oldest mail first within some thousands."""
        for item in itertools.islice(self._items, self._limit):
            yield item
            self.taken.append(item.key)


def new_attachments(
    archive: Archive,
    consumer: str,
    context: RunContext,
    *,
    rule: AttachmentRule | None = None,
    account: str | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
    limit: int = MAX_ITEMS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AbstractContextManager[NewItems[NewAttachment]]:
    """Return a context manager that hands out the attachments a consumer has not taken yet.

        with new_attachments(archive, "load_csv", context, rule=AttachmentRule(name="*.csv")) as found:
            for attachment in found:
                load(attachment.read())

    :param consumer: name of the pipeline; another name starts from the first message.
    :param rule: which attachments; all but images inside texts by default.
    :param account: only mail of this account.
    :param authserv_id: the name of the receiving server, where the rule requires something; None has it
        learned, see ``services.delivering.authentication``.
    :param verify_dkim: whether signatures are checked anew there.
    :param limit: how many at most; the next run gets the rest.
    :raises ConfigurationError: where the rule looks into zip archives, which deliveries do; in the block,
        where it requires something and it is not clear which server receives.
    :raises StoreUnavailable: on entering, where the archive cannot be read; on leaving, where what was
        taken cannot be noted.
    """
    asked = rule or AttachmentRule()
    if asked.unzip:
        raise ConfigurationError(
            "New attachments are handed out as they are; deliver them to look into zip archives."
        )
    authentication = Authentication(archive=archive, server=authserv_id, checks_dkim=verify_dkim)

    def items(consumed: Consumption) -> Iterator[NewAttachment]:
        choice = AttachmentChoice(
            archive=archive,
            rules=(asked,),
            account=account,
            are_delivered=(lambda rows: consumed.are_taken(rows["message_sha256"], rows["part"]),),
            is_delivered=lambda _, digest, part: consumed.is_taken(digest, part),
            tally=DeliveryTally(),
            authentication=authentication,
        )
        for one in choice.chosen():
            if one.quarantine is not None:  # not from whom the rule requires; it stays new
                log.warning(
                    "Part %s of message %s is not handed out: %s",
                    one.attachment.part,
                    one.attachment.message_sha256,
                    one.quarantine,
                )
                continue
            yield _new_attachment(archive, one)

    return _block(archive, consumer, context, items, limit, now)


def _new_attachment(archive: Archive, one: Choice) -> NewAttachment:
    return NewAttachment(
        message_sha256=one.attachment.message_sha256,
        part=one.attachment.part,
        filename=one.attachment.filename,
        content_type=one.attachment.content_type,
        size=one.attachment.size,
        sha256=one.attachment.sha256,
        sender=one.attachment.sender,
        subject=one.attachment.subject,
        date=one.attachment.date,
        account=one.place.account,
        folder=one.place.folder,
        _archive=archive,
    )


def new_messages(
    archive: Archive,
    consumer: str,
    context: RunContext,
    *,
    query: str | None = None,
    account: str | None = None,
    require_auth: str | None = None,
    authserv_id: str | None = None,
    verify_dkim: bool = False,
    limit: int = MAX_ITEMS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AbstractContextManager[NewItems[NewMessage]]:
    """Return a context manager that hands out the messages a consumer has not taken yet.

    :param query: which messages, as ``mailroom restore --query`` takes it; all by default.
    :param require_auth: who they must really be from, see ``policy.authentication``; others stay new.
    :param authserv_id: as for ``new_attachments``, and so is ``verify_dkim``.
    :raises ConfigurationError: where the query or what is required cannot be meant.
    :raises StoreUnavailable: as for ``new_attachments``.
    """
    is_meant: Query = parse_query(query) if query else lambda fields: True
    requirements = read_requirements(require_auth) if require_auth else ()
    authentication = Authentication(archive=archive, server=authserv_id, checks_dkim=verify_dkim)

    def items(consumed: Consumption) -> Iterator[NewMessage]:
        from mailroom.archive.reading.attachment_facts import MessagePlaces

        places = MessagePlaces(archive, account) if account is not None or requirements else None
        for table in archive.scan_table("messages", _COLUMNS):
            for row in consumed.untaken_messages(table).to_pylist():
                there = [name for name, _ in places.of(row["sha256"])[0]] if places is not None else [""]
                if not there or not is_meant(row):
                    continue
                reason = authentication.unmet(requirements, row["sha256"], there[0]) if requirements else None
                if reason is None:
                    yield _message(row, archive)
                else:
                    log.warning("Message %s is not handed out: %s", row["sha256"], reason)

    return _block(archive, consumer, context, items, limit, now)


@contextmanager
def _block(
    archive: Archive,
    consumer: str,
    context: RunContext,
    items: Callable[[Consumption], Iterator[Item]],
    limit: int,
    now: Callable[[], datetime],
) -> Iterator[NewItems[Item]]:
    """Hand out items, and note them as taken unless the block raises."""
    consumed = consumption_of(archive, consumer)
    found: NewItems[Item] = NewItems(items(consumed), limit)
    yield found
    consumed.commit(found.taken, now(), context.run_id)


def _message(row: Mapping[str, Any], archive: Archive) -> NewMessage:
    return NewMessage(
        sha256=row["sha256"],
        message_id=row["message_id"],
        date=row["date"],
        author=row["from"] or "",
        sender=row["from_address"] or "",
        to=tuple(row["to"] or ()),
        cc=tuple(row["cc"] or ()),
        subject=row["subject"] or "",
        size=row["size"],
        attachment_count=row["attachment_count"] or 0,
        _archive=archive,
    )
