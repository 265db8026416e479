"""Where an attachment goes: a template of fields made into a path below a destination.

Here: reading the template and filling it in. Not here: which attachments (``attachments``),
whether a path is taken (``services``). A path can never leave the destination: whatever came
by mail is made safe segment by segment before and after it is put in.
"""

from __future__ import annotations

import enum
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import DEFAULT_TEMPLATE, Attachment, Place
from mailroom.policy.filenames import numbered, safe_filename, safe_segment, split_extension

__all__ = ["MANIFESTS", "Collision", "DestinationTemplate"]

MANIFESTS = "_manifests"
"""Where manifests lie below a destination; engines that read folders pass over names with an underscore."""

MAX_PATH_OCTETS = 900
"""Longest path in octets of UTF-8: S3 takes 1,024 for the whole key, the destination's prefix included."""

MESSAGE_DIGITS = 16
"""How much of a message's SHA-256 stands for it in a path."""


class Collision(enum.Enum):
    """What is done with an attachment whose name at the destination is taken; nothing is ever overwritten.

    ``NUMBER`` delivers it as ``invoice-2.pdf``; ``SKIP`` leaves it out and counts it; ``FAIL``
    makes it a failure of the run. What is left out or failed is tried again by the next run.
    """

    NUMBER = "number"
    SKIP = "skip"
    FAIL = "fail"


_SAMPLE = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)

_Field = Callable[[Attachment, Place], str]

_FIELDS: dict[str, _Field] = {
    "account": lambda attachment, place: safe_segment(place.account) or "unknown",
    "folder": lambda attachment, place: _levels(place.folder) or "unknown",
    "sender": lambda attachment, place: safe_segment(attachment.sender) or "unknown",
    "sender_domain": lambda attachment, place: _domain(attachment.sender) or "unknown",
    "message": lambda attachment, place: attachment.message_sha256[:MESSAGE_DIGITS],
    "part": lambda attachment, place: safe_segment(attachment.part) or "0",
    "sha256": lambda attachment, place: attachment.sha256,
    "filename": lambda attachment, place: _filename(attachment),
    "stem": lambda attachment, place: split_extension(_filename(attachment))[0],
    "ext": lambda attachment, place: split_extension(_filename(attachment))[1].lstrip("."),
    "extension": lambda attachment, place: split_extension(_filename(attachment))[1].lstrip("."),
    "subject": lambda attachment, place: safe_segment(attachment.subject) or "no subject",
    "position": lambda attachment, place: str(attachment.position),
}


@dataclass(frozen=True, slots=True)
class DestinationTemplate:
    """A name template for delivered attachments.

    Fields: ``{date:%Y/%m/%d}`` (when the message was sent, UTC; any strftime format),
    ``{sender}``, ``{sender_domain}``, ``{account}``, ``{folder}`` (its levels become folders),
    ``{message}`` (16 digits that stand for the message), ``{part}``, ``{filename}``, ``{stem}``,
    ``{ext}`` or ``{extension}`` (without the dot), ``{sha256}`` (of the attachment's content),
    ``{subject}``, ``{position}`` (1 for the first attachment of its message), ``{rule}`` (what the
    rule is called that chose it).

    What came by mail is never a first level that means something: ``_manifests``, or one of ``reserved``.

    :param rule: what ``{rule}`` stands for.
    :param reserved: more names that no field may make of the first level, such as that of the quarantine.
    :raises ConfigurationError: where the template names no such field or could leave the destination.
    """

    text: str = DEFAULT_TEMPLATE
    rule: str | None = None
    reserved: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot become a path below a destination."""
        for literal, name, form, conversion in _parsed(self.text):
            if "\\" in literal or any(ord(character) < 32 for character in literal):
                raise self._wrong("separate levels with /, and use no backslash or control character")
            if name is not None:
                self._check_field(name, form or "", conversion)
        literal_path = "".join(
            literal if name is None else f"{literal}x" for literal, name, _, _ in _parsed(self.text)
        )
        segments = literal_path.split("/")
        if not literal_path or "" in segments or any(set(segment) <= {".", " "} for segment in segments):
            raise self._wrong(
                "it must be a relative path of non-empty names, without . or .., and end in a file's name"
            )
        if segments[0].casefold() == MANIFESTS:
            raise self._wrong(f"manifests lie in {MANIFESTS}")

    def render(self, attachment: Attachment, place: Place, turn: int = 1) -> str:
        """Return the path for an attachment, below the destination.

        :param turn: 1 for the path itself; 2, 3 and so on for the names tried when it is taken.
        """
        parts = []
        for literal, name, form, _ in _parsed(self.text):
            parts.append(literal)
            if name == "date":
                parts.append(attachment.moment.astimezone(UTC).strftime(form or "%Y-%m-%d"))
            elif name == "rule":
                parts.append(safe_segment(self.rule or "") or "all")
            elif name is not None:
                parts.append(_FIELDS[name](attachment, place))
        segments = [safe for part in "".join(parts).split("/") if (safe := safe_segment(part))]
        *levels, last = self._unreserved(segments or [_filename(attachment)])
        path = "/".join([*levels, numbered(last, turn)])
        if len(path.encode()) > MAX_PATH_OCTETS:
            return f"{attachment.message_sha256[:MESSAGE_DIGITS]}/{numbered(last, turn)}"
        return path

    def _unreserved(self, segments: list[str]) -> list[str]:
        """Return the path's names, the first one changed where a field made it one that is reserved."""
        written = self.text.partition("/")[0]
        if "{" not in written or segments[0].casefold() not in {MANIFESTS, *map(str.casefold, self.reserved)}:
            return segments
        return [f"_{segments[0]}", *segments[1:]]

    def _check_field(self, name: str, form: str, conversion: str | None) -> None:
        if name not in ("date", "rule") and name not in _FIELDS:
            known = ", ".join(["date", "rule", *_FIELDS])
            raise self._wrong(f"{{{name}}} is not one of its fields: {known}")
        if conversion or (form and name != "date"):
            raise self._wrong(f"{{{name}}} takes no format; only {{date:%Y/%m/%d}} does")
        if name == "date":
            self._check_date_format(form)

    def _check_date_format(self, form: str) -> None:
        try:
            shown = _SAMPLE.strftime(form or "%Y-%m-%d")
        except ValueError as error:
            raise self._wrong(f"{form!r} is no date format") from error
        segments = shown.split("/")
        if not shown.isprintable() or "\\" in shown or any(set(s) <= {".", " "} and s for s in segments):
            raise self._wrong(f"{form!r} is no date format for a path")

    def _wrong(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"The destination template {self.text!r} cannot be used: {reason}.")


def _parsed(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(text))
    except ValueError as error:
        raise ConfigurationError(
            f"The destination template {text!r} cannot be read: {error}; write {{{{ or }}}} for a brace."
        ) from error


def _filename(attachment: Attachment) -> str:
    return safe_filename(attachment.filename, attachment.content_type)


def _domain(sender: str) -> str:
    """Return the domain of an address; a mailbox on the same host names none."""
    return safe_segment(sender.rpartition("@")[2]) if "@" in sender else ""


def _levels(folder: str) -> str:
    return "/".join(safe for level in folder.split("/") if (safe := safe_segment(level)))
