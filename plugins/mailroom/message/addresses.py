"""Address fields for people and for machines: names decoded, addr-specs in lower case.

Belongs here: RFC 5322 section 3.4 with the obsolete forms of 4.4, and what programs
write instead: missing quotes and commas, nested brackets, comments as names, an address
inside an encoded word. Does not belong here: whether an address exists.

    address-list = address *("," address)
    mailbox = [display-name] "<" addr-spec ">" / addr-spec
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.charsets import MAX_LABEL_CHARACTERS, decode_text
from mailroom.message.encoded_words import decode_words

__all__ = [
    "MAX_ADDRESSES",
    "MAX_VALUE_CHARACTERS",
    "Address",
    "local_mailbox",
    "parse_addresses",
    "parse_sender",
]

MAX_ADDRESSES = 10_000
"""How many addresses of one field are kept."""

MAX_VALUE_CHARACTERS = 512 * 1024
"""How much of an address field is read. Characters."""

_CACHED_CHARACTERS = 200
"""Values up to this length are remembered, for people write to the same people. Characters."""

_PLAIN = re.compile(
    r"\s*+(?:([^<>()\s\",;:\\=@\[\]]++@[^<>()\s\",;:\\=@\[\]]++)"
    r"|(?:\"([^\"\\<>]*+)\"|((?:=\?[^?\s]{0,64}+\?[bBqQ]\?[^?]{0,2000}+\?=\s*+)++)|([^\"(),:;<>@\[\]\\=]*+))"
    r"\s*+<([^<>()\s\",;:\\=@]++@[^<>()\s\",;:\\=@]++)>)\s*+(?:,|\Z)"
)
_TOKEN = re.compile(
    r"(?P<word>=\?[^?\s]{0,64}\?[bBqQ]\?[^?]{0,2000}\?=)"
    r"|\"(?P<quoted>(?:[^\"\\]|\\.)*+)\"?"
    r"|<(?P<angle>[^<>\",]*+(?=>)"
    r"|(?:@[^:<>]{1,500}+:|\"(?:[^\"\\<>]|\\.)*+\"|\"(?:[^\"\\]|\\.){1,64}+\"(?=@)|[^<>\",;])*+)>?"
    r"|(?P<comment>\()"
    r"|(?P<separator>[,;:])"
    r"|(?P<space>\s++)"
    r"|(?P<atom>[^\s\"(),;:<>=]++|[=\"<>)])"
)
_ATOMS = r"[^\s<>\"(),;:\[\]@]"
_ADDRESS = re.compile(
    rf"(?:\"(?:[^\"\\]|\\.){{1,64}}+\"(?:\.{_ATOMS}{{1,64}}+)?|{_ATOMS}{{1,64}}+)@(?:{_ATOMS}{{1,255}}|\[[^\s<>\"(),;\[\]@]{{1,64}}\])"
)
_DOMAIN_OF_WORDS = re.compile(r"(\S{1,64}) at ((?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24})")
_LOCAL_PART = re.compile(r"(?!=\?)<?([!#$%&'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64})>?")
_ROUTE = re.compile(r"\A@[^:]*+:")
_MAILTO = re.compile(r"\A(?:mailto|smtp):", re.I)
_COMMENT = re.compile(r"\([^()]*+\)")
_NESTED_COMMENTS = 3
"""How deep comments within an address are taken out."""
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_ESCAPED_SPECIAL = re.compile(r"(?<!\\)\\++(?=[\"'(),;:<>]|\Z)")
_SPACED_AT = re.compile(r"(?<=[^\s@])\s*+@\s*+(?=[^\s@])")
_DOMAIN_GOES_ON = re.compile(r"\s++\.\s*+\w")
# A run of white space is looked through from its start only, else from each of its characters again.
_SPACED_DOT = re.compile(r"(?:(?<!\s)\s++)?\.\s*+")
_MAILTO_BRACKET = re.compile(r"\[(?:mailto|smtp):([^\[\]]*+)\]", re.I)
_BRACKET = re.compile(r"\\.|[()]", re.S)


class Address(NamedTuple):
    """One mailbox: a display name (may be empty) and an addr-spec in lower case (may be empty)."""

    name: str
    address: str

    def __str__(self) -> str:
        """Return it as people write it."""
        if self.name and self.address:
            return f"{self.name} <{self.address}>"
        return self.name or self.address


def parse_addresses(value: str, hint: str | None = None) -> tuple[Address, ...]:
    """Return the mailboxes of a To, Cc or similar field, the members of groups among them; never raises.

    :param value: unfolded, still encoded. :param hint: see ``decode_words``.
    """
    if len(value) <= _CACHED_CHARACTERS and (hint is None or len(hint) <= MAX_LABEL_CHARACTERS):
        return _parse_cached(value, hint)
    return _parse(value, hint)


def _parse(value: str, hint: str | None) -> tuple[Address, ...]:
    if "&lt;" in value and "<" not in value:  # a web form, which escaped it for a page
        value = html.unescape(value)
    simple = _parse_simply(value, hint)
    if simple is not None:
        return simple
    return tuple(itertools.islice(_mailboxes(value[:MAX_VALUE_CHARACTERS], hint), MAX_ADDRESSES))


_parse_cached = functools.lru_cache(maxsize=4096)(_parse)


def parse_sender(value: str, hint: str | None = None) -> tuple[Address, ...]:
    """Return the mailboxes of a From field, where a comma without quotes belongs to a name."""
    found = parse_addresses(value, hint)
    if len(found) < 2 or all(one.address for one in found):
        return found
    names: list[str] = []
    joined: list[Address] = []
    for one in found:
        names.append(one.name)
        if one.address:
            joined.append(Address(", ".join(name for name in names if name), one.address))
            names = []
    return tuple(joined) or found


def local_mailbox(value: str) -> str:
    """Return the mailbox of a From field that is one word, as of mail on one host, or an empty text."""
    found = _LOCAL_PART.fullmatch(value)
    return found[1].lower() if found is not None else ""


def _parse_simply(value: str, hint: str | None) -> tuple[Address, ...] | None:
    """Read a list of plain addresses without tokens, which most are; None where it is anything else."""
    if not value.isascii() or "\x1b" in value:
        return None
    found: list[Address] = []
    at = 0
    while len(found) < MAX_ADDRESSES and (at < len(value) or not at):
        mailbox = _PLAIN.match(value, at)
        if mailbox is None:
            return None
        bare, quoted, words, atoms, address = mailbox.groups()
        name = quoted or words or atoms or ""
        found.append(_address(decode_words(name, hint) if name else "", bare or address))
        at = mailbox.end()
    return tuple(found) if at == 0 or value[at - 1] != "," or len(found) == MAX_ADDRESSES else None


def _mailboxes(value: str, hint: str | None) -> Iterator[Address]:
    """Walk the tokens of a list and yield a mailbox at each separator."""
    if "\x1b" in value:  # ISO-2022-JP without encoding, whose octets look like specials
        value = decode_text(value.encode("utf-8", "surrogateescape"))
    mailbox = _Mailbox()
    at = 0
    last_semicolon = value.rfind(";")
    has_comments = True
    while (token := _TOKEN.match(value, at)) is not None:
        at = token.end()
        kind = token.lastgroup
        if kind == "quoted" and (at - token.start() < 2 or value[at - 1] != '"'):
            value = value[: token.start()] + value[token.start() :].replace('"', " ")
            at = token.start()  # a quote that never ends means nothing, nor does another one after it
            continue
        if kind == "separator":
            if token[0] == ":":
                mailbox.add_colon(is_group=token.start() < last_semicolon)
                continue
            yield from mailbox.finished(hint)
            mailbox = _Mailbox()
        elif kind == "comment" and has_comments:
            comment, after = _comment(value, at)
            has_comments = after > 0  # one that never ends is none, nor is another one after it
            if has_comments:
                mailbox.comments.append(comment)
                at = after
            else:
                mailbox.add_text("(")
        elif kind == "angle":
            if mailbox.angle is not None and not mailbox.take_back_angle(token["angle"]):
                following, mailbox.phrase = mailbox.phrase, []  # two mailboxes and no comma
                yield from mailbox.finished(hint)
                mailbox = _Mailbox(following)
            mailbox.angle, mailbox.is_closed = token["angle"], token[0].endswith(">")
            mailbox.phrase_before, mailbox.phrase = mailbox.phrase, []
        else:
            mailbox.add_text(token[0], _unescaped(token))
    yield from mailbox.finished(hint)


def _unescaped(token: re.Match[str]) -> str:
    """Return a piece of a name without backslashes that escape; any other one stays, as in DOMAIN\\user."""
    if token.lastgroup == "quoted":
        return _QUOTED_PAIR.sub(r"\1", token["quoted"]) if "\\" in token[0] else token["quoted"]
    return _ESCAPED_SPECIAL.sub("", token[0]) if "\\" in token[0] else token[0]


def _comment(value: str, at: int) -> tuple[str, int]:
    """Return the text of a comment that opened before ``at``, and where it ends, or -1; comments nest."""
    depth, start = 1, at
    for bracket in _BRACKET.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(bracket[0], 0)
        if depth == 0:
            return value[start : bracket.start()], bracket.end()
    return "", -1


class _Mailbox:
    """What is known of one mailbox while its tokens are read."""

    __slots__ = ("angle", "comments", "is_closed", "phrase", "phrase_before", "raw")

    def __init__(self, phrase: list[str] | None = None) -> None:
        self.phrase: list[str] = phrase or []
        self.phrase_before: list[str] = []
        self.raw: list[str] = list(self.phrase)
        self.comments: list[str] = []
        self.angle: str | None = None
        self.is_closed = False

    def add_text(self, raw: str, shown: str | None = None) -> None:
        self.phrase.append(raw if shown is None else shown)
        self.raw.append(raw)

    def take_back_angle(self, following: str) -> bool:
        """Make what stood in brackets part of the name, where only what follows is an address."""
        if "@" in (self.angle or "") or "@" not in following:
            return False
        said = f"<{self.angle}>" if self.is_closed else self.angle or ""
        self.phrase = [*self.phrase_before, said, *self.phrase]
        return True

    def add_colon(self, *, is_group: bool) -> None:
        if is_group and self.angle is None and "@" not in "".join(self.raw):
            self.phrase, self.raw = [], []  # the name of a group says nothing of its members
        else:
            self.phrase.append(":")
            self.raw.append(":")

    def finished(self, hint: str | None) -> Iterator[Address]:
        phrase = _bared("".join(self.phrase_before)) or _bared("".join(self.phrase))
        comment = " ".join(self.comments).strip()
        raw = "".join(self.raw)
        if self.angle is not None and (self.angle.strip() or "@" not in raw):
            address = decode_words(self.angle, hint).strip()
            if address or phrase:
                yield _with_angle(phrase or comment, address, hint, is_first=not self.phrase_before)
            return
        if "=?" in raw:
            raw = decode_words(raw, hint)
        raw = _MAILTO_BRACKET.sub(r" \1 ", raw)
        found = _ADDRESS.search(raw)
        if "@" in raw and (found is None or _DOMAIN_GOES_ON.match(raw, found.end()) is not None):
            local, at, domain = _SPACED_AT.sub("@", raw).partition("@")
            local = _SPACED_DOT.sub(".", local) if comment else local
            raw = local + at + _SPACED_DOT.sub(".", domain)  # RFC 822 section A.1.4
            found = _ADDRESS.search(raw)
        if found is None:
            if any(map(str.isalnum, phrase)) and not phrase.endswith(":"):  # the name of an empty group
                yield _without_address(phrase, comment, hint)
            return
        # several addresses with nothing but white space between them are several mailboxes
        all_found = list(_ADDRESS.finditer(raw)) if "@" in raw[found.end() :] else [found]
        rest = (
            _ADDRESS.sub(" ", raw) if len(all_found) > 1 else raw[: found.start()] + " " + raw[found.end() :]
        )
        name = decode_words(rest.replace('"', " ").strip(" \t[]<>:") or comment, hint)
        for each in all_found:
            yield _address(name if len(all_found) == 1 else "", each[0])


def _bared(phrase: str) -> str:
    """Return a name without white space and brackets around it, unless it ends in a pair of them."""
    bare = phrase.strip(" <>")
    return f"{bare}>" if phrase.rstrip().endswith(">") and "<" in bare[1:] else bare


def _with_angle(name: str, address: str, hint: str | None, *, is_first: bool) -> Address:
    """Return the mailbox in brackets; where it is none, and a name after them is, that one.

    :param is_first: whether nothing stands before the brackets.
    """
    name = decode_words(name, hint)
    if "@" not in address and "@" in name:
        found = _ADDRESS.search(name) if " " in address else _ADDRESS.fullmatch(name) if is_first else None
        if found is not None:
            return _address(address, found[0])  # the two were exchanged
    return _address(name, address)


def _without_address(phrase: str, comment: str, hint: str | None) -> Address:
    name = decode_words(phrase, hint)
    if _ADDRESS.fullmatch(comment) is not None:
        return _address(name, comment)
    if (spelt := _DOMAIN_OF_WORDS.fullmatch(phrase)) is not None:  # as archives of lists write it
        return _address(decode_words(comment, hint), f"{spelt[1]}@{spelt[2]}")
    if comment and phrase and " " not in phrase:  # MAILER-DAEMON (Mail Delivery System)
        return _address(decode_words(comment, hint), name)
    return _address(name or decode_words(comment, hint), "")


def _address(name: str, address: str) -> Address:
    """Clean both parts; a name that only repeats the address is none."""
    for _ in range(_NESTED_COMMENTS):
        if "(" in address:
            address = _COMMENT.sub("", address)
    address = _ROUTE.sub("", _MAILTO.sub("", address.strip(" \t<>'")))
    if " " in address and '"' not in address:
        address = address.replace(" ", "")
    address = address.lower()
    name = " ".join(name.split())
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return Address("" if name.lower() == address else name, address)
