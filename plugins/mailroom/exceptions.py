"""The error tree: one root, branches by who must act.

Every message says what is wrong, where, and what to do next, in one sentence a
user can act on. Facts are attributes, so that callers branch on them and never on
text. Every error pickles, and none ever carries a password, a token or the content
of a mail.
"""

from __future__ import annotations

import errno
from typing import Self

__all__ = [
    "ArchiveError",
    "AuthenticationFailed",
    "CapabilityMissing",
    "CertificateRejected",
    "CommandRejected",
    "ConfigurationError",
    "ConnectionLost",
    "IntegrityError",
    "LimitExceeded",
    "LocalProtocolError",
    "MailroomError",
    "ProtocolError",
    "RemoteProtocolError",
    "StoreUnavailable",
]

MAX_QUOTED_OCTETS = 200
"""How much of a server's answer an error may quote, in octets."""

_BY_ERRNO = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ENOTDIR: "missing",
    errno.ENOENT: "missing",
    errno.EEXIST: "missing",
    errno.EIO: "broken",
}

_SENTENCES = {
    "full": "The disk or quota under {where} is full; free some space and run again.",
    "read_only": "The file system of {where} is read-only; mount it writable or choose another root.",
    "permission": "No permission to work in {where}; grant this user or key read and write access to it.",
    "missing": "{where} cannot be used: the bucket or folder is not there, or is no folder; create it first.",
    "credentials": "The store at {where} does not accept our credentials; check the key and secret.",
    "network": "The store at {where} cannot be reached; check the endpoint and the network, then run again.",
    "broken": "The disk under {where} reports read or write errors; check the hardware before running again.",
    "other": "The store at {where} failed ({quoted}); run again, and look at the store if it stays so.",
}


class MailroomError(Exception):
    """Root of all errors that Mailroom raises on purpose.

    :param message: what is wrong, where, and what to do next.
    :param facts: values callers branch on; each becomes an attribute.
    """

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        """Return the sentence for the user."""
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all facts, so that errors cross process borders whole."""
        return (_rebuild, (type(self), self.message, self.facts))


def _rebuild(kind: type[MailroomError], message: str, facts: dict[str, object]) -> MailroomError:
    return kind(message, **facts)


class ConfigurationError(MailroomError):
    """The person who wrote the DAG, connection or command line must act; a retry cannot help."""


class CapabilityMissing(ConfigurationError):
    """The server does not offer what was asked for.

    Facts: ``capability`` (str).
    """

    capability: str


class CertificateRejected(ConfigurationError):
    """The server's certificate could not be verified; the connection was closed before sign-in."""


class AuthenticationFailed(MailroomError):
    """The server refused the user name, password or token; a retry may lock the account."""


class ConnectionLost(MailroomError):
    """The server could not be reached or went away; trying again later may help.

    Facts: ``reason`` (``dns``, ``refused``, ``timeout``, ``tls``, ``closed``, ``busy``).
    """

    reason: str = "closed"


class CommandRejected(MailroomError):
    """The server answered a command with NO, BAD or -ERR.

    Facts: ``command`` (name only, never its arguments), ``kind`` (``NO``, ``BAD`` or
    ``-ERR``), ``code`` (response code without brackets, or None; RFC 9051 section 7.1,
    RFC 2449 section 8), ``text`` (the server's words, shortened).
    """

    command: str
    kind: str
    code: str | None = None
    text: str = ""


class ProtocolError(MailroomError):
    """A conversation broke the rules of its protocol."""


class LocalProtocolError(ProtocolError):
    """Our side broke the protocol: a bug in Mailroom, please report it."""


class RemoteProtocolError(ProtocolError):
    """The server sent bytes its protocol does not allow.

    Facts: ``received`` (at most ``MAX_QUOTED_OCTETS`` octets of it).
    """

    received: bytes = b""


class LimitExceeded(MailroomError):
    """Something is larger than a stated limit.

    Facts: ``limit`` and ``found`` (int, unit said in the message).
    """

    limit: int
    found: int


class ArchiveError(MailroomError):
    """The archive cannot be read or written."""


class IntegrityError(ArchiveError):
    """A stored object is not what its name says.

    Facts: ``digest_expected``, ``digest_found`` (hex SHA-256; found is None where the object is missing).
    """

    digest_expected: str
    digest_found: str | None = None


class StoreUnavailable(ArchiveError):
    """The store under the archive refused: full, read-only, missing bucket, no credentials, no network.

    Facts: ``reason`` (a word of ``_SENTENCES``) and ``where`` (root or folder), where they are known.
    """

    reason: str | None = None
    where: str | None = None

    @classmethod
    def because(cls, reason: str, where: str, quoted: str = "") -> Self:
        """Return the error with the sentence for a reason; it names the place and what to do.

        :param quoted: the foreign error, for the reason ``other``.
        """
        return cls(_SENTENCES[reason].format(where=where, quoted=quoted), reason=reason, where=where)

    @staticmethod
    def reason_of(error: BaseException) -> str | None:
        """Return why a disk refused, by what the operating system says; None where that tells nothing."""
        return _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
