"""A connection that is opened while the rest of the program loads.

Belongs here: the thread that connects and signs in, and who gets or closes what it opened. Does not
belong here: how that is done (``client``). A short run spends most of its time on loading modules,
and on waiting for the server's first answers; here it does both at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

__all__ = ["EarlyConnection"]


MAX_IDLE_SECONDS = 20.0
"""A connection that waited longer is not used: some servers hang up after half a minute.

They should wait for ten (RFC 1939 section 3).
"""


class _Closable(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closable)


class EarlyConnection(Generic[Client]):
    """Opens a connection at once, to be taken later; a context manager that closes what nobody took.

    Called like the function it was made of: the first call returns the connection that is opened
    already, or raises what prevented that; every further one opens another.

    :param connect: connects and signs in.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._is_wanted = True
        self._client: Client | None = None
        self._opened_at = 0.0
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._open, name="mailroom-connect", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # no thread is left to us: then the first call connects
            self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_wanted = False
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __call__(self) -> Client:
        """Return a connection; the first time the early one.

        :raises MailroomError: whatever prevented it.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return self._connect()
        thread.join()
        if self._error is not None:
            raise self._error
        client, self._client = self._client, None
        if client is not None and time.monotonic() - self._opened_at <= MAX_IDLE_SECONDS:
            return client
        if client is not None:
            client.close()
        return self._connect()

    def _open(self) -> None:
        try:
            client = self._connect()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that asks for it
            self._error = error
            return
        with self._lock:
            if self._is_wanted:
                self._client, self._opened_at = client, time.monotonic()
                return
        client.close()
