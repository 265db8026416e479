"""The first connection of a run: the one on which all was asked ahead where there is one, and recorded.

Belongs here: what to do where it is not to be had as it was begun. Does not belong here: how things are
asked ahead (``ahead``), and what a record is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from mailroom.client.transport import Transport
from mailroom.exceptions import ConnectionLost

if TYPE_CHECKING:
    from mailroom.client.ahead import SentAhead
    from mailroom.model import Endpoint

__all__ = ["first_connection"]


class _Client(Protocol):
    @property
    def capabilities(self) -> Iterable[str]: ...

    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Client)


def first_connection(
    connect: Callable[[Endpoint, Transport], Client], endpoint: Endpoint, ahead: SentAhead | None
) -> Client:
    """Return a client for what was asked ahead, which finds its answers there; else one that connects anew.

    Anew where the server offers something else than before, for then other things are asked.

    :raises MailroomError: whatever prevents a sign-in.
    """
    if ahead is not None:
        try:
            client = connect(endpoint, ahead.transport(endpoint))
        except ConnectionLost as error:
            if error.reason != "otherwise":
                raise
        else:
            if " ".join(sorted(client.capabilities)).encode() == ahead.capabilities:
                return client
            client.close()
    transport = Transport.connect(endpoint)
    transport.record()
    return connect(endpoint, transport)
