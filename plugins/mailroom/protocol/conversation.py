"""A conversation as it went once: what to send in one go the next time, and whether the answers are the same.

Belongs here: the commands of a sign-in and of the listing after it, kept without the password, and
what of the answers counts. Does not belong here: how they are sent (``client.ahead``), where they are
kept (``archive``), what follows from equal answers (``services``).

Commands may go out before the first is answered: in IMAP as long as no answer changes what a later one
means (RFC 3501 section 5.5), in POP3 where the server says so (PIPELINING, RFC 2449 section 6.6). Nothing
but the commands named here is ever sent in this way: none of them changes anything on a server.

A run with nothing new loads this and little else; hence no library that takes a millisecond.
"""

from __future__ import annotations

from binascii import b2a_base64

try:
    from _blake2 import blake2b  # hashlib, which has it from there, loads OpenSSL: as long as all of this
except ImportError:
    from hashlib import blake2b

__all__ = [
    "DIGEST_OCTETS",
    "MAX_REMEMBERED_OCTETS",
    "Answers",
    "blake2b",
    "commands_of",
    "conversation_of",
    "is_plain_word",
    "offered_by",
]

DIGEST_OCTETS = 32

MAX_REMEMBERED_OCTETS = 4 * 1024 * 1024
"""How much of what comes is kept to be compared with later: a hundred thousand messages by POP3. More of a
conversation was never remembered, and is not read ahead."""

MAX_WORD_OCTETS = 248
"""Longest name or password that every server takes in a line (RFC 2449 section 4)."""

_POP3_LISTING = (b"CAPA", b"LIST", b"UIDL")
_IMAP_LISTING = (b"CAPABILITY", b"ENABLE", b"ID", b"LIST", b"LSUB", b"NAMESPACE")
"""What may be sent beside a sign-in."""

_STEPS = (b"\0one\r\n", b"\0two\r\n", b"\0three\r\n")
"""What stands for a sign-in where it is kept without the password, in the order of ``_sign_ins``."""

_TAG = b"M"
"""How tags of IMAP begin here; no command of POP3 does."""

_BLOCKS = (b"CAPA", b"LIST", b"UIDL")
"""What a block answers in POP3; a line answers the others."""

_LISTINGS = (b"LIST", b"UIDL")
_SIGN_INS = (b"AUTHENTICATE", b"LOGIN", b"PASS")

_HINTS = (b"\\Marked", b"\\UnMarked")

_IMAP_ASIDES = (b"* CAPABILITY ", b"* ID ", b"* OK")
"""What an IMAP server says that is no part of a listing."""


def is_plain_word(word: str) -> bool:
    """Return whether a user name or a password goes to every server as it is, quoted or not."""
    is_whole = word.isascii() and word.isprintable() and 0 < len(word) <= MAX_WORD_OCTETS
    return is_whole and not set(word) & set(' "\\{}')


def conversation_of(sent: bytes, user: str, secret: str) -> bytes | None:
    """Return what was sent from the first command on without the password; None where it is not kept.

    That is where nobody could say it again: signed in another way, with literals, or with more commands
    than those of a listing; and where the password is a part of something else.
    """
    if not (is_plain_word(user) and is_plain_word(secret)):
        return None
    for step, form in zip(_STEPS, _sign_ins(user, secret), strict=True):
        if sent.count(form) == 1:
            kept = sent.replace(form, step)
            return None if secret.encode() in kept or not _is_listing(kept) else kept
    return None


def commands_of(kept: bytes, user: str, secret: str) -> bytes | None:
    """Return the commands to send for this user; None where they are not just a sign-in and a listing."""
    if not (is_plain_word(user) and is_plain_word(secret)) or not _is_listing(kept):
        return None
    for step, form in zip(_STEPS, _sign_ins(user, secret), strict=True):
        kept = kept.replace(step, form)
    return kept


def _sign_ins(user: str, secret: str) -> tuple[bytes, ...]:
    """Return what signs in, in all forms (RFC 1939 section 7, RFC 3501 section 6.2.3, RFC 4959)."""
    name, word = user.encode(), secret.encode()
    plain = b2a_base64(b"\0%b\0%b" % (name, word), newline=False)
    return (
        b"USER %b\r\nPASS %b\r\n" % (name, word),
        b"AUTHENTICATE PLAIN %b\r\n" % plain,
        b'LOGIN "%b" "%b"\r\n' % (name, word),
    )


def _is_listing(kept: bytes) -> bool:
    """Return whether there is one sign-in, and nothing beside it but what asks and lists."""
    *lines, rest = kept.split(b"\r\n")
    if rest or kept.count(b"\0") != 1 or b"LIST" not in map(_verb, lines):
        return False
    is_imap = lines[0].startswith(_TAG)
    return all(_is_allowed(line, is_imap=is_imap) for line in lines)


def _is_allowed(line: bytes, *, is_imap: bool) -> bool:
    """Return whether this is what stands for a sign-in, or a command that asks or lists, and one line."""
    if not is_imap:
        return line in _POP3_LISTING or line + b"\r\n" == _STEPS[0]
    tag, _, command = line.partition(b" ")
    if not (tag.startswith(_TAG) and tag.isalnum()) or b"\r" in line or b"\n" in line or line.endswith(b"}"):
        return False
    return command + b"\r\n" in _STEPS[1:] or (_verb(line) in _IMAP_LISTING and b"\0" not in line)


def offered_by(greeting: bytes) -> bytes:
    """Return what a greeting of IMAP says that the server offers; nothing where it does not."""
    return greeting.partition(b"[CAPABILITY ")[2].partition(b"]")[0]


class Answers:
    """The answers to a conversation as they come.

    :ivar is_signed_in: whether the sign-in was answered well.
    :ivar is_complete: whether all were answered well.
    :ivar is_refused: whether the sign-in was.
    :ivar is_odd: whether one was not, or is not understood here: somebody else must read it.
    """

    def __init__(self, commands: bytes) -> None:
        lines = commands.split(b"\r\n")[:-1]
        self._waiting = [(line.partition(b" ")[0], _verb(line)) for line in lines]
        self._is_imap = commands.startswith(_TAG)
        self._at = 0
        self._ends: list[int] = []
        self._lines = lines
        self._digest = blake2b(digest_size=DIGEST_OCTETS)
        self.is_signed_in = self.is_refused = self.is_odd = False

    @property
    def is_complete(self) -> bool:
        """Whether all were answered well."""
        return not self._waiting and not self.is_odd

    def digest(self) -> bytes:
        """Return a digest of what the listings said, in the order in which they said it."""
        return self._digest.digest()

    def read(self, received: bytes | bytearray, start: int) -> None:
        """Go on where this came to in what was received; stop at what is odd.

        :param received: all octets, the greeting too.
        :param start: where the first answer begins, behind the greeting.
        """
        self._ends = self._ends or [start]
        self._at = self._at or start
        while self._waiting and not self.is_odd:
            end = self._line(received) if self._is_imap else self._answer(received)
            if not end:
                return
            self._at = end
        if len(received) > self._at and not self._waiting:
            self.is_odd = True  # more than was asked for

    def steps(self, received: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """Return the greeting, and each command with what answered it: nothing after one that was refused."""
        pairs = zip(self._ends, self._ends[1:], strict=False)
        answers = [received[start:end] for start, end in pairs]
        answers += [b""] * (len(self._lines) - len(answers))
        commands = [line + b"\r\n" for line in self._lines]
        return received[: self._ends[0]], list(zip(commands, answers, strict=True))

    def _line(self, received: bytes | bytearray) -> int:
        """Read one line of IMAP; return where the next begins, or 0 where it has not come in full."""
        end = received.find(b"\n", self._at) + 1
        if not end:
            return 0
        line = bytes(received[self._at : end])
        if line.startswith(b"* "):
            self._told(line)
        else:
            tag, _, status = line.upper().partition(b" ")
            is_next = tag == self._waiting[0][0]
            self._answered(end, is_ok=is_next and status[:2] == b"OK", is_no=is_next and status[:2] == b"NO")
        return end

    def _told(self, line: bytes) -> None:
        """Take an untagged response; one with a literal, or a farewell, is left to others."""
        start = line[:13].upper()
        if line.endswith(b"}\r\n") or start.startswith((b"* BYE", b"* NO", b"* BAD")):
            self.is_odd = True
        elif not start.startswith(_IMAP_ASIDES):
            self._digest.update(_without_hints(line))

    def _answer(self, received: bytes | bytearray) -> int:
        """Read one answer of POP3; return where the next begins, or 0 where it has not come in full."""
        end = received.find(b"\n", self._at) + 1
        if not end:
            return 0
        if not received.startswith(b"+OK", self._at):
            self._answered(end, is_ok=False, is_no=received.startswith(b"-ERR", self._at))
            return end
        verb = self._waiting[0][1]
        if verb in _BLOCKS:
            # The line end before the dot is that of the status line where the block is empty.
            last = received.find(b"\r\n.\r\n", end - 2)
            if last < 0:
                return 0
            if verb in _LISTINGS:
                self._digest.update(received[end : last + 5])
            end = last + 5
        self._answered(end, is_ok=True)
        return end

    def _answered(self, end: int, *, is_ok: bool, is_no: bool = False) -> None:
        self._ends.append(end)
        if is_ok:
            _, verb = self._waiting.pop(0)
            self.is_signed_in |= verb in _SIGN_INS
        else:
            self.is_odd, self.is_refused = True, is_no and not self.is_signed_in


def _without_hints(line: bytes) -> bytes:
    """Return a response without what LIST says of a visit that may pay or not (RFC 3501 section 7.2.2)."""
    attributes, end, rest = line.partition(b")")
    for hint in _HINTS:
        attributes = attributes.replace(hint + b" ", b"").replace(hint, b"")
    return attributes.rstrip() + end + rest


def _verb(line: bytes) -> bytes:
    first, _, rest = line.partition(b" ")
    return rest.partition(b" ")[0] if first.startswith(_TAG) else first
