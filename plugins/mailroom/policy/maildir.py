"""Names in a Maildir: flags, messages and folders, as Dovecot and Courier lay them on a disk.

Here: names only. Not here: files. A Maildir (Daniel J. Bernstein's) keeps a message a file, its
flags as letters after ``:2,``. Maildir++ (Courier's, and Dovecot's default) keeps a subfolder
``A/B`` in the folder ``.A.B`` beside ``cur``, its name in modified UTF-7. A dot within one level
cannot be said there, nor a slash in a file name: characters that look the same stand for them.
(Courier's ``&AC4-`` would be exact, but Dovecot 2.3 lists such a folder and cannot open it.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from mailroom.protocol.modified_utf7 import decode_mailbox_name, encode_mailbox_name

__all__ = [
    "DELIVERED",
    "MAX_KEYWORDS",
    "flags_of_name",
    "folder_directory",
    "folder_levels",
    "format_keywords",
    "keyword_letter",
    "message_name",
    "parse_keywords",
    "system_letters",
]

DELIVERED = re.compile(r"\d+\.([0-9a-f]{64})\.(\d{1,9})\.mailroom(?:[,:]|\Z)")
"""A file name of ours: digest of the message, and which of the messages with that digest it is."""

MAX_KEYWORDS = 26
"""A folder has a letter for so many keywords, ``a`` to ``z``."""

MAX_DIRECTORY_OCTETS = 240
"""Longest folder name; file systems allow 255."""

LETTERS = {
    "\\draft": "D",
    "\\flagged": "F",
    "$forwarded": "P",
    "\\answered": "R",
    "\\seen": "S",
    "\\deleted": "T",
}
"""The letter of each flag that has one of its own; they stand in the order of the alphabet."""

FLAGS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}

DOT, SLASH = "\N{ONE DOT LEADER}", "\N{DIVISION SLASH}"
"""What stands for a dot and a slash in the name of a folder."""

_LOOKALIKES = str.maketrans({".": DOT, "/": SLASH, "\0": "_"})


def system_letters(flags: Iterable[str]) -> tuple[str, list[str]]:
    """Return the letters of the flags that have one, sorted, and the keywords.

    ``$Forwarded`` is both: Dovecot reads it as a keyword only, others by its letter only.

    >>> system_letters(["\\\\Seen", "$Forwarded", "\\\\Recent", "work"])
    ('PS', ['$Forwarded', 'work'])
    """
    letters, keywords = set(), []
    for flag in flags:
        letter = LETTERS.get(flag.lower())
        if letter is not None:
            letters.add(letter)
        if not flag.startswith("\\"):
            keywords.append(flag)
    return "".join(sorted(letters)), keywords


def keyword_letter(number: int) -> str:
    """Return the letter of a folder's keyword of that number."""
    return chr(ord("a") + number)


def format_keywords(keywords: Sequence[str]) -> bytes:
    """Return the file ``dovecot-keywords`` of a folder: number and name, a line each."""
    return "".join(f"{number} {keyword}\n" for number, keyword in enumerate(keywords)).encode()


def parse_keywords(content: bytes) -> list[str]:
    """Return the keywords that such a file lists, each at the place of its number.

    >>> parse_keywords(b"0 work\\n2 $Junk\\n")
    ['work', '', '$Junk']
    """
    found: dict[int, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        number, _, keyword = line.partition(" ")
        if number.isascii() and number.isdigit() and len(number) <= 2 and int(number) < MAX_KEYWORDS:
            found[int(number)] = keyword
    return [found.get(number, "") for number in range(max(found, default=-1) + 1)]


def message_name(seconds: int, digest: str, turn: int, sizes: tuple[int, int], letters: str) -> str:
    """Return the file name of a message.

    :param turn: which of the folder's messages with this digest it is, from 1.
    :param sizes: of the file, and with CRLF at every line; in the name they save Dovecot from looking.

    >>> message_name(1772616600, "ab" * 32, 1, (300, 309), "FS")[-35:]
    'bababab.1.mailroom,S=300,W=309:2,FS'
    """
    return f"{max(seconds, 0)}.{digest}.{turn}.mailroom,S={sizes[0]},W={sizes[1]}:2,{letters}"


def flags_of_name(name: str, keywords: Mapping[str, str]) -> tuple[str, ...]:
    """Return the flags a file name states, sorted.

    :param keywords: the folder's keywords by letter.

    >>> flags_of_name("1.a.host:2,PSa", {"a": "work"})
    ('$Forwarded', '\\\\Seen', 'work')
    """
    letters = re.search(r"[:;!]2,([A-Za-z]*)", name)
    found = {FLAGS.get(letter) or keywords.get(letter) for letter in (letters[1] if letters else "")}
    return tuple(sorted(flag for flag in found if flag))


def folder_directory(levels: Sequence[str]) -> str:
    """Return the directory of a folder below the Maildir's root; of INBOX itself the empty text.

    >>> folder_directory(["Facturas", "26"]), folder_directory(["Entwürfe 1.0"]), folder_directory(["inbox"])
    ('.Facturas.26', '.Entw&APw-rfe 1&ICQ-0', '')
    """
    named = [level for level in levels if level]
    if [level.upper() for level in named] == ["INBOX"]:
        return ""
    encoded = [_encoded(level) for level in named] or ["_"]
    name = "".join(f".{level}" for level in encoded)
    if len(name) > MAX_DIRECTORY_OCTETS:
        digest = hashlib.sha256("\0".join(named).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        name = f"{re.sub('&[^-]*$', '', name[:200])}-{digest}"
    return name


def folder_levels(directory: str) -> list[str]:
    """Return the levels of the folder that a Maildir++ directory is, INBOX for the root.

    >>> folder_levels(".Entw&APw-rfe 1&ICQ-0.alt"), folder_levels("")
    (['Entwürfe 1.0', 'alt'], ['INBOX'])
    """
    if not directory:
        return ["INBOX"]
    return [_decoded(level) for level in directory.removeprefix(".").split(".")]


def _encoded(level: str) -> str:
    encoded = encode_mailbox_name(level.translate(_LOOKALIKES))
    # What a server sent as no proper modified UTF-7 is kept as octets; those may be anything.
    return re.sub(r"[^ -~]|[./]", "_", encoded.decode("ascii", "replace"))


def _decoded(level: str) -> str:
    return decode_mailbox_name(level.encode("utf-8", "surrogateescape")).replace(DOT, ".")
