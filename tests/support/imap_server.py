"""A small IMAP server on loopback whose faults can be chosen, for what Dovecot never does.

It shows only a window, lists messages it does not deliver, hangs up at one of them, states no
UIDVALIDITY, knows no CONDSTORE, gives object ids: as its :class:`Mailbox` and options say. It
knows no more of IMAP than a reader of mail asks; messages have no flags but those given.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedRWPair
from typing import Any, Self

from mailroom.model import Endpoint, MailProtocol, Security

__all__ = ["ImapServer", "Mail", "Mailbox"]

_QUOTED = re.compile(r'"(?:[^"\\\\]|\\\\.)*"')

_RANGE = re.compile(r"BODY\.PEEK\[\]<(\d+)\.(\d+)>")

CAPABILITIES = ("IMAP4rev1", "ESEARCH", "NAMESPACE", "ID", "UIDPLUS", "LITERAL+")


@dataclass(kw_only=True)
class Mail:
    """One message on the server.

    :param labels: as X-GM-LABELS lists them; None where the server leaves them out.
    :param octets: what RFC822.SIZE says, right or wrong.
    """

    content: bytes
    flags: str = ""
    date: str = "04-Mar-2026 10:30:00 +0000"
    object_id: str | None = None
    labels: str | None = ""
    octets: int | None = None


@dataclass(kw_only=True)
class Mailbox:
    """One folder, and how the server treats it; change it between commands at will.

    :param mail: messages by UID.
    :param window: SEARCH and FETCH know only the newest so many messages; EXISTS counts all.
    :param search_misses: UIDs that SEARCH leaves out.
    :param unwanted: UIDs that SEARCH leaves out where it is asked for a day or a size.
    :param withheld: UIDs that are listed and left out of what FETCH answers, whatever it asks.
    :param nameless: UIDs whose messages are delivered in answers that name no UID.
    :param refused: UIDs for which FETCH of bodies is answered with NO.
    :param hangs_up_at: UIDs at whose body the connection ends, and how often it does.
    :param breaks_after: octets of a body after which the connection ends, one for each time.
    :param ranges: what becomes of ``BODY.PEEK[]<offset.count>``: ``given``, ``ignored`` (the whole is
        sent), ``refused`` (BAD), ``withheld`` (NO), ``empty``.
    :param is_listed: whether LIST names it; all other commands know it anyhow.
    :param arrivals: called at each SEARCH, to let mail come and go while a client works.
    :param refuses: what APPEND of such octets is answered with; None takes them.
    :param stores: what becomes of octets that are appended.
    :param keeps_dates: whether APPEND's internal date counts.
    :param keeps_labels: whether labels that are given stay.
    :param permanent: the flags that can be stored; others are dropped without a word.
    :param hangs_up_after: after so many messages stored by APPEND the connection ends with no answer, once.
    """

    mail: dict[int, Mail] = field(default_factory=dict)
    uid_validity: int | None = 1
    mailbox_id: str | None = None
    attributes: str = ""
    window: int | None = None
    search_misses: set[int] = field(default_factory=set)
    unwanted: set[int] = field(default_factory=set)
    withheld: set[int] = field(default_factory=set)
    nameless: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    hangs_up_at: dict[int, int] = field(default_factory=dict)
    breaks_after: list[int] = field(default_factory=list)
    ranges: str = "given"
    is_broken: bool = False
    is_listed: bool = True
    arrivals: Callable[[Mailbox, int], None] | None = None
    searches: int = 0
    refuses: Callable[[bytes], str | None] | None = None
    stores: Callable[[bytes], bytes] | None = None
    keeps_dates: bool = True
    keeps_labels: bool = True
    permanent: str = "\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*"
    hangs_up_after: int | None = None

    def add(self, content: bytes, flags: str, date: str | None) -> int:
        """Store one message as APPEND does, and return its UID."""
        allowed = self.permanent.lower().split()
        kept = [f for f in flags.split() if f.lower() in allowed or (f[0] != "\\" and "\\*" in allowed)]
        uid = max(self.mail, default=0) + 1
        mail = Mail(content=content if self.stores is None else self.stores(content), flags=" ".join(kept))
        if date is not None and self.keeps_dates:
            mail.date = date
        self.mail[uid] = mail
        return uid

    def shown(self) -> list[int]:
        """Return the UIDs the server shows."""
        uids = sorted(self.mail)
        return uids if self.window is None else uids[-self.window :]


class ImapServer:
    """Serves folders to any user with any password, several sessions at once; a context manager.

    ``commands`` records what clients sent, sign-ins left out. ``outdated`` holds names of folders that are
    not there, and how many more LISTs name them all the same, as Dovecot's do for a moment.
    """

    def __init__(
        self, folders: dict[str, Mailbox] | None = None, *, capabilities: tuple[str, ...] = CAPABILITIES
    ) -> None:
        self.folders = folders if folders is not None else {"INBOX": Mailbox()}
        self.capabilities = capabilities
        self.commands: list[str] = []
        self.refused_names: set[str] = set()
        self.outdated: dict[str, int] = {}
        self.refuses_uses = False
        self.limits: dict[str, int] = {}
        self.subscribed: set[str] = set()
        self.sessions = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join(10)

    def endpoint(self, **overrides: Any) -> Endpoint:
        """Return where the server is found, with no encryption."""
        values: dict[str, Any] = {
            "protocol": MailProtocol.IMAP,
            "host": "127.0.0.1",
            "port": self._listener.getsockname()[1],
            "user": "user",
            "secret": "secret",
            "security": Security.PLAIN,
            "timeout": 10.0,
        }
        return Endpoint(**(values | overrides))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sessions += 1
            self._open.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, _HungUp), connection, connection.makefile("rwb") as stream:
            stream.write(b"* OK ready\r\n")
            stream.flush()
            session = _Session(self, stream)
            while (line := stream.readline()) and session.answer(line.decode("utf-8").rstrip("\r\n")):
                stream.flush()
            stream.flush()


class _HungUp(Exception):
    """The server ends a connection on purpose."""


class _Session:
    """One client's conversation."""

    def __init__(self, server: ImapServer, stream: BufferedRWPair) -> None:
        self._server = server
        self._stream = stream
        self._mailbox = Mailbox()

    def answer(self, line: str) -> bool:
        """Answer one command; return whether the conversation goes on."""
        tag, _, command = line.partition(" ")
        name = command.split(" ", 1)[0].upper()
        if name not in ("LOGIN", "AUTHENTICATE"):
            self._server.commands.append(command)
        if name == "UID":
            name = command.split(" ")[1].upper()
        handler = getattr(self, f"_{name.lower()}", None)
        outcome = "BAD unknown" if handler is None else handler(command) or "OK done"
        self._say(f"{tag} {outcome}")
        return name != "LOGOUT"

    def _say(self, text: str) -> None:
        self._stream.write(text.encode() + b"\r\n")

    def _capability(self, command: str) -> None:
        self._say(f"* CAPABILITY {' '.join(self._server.capabilities)}")

    def _login(self, command: str) -> None:
        return

    def _noop(self, command: str) -> None:
        return

    def _id(self, command: str) -> None:
        self._say("* ID NIL")

    def _enable(self, command: str) -> None:
        asked = command.split()[1:]
        self._say(" ".join(["* ENABLED", *(word for word in asked if word in self._server.capabilities)]))

    def _namespace(self, command: str) -> None:
        self._say('* NAMESPACE (("" "/")) NIL NIL')

    def _logout(self, command: str) -> None:
        self._say("* BYE")

    def _lsub(self, command: str) -> None:
        for name in sorted(self._server.subscribed):
            self._say(f'* LSUB () "/" "{name}"')

    def _list(self, command: str) -> None:
        for name, folder in self._server.folders.items():
            if not folder.is_listed:
                continue
            self._say(f'* LIST ({folder.attributes}) "/" "{name}"')
            if "STATUS (" in command:
                self._status(f'STATUS "{name}"')
        for name, more in self._server.outdated.items():
            if more:
                self._say(f'* LIST () "/" "{name}"')
                self._server.outdated[name] -= 1

    def _status(self, command: str) -> str | None:
        name = command.split('"')[1]
        mailbox = self._server.folders.get(name)
        if mailbox is None:
            return "NO [NONEXISTENT] no such mailbox"
        if "(APPENDLIMIT)" in command:
            self._say(f'* STATUS "{name}" (APPENDLIMIT {self._server.limits.get(name, "NIL")})')
            return None
        numbers = f"MESSAGES {len(mailbox.mail)} UIDNEXT {max(mailbox.mail, default=0) + 1}"
        object_id = f" MAILBOXID ({mailbox.mailbox_id})" if mailbox.mailbox_id else ""
        self._say(f'* STATUS "{name}" ({numbers} UIDVALIDITY {mailbox.uid_validity or 0}{object_id})')
        return None

    def _examine(self, command: str) -> str | None:
        mailbox = self._server.folders.get(command.split('"')[1])
        if mailbox is None:
            return "NO [NONEXISTENT] no such mailbox"
        if mailbox.is_broken:
            return "NO [SERVERBUG] broken"
        self._mailbox = mailbox
        self._say(f"* {len(mailbox.mail)} EXISTS")
        if mailbox.uid_validity is not None:
            self._say(f"* OK [UIDVALIDITY {mailbox.uid_validity}] ok")
        if mailbox.mailbox_id is not None:
            self._say(f"* OK [MAILBOXID ({mailbox.mailbox_id})] ok")
        self._say(f"* OK [UIDNEXT {max(mailbox.mail, default=0) + 1}] ok")
        return "OK [READ-ONLY] done"

    def _select(self, command: str) -> str | None:
        outcome = self._examine(command)
        if outcome == "OK [READ-ONLY] done":
            self._say(f"* OK [PERMANENTFLAGS ({self._mailbox.permanent})] ok")
            return "OK [READ-WRITE] done"
        return outcome

    def _unselect(self, command: str) -> None:
        return

    def _create(self, command: str) -> str | None:
        name = command.split('"')[1]
        if name in self._server.refused_names:
            return "NO [CANNOT] no such name here"
        if self._server.refuses_uses and "(USE (" in command:
            return "NO [USEATTR] not for this"
        if name in self._server.folders:
            return "NO Mailbox exists."  # without a code, as servers older than RFC 5530 say it
        self._server.folders[name] = Mailbox()
        return None

    def _subscribe(self, command: str) -> None:
        return

    def _append(self, command: str) -> str | None:
        """Take one or several messages, all or none (RFC 3502)."""
        mailbox = self._server.folders.get(command.split('"')[1])
        refusal, taken = self._read_appended(mailbox, command.split('"', 2)[2])
        if refusal is not None or mailbox is None:
            return refusal
        uids = [mailbox.add(*message) for message in taken]
        if mailbox.hangs_up_after is not None:
            mailbox.hangs_up_after -= len(uids)
            if mailbox.hangs_up_after <= 0:
                mailbox.hangs_up_after = None
                raise _HungUp
        if "UIDPLUS" not in self._server.capabilities:
            return None
        return f"OK [APPENDUID {mailbox.uid_validity} {uids[0]}:{uids[-1]}] done"

    def _read_appended(
        self, mailbox: Mailbox | None, rest: str
    ) -> tuple[str | None, list[tuple[bytes, str, str | None]]]:
        """Return why the messages are refused, if they are, and the messages."""
        refusal = "NO [TRYCREATE] no such mailbox" if mailbox is None else None
        taken: list[tuple[bytes, str, str | None]] = []
        while rest:
            head = _APPENDED.fullmatch(rest)
            if head is None or (taken and "MULTIAPPEND" not in self._server.capabilities):
                return "BAD cannot read that", []
            octets = int(head["octets"])
            if head["plus"] and not self._takes_at_once(octets):
                return "BAD a literal must wait here", []
            if not head["plus"]:
                if refusal is not None:
                    return refusal, []
                self._say("+ go on")
                self._stream.flush()
            content = self._stream.read(octets)
            if mailbox is not None and mailbox.refuses is not None:
                refusal = refusal or mailbox.refuses(content)
            taken.append((content, head["flags"] or "", head["date"]))
            rest = self._stream.readline().decode("utf-8").rstrip("\r\n")
        return refusal, taken

    def _takes_at_once(self, octets: int) -> bool:
        offered = self._server.capabilities
        return "LITERAL+" in offered or ("LITERAL-" in offered and octets <= 4096)

    def _search(self, command: str) -> None:
        mailbox = self._mailbox
        mailbox.searches += 1
        if mailbox.arrivals is not None:
            mailbox.arrivals(mailbox, mailbox.searches)
        hidden = mailbox.search_misses
        if any(key in command for key in ("SINCE", "BEFORE", "LARGER")):
            hidden = hidden | mailbox.unwanted
        ids = re.findall(r"X-GM-MSGID (\d+)", command)
        shown = [uid for uid in mailbox.shown() if not ids or mailbox.mail[uid].object_id in ids]
        uids = [str(uid) for uid in shown if uid not in hidden]
        if "ESEARCH" not in self._server.capabilities:
            self._say(" ".join(["* SEARCH", *uids]))
        else:
            found = f" ALL {','.join(uids)}" if uids else ""
            self._say(f'* ESEARCH (TAG "x") UID{found}')

    def _store(self, command: str) -> str | None:
        """Give labels as Gmail does, spelled as they came; other changes it does not know."""
        _, _, numbers, item, listed = command.split(" ", 4)
        if item != "+X-GM-LABELS" or "X-GM-EXT-1" not in self._server.capabilities:
            return "BAD what is that"
        if not self._mailbox.keeps_labels:
            return None
        for uid in self._mailbox.shown():
            if any(low <= uid <= high for low, high in _ranges(numbers)):
                mail = self._mailbox.mail[uid]
                has = _QUOTED.findall(mail.labels or "")
                more = [label for label in _QUOTED.findall(listed) if label not in has]
                mail.labels = " ".join([*has, *more])
        return None

    def _move(self, command: str) -> str | None:
        """Move messages; one with labels leaves every folder that has it, as on Gmail."""
        numbers, name = command.split(" ", 3)[2:]
        target = self._server.folders.get(name.strip('"'))
        if target is None:
            return "NO [TRYCREATE] no such mailbox"
        moved = [uid for uid in self._mailbox.shown() if any(a <= uid <= b for a, b in _ranges(numbers))]
        for mail in [self._mailbox.mail.pop(uid) for uid in moved]:
            for folder in self._server.folders.values() if "X-GM-EXT-1" in self._server.capabilities else ():
                kept = {uid: other for uid, other in folder.mail.items() if other.object_id != mail.object_id}
                folder.mail = kept
            target.mail[max(target.mail, default=0) + 1] = mail
        return None

    def _fetch(self, command: str) -> str | None:
        _, _, numbers, items = command.split(" ", 3)
        outcome = None
        if _RANGE.search(items) and self._mailbox.ranges in ("refused", "withheld"):
            return "BAD what is that" if self._mailbox.ranges == "refused" else "NO not now"
        for position, uid in enumerate(self._mailbox.shown(), 1):
            if not any(low <= uid <= high for low, high in _ranges(numbers)):
                continue
            if "BODY.PEEK[]" in items and uid in self._mailbox.refused:
                outcome = "NO [SERVERBUG] cannot read a message"
            elif uid not in self._mailbox.withheld or "BODY.PEEK[]" not in items:
                self._deliver(position, uid, items)
        return outcome

    def _deliver(self, position: int, uid: int, items: str) -> None:
        mail = self._mailbox.mail[uid]
        name = "" if uid in self._mailbox.nameless else f"UID {uid} "
        parts = [f"{name}FLAGS ({mail.flags})"]
        if "RFC822.SIZE" in items:
            octets = len(mail.content) if mail.octets is None else mail.octets
            parts.append(f'INTERNALDATE "{mail.date}" RFC822.SIZE {octets}')
        if "EMAILID" in items and mail.object_id:
            parts.append(f"EMAILID ({mail.object_id})")
        if "X-GM-MSGID" in items:
            parts.append(f"X-GM-MSGID {mail.object_id}")
        if "X-GM-LABELS" in items and mail.labels is not None:
            parts.append(f"X-GM-LABELS ({mail.labels})")
        body = None
        if "BODY.PEEK[]" in items:
            body, name = self._section(mail.content, items)
        elif "BODY.PEEK[HEADER" in items:
            body = mail.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            fields = ".FIELDS (MESSAGE-ID DATE FROM SUBJECT)" if "HEADER.FIELDS" in items else ""
            name = f"BODY[HEADER{fields}]"
        text = f"* {position} FETCH ({' '.join(parts)}"
        if body is None:
            self._say(f"{text})")
            return
        self._stream.write(f"{text} {name} {{{len(body)}}}\r\n".encode())
        if self._mailbox.hangs_up_at.get(uid, 0) and "BODY.PEEK[]" in items:
            self._mailbox.hangs_up_at[uid] -= 1
            self._stream.write(body[: len(body) // 2])
            self._stream.flush()
            raise _HungUp
        if self._mailbox.breaks_after and len(body) > self._mailbox.breaks_after[0]:
            self._stream.write(body[: self._mailbox.breaks_after.pop(0)])
            self._stream.flush()
            raise _HungUp
        self._stream.write(body)
        self._say(")")

    def _section(self, content: bytes, items: str) -> tuple[bytes, str]:
        """Return the octets asked for and what they are called."""
        asked = _RANGE.search(items)
        if asked is None or self._mailbox.ranges == "ignored":
            return content, "BODY[]"
        offset, count = int(asked[1]), int(asked[2])
        if self._mailbox.ranges == "empty":
            count = 0
        return content[offset : offset + count], f"BODY[]<{offset}>"


_APPENDED = re.compile(
    r'(?: \((?P<flags>[^)]*)\))?(?: "(?P<date>[^"]*)")? ~?\{(?P<octets>\d+)(?P<plus>\+?)\}'
)


def _ranges(numbers: str) -> Iterator[tuple[float, float]]:
    for item in numbers.split(","):
        low, _, high = item.partition(":")
        yield int(low), float("inf") if high == "*" else int(re.sub(r"\D", "", high) or low)
