"""An IMAP server in a process of its own that has one huge folder and answers as Dovecot would.

Run as ``python scripted_imap.py STATE``, where STATE is JSON (see :class:`State`): prints its port and
serves until standard input ends. No message is held: all that is asked of one follows from its number.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

EXTENSIONS = "SASL-IR ID ENABLE NAMESPACE UIDPLUS CHILDREN LIST-EXTENDED LIST-STATUS ESEARCH SPECIAL-USE"
COUNTING = "CONDSTORE QRESYNC"

LINES_A_WRITE = 2000
"""Answers that are sent together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the server holds: UIDs from 1 without a gap.

    :param changed: a message whose flags are others since ``modseq`` was one less; 0 for none.
    :param counts: whether it counts changes (CONDSTORE).
    """

    messages: int
    uid_validity: int
    modseq: int
    changed: int = 0
    counts: bool = True

    def flags(self, uid: int) -> str:
        """Return a message's flags."""
        return "\\Flagged \\Seen" if uid == self.changed else "\\Seen"

    def modseq_of(self, uid: int) -> int:
        """Return when a message changed last."""
        return self.modseq if uid == self.changed else 1

    def status(self) -> str:
        """Return STATUS items."""
        text = f"MESSAGES {self.messages} UIDNEXT {self.messages + 1} UIDVALIDITY {self.uid_validity}"
        return f"{text} HIGHESTMODSEQ {self.modseq}" if self.counts else text

    def item(self, name: str, uid: int) -> str:
        """Return one FETCH item with its value."""
        values = {
            "UID": str(uid),
            "FLAGS": f"({self.flags(uid)})",
            "MODSEQ": f"({self.modseq_of(uid)})",
            "INTERNALDATE": '"01-Jan-2020 00:00:00 +0000"',
            "RFC822.SIZE": "1000",
        }
        return f"{name} {values[name]}"


class Session:
    """One connection."""

    def __init__(self, connection: socket.socket, state: State) -> None:
        self._stream: BinaryIO = connection.makefile("rwb", buffering=1 << 16)  # type: ignore[assignment]
        self._state = state

    def serve(self) -> None:
        """Answer until the client goes."""
        self._say("* OK ready")
        for line in self._stream:
            tag, _, command = line.decode().strip().partition(" ")
            words = command.upper().split()
            name = "_".join(words[: 2 if words[0] == "UID" else 1]).lower()
            handler = getattr(self, f"_on_{name}", None)
            if handler is not None:
                handler(tag, command)
            self._say(f"{tag} OK done" if handler is not None else f"{tag} BAD unknown")
            self._stream.flush()
            if name == "logout":
                return

    def _say(self, text: str) -> None:
        self._stream.write(text.encode() + b"\r\n")
        if text.startswith("* OK ready"):
            self._stream.flush()

    def _on_capability(self, tag: str, command: str) -> None:
        counting = f" {COUNTING}" if self._state.counts else ""
        self._say(f"* CAPABILITY IMAP4rev1 AUTH=PLAIN {EXTENSIONS}{counting}")

    def _nothing(self, tag: str, command: str) -> None:
        return

    _on_login = _on_authenticate = _on_noop = _nothing

    def _on_id(self, tag: str, command: str) -> None:
        self._say('* ID ("name" "Dovecot")')

    def _on_enable(self, tag: str, command: str) -> None:
        self._say(f"* ENABLED {command.partition(' ')[2]}")

    def _on_namespace(self, tag: str, command: str) -> None:
        self._say('* NAMESPACE (("" "/")) NIL NIL')

    def _on_logout(self, tag: str, command: str) -> None:
        self._say("* BYE Logging out")

    def _on_list(self, tag: str, command: str) -> None:
        self._say('* LIST (\\HasNoChildren) "/" INBOX')
        if "STATUS" in command.upper():
            self._on_status(tag, command)

    def _on_status(self, tag: str, command: str) -> None:
        self._say(f"* STATUS INBOX ({self._state.status()})")

    def _on_examine(self, tag: str, command: str) -> None:
        state = self._state
        self._say("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)")
        self._say("* OK [PERMANENTFLAGS ()] Read-only mailbox.")
        self._say(f"* {state.messages} EXISTS")
        self._say("* 0 RECENT")
        self._say(f"* OK [UIDVALIDITY {state.uid_validity}] UIDs valid")
        self._say(f"* OK [UIDNEXT {state.messages + 1}] Predicted next UID")
        if state.counts:
            self._say(f"* OK [HIGHESTMODSEQ {state.modseq}] Highest")
        if known := re.search(r"QRESYNC \(\d+ (\d+)", command):
            self._send_changed(int(known[1]), range(1, state.messages + 1), ["UID", "FLAGS", "MODSEQ"])

    def _on_uid_search(self, tag: str, command: str) -> None:
        wanted = re.search(r"UID (\d+:\S+|\d\S*)\s*$", command)
        found = self._numbers(wanted[1]) if wanted else range(1, self._state.messages + 1)
        options = re.search(r"RETURN \(([^)]*)\)", command)
        if options is None:
            self._say(f"* SEARCH {' '.join(map(str, found))}")
            return
        values = {
            "ALL": f"ALL {found.start}:{found.stop - 1}",
            "COUNT": f"COUNT {len(found)}",
            "MIN": f"MIN {found.start}",
            "MAX": f"MAX {found.stop - 1}",
        }
        told = " ".join(values[word] for word in options[1].upper().split() or ["ALL"])
        self._say(f'* ESEARCH (TAG "{tag}") UID {told}')

    def _on_uid_fetch(self, tag: str, command: str) -> None:
        _, _, numbers, rest = command.split(" ", 3)
        fields = re.search(r"BODY\.PEEK(\[HEADER\.FIELDS \([^)]*\)\])", rest)
        plain = rest.replace(fields[0], "") if fields else rest
        items = [word for word in re.findall(r"[A-Z0-9.]+", plain.partition(")")[0]) if word]
        if since := re.search(r"CHANGEDSINCE (\d+)", rest):
            self._send_changed(int(since[1]), self._numbers(numbers), items)
            return
        for block in _blocks(self._numbers(numbers)):
            lines = [self._line(uid, items, fields[1] if fields else None) for uid in block]
            self._stream.write("".join(lines).encode())

    def _send_changed(self, since: int, among: range, items: list[str]) -> None:
        state = self._state
        if state.changed in among and state.modseq_of(state.changed) > since:
            words = list(dict.fromkeys([*items, "MODSEQ"]))
            self._stream.write(self._line(state.changed, words, None).encode())

    def _line(self, uid: int, items: list[str], fields: str | None) -> str:
        text = " ".join(self._state.item(name, uid) for name in items)
        if fields is None:
            return f"* {uid} FETCH ({text})\r\n"
        header = f"Message-ID: <{uid}@example.org>\r\n\r\n"
        return f"* {uid} FETCH ({text} BODY{fields} {{{len(header)}}}\r\n{header})\r\n"

    def _numbers(self, text: str) -> range:
        """Return the UIDs of a sequence set of one range, the only kind that is asked for here."""
        low, _, high = text.partition(":")
        last = self._state.messages
        top = last if high == "*" else min(int(high or low), last)
        return range(last if low == "*" else int(low), top + 1)


def _blocks(numbers: range) -> Iterator[range]:
    for start in range(0, len(numbers), LINES_A_WRITE):
        yield numbers[start : start + LINES_A_WRITE]


def _serve(listener: socket.socket, state: State) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Session(connection, state).serve, daemon=True).start()


def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = State(**json.loads(sys.argv[1]))
    threading.Thread(target=_serve, args=(listener, state), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
