"""What is done to a message on the server once its attachments are delivered, as people write it.

Pure: words in, flags, labels and a folder out. ``seen``, ``flag``, ``answered``, ``keyword:Paid``,
``label:Paid`` (Gmail's; other servers have keywords), ``move:Done``; several may be asked for at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailroom.change_request import check_flag, check_label
from mailroom.exceptions import ConfigurationError

__all__ = ["Aftermath", "read_aftermath"]

_FLAGS = {"seen": "\\Seen", "flag": "\\Flagged", "answered": "\\Answered"}

_KNOWN = "seen, flag, answered, keyword:NAME, label:NAME (Gmail) and move:FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What is done.

    :param flags: flags and keywords that are set.
    :param labels: labels of Gmail's that are given.
    :param folder: where the message is moved, or None.
    """

    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    folder: str | None = None

    @property
    def words(self) -> str:
        """The same in words, one way only."""
        moved = [] if self.folder is None else [f"move:{self.folder}"]
        return " ".join([*sorted(self.flags), *(f"label:{name}" for name in sorted(self.labels)), *moved])


def read_aftermath(name: str, words: Sequence[str]) -> Aftermath | None:
    """Return what words ask for, or None where there are none.

    :param name: of the option, for errors.
    :raises ConfigurationError: where a word is none of these.

    >>> read_aftermath("on_success", ["seen", "move:Processed"])
    Aftermath(flags=('\\\\Seen',), labels=(), folder='Processed')
    """
    flags: list[str] = []
    labels: list[str] = []
    folder = None
    for word in words:
        key, colon, value = word.strip().partition(":")
        if key.lower() in _FLAGS and not colon:
            flags.append(_FLAGS[key.lower()])
        elif key.lower() == "keyword" and value.strip():
            flags.append(check_flag(value.strip()))
        elif key.lower() == "label" and value.strip():
            labels.append(check_label(value))
        elif key.lower() == "move" and value.strip() and folder is None:
            folder = value.strip()
        else:
            raise ConfigurationError(f"{name} is {word!r}; it may say {_KNOWN}.", argument=name)
    if not (flags or labels or folder):
        return None
    return Aftermath(flags=tuple(dict.fromkeys(flags)), labels=tuple(dict.fromkeys(labels)), folder=folder)
