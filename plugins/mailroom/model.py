"""Frozen value types shared by all layers, named as the RFCs name things.

Nothing here does work: no sockets, no clock, no storage. A *mailbox* is what IMAP
calls a folder; user-facing names say folder. Times are aware UTC datetimes, sizes
are octets.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "DEFAULT_CONNECTIONS",
    "MAX_CONNECTIONS",
    "SERVER_PROTOCOLS",
    "AuthMethod",
    "Body",
    "Change",
    "Compression",
    "Endpoint",
    "FetchedMessage",
    "Fingerprint",
    "Folder",
    "FolderRow",
    "LocationRow",
    "MailProtocol",
    "RunContext",
    "RunLoss",
    "Security",
    "SpoolFactory",
]


class MailProtocol(enum.Enum):
    """The protocol a message was read by; ``IMPORT`` is none, but files that somebody had."""

    POP3 = "pop3"
    IMAP = "imap"
    IMPORT = "import"


class Security(enum.Enum):
    """How a connection is protected; ``STARTTLS`` is POP3's STLS as well."""

    SSL = "ssl"
    STARTTLS = "starttls"
    PLAIN = "plain"


class AuthMethod(enum.Enum):
    """How to sign in: a password, or an OAuth 2 access token (RFC 7628 and its forerunner)."""

    PASSWORD = "password"
    XOAUTH2 = "xoauth2"
    OAUTHBEARER = "oauthbearer"


class Compression(enum.Enum):
    """When an IMAP connection is compressed (RFC 4978); only ever where the server offers it."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Change(enum.Enum):
    """What a row of ``locations`` says happened to a message at its place; a closed list."""

    ADDED = "added"
    FLAGS = "flags"
    MOVED = "moved"
    EXPUNGED = "expunged"
    NOT_LISTED = "not_listed"
    UNFETCHABLE = "unfetchable"
    DELETED_BY_FETCH = "deleted_by_fetch"
    DELETED_BY_RETENTION = "deleted_by_retention"
    DELETED_BY_REQUEST = "deleted_by_request"

    @property
    def is_live(self) -> bool:
        """Whether a message whose newest row says this is on the server, its bytes in the archive."""
        return self in (Change.ADDED, Change.FLAGS, Change.MOVED)


SERVER_PROTOCOLS = (MailProtocol.POP3, MailProtocol.IMAP)
"""Those that a server speaks."""

DEFAULT_PORTS = {
    (MailProtocol.POP3, Security.SSL): 995,
    (MailProtocol.POP3, Security.STARTTLS): 110,
    (MailProtocol.POP3, Security.PLAIN): 110,
    (MailProtocol.IMAP, Security.SSL): 993,
    (MailProtocol.IMAP, Security.STARTTLS): 143,
    (MailProtocol.IMAP, Security.PLAIN): 143,
}
"""The registered port of each protocol and protection (RFC 8314)."""


DEFAULT_CONNECTIONS = 4
"""Connections to one account at once; most servers allow 10 or more (Gmail 15, Dovecot 10 by default)."""

MAX_CONNECTIONS = 32
"""More than any hosted account is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a mail account is, and how to sign in to it.

    :param secret: password or access token; never shown in ``repr``.
    :param verify: whether the server's certificate must be valid for ``host``.
    :param ca_file: path of a PEM file with the authorities to trust instead of the system's.
    :param timeout: seconds to wait for any answer.
    :param compress: when to compress an IMAP connection; ``AUTO`` means where the line is slow.
    """

    protocol: MailProtocol
    host: str
    port: int
    user: str
    secret: str = field(repr=False, default="")
    security: Security = Security.SSL
    auth: AuthMethod = AuthMethod.PASSWORD
    verify: bool = True
    ca_file: str | None = None
    timeout: float = 60.0
    compress: Compression = Compression.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The exact octets of one message as the server sent them (CRLF, dot-unstuffed).

    Small ones are in memory; large ones were spooled to a file while they arrived, so
    that no message is held twice. Exactly one of ``content`` and ``path`` is set.

    :param sha256: hex digest, set where it was computed on the way (always when spooled).
    """

    octets: int
    content: bytes | None = field(default=None, repr=False)
    path: str | None = None
    sha256: str | None = None


SpoolFactory = Callable[[], str]
"""Returns the path of a new file to spool one large message to; the archive provides it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a server says cheaply of who a message is, to recognise it under another number.

    :param octets: size as the server states it (RFC822.SIZE or LIST), which may be wrong.
    :param message_id: the Message-ID header as it stands, unfolded and stripped, or None.
    :param object_id: EMAILID (RFC 8474) or X-GM-MSGID, where offered.
    """

    octets: int | None = None
    internal_date: datetime | None = None
    message_id: str | None = None
    object_id: str | None = None
    date: str | None = None
    sender: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedMessage:
    """One IMAP message (or part of what is known of it) from a FETCH response.

    ``body`` is None where it was not asked for or not delivered.

    :param labels: X-GM-LABELS, sorted, where offered; Gmail leaves out the label of the folder itself.
    :param origin: where in the message ``body`` begins, if it is a range of it; None if it is the whole.
    """

    uid: int
    flags: tuple[str, ...] | None = None
    internal_date: datetime | None = None
    octets: int | None = None
    modseq: int | None = None
    body: Body | None = None
    object_id: str | None = None
    save_date: datetime | None = None
    header: bytes | None = field(default=None, repr=False)
    origin: int | None = None
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One mailbox as LIST shows it (RFC 3501 section 7.2.2), its name decoded.

    :param status: STATUS items where they came along (RFC 5819), keys such as ``MESSAGES``.
    :param mailbox_id: MAILBOXID (RFC 8474) where it came along.
    :param subscribed: whether mail programs are to show it; None where the server was not asked.
    """

    name: str
    delimiter: str | None = None
    attributes: tuple[str, ...] = ()
    status: dict[str, int] | None = None
    mailbox_id: str | None = None
    subscribed: bool | None = None

    @property
    def is_selectable(self) -> bool:
        """Whether the mailbox can hold messages."""
        return not (self.has_attribute("\\Noselect") or self.has_attribute("\\NonExistent"))

    def has_attribute(self, name: str) -> bool:
        """Return whether LIST says this of it; case does not count."""
        return name.lower() in {attribute.lower() for attribute in self.attributes}

    @property
    def special_use(self) -> str | None:
        """The special-use attribute (RFC 6154), such as ``\\Trash``, or None."""
        known = {"\\all", "\\archive", "\\drafts", "\\flagged", "\\important", "\\junk", "\\sent", "\\trash"}
        return next((a for a in self.attributes if a.lower() in known), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRow:
    """One row of the ``locations`` log: what happened to a message at one place.

    The key is (account, protocol, folder, uid_validity, uid) for IMAP and (account,
    protocol, folder, uidl, sha256) for POP3, where a server may give one UIDL twice. For an
    import it is (account, protocol, folder, sha256), and ``uidl`` says where it was read.
    ``sha256`` is None only for ``unfetchable``. ``archived_at`` is when this archive
    first stored the message, wherever it was then. ``seq`` is filled in by the archive:
    it grows with each commit of a folder, so the newest row of a key is the one with
    the highest ``seq``, whatever clocks did. ``moved_from`` is the folder that a ``moved``
    message was in before. ``labels`` are Gmail's.
    """

    account: str
    protocol: MailProtocol
    folder: str
    change: Change
    at: datetime
    run_id: str
    uid_validity: int | None = None
    uid: int | None = None
    uidl: str | None = None
    sha256: str | None = None
    size: int | None = None
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    modseq: int | None = None
    object_id: str | None = None
    archived_at: datetime | None = None
    moved_from: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLoss:
    """How many messages one run recorded as gone.

    :param is_allowed: whether a person allowed any loss for it.
    """

    started: datetime
    ended: datetime
    lost: int
    is_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRow:
    """One row of the ``folders`` log: a folder as the server stated it at the end of a run.

    :param complete: whether every message the server listed is in the archive.
    :param windowed: whether only a part was asked for or shown, so that absence proves nothing.
    :param deleted: whether the server no longer lists the folder.
    :param subscribed: whether mail programs are to show it (RFC 3501 section 6.3.6).
    :param mailbox_id: MAILBOXID (RFC 8474), where offered.
    :param renamed_from: the name it had before, where it is known to be the same folder.
    """

    account: str
    folder: str
    at: datetime
    run_id: str
    delimiter: str | None = None
    special_use: str | None = None
    uid_validity: int | None = None
    uid_next: int | None = None
    highest_modseq: int | None = None
    messages: int = 0
    complete: bool = True
    windowed: bool = False
    deleted: bool = False
    subscribed: bool | None = None
    mailbox_id: str | None = None
    renamed_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Who runs what on which account; becomes a row of ``runs``.

    :param what: ``fetch``, ``mirror``, ``retention``, ``attachments``, ``import``.
    :param who: DAG, task and try, or ``command line``.
    """

    run_id: str
    what: str
    account: str
    started: datetime
    who: str
