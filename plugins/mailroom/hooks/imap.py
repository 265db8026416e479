"""The hook for connections of type ``imap``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import connection_of, endpoint_from_connection
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    from types import TracebackType

    from imapclient import IMAPClient

    from mailroom.client.imap import ImapClient
    from mailroom.model import Endpoint

__all__ = ["ImapHook"]


class ImapHook(BaseHook):
    """Sign in to the IMAP account of an Airflow connection (RFC 9051).

    As a context manager it gives a signed-in client, and signs out at the end. Connections
    made for Airflow's own imap provider work as they are.

    :param imap_conn_id: id of a connection of type ``imap``.
    """

    conn_name_attr = "imap_conn_id"
    default_conn_name = "imap_default"
    conn_type = "imap"
    hook_name = "IMAP"

    def __init__(self, imap_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.imap_conn_id = imap_conn_id
        self._client: ImapClient | None = None

    def get_endpoint(self) -> Endpoint:
        """Return where the account is and how to sign in.

        :raises ConfigurationError: there is no such connection, or a setting of it is missing or wrong.
        """
        return endpoint_from_connection(connection_of(self.imap_conn_id), MailProtocol.IMAP)

    def get_conn(self) -> ImapClient:
        """Return a new client, signed in; the caller closes it.

        :raises MailroomError: the connection is wrong, or the server cannot be reached or refuses.
        """
        from mailroom.client.imap import ImapClient

        return ImapClient.connect(self.get_endpoint())

    def get_imapclient(self) -> IMAPClient:
        """Return an ``imapclient.IMAPClient``, signed in, for commands that Mailroom has no word for.

        What an account needs is done by then: TLS, STARTTLS, a token's sign-in. From there on its errors
        are IMAPClient's. Leaving its ``with`` block, or its ``logout()``, signs out.

        :raises MailroomError: the connection is wrong, or the server cannot be reached or refuses.
        """
        from mailroom.client.imap_library import connect_library

        return connect_library(self.get_endpoint())

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection and say in one sentence what works or what is wrong."""
        from mailroom.client.probe import probe

        try:
            result = probe(self.get_endpoint())
        except ConfigurationError as error:
            return False, str(error)
        return result.ok, result.message

    def __enter__(self) -> ImapClient:
        """Sign in and return the client."""
        self._client = self.get_conn()
        return self._client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sign out; after an error only close, as the server may be gone."""
        client, self._client = self._client, None
        if client is not None:
            client.__exit__(kind, error, trace)
