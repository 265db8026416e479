"""Commands out, responses in: one IMAP connection, in lockstep or with commands sent ahead (RFC 3501).

Belongs here: tags, the responses that come between a command and its completion, and what NO, BAD
and BYE mean: a refused command is a ``CommandRejected`` with its facts. Bulk FETCH takes over the same
transport (``imap_fetch``). Does not belong here: what the responses say (``protocol``), which commands
there are (``imap``).

``response = *(continue-req / response-data) response-done`` (RFC 3501 section 9)
"""

from __future__ import annotations

import itertools
import re

from mailroom.client.transport import MAX_LINE_OCTETS, Transport
from mailroom.exceptions import (
    MAX_QUOTED_OCTETS,
    CommandRejected,
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.protocol.imap_syntax import quoted
from mailroom.protocol.modified_utf7 import RAW, decode_mailbox_name, encode_mailbox_name, name_in_utf8

__all__ = ["BUSY_CODES", "ImapWire", "Told", "farewell", "rejection"]

BUSY_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT"})
"""Response codes that say "later" instead of "no" (RFC 9051 section 7.1)."""

Told = bytes | tuple[bytes, bytes]
"""One untagged response after its name: its text; or the text up to a literal, and the literal.

What follows a literal is the next item, whatever it is.
"""

_VERSIONS = {"IMAP4REV1", "IMAP4REV2", "IMAP4"}

_NEEDS_FOLDER = {"UID", "EXPUNGE", "CLOSE", "UNSELECT"}
"""Commands that are about the open folder."""

_STATUS = re.compile(rb"([A-Za-z0-9]+) (OK|NO|BAD)(?: (.*))?", re.IGNORECASE | re.DOTALL)
_UNTAGGED = re.compile(rb"\* (?:([0-9]+) )?([^ ]+)(?: (.*))?", re.DOTALL)
_LITERAL = re.compile(rb"\{([0-9]+)\}\Z")
_LITERAL_DIGITS = 20
"""More digits than any size has (RFC 9051 section 9: number64 has 63 bits); what is longer is not read."""

_WORDED = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
"""Responses that end in words to people, in which ``see {5}`` announces nothing (RFC 3501 section 7.1)."""

_TOLD_CODE = re.compile(rb"\[([A-Za-z-]+)(?: ([^\]]*))?\]")

MAX_TOLD_OCTETS = 256 * 1024 * 1024
"""How much of untagged responses is held until their command is completed: a million folders, and some."""

_TOLD_OVERHEAD = 100
"""What a response takes in memory beside its octets."""

_TIMING = re.compile(rb" *\(\d+\.\d+ \+ [^)]*secs\)\.?\s*\Z")
"""What Dovecot adds to its answers; of no use to a reader."""

_CODE = re.compile(rb"\[([A-Za-z0-9\-]+)(?: [^\]]*)?\] ?")

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
"""What no quoted string may hold."""

_UNSENDABLE = re.compile(rb"[\r\n\0]")


class ImapWire:
    """The commands and responses of one connection.

    :ivar untagged_responses: what came since it was last taken away, by name in capitals; response codes
        of OK, NO and BAD as well.
    :ivar state: ``NONAUTH``, ``AUTH`` or ``SELECTED`` (RFC 3501 section 3).
    :ivar is_streaming: whether the answers to commands are being read elsewhere (``imap_fetch``).
    :ivar is_utf8: whether folder names go both ways in UTF-8 (RFC 9755); else in modified UTF-7.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.untagged_responses: dict[str, list[Told]] = {}
        self.capabilities: frozenset[str] = frozenset()
        self.state = "NONAUTH"
        self.is_streaming = False
        self.is_utf8 = False
        self._sent_otherwise: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._completions: dict[bytes, tuple[str, bytes] | None] = {}
        self._told_octets = 0

    def greet(self) -> None:
        """Read the greeting, and learn what the server offers: from that, or by asking.

        :raises RemoteProtocolError: if it is no IMAP server.
        """
        self._take_response()
        if "PREAUTH" in self.untagged_responses:
            self.state = "AUTH"
        elif "OK" not in self.untagged_responses:
            raise self._no_imap()
        self.capabilities = self.learn_capabilities()
        if not self.capabilities & _VERSIONS:
            raise self._no_imap()

    def learn_capabilities(self) -> frozenset[str]:
        """Return what the server offers, in capitals: as it said unasked with its last answer, or asked.

        :raises CommandRejected: if it refuses to say.
        """
        if not any(self.untagged_responses.get("CAPABILITY", ())):
            self.run("CAPABILITY")
        told = self.untagged_responses.get("CAPABILITY") or [b""]
        text = told[-1] if isinstance(told[-1], bytes) else b""
        return frozenset(text.decode("ascii", "replace").upper().split())

    def new_tag(self) -> bytes:
        """Return a tag for a command whose completion is read elsewhere."""
        return b"M%d" % next(self._numbers)

    def begin(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command, and return its tag.

        :raises LocalProtocolError: where it needs an open folder and there is none, an earlier answer is
            still being read, or an argument cannot be sent.
        :raises ConnectionLost: if the server goes away.
        """
        self._refuse_streaming()
        if name.partition(" ")[0] in _NEEDS_FOLDER and self.state != "SELECTED":
            raise LocalProtocolError("No folder is open for this command: open one first.")
        words = [word if isinstance(word, bytes) else word.encode() for word in arguments]
        if any(map(_UNSENDABLE.search, words)):
            raise LocalProtocolError(
                f"An argument of {name} holds a line break or NUL, which cannot be sent."
            )
        for status in ("OK", "NO", "BAD"):
            self.untagged_responses.pop(status, None)
        if not self._completions:
            self._told_octets = 0
        tag = self.new_tag()
        self._completions[tag] = None
        self.transport.send(b" ".join([tag, name.encode(), *words]) + b"\r\n")
        return tag

    def end(self, name: str, tag: bytes) -> bytes:
        """Take in what comes until a command is completed, and return the words of its completion.

        :raises CommandRejected: if the server answers NO or BAD.
        :raises ConnectionLost: if the server says BYE or goes away.
        :raises LimitExceeded: if it says more than any server has to say.
        :raises RemoteProtocolError: if what comes is no IMAP.
        """
        while (completion := self._completions[tag]) is None:
            self._refuse_farewell()
            self._take_response()
        del self._completions[tag]
        self._refuse_farewell()
        kind, text = completion
        if kind != "OK":
            raise rejection(self.transport.where, name, kind, text)
        return text

    def run(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command and wait for its completion; return its words.

        :raises CommandRejected: if the server answers NO or BAD.
        :raises MailroomError: as ``begin`` and ``end`` do.
        """
        return self.end(name, self.begin(name, *arguments))

    def settle(self) -> None:
        """Take in the answers still under way, so that what comes next answers what is sent next.

        For whoever reads the connection in another way: ID is sent and not waited for, and an error may
        leave commands behind. NO and BAD are no errors here; whoever waits for a completion still gets it
        from ``end``.

        :raises LocalProtocolError: where an earlier answer is still being read.
        :raises ConnectionLost: if the server says BYE or goes away.
        :raises RemoteProtocolError: if what comes is no IMAP.
        """
        self._refuse_streaming()
        while None in self._completions.values():
            self._take_response()
            self._refuse_farewell()

    def read_literal(self, name: bytes, text: bytes) -> bytes | None:
        """Return the literal that a line of an untagged response announces, or None where it announces none.

        :param name: of the response.
        :raises LimitExceeded: where it is larger than any that is read here; bodies come by ``imap_fetch``.
        :raises ConnectionLost: if the server goes away.
        """
        announced = _LITERAL.search(text) if name.upper() not in _WORDED else None
        if announced is None:
            return None
        octets = int(announced[1].lstrip(b"0")[:_LITERAL_DIGITS] or b"0")
        if octets > MAX_LINE_OCTETS:
            raise LimitExceeded(
                f"{self.transport.where} announced {octets} octets at once; here at most {MAX_LINE_OCTETS} "
                "are taken.",
                limit=MAX_LINE_OCTETS,
                found=octets,
            )
        return self.transport.read(octets)

    def folder_name(self, octets: bytes) -> str:
        """Return the name of a folder for people, as the server sent it.

        A server that says it speaks UTF-8 and sends modified UTF-7 is understood, and answered likewise.
        """
        name = decode_mailbox_name(octets)
        if not self.is_utf8:
            return name
        plain = name_in_utf8(octets)
        if octets.isascii() and not name.isascii() and not name.startswith(RAW):
            self._sent_otherwise[name] = octets
            return name
        return plain

    def quoted_name(self, name: str, command: str = "EXAMINE") -> bytes:
        """Return a folder's name as commands take it.

        ``quoted = DQUOTE *QUOTED-CHAR DQUOTE`` (RFC 3501 section 9). Octets above ASCII go out where
        both sides speak UTF-8, or as the server sent them, for only such a server has them.

        :param command: which one, for the error.
        :raises CommandRejected: if the name holds what cannot be sent.
        """
        is_plain = self.is_utf8 and not name.startswith(RAW)
        octets = name.encode("utf-8", "replace") if is_plain else encode_mailbox_name(name)
        octets = self._sent_otherwise.get(name, octets)
        if _CONTROLS.search(octets):
            why = "a name with control characters cannot be sent"
            raise CommandRejected(
                f"Folder {name!r}: {why}.", command=command, kind="NO", code="CANNOT", text=why
            )
        return quoted(octets)

    def _take_response(self) -> None:
        """Read one response and keep what it says.

        :raises RemoteProtocolError: if it is no IMAP.
        """
        line = self._line()
        status = _STATUS.fullmatch(line)
        if status is not None and status[1] in self._completions:
            kind, text = status[2].decode().upper(), status[3] or b""
            self._completions[status[1]] = kind, text
        else:
            untagged = _UNTAGGED.fullmatch(line)
            if untagged is None:
                if line.startswith(b"+"):
                    return  # nothing of ours waits for it: every command goes out whole
                raise self._no_imap()
            kind, text = self._keep(untagged)
        code = _TOLD_CODE.match(text) if kind in ("OK", "NO", "BAD", "PREAUTH") else None
        if code is not None:
            self._add(code[1].decode().upper(), code[2] or b"")

    def _keep(self, untagged: re.Match[bytes]) -> tuple[str, bytes]:
        """Keep an untagged response with its literals; return its name, and its text after the last one.

        :raises LimitExceeded: where a literal, or all that is told, is larger than believable.
        """
        number, octets, text = untagged.groups()
        name, text = octets.decode("ascii", "replace").upper(), text or b""
        if number is not None:
            text = number + b" " + text if text else number
        while (literal := self.read_literal(octets, text)) is not None:
            self._add(name, (text, literal))
            text = self._line()
        self._add(name, text)
        return name, text

    def _add(self, name: str, told: Told) -> None:
        octets = len(told) if isinstance(told, bytes) else sum(map(len, told))
        self._told_octets += octets + _TOLD_OVERHEAD
        if self._told_octets > MAX_TOLD_OCTETS:
            raise LimitExceeded(
                f"{self.transport.where} says more and more and completes no command: more than "
                f"{MAX_TOLD_OCTETS} octets are not taken.",
                limit=MAX_TOLD_OCTETS,
                found=self._told_octets,
            )
        self.untagged_responses.setdefault(name, []).append(told)

    def _line(self) -> bytes:
        line = self.transport.readline()
        if not line.endswith(b"\r\n"):
            raise self._no_imap()
        return line[:-2]

    def _refuse_streaming(self) -> None:
        if self.is_streaming:
            raise LocalProtocolError("An earlier answer on this connection is still being read: finish it.")

    def _refuse_farewell(self) -> None:
        told = self.untagged_responses.get("BYE")
        if told:
            raise farewell(self.transport.where, told[-1] if isinstance(told[-1], bytes) else b"")

    def _no_imap(self) -> RemoteProtocolError:
        where = self.transport.where
        return RemoteProtocolError(
            f"{where} sent what is no IMAP: check the port (993 with TLS, 143 without)."
        )


def rejection(where: str, command: str, kind: str, text: bytes) -> CommandRejected:
    """Return the error for a command that was answered with NO or BAD."""
    code, words = _read(text)
    return CommandRejected(
        f"{where} answered {command} with {kind}: {words or 'no reason given'}.",
        command=command,
        kind=kind,
        code=code,
        text=words,
    )


def farewell(where: str, text: bytes) -> ConnectionLost:
    """Return the error for a connection that the server ended with BYE."""
    code, words = _read(text.strip())
    reason = "busy" if code in BUSY_CODES else "closed"
    return ConnectionLost(f"{where} ended the connection: {words or 'no reason given'}.", reason=reason)


def _read(text: bytes) -> tuple[str | None, str]:
    """Return the response code, and the server's words on one line, shortened."""
    match = _CODE.match(text)
    words = _TIMING.sub(b"", text[match.end() if match else 0 :])[:MAX_QUOTED_OCTETS].decode(
        "utf-8", "replace"
    )
    words = "".join(character if character.isprintable() else " " for character in words).strip().rstrip(".")
    return (match[1].decode().upper() if match else None), words
