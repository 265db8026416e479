"""What commands need to call the engine: an archive, a way to connect, a run.

The engine itself is imported inside the functions, so that help and usage errors are quick.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailroom.cli.account import UsageError
from mailroom.exceptions import ConfigurationError
from mailroom.model import Endpoint, MailProtocol, RunContext

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.ahead import SentAhead
    from mailroom.client.imap import ImapClient
    from mailroom.client.pop3 import Pop3Client
    from mailroom.policy.rules import RetentionPolicy

__all__ = [
    "connect_imap",
    "connect_pop3",
    "connecting",
    "existing_archive",
    "now",
    "read_policy",
    "run_context",
    "usage_errors",
    "user",
    "who",
]


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Take what a rule refuses for what it is here: wrong usage."""
    try:
        yield
    except ConfigurationError as error:
        raise UsageError(str(error)) from error


def existing_archive(root: str) -> Archive:
    """Return the archive at a root, for a command that has nothing to do without one."""
    from mailroom.archive import Archive

    archive = Archive(root)
    archive.require()
    return archive


def read_policy(file: str) -> RetentionPolicy:
    """Return the retention policy that a file states."""
    from mailroom.services.rule_files import read_retention_file

    with usage_errors():
        return read_retention_file(file)


def connecting(endpoint: Endpoint) -> Callable[[], Pop3Client | ImapClient]:
    """Return what signs in to an account, by the protocol its URL names."""
    return connect_pop3(endpoint) if endpoint.protocol is MailProtocol.POP3 else connect_imap(endpoint)


def connect_pop3(endpoint: Endpoint, ahead: SentAhead | None = None) -> Callable[[], Pop3Client]:
    """Return what signs in to a POP3 account, the first time where all was asked ahead."""
    is_first = iter((True,))

    def connect() -> Pop3Client:
        from mailroom.client.first_connection import first_connection
        from mailroom.client.pop3 import Pop3Client

        if next(is_first, False):
            return first_connection(Pop3Client.connect, endpoint, ahead)
        return Pop3Client.connect(endpoint)

    return connect


def connect_imap(endpoint: Endpoint, ahead: SentAhead | None = None) -> Callable[[], ImapClient]:
    """Return what signs in to an IMAP account, the first time where all was asked ahead."""
    is_first = iter((True,))

    def connect() -> ImapClient:
        from mailroom.client.first_connection import first_connection
        from mailroom.client.imap import ImapClient

        if next(is_first, False):
            return first_connection(ImapClient.connect, endpoint, ahead)
        return ImapClient.connect(endpoint)

    return connect


def run_context(what: str, account: str) -> RunContext:
    """Return who and what this run is."""
    return RunContext(run_id=os.urandom(16).hex(), what=what, account=account, started=now(), who=who())


def user(otherwise: str) -> str:
    """Return the name of whoever is signed in on this machine.

    :param otherwise: what to say where the machine has no name for them.
    """
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return otherwise


def who() -> str:
    """Return who types, and where, for the archive's log of runs and the audit."""
    import platform

    return f"command line ({user('somebody')} on {platform.node() or 'this machine'})"


def now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)
