"""The archive's attachments, with all that rules and names ask of them.

Here: going through the tables a few thousand rows at a time, joining an attachment to its
message and places, and choosing. Not here: rules (``policy.attachments``), delivery
(``attachments``). What a message's row cannot change is asked of an attachment first, so
that messages are looked up only for those that may be chosen.
"""

from __future__ import annotations

import hashlib
import logging
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.archive.reading.attachment_facts import MessageFacts, MessagePlaces, describe_senders
from mailroom.exceptions import ArchiveError, MailroomError
from mailroom.message import detect_type, iter_attachment
from mailroom.policy.attachments import (
    Attachment,
    AttachmentRule,
    Choice,
    Place,
    choose,
    is_part_of_the_text,
    is_resource_fork,
)
from mailroom.services.delivering.authentication import Authentication
from mailroom.services.delivering.carried import CarriedMessages
from mailroom.services.delivering.delivery_report import DeliveryTally
from mailroom.services.delivering.known_members import KnownMembers
from mailroom.services.delivering.zip_contents import Member, ZipContents

__all__ = ["AttachmentChoice", "Unsettled"]

log = logging.getLogger(__name__)

_ASKED_FIRST = ("filename", "content_type", "size", "detected_type")

BATCH_ATTACHMENTS = 5_000
"""How many attachments are joined to their messages at a time."""

Row = Mapping[str, Any]  # Any: a row of the table as pyarrow gives it

Rows = Any  # a pyarrow table

Unsettled = Callable[[Sequence[str]], Callable[[Rows], npt.NDArray[np.bool_]]]
"""Returns for some destinations what tells which rows of ``attachments`` are of unsettled messages."""


@dataclass(slots=True, kw_only=True)
class AttachmentChoice:
    """The choice of one run.

    :param are_delivered: for each rule, tells which rows of ``attachments`` were delivered before to
        where it sends them; rules of one destination share one function.
    :param is_delivered: the same of one attachment, by the number of its rule.
    :param is_quarantined: whether one lies in quarantine there; it is judged anew, and chosen once it passes.
    :param looks_again: tells which rows of ``attachments`` are asked about though they were delivered before,
        to know which messages the rules concern; None where nobody wants to know.
    :param authentication: tells who messages are from, where a rule requires it.
    :param unzip_password: for zip archives that are encrypted, where a rule looks into archives.
    :param now: tells the time where it is to be noted what archives hold; None notes nothing.
    """

    archive: Archive
    rules: Sequence[AttachmentRule]
    account: str | None
    are_delivered: Sequence[Callable[[Rows], npt.NDArray[np.bool_]]]
    is_delivered: Callable[[int, str, str], bool]
    is_quarantined: Callable[[int, str, str], bool] = lambda number, digest, part: False
    tally: DeliveryTally
    looks_again: Callable[[Rows], npt.NDArray[np.bool_]] | None = None
    unzip_password: str | None = None
    authentication: Authentication
    now: Callable[[], datetime] | None = None
    _places: MessagePlaces | None = field(default=None, init=False)
    _carried: CarriedMessages = field(init=False)
    _members_known: KnownMembers = field(init=False)
    _last: tuple[str, int] = field(default=("", 0), init=False)

    def __post_init__(self) -> None:
        """Remember what messages carry for as long as the run lasts, and what archives hold for good."""
        self._carried = CarriedMessages(archive=self.archive)
        self._members_known = KnownMembers(archive=self.archive, now=self.now)

    def chosen(self) -> Iterator[Choice]:
        """Yield what is to be delivered, oldest mail first within each batch.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        batch: list[Row] = []
        for table in self.archive.scan_table("attachments"):
            batch += self._candidates(table)
            if len(batch) >= BATCH_ATTACHMENTS:
                yield from self._judged(self._choose(batch))
                batch = []
        yield from self._judged(self._choose(batch))

    def _judged(self, choices: Iterable[Choice]) -> Iterator[Choice]:
        """Yield choices with the reason why they go to quarantine, without those that lie there rightly."""
        for choice in choices:
            reason = self._unmet(choice)
            if self._rests(choice, reason):
                self.tally.already += 1
            else:
                yield choice if reason is None else choice._replace(quarantine=reason)

    def _unmet(self, choice: Choice) -> str | None:
        """Return why an attachment goes to quarantine, or None."""
        requirements = self.rules[choice.number].requirements
        if not requirements:
            return None
        return self.authentication.unmet(requirements, choice.attachment.message_sha256, choice.place.account)

    def _rests(self, choice: Choice, reason: str | None) -> bool:
        """Return whether an attachment lies in quarantine, and rightly."""
        digest, part = choice.attachment.message_sha256, choice.attachment.part
        return reason is not None and self.is_quarantined(choice.number, digest, part)

    def _candidates(self, table: Rows) -> list[Row]:
        """Return the rows that a rule may choose and that do not lie where it sends them."""
        self.tally.examined += table.num_rows
        facts = [
            (name or "", kind or "", size or 0, detected)
            for name, kind, size, detected in zip(
                *(table[name].to_pylist() for name in _ASKED_FIRST), strict=True
            )
        ]
        wanted = np.zeros(table.num_rows, dtype=bool)
        undone = np.zeros(table.num_rows, dtype=bool)
        delivered: dict[int, npt.NDArray[np.bool_]] = {}
        for rule, question in zip(self.rules, self.are_delivered, strict=True):
            may_be_chosen = np.fromiter((rule.may_choose(*one) for one in facts), bool, table.num_rows)
            if id(question) not in delivered:
                delivered[id(question)] = question(table)
            wanted |= may_be_chosen
            undone |= may_be_chosen & ~delivered[id(question)]
        if self.looks_again is not None:
            undone |= wanted & self.looks_again(table)
        self.tally.already += int(np.count_nonzero(wanted & ~undone))
        positions = self._positions(table)
        rows = np.flatnonzero(undone)
        found = table.take(rows).to_pylist()
        for row, number in zip(found, rows, strict=True):
            row["position"] = positions[number]
        return list(found)

    def _positions(self, table: Rows) -> list[int]:
        """Return which attachment of its message each is; images in its text and resource forks are 0.

        Rows of a message follow one another, also over the border of two pieces.
        """
        digest, count = self._last
        positions: list[int] = []
        names = ("message_sha256", "disposition", "content_type", "detected_type")
        columns = (table[name].to_pylist() for name in names)
        for message, disposition, kind, detected in zip(*columns, strict=True):
            if message != digest:
                digest, count = message, 0
            is_counted = not (is_part_of_the_text(disposition, kind or "") or is_resource_fork(detected))
            count += is_counted
            positions.append(count if is_counted else 0)
        self._last = (digest, count)
        return positions

    def _choose(self, rows: Sequence[Row]) -> Iterator[Choice]:
        if not rows:
            return
        if self._places is None:
            self._places = MessagePlaces(self.archive, self.account)
        facts = describe_senders(self.archive, {row["message_sha256"] for row in rows})
        asks_for_content = any(rule.asks_for_content for rule in self.rules)
        known_rows = [row for row in rows if row["message_sha256"] in facts]
        known_rows.sort(key=lambda row: self._order(row, facts[row["message_sha256"]]))
        # One by one as they are asked for: the first is on its way while the last ones are joined.
        joined: Iterable[Attachment] = (
            self._joined(row, facts[row["message_sha256"]], asks_for_content) for row in known_rows
        )
        archives: set[tuple[str, str]] = set()
        known: Mapping[tuple[str, str], Sequence[Member]] = {}
        if any(rule.unzip for rule in self.rules):
            joined = list(joined)
            to_open = [one for one in joined if self._is_to_open(one)]
            archives = {(one.message_sha256, one.part) for one in to_open}
            known = self._members_known.look_up(to_open)
        for attachment in joined:
            key = attachment.message_sha256, attachment.part
            if key in archives:
                yield from self._choose_from(attachment, known.get(key))
            else:
                yield from self._undelivered(attachment)
        self._members_known.commit()

    def _undelivered(self, attachment: Attachment, *, is_opened: bool = False) -> Iterator[Choice]:
        for choice in choose(
            self.rules,
            (attachment,),
            self.account,
            are_opened=is_opened,
            unwrapped=self._carried.unwrapped,
        ):
            if self.looks_again is not None:
                self.tally.concerned.add(attachment.message_sha256)
            if self.is_delivered(choice.number, attachment.message_sha256, attachment.part):
                self.tally.already += 1
            else:
                yield choice

    def _is_to_open(self, attachment: Attachment) -> bool:
        if not attachment.may_be_zip:
            return False
        for rule in self.rules:
            seen = self._carried.unwrapped(attachment) if rule.unzip and rule.unwrap else attachment
            if rule.unzip and seen is not None and rule.concerns(seen, self.account):
                return True
        return False

    def _choose_from(self, archive: Attachment, known: Sequence[Member] | None) -> Iterator[Choice]:
        """Choose from the members of an archive; one that cannot be opened counts as the file it is.

        :param known: what it held before, which is opened again only where some of it is to be delivered.
        """
        if known is not None and not any(self._is_wanted(_member(archive, member)) for member in known):
            for member in known:
                yield from self._undelivered(_member(archive, member))  # counts it, or is dropped as resting
            yield from self._undelivered(archive, is_opened=True)
            return
        is_opened = True
        chosen: list[Choice] = []
        found: list[Member] = []
        try:
            with ExitStack() as stack:
                content = stack.enter_context(self.archive.raw.mapped(archive.message_sha256))
                chunks = iter_attachment(content, archive.part)
                contents = stack.enter_context(ZipContents(chunks, archive.part, self.unzip_password))
                chosen = list(self._members(archive, contents, found))
            if known is None:
                self._members_known.note(archive, found)
        except ArchiveError as error:
            self._note_unread(archive.message_sha256, archive.part, error)
            return
        except MailroomError as error:
            is_opened, chosen = False, []
            self.tally.unopened += 1
            self.tally.failed_messages.add(archive.message_sha256)
            log.warning("In message %s, %s; it is left whole", archive.message_sha256, error)
        yield from chosen
        yield from self._undelivered(archive, is_opened=is_opened)

    def _is_wanted(self, attachment: Attachment) -> bool:
        """Return whether a rule chooses an attachment that lies neither where it goes nor in quarantine."""
        digest, part = attachment.message_sha256, attachment.part
        return any(
            not self.is_delivered(choice.number, digest, part)
            and not self._rests(choice, self._unmet(choice))
            for choice in choose(self.rules, (attachment,), self.account, unwrapped=self._carried.unwrapped)
        )

    def _members(self, archive: Attachment, contents: ZipContents, found: list[Member]) -> Iterator[Choice]:
        """Choose from the members of an open archive, and from those of archives within.

        :param found: gets all of them.
        """
        for member in contents.members():
            if member.detected_type == "application/zip":
                with contents.nested(member.number) as inner:
                    yield from self._members(archive, inner, found)
                continue
            found.append(member)
            attachment = _member(archive, member)
            for choice in self._undelivered(attachment):
                digest = hashlib.sha256()
                for chunk in contents.read(member.number):
                    digest.update(chunk)
                yield choice._replace(attachment=replace(choice.attachment, sha256=digest.hexdigest()))

    def _order(self, row: Row, facts: MessageFacts) -> tuple[datetime, str, str]:
        """Return what the order of deliveries goes by: when the message was sent, or came."""
        digest = row["message_sha256"]
        received = self._places.of(digest)[1] if facts.date is None and self._places else None
        return facts.date or received or facts.archived_at, digest, row["part"]

    def _joined(self, row: Row, facts: MessageFacts, asks_for_content: bool) -> Attachment:
        pairs, received = self._places.of(row["message_sha256"]) if self._places else ((), None)
        detected = row["detected_type"]
        if detected is None and asks_for_content:
            detected = self._detect(row)
        return Attachment(
            message_sha256=row["message_sha256"],
            part=row["part"],
            filename=row["filename"] or "",
            content_type=row["content_type"] or "",
            disposition=row["disposition"],
            size=row["size"],
            sha256=row["sha256"],
            sender=facts.sender,
            subject=facts.subject,
            date=facts.date,
            moment=facts.date or received or facts.archived_at,
            places=tuple(Place(account=account, folder=folder) for account, folder in pairs),
            recipients=facts.recipients,
            detected_type=detected,
            position=row["position"],
        )

    def _detect(self, row: Row) -> str | None:
        """Look at the content itself, for its row is older than the column."""
        try:
            with self.archive.raw.mapped(row["message_sha256"]) as content:
                return detect_type(next(iter_attachment(content, row["part"]), b""))
        except MailroomError as error:
            self._note_unread(row["message_sha256"], row["part"], error)
            return None

    def _note_unread(self, digest: str, part: str, error: MailroomError) -> None:
        self.tally.failed_messages.add(digest)
        self.tally.failures.append(f"Part {part} of message {digest} was not looked at: {error}")


def _member(archive: Attachment, member: Member) -> Attachment:
    """Return a member as if it had been attached itself; only its checksum is not known yet."""
    guessed, _ = mimetypes.guess_type(member.name, strict=False)
    is_plain = member.detected_type in ("text/plain", "application/octet-stream")
    return replace(
        archive,
        part=member.part,
        filename=member.name,
        content_type=(guessed if is_plain else None) or member.detected_type,
        detected_type=member.detected_type,
        size=member.size,
        sha256="",
    )
