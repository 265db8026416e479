"""Which attachments of archived mail a rule chooses.

Here: the rule a user states, and the choice. Not here: where an attachment goes
(``destinations``), reading tables and moving bytes (``services``, ``archive``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from mailroom.exceptions import ConfigurationError
from mailroom.message.detection import TEXT_TYPES
from mailroom.policy.authentication import Requirement, read_requirements
from mailroom.policy.folders import matches_pattern
from mailroom.policy.positions import read_positions
from mailroom.policy.zip_names import may_be_zip

__all__ = [
    "DEFAULT_TEMPLATE",
    "DISPOSITIONS",
    "Attachment",
    "AttachmentRule",
    "Choice",
    "Place",
    "choose",
    "is_part_of_the_text",
    "is_resource_fork",
    "label_of",
]

DISPOSITIONS = ("attachment", "inline")
"""What a rule may ask of the disposition."""

MAX_LABEL_CHARACTERS = 100
"""Longest name of a rule."""

_GLOBS = ("name", "content_type", "detected_type", "sender", "recipient", "subject")

DEFAULT_TEMPLATE = "{date:%Y/%m/%d}/{message}/{filename}"
"""By day and message, so that names seldom meet and a folder never grows without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder of an account in which a message is or was."""

    account: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One attachment, with what rules and names ask of it.

    :param part: IMAP part path, such as ``2.1``; of a member of a zip archive ``2.1.zip3``.
    :param filename: name as a mail program shows it; not safe as a path.
    :param disposition: ``attachment``, ``inline`` or None.
    :param sender: the author's address, in lower case.
    :param date: when the message was sent, or None where no header says so.
    :param moment: ``date``; else when the server received the message; else when it was archived.
    :param places: where the message is or was, the first it was seen in first.
    :param recipients: To and Cc as people read them: names and addresses.
    :param detected_type: media type that the content looks like; None where nobody looked.
    :param position: 1 for the first attachment of its message; images inside the text have none, 0.
    """

    message_sha256: str
    part: str
    filename: str
    content_type: str
    disposition: str | None
    size: int
    sha256: str
    sender: str
    subject: str
    date: datetime | None
    moment: datetime
    places: tuple[Place, ...]
    recipients: tuple[str, ...] = ()
    detected_type: str | None = None
    position: int = 0

    @property
    def is_member(self) -> bool:
        """Whether it was attached within a zip archive."""
        return ".zip" in self.part

    @property
    def may_be_zip(self) -> bool:
        """Whether it is a zip archive, or says so and nobody looked."""
        return may_be_zip(self.filename, self.content_type, self.detected_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRule:
    """What an attachment must be like; every word that is given must hold.

    In texts ``*`` stands for any characters and ``?`` for one, ``|`` separates alternatives
    (``*.pdf|*.xlsx``), and case does not count.

    :param name: the file's name.
    :param name_regex: a regular expression to be found in the file's name; ``(?-i:…)`` heeds case.
    :param content_type: the media type the mail declares, such as ``application/pdf`` or ``image/*``.
    :param detected_type: the media type its content looks like, whatever the mail says; of texts
        ``TEXT_TYPES`` alone are told apart, so that CSV is ``text/plain``.
    :param min_size: decoded octets, at least.
    :param max_size: decoded octets, at most.
    :param sender: the author's address; a name beside it may say anything.
    :param recipient: an address of To or Cc, or name and address.
    :param subject: the subject of the message.
    :param folder: a folder the message is or was in; a pattern as in ``policy.folders``.
    :param since: only messages sent on this day (UTC) or later; without a Date header the day counts
        on which the server received the message, or else on which it was archived.
    :param until: only messages sent before this day.
    :param inline: whether images that a mail shows in its text are chosen too, such as logos.
    :param disposition: only what the mail says is an ``attachment``, or only what is ``inline``.
    :param position: which attachments of a message, images in its text not counted: ``1``, ``1-3``, ``2-``.
    :param unzip: whether the members of zip archives are chosen from, as if they had been attached
        themselves, instead of the archives.
    :param unwrap: whether journal reports and certified mail count as the message they carry, with its
        author, date and subject, and the recipients of the envelope; files of the envelope are left out.
    :param require_auth: who the message must really be from, see ``policy.authentication``; what is not
        goes to quarantine.
    :param quarantine: the prefix of its name then; a template as well.
    :param rule: what the rule is called in counts and in ``deliveries``.
    :param destination: where what it chooses goes, if not to the destination of the run.
    :param template: name at the destination, if not that of the run.
    :raises ConfigurationError: where the rule could never hold or is not understood.
    """

    name: str | None = None
    name_regex: str | None = None
    content_type: str | None = None
    detected_type: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    sender: str | None = None
    recipient: str | None = None
    subject: str | None = None
    folder: str | None = None
    since: date | None = None
    until: date | None = None
    inline: bool = False
    disposition: str | None = None
    position: str | None = None
    unzip: bool = False
    unwrap: bool = False
    require_auth: str | None = None
    quarantine: str | None = None
    rule: str | None = None
    destination: str | None = None
    template: str | None = None
    _texts: dict[str, re.Pattern[str]] = field(init=False, repr=False, compare=False, hash=False)
    _positions: tuple[int, int] | None = field(init=False, repr=False, compare=False, hash=False)
    requirements: tuple[Requirement, ...] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Read the patterns, and refuse what cannot be meant."""
        self._check()
        globs = {word: getattr(self, word) for word in _GLOBS}
        texts = {word: _glob(pattern) for word, pattern in globs.items() if pattern is not None}
        if self.name_regex is not None:
            texts["name_regex"] = _regex(self.name_regex)
        if self.detected_type is not None:
            _check_detected(self.detected_type, texts["detected_type"])
        object.__setattr__(self, "_texts", texts)
        positions = None if self.position is None else read_positions(self.position)
        object.__setattr__(self, "_positions", positions)
        required = () if self.require_auth is None else read_requirements(self.require_auth)
        object.__setattr__(self, "requirements", required)

    def _check(self) -> None:
        if self.min_size is not None and self.max_size is not None and self.max_size < self.min_size:
            raise ConfigurationError(
                f"No attachment has at least {self.min_size} and at most {self.max_size} octets."
            )
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ConfigurationError(
                f"No day is both since {self.since} and before {self.until}: until must be later than since."
            )
        if self.disposition not in (None, *DISPOSITIONS):
            raise ConfigurationError(
                f"disposition must be one of {', '.join(DISPOSITIONS)}, not {self.disposition!r}."
            )
        if self.rule is not None and not (
            self.rule.strip() and self.rule.isprintable() and len(self.rule) <= MAX_LABEL_CHARACTERS
        ):
            raise ConfigurationError(
                f"A rule cannot be called {self.rule[:40]!r}: write a word of at most "
                f"{MAX_LABEL_CHARACTERS} characters."
            )

    @property
    def asks_for_content(self) -> bool:
        """Whether the content must have been looked at to tell if the rule holds."""
        return self.detected_type is not None

    def chooses(self, attachment: Attachment, account: str | None = None) -> bool:
        """Return whether every word of the rule holds for an attachment.

        :param account: only folders of this account count.
        """
        return (
            (self.unzip or not attachment.is_member)
            and self._is_size_right(attachment.size)
            and self._is_part_right(attachment.filename, attachment.content_type)
            and self._is_kind_right(attachment)
            and self.concerns(attachment, account)
        )

    def concerns(self, attachment: Attachment, account: str | None = None) -> bool:
        """Return whether the message of an attachment, and the place it is in, are those asked for."""
        return (
            self._is_message_right(attachment)
            and self._is_day_right(attachment.moment.date())
            and self.place_of(attachment, account) is not None
        )

    def may_choose(
        self, filename: str, content_type: str, size: int, detected_type: str | None = None
    ) -> bool:
        """Return whether the rule could choose an attachment, or from it, of which no more is known."""
        if self.unzip and may_be_zip(filename, content_type, detected_type):
            return True
        return self._is_size_right(size) and self._is_part_right(filename, content_type)

    def place_of(self, attachment: Attachment, account: str | None = None) -> Place | None:
        """Return the first place of an attachment that the rule allows, or None."""
        for place in attachment.places:
            if account is not None and place.account != account:
                continue
            if self.folder is None or any(matches_pattern(p, place.folder) for p in self.folder.split("|")):
                return place
        return None

    def _is_size_right(self, size: int) -> bool:
        return (self.min_size is None or size >= self.min_size) and (
            self.max_size is None or size <= self.max_size
        )

    def _is_day_right(self, day: date) -> bool:
        return (self.since is None or day >= self.since) and (self.until is None or day < self.until)

    def _is_part_right(self, filename: str, content_type: str) -> bool:
        texts = self._texts
        if "name" in texts and not texts["name"].fullmatch(_comparable(filename)):
            return False
        if "content_type" in texts and not texts["content_type"].fullmatch(_comparable(content_type)):
            return False
        return "name_regex" not in texts or texts["name_regex"].search(filename) is not None

    def _is_kind_right(self, attachment: Attachment) -> bool:
        """Whether disposition, position and content are those asked for."""
        is_in_text = is_part_of_the_text(attachment.disposition, attachment.content_type)
        if is_in_text and not self.inline and self.disposition != "inline":
            return False
        asked = f"{self.content_type} {self.detected_type}".lower()
        if is_resource_fork(attachment.detected_type) and "apple" not in asked:
            return False
        if self.disposition is not None and (attachment.disposition == "inline") != (
            self.disposition == "inline"
        ):
            return False
        if self._positions is not None:
            first, last = self._positions
            if not first <= attachment.position <= last:
                return False
        detected = self._texts.get("detected_type")
        return detected is None or detected.fullmatch(_comparable(attachment.detected_type or "")) is not None

    def _is_message_right(self, attachment: Attachment) -> bool:
        texts = self._texts
        if "recipient" in texts and not any(
            texts["recipient"].fullmatch(form) for one in attachment.recipients for form in _forms(one)
        ):
            return False
        if "sender" in texts and not texts["sender"].fullmatch(_comparable(attachment.sender)):
            return False
        return (
            "subject" not in texts or texts["subject"].fullmatch(_comparable(attachment.subject)) is not None
        )


class Choice(NamedTuple):
    """An attachment that a rule chose, in which place, and the number of the rule from 0.

    :param quarantine: why it goes to quarantine, or None.
    """

    attachment: Attachment
    place: Place
    number: int
    quarantine: str | None = None


def choose(
    rules: Sequence[AttachmentRule],
    attachments: Iterable[Attachment],
    account: str | None = None,
    *,
    are_opened: bool = False,
    unwrapped: Callable[[Attachment], Attachment | None] = lambda attachment: attachment,
) -> Iterator[Choice]:
    """Yield the attachments that some rule chooses, each once, by the first that holds.

    :param rules: alternatives; one that holds is enough.
    :param are_opened: whether these are archives, from whose members rules with ``unzip`` choose.
    :param unwrapped: returns an attachment as rules with ``unwrap`` see it, or None where they do not.
    """
    for attachment in attachments:
        for number, rule in enumerate(rules):
            seen = unwrapped(attachment) if rule.unwrap else attachment
            if seen is None or (are_opened and rule.unzip):
                continue
            place = rule.place_of(seen, account)
            if place is not None and rule.chooses(seen, account):
                yield Choice(seen, place, number)
                break


def label_of(rules: Sequence[AttachmentRule], number: int) -> str | None:
    """Return what a rule is called: its name, its number from 1, or nothing where it is the only one."""
    return rules[number].rule or (str(number + 1) if len(rules) > 1 else None)


def is_resource_fork(detected_type: str | None) -> bool:
    """Return whether an attachment is what a Macintosh keeps beside a file of the same name (RFC 1740).

    Mail programs show the file alone; on other systems nobody has a use for the rest.
    """
    return detected_type == "multipart/appledouble"


def is_part_of_the_text(disposition: str | None, content_type: str) -> bool:
    """Return whether an attachment is an image that its mail shows in the text."""
    return disposition == "inline" and content_type.startswith("image/")


def _forms(recipient: str) -> tuple[str, ...]:
    """Return a recipient as people read it, and the address alone."""
    text = _comparable(recipient)
    return text, text.rpartition("<")[2].rstrip(">")


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _glob(pattern: str) -> re.Pattern[str]:
    alternatives = (
        "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", one))
        for one in re.sub(r"\*+", "*", _comparable(pattern)).split("|")
    )
    return re.compile("|".join(f"(?:{one})" for one in alternatives), re.DOTALL)


def _check_detected(pattern: str, glob: re.Pattern[str]) -> None:
    """Refuse a kind of text that nothing is ever detected to be."""
    kinds = (one.strip().lower() for one in pattern.split("|"))
    if all(kind.startswith("text/") for kind in kinds) and not any(map(glob.fullmatch, TEXT_TYPES)):
        raise ConfigurationError(
            f"detected_type {pattern[:60]!r} never holds: of texts only {', '.join(TEXT_TYPES)} are told "
            "apart by content. Ask for name (*.csv) or content_type too, with detected_type text/plain.",
            argument="detected_type",
        )


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ConfigurationError(f"name_regex {pattern!r} is no regular expression: {error}.") from error
