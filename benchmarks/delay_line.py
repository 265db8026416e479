"""A proxy in a process of its own that delays what passes and is no bottleneck itself.

Run as ``python delay_line.py ROUND_TRIP HOST PORT…``: prints one port for each it forwards to, then
answers each line on standard input with what has passed since the last, as JSON, and ends with it.
Plain sockets with large buffers and a thread each way: the wire through it is as wide as loopback.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import socket
import sys
import threading
import time

CHUNK_OCTETS = 1 << 20
"""What is taken off a socket at a time; half of it is what loopback mostly has ready."""

BUFFER_OCTETS = 4 << 20
"""Buffers of both sockets, so that neither end waits for the other's thread."""

IN_FLIGHT_OCTETS = 64 << 20
"""What may be on its way at once: far more than a line of 40 ms and 10 Gbit/s holds."""


class Traffic:
    """What passed: connections, octets from the server, and turns.

    A turn is counted when a client speaks after it was spoken to, so commands sent at once count once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections = self.turns = self.octets = 0

    def add(self, *, connections: int = 0, turns: int = 0, octets: int = 0) -> None:
        """Count more of it."""
        with self._lock:
            self.connections += connections
            self.turns += turns
            self.octets += octets

    def take(self) -> dict[str, int]:
        """Return the counts and begin again at 0."""
        with self._lock:
            found = {"connections": self.connections, "turns": self.turns, "octets": self.octets}
            self.connections = self.turns = self.octets = 0
            return found


class Way:
    """One direction of one connection: a reader that stamps what comes, a writer that waits for the time."""

    def __init__(self, source: socket.socket, target: socket.socket, delay: float) -> None:
        self.source, self.target, self.delay = source, target, delay
        self.queue: collections.deque[tuple[float, bytes]] = collections.deque()
        self.in_flight = 0
        self.changed = threading.Condition()

    def read(self, passed: Passed) -> None:
        """Take what comes until the end."""
        data = b" "
        while data:
            try:
                data = self.source.recv(CHUNK_OCTETS)
            except OSError:
                data = b""
            passed.came(self, len(data))
            with self.changed:
                while self.in_flight > IN_FLIGHT_OCTETS:
                    self.changed.wait()
                self.queue.append((time.monotonic() + self.delay, data))
                self.in_flight += len(data)
                self.changed.notify()

    def write(self, passed: Passed) -> None:
        """Hand on what is due until the end, and hand the end on as well."""
        while True:
            with self.changed:
                while not self.queue:
                    self.changed.wait()
                moment, data = self.queue.popleft()
                self.in_flight -= len(data)
                self.changed.notify()
            if (wait := moment - time.monotonic()) > 0:
                time.sleep(wait)
            if not data:
                break
            passed.went(self)
            try:
                self.target.sendall(data)
            except OSError:
                break
        with contextlib.suppress(OSError):
            self.target.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self.source.shutdown(socket.SHUT_RD)


class Passed:
    """Tells turns of one connection, seen from its client."""

    def __init__(self, traffic: Traffic, asking: Way) -> None:
        self._traffic, self._asking, self._was_spoken_to = traffic, asking, True

    def came(self, way: Way, octets: int) -> None:
        """Note that something was said to us."""
        if way is not self._asking:
            self._traffic.add(octets=octets)
        elif octets and self._was_spoken_to:
            self._was_spoken_to = False
            self._traffic.add(turns=1)

    def went(self, way: Way) -> None:
        """Note that we are about to hand something on."""
        if way is not self._asking:
            self._was_spoken_to = True


def serve(listener: socket.socket, target: tuple[str, int], delay: float, traffic: Traffic) -> None:
    """Forward every connection that comes, for ever."""
    while True:
        client, _ = listener.accept()
        traffic.add(connections=1)
        threading.Thread(target=_connect, args=(client, target, delay, traffic), daemon=True).start()


def _connect(client: socket.socket, target: tuple[str, int], delay: float, traffic: Traffic) -> None:
    # The handshake of TCP takes a round trip too: nothing passes before.
    time.sleep(2 * delay)
    server = socket.create_connection(target)
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_OCTETS)
    asking, answering = Way(client, server, delay), Way(server, client, delay)
    passed = Passed(traffic, asking)
    threads = [
        threading.Thread(target=work, args=(passed,), daemon=True)
        for work in (asking.read, asking.write, answering.read, answering.write)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    server.close()


def main() -> None:
    """Serve until standard input ends."""
    delay, host = float(sys.argv[1]) / 2, sys.argv[2]
    traffic = Traffic()
    for port in sys.argv[3:]:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        arguments = (listener, (host, int(port)), delay, traffic)
        threading.Thread(target=serve, args=arguments, daemon=True).start()
        print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(json.dumps(traffic.take()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
