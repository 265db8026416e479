"""The wire itself: how fast the server can be drained when nothing is done with what arrives.

No mail program can be faster; how near one comes says how much of its time is its own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence

__all__ = ["drain_imap", "drain_pop3"]

BUFFER_OCTETS = 1 << 20


def drain_imap(host: str, port: int, user: str, password: str, folders: Sequence[str]) -> tuple[float, int]:
    """Return the seconds to receive every message of ``folders`` by one FETCH each, and the octets."""
    commands = [f'a LOGIN "{user}" "{password}"']
    for folder in folders:
        commands += [f'b EXAMINE "{folder}"', "c UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])"]
    return _drain(host, port, [*commands, "d LOGOUT"])


def drain_pop3(host: str, port: int, user: str, password: str, count: int) -> tuple[float, int]:
    """Return the seconds to receive ``count`` messages by RETR, all asked for at once, and the octets."""
    retrievals = [f"RETR {number}" for number in range(1, count + 1)]
    return _drain(host, port, [f"USER {user}", f"PASS {password}", *retrievals, "QUIT"])


def _drain(host: str, port: int, commands: Sequence[str]) -> tuple[float, int]:
    received = 0
    started = time.perf_counter()
    with socket.create_connection((host, port), timeout=120) as connection:
        asked = "".join(f"{command}\r\n" for command in commands).encode()
        # The server stops reading while nobody takes its answers, so both go on at the same time.
        sender = threading.Thread(target=connection.sendall, args=(asked,))
        sender.start()
        buffer = bytearray(BUFFER_OCTETS)
        while octets := connection.recv_into(buffer):
            received += octets
        sender.join()
    return time.perf_counter() - started, received
