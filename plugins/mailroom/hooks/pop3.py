"""The hook for connections of type ``pop3``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import connection_of, endpoint_from_connection
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    from types import TracebackType

    from mailroom.client.pop3 import Pop3Client
    from mailroom.model import Endpoint

__all__ = ["Pop3Hook"]


class Pop3Hook(BaseHook):
    """Sign in to the POP3 account of an Airflow connection (RFC 1939).

    As a context manager it gives a signed-in client and closes it without QUIT, so that
    nothing is deleted unless the client was told to quit.

    :param pop3_conn_id: id of a connection of type ``pop3``.
    """

    conn_name_attr = "pop3_conn_id"
    default_conn_name = "pop3_default"
    conn_type = "pop3"
    hook_name = "POP3"

    def __init__(self, pop3_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.pop3_conn_id = pop3_conn_id
        self._client: Pop3Client | None = None

    def get_endpoint(self) -> Endpoint:
        """Return where the account is and how to sign in.

        :raises ConfigurationError: there is no such connection, or a setting of it is missing or wrong.
        """
        return endpoint_from_connection(connection_of(self.pop3_conn_id), MailProtocol.POP3)

    def get_conn(self) -> Pop3Client:
        """Return a new client, signed in; the caller closes it.

        :raises MailroomError: the connection is wrong, or the server cannot be reached or refuses.
        """
        from mailroom.client.pop3 import Pop3Client

        return Pop3Client.connect(self.get_endpoint())

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection and say in one sentence what works or what is wrong."""
        from mailroom.client.probe import probe

        try:
            result = probe(self.get_endpoint())
        except ConfigurationError as error:
            return False, str(error)
        return result.ok, result.message

    def __enter__(self) -> Pop3Client:
        """Sign in and return the client."""
        self._client = self.get_conn()
        return self._client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client, without QUIT."""
        client, self._client = self._client, None
        if client is not None:
            client.__exit__(kind, error, trace)
