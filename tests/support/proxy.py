"""A TCP proxy that makes loopback as slow and as unreliable as the world.

It can delay what passes (for round trips of 40 ms) and cut connections after a number
of octets, in either direction, and let others act between one command and the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

__all__ = ["Proxy"]

CHUNK_OCTETS = 65536


class Proxy:
    """Forwards one local port to ``host``:``port``; use it as a context manager.

    :param round_trip: seconds that a question and its answer take longer; half each way,
        without making the stream narrower.
    :param cut_after: cut a connection, both ways and at once, after so many octets from the server.
    :param cut_after_sent: likewise after so many octets from the client.
    :param cuts: how many connections are cut; later ones pass. None cuts them all.
    :param before_sending: called before anything that the client sends is passed on, in a thread of its own.
    :ivar most_open: how many connections were open at once, at most.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        host: str,
        port: int,
        *,
        round_trip: float = 0.0,
        cut_after: int | None = None,
        cut_after_sent: int | None = None,
        cuts: int | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> None:
        self._target = (host, port)
        self.delay = round_trip / 2
        self.cut_after = cut_after
        self.cut_after_sent = cut_after_sent
        self.cuts_left = cuts
        self.before_sending = before_sending
        self.connections = 0
        self.most_open = 0
        self._open = 0
        self.received = 0
        self.sent = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._listening = threading.Event()
        self._ended: asyncio.Event | None = None

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())  # who acts between has ended
        self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._connection, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._ended.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        ways = [
            asyncio.ensure_future(
                self._forward(reader, far_writer, self.cut_after_sent, self._count_sent, self.before_sending)
            ),
            asyncio.ensure_future(self._forward(far_reader, writer, self.cut_after, self._count_received)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the proxy ends: asyncio's streams would log it as an error
            return
        finally:
            self._open -= 1
            for way in ways:
                way.cancel()
            for end in (writer, far_writer):
                end.transport.abort() if any(_was_cut(way) for way in ways) else end.close()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None,
        count: Callable[[int], None],
        before: Callable[[], None] | None = None,
    ) -> bool:
        """Copy until the end or the limit; return whether it was the limit."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        sender = asyncio.ensure_future(_send_later(queue, writer))
        passed, cut = 0, False
        try:
            while data := await reader.read(CHUNK_OCTETS):
                if before is not None:
                    await self._loop.run_in_executor(None, before)
                if limit is not None and self.cuts_left != 0 and passed + len(data) >= limit > passed:
                    data = data[: limit - passed]
                    self.cuts_left = None if self.cuts_left is None else self.cuts_left - 1
                    cut = True
                passed += len(data)
                count(len(data))
                await queue.put((self._loop.time() + self.delay, data))
                if cut:
                    break
            await queue.put((self._loop.time() + self.delay, b""))
            await sender
        except ConnectionError:
            return False
        finally:
            sender.cancel()
        return cut

    def _count_sent(self, octets: int) -> None:
        self.sent += octets

    def _count_received(self, octets: int) -> None:
        self.received += octets


def _was_cut(way: asyncio.Future[bool]) -> bool:
    return way.done() and not way.cancelled() and way.exception() is None and way.result()


async def _send_later(queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        moment, data = await queue.get()
        if (wait := moment - loop.time()) > 0:
            await asyncio.sleep(wait)
        if not data:
            return
        writer.write(data)
        await writer.drain()
