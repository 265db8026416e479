"""The IMAP client: an account's folders and messages (RFC 3501, 9051).

Belongs here: what the engine asks of a server, one method a question. Reading changes
nothing: EXAMINE and BODY.PEEK only; `select`, `store_flags`, `mark_deleted` and the two
EXPUNGEs are the named exceptions. Does not belong here: what follows from the answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mailroom.client.imap_sets import sets_of, uids_found, uids_listed
from mailroom.client.imap_sign_in import open_connection
from mailroom.client.imap_wire import ImapWire
from mailroom.client.transport import Transport, Waiting
from mailroom.exceptions import CapabilityMissing, CommandRejected, MailroomError
from mailroom.protocol.imap_listing import Namespaces, parse_list, parse_mailbox_id, parse_status

if TYPE_CHECKING:
    from mailroom.client.half_bodies import HalfBodies
    from mailroom.client.imap_selected import SelectedFolder
    from mailroom.model import Endpoint, FetchedMessage, Folder, SpoolFactory
    from mailroom.protocol.sequence_set import Uids

__all__ = ["ImapClient"]

HEADER_FIELDS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]"
"""The header fields that tell who a message is."""


class ImapClient:
    """A signed-in connection; make it with :meth:`connect`. Not for use from two threads at once."""

    def __init__(self, endpoint: Endpoint, wire: ImapWire, capabilities: frozenset[str]) -> None:
        self._wire = wire
        self._name_of = wire.folder_name
        self.host = endpoint.host
        self.capabilities = capabilities
        self._selected: SelectedFolder | None = None

    @classmethod
    def connect(cls, endpoint: Endpoint, transport: Transport | None = None) -> Self:
        """Connect, protect the connection, sign in, say who we are, compress where that is worth it.

        :param transport: a connection to begin with, its greeting not read yet.
        :raises ConnectionLost: if the server cannot be reached, is busy or goes away.
        :raises CertificateRejected: if its certificate is not valid.
        :raises AuthenticationFailed: if it refuses user, password or token.
        :raises CapabilityMissing: if it offers no TLS or no such way of signing in.
        """
        return cls(endpoint, *open_connection(endpoint, transport))

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log out, or after an error just hang up."""
        if kind is None:
            self.logout()
        self.close()

    @property
    def wire(self) -> ImapWire:
        """The protocol engine, for the modules beside this one that speak of other commands."""
        return self._wire

    def supports(self, name: str) -> bool:
        """Return whether the server offers a capability."""
        return name.upper() in self.capabilities

    @property
    def states_modseq(self) -> bool:
        """Whether the server counts changes (CONDSTORE, RFC 7162; QRESYNC includes it)."""
        return self.supports("CONDSTORE") or self.supports("QRESYNC")

    @property
    def states_labels(self) -> bool:
        """Whether messages have labels, as Gmail's do (X-GM-EXT-1)."""
        return self.supports("X-GM-EXT-1")

    @property
    def identifiers(self) -> tuple[str, ...]:
        """What FETCH asks for to know a message wherever it lies (RFC 8474, X-GM-EXT-1), if anything."""
        if self.states_labels:
            return ("X-GM-MSGID", "X-GM-LABELS")
        return ("EMAILID",) if self.supports("OBJECTID") else ()

    def while_waiting(self, block: Waiting) -> None:
        """Enter such a block wherever the server is waited for, so that others can work meanwhile."""
        self._wire.transport.while_waiting(block)

    @property
    def selected(self) -> SelectedFolder | None:
        """The folder that was opened last; None where the server did not open it."""
        return self._selected

    @property
    def round_trip(self) -> float:
        """Seconds from a question to its answer, as far as known; 0 where it is not."""
        return self._wire.transport.round_trip or 0.0

    def list_folders(
        self, *, other_namespaces: bool = False, with_subscriptions: bool = False
    ) -> list[Folder]:
        """Return the account's folders, with their counts where the server gives them along.

        :param other_namespaces: whether shared folders and those of other users count (RFC 2342).
        :param with_subscriptions: ask as well which of them mail programs are to show. By LSUB, in no time
            of its own: what LIST-EXTENDED says is wrong for INBOX (Dovecot 2.3.19).
        :raises ConnectionLost: if the server goes away.
        """
        self._wire.untagged_responses.clear()
        asked = self._wire.begin("LSUB", '""', '"*"') if with_subscriptions else None
        spaces_asked = self._ask_namespaces()
        folders = self._list("*", with_options=True)
        spaces = self._namespaces(spaces_asked)
        for prefix in spaces.foreign_prefixes if other_namespaces else ():
            # "*" need not reach into them (RFC 2342 section 4).
            folders = self._list(f"{prefix}*") | folders
        subscribed = None if asked is None else self._subscribed(asked)
        return [
            folder if subscribed is None else dataclasses.replace(folder, subscribed=name in subscribed)
            for name, folder in folders.items()
            if other_namespaces or spaces.is_personal(folder)
        ]

    def folder_status(self, name: str) -> dict[str, int]:
        """Return MESSAGES, UIDNEXT, UIDVALIDITY and, where offered, HIGHESTMODSEQ, without opening it.

        :raises CommandRejected: if there is no such folder.
        :raises ConnectionLost: if the server goes away.
        """
        self._wire.untagged_responses.pop("STATUS", None)
        self._wire.run("STATUS", self._wire.quoted_name(name), self.status_items)
        return self.statuses_told().get(name, {})

    def statuses_told(self) -> dict[str, dict[str, int]]:
        """Return the counts that the server has stated since they were asked for, by folder."""
        return dict(parse_status(*parts, name_of=self._name_of) for parts in self._untagged("STATUS"))

    def examine(self, name: str) -> SelectedFolder:
        """Open a folder for reading; nothing in it changes, \\Recent included.

        :raises CommandRejected: if there is no such folder, or it cannot be opened.
        :raises ConnectionLost: if the server goes away.
        """
        return self._open("EXAMINE", name)

    def select(self, name: str) -> SelectedFolder:
        """Open a folder for changes; `SelectedFolder.read_only` says where the server allows none.

        :raises CommandRejected: if there is no such folder, or it cannot be opened.
        :raises ConnectionLost: if the server goes away.
        """
        return self._open("SELECT", name)

    def search(self, *criteria: str) -> Uids:
        """Return the UIDs that meet all criteria, such as ``"SINCE 1-Jan-2026"``; ascending.

        :raises CommandRejected: if the server does not know a criterion.
        :raises ConnectionLost: if the server goes away.
        """
        self._wire.untagged_responses.pop("SEARCH", None)
        self._wire.untagged_responses.pop("ESEARCH", None)
        asked = criteria or ("ALL",)
        if self.supports("ESEARCH"):
            self._uid("SEARCH", "RETURN", "(ALL)", *asked)
            return uids_found(answer for answer, *_ in self._untagged("ESEARCH"))
        self._uid("SEARCH", *asked)
        return uids_listed(answer.partition(b"(")[0].strip() for answer, *_ in self._untagged("SEARCH"))

    def fetch_messages(
        self, uids: Iterable[int] | Uids, spool: SpoolFactory, *, halves: HalfBodies | None = None
    ) -> Iterator[FetchedMessage]:
        """Yield messages with body, flags, dates and sizes as they arrive; those missing are left out.

        One command asks for a thousand of them, the next one when it is completed, so they
        come in the order asked for. Whoever stops in between closes the connection: what is still on
        its way is of unknown length, and every later call raises ConnectionLost.

        :param uids: ascending, or in the order in which they are wanted.
        :param spool: where bodies over `SPOOL_OCTETS` go.
        :param halves: large bodies whose transfer broke earlier, to go on from; and where those go that
            break now. None: all are fetched from their beginning.
        :raises ConnectionLost: if the server goes away.
        """
        from mailroom.client.imap_bodies import MailboxHalves, fetch_bodies  # numpy, where mail is fetched

        items = self._items("FLAGS", "INTERNALDATE", "RFC822.SIZE", *self.identifiers, "BODY.PEEK[]")
        here, opened = None, self._selected
        if halves is not None and opened is not None and opened.uid_validity is not None:
            here = MailboxHalves(halves=halves, folder=opened.name, uid_validity=opened.uid_validity)
        return fetch_bodies(self._wire, uids, items, spool, here)

    def fetch_flags(
        self, uids: Iterable[int] | Uids | str = "1:*", *, changed_since: int | None = None
    ) -> Iterator[FetchedMessage]:
        """Yield UIDs and flags of messages, and labels where there are any.

        :param changed_since: only those changed after this MODSEQ (RFC 7162 section 3.1.4.1).
        :raises ConnectionLost: if the server goes away.
        """
        if self._selected is not None and not self._selected.exists:
            return iter(())
        sets = iter((uids,)) if isinstance(uids, str) else sets_of(uids)
        modifier = f" (CHANGEDSINCE {changed_since})" if changed_since is not None else ""
        items = self._items("FLAGS", *(("X-GM-LABELS",) if self.states_labels else ()))
        return self._stream(f"UID FETCH {text} {items}{modifier}" for text in sets)

    def fetch_fingerprints(
        self, uids: Iterable[int] | Uids, *, with_save_date: bool = False
    ) -> Iterator[FetchedMessage]:
        """Yield who messages are: size, dates, flags, identifying header fields; no bodies.

        :param with_save_date: ask when each came into the folder (SAVEDATE, RFC 8514), if offered.
        :raises ConnectionLost: if the server goes away.
        """
        saved = ("SAVEDATE",) if with_save_date and self.supports("SAVEDATE") else ()
        items = self._items("FLAGS", "INTERNALDATE", "RFC822.SIZE", *saved, *self.identifiers, HEADER_FIELDS)
        return self._stream(f"UID FETCH {text} {items}" for text in sets_of(uids))

    def store_flags(
        self, uids: Iterable[int] | Uids, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> list[FetchedMessage]:
        """Set and take away flags; return what the server says the flags now are.

        :raises CommandRejected: if it refuses the command as such.
        :raises ConnectionLost: if the server goes away.
        """
        sets = list(sets_of(uids))
        answers: list[FetchedMessage] = []
        for sign, flags in (("+", add), ("-", remove)):
            if flags:
                change = f"{sign}FLAGS ({' '.join(flags)})"
                answers += self._stream(f"UID STORE {text} {change}" for text in sets)
        return answers

    def mark_deleted(self, uids: Iterable[int] | Uids) -> set[int]:
        """Set \\Deleted; return the UIDs that the server says carry it now, named or not.

        :raises ConnectionLost: if the server goes away.
        """
        answers = self.store_flags(uids, add=("\\Deleted",))
        return {
            answer.uid for answer in answers if "\\deleted" in {flag.lower() for flag in answer.flags or ()}
        }

    def expunge(self, uids: Iterable[int] | Uids) -> None:
        """Remove these messages where they are marked \\Deleted, and no others (RFC 4315 section 2.1).

        :raises CapabilityMissing: if the server has no UIDPLUS: EXPUNGE would take others' as well.
        :raises CommandRejected: if the server refuses.
        :raises ConnectionLost: if the server goes away.
        """
        if not self.supports("UIDPLUS"):
            raise CapabilityMissing(
                f"{self.host} does not offer UIDPLUS, so messages cannot be expunged one by one.",
                capability="UIDPLUS",
            )
        for text in sets_of(uids):
            self._uid("EXPUNGE", text)

    def expunge_all(self) -> None:
        """Remove every message marked \\Deleted, whoever marked it (RFC 3501 section 6.4.3).

        :raises CommandRejected: if the server refuses.
        :raises ConnectionLost: if the server goes away.
        """
        self._wire.run("EXPUNGE")

    def noop(self) -> None:
        """Take in what others changed; without it SEARCH and FETCH may show an older state (Dovecot's do).

        :raises ConnectionLost: if the server goes away.
        """
        self._wire.run("NOOP")

    def logout(self) -> None:
        """Say goodbye and hang up: what was asked for is done, and nobody reads the answer."""
        if not self._wire.is_streaming:
            with contextlib.suppress(MailroomError):
                self._wire.begin("LOGOUT")
        self.close()

    def close(self) -> None:
        """Hang up at once; safe to call twice and from another thread."""
        self._wire.transport.close()

    def _open(self, command: str, name: str) -> SelectedFolder:
        self._selected = None
        self._wire.untagged_responses.clear()
        extension = ("(CONDSTORE)",) if self.supports("CONDSTORE") else ()
        self._wire.run(command, self._wire.quoted_name(name), *extension)
        told = self._wire.untagged_responses
        self._wire.state = "SELECTED"
        from mailroom.client.imap_selected import selected_folder

        self._selected = selected_folder(name, told, read_only=command == "EXAMINE")
        return self._selected

    def _stream(self, commands: Iterable[str]) -> Iterator[FetchedMessage]:
        from mailroom.client.imap_fetch import stream_commands  # where there is anything to fetch

        return stream_commands(self._wire, commands)

    def _items(self, *items: str) -> str:
        modseq = ("MODSEQ",) if self.states_modseq else ()
        body = tuple(item for item in items if item.startswith("BODY"))
        rest = tuple(item for item in items if not item.startswith("BODY"))
        return f"({' '.join(('UID', *rest, *modseq, *body))})"

    @property
    def status_items(self) -> str:
        """What STATUS asks for."""
        return f"(MESSAGES UIDNEXT UIDVALIDITY{' HIGHESTMODSEQ' if self.states_modseq else ''})"

    def _listed_items(self) -> str:
        # Cyrus 3.6, which alone offers X-REPLICATION, answers with memory that it had freed: noise.
        more = " MAILBOXID" if self.supports("OBJECTID") and not self.supports("X-REPLICATION") else ""
        return f"{self.status_items[:-1]}{more})"

    def _list(self, pattern: str, *, with_options: bool = False) -> dict[str, Folder]:
        """Return folders by name; with their counts where asked for and offered (RFC 5258, 5819, 6154)."""
        options: list[str] = []
        if with_options and self.supports("LIST-EXTENDED"):
            options += ["SPECIAL-USE"] if self.supports("SPECIAL-USE") else []
            options += [f"STATUS {self._listed_items()}"] if self.supports("LIST-STATUS") else []
        try:
            returned = [f"RETURN ({' '.join(options)})"] if options else ()
            self._wire.run("LIST", '""', self._wire.quoted_name(pattern), *returned)
        except CommandRejected:
            if not options:
                raise
            return self._list(pattern)
        told = list(self._untagged("STATUS"))
        counts = dict(parse_status(*parts, name_of=self._name_of) for parts in told)
        ids = dict(parse_mailbox_id(*parts, name_of=self._name_of) for parts in told)
        return {
            f.name: dataclasses.replace(f, status=counts.get(f.name), mailbox_id=ids.get(f.name))
            for f in self._told("LIST")
        }

    def namespaces(self) -> Namespaces:
        """Return whose folders are whose (RFC 2342); all are ours where the server does not say.

        :raises ConnectionLost: if the server goes away.
        """
        return self._namespaces(self._ask_namespaces())

    def _ask_namespaces(self) -> bytes | None:
        """Ask, where the server knows, and return the command's tag."""
        return self._wire.begin("NAMESPACE") if self.supports("NAMESPACE") else None

    def _namespaces(self, asked: bytes | None) -> Namespaces:
        if asked is None:
            return Namespaces()
        self._wire.end("NAMESPACE", asked)
        parts: list[bytes] = []
        for told in self._wire.untagged_responses.pop("NAMESPACE", ()):
            if isinstance(told, bytes):
                return Namespaces.parse([*parts, told], name_of=self._name_of)
            parts += told
        return Namespaces()

    def _subscribed(self, asked: bytes) -> set[str] | None:
        """Return what LSUB lists, or None where the server refuses to say it."""
        try:
            self._wire.end("LSUB", asked)
        except CommandRejected:
            return None
        return {folder.name for folder in self._told("LSUB")}

    def _told(self, response: str) -> list[Folder]:
        """Return the folders of LIST or LSUB responses."""
        return [parse_list(*parts[:2], name_of=self._name_of) for parts in self._untagged(response)]

    def _uid(self, name: str, *arguments: str) -> None:
        self._wire.run(f"UID {name}", *arguments)

    def _untagged(self, name: str) -> Iterator[tuple[bytes, bytes | None, bytes]]:
        """Yield the untagged responses of one name that came, as text, literal, and text after it."""
        waiting: tuple[bytes, bytes] | None = None
        for item in self._wire.untagged_responses.pop(name, None) or ():
            if isinstance(item, tuple):
                waiting = (item[0], item[1])
            elif waiting is not None:
                yield (*waiting, item)
                waiting = None
            elif item:
                yield item, None, b""
