"""The two ways to the server: loopback, and through a line of 40 ms round trip."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dovecot import Dovecot

__all__ = ["LINKS", "Link", "LinkSpec", "Traffic", "open_link"]

DELAY_LINE = Path(__file__).with_name("delay_line.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """How far away the server is.

    :param round_trip: seconds that each question and its answer take longer.
    """

    name: str
    round_trip: float


LINKS = (LinkSpec(name="loopback", round_trip=0.0), LinkSpec(name="40 ms", round_trip=0.04))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed a link; a turn is a question after an answer, however many commands it held."""

    connections: int
    turns: int
    octets: int


class Link:
    """Where the server is reached."""

    host = "127.0.0.1"

    def __init__(
        self, name: str, imap_port: int, pop3_port: int, proxy: subprocess.Popen[Any] | None = None
    ) -> None:
        self.name = name
        self.imap_port = imap_port
        self.pop3_port = pop3_port
        self._proxy = proxy

    def take_traffic(self) -> Traffic | None:
        """Return what passed since this was asked last; None where nobody counts."""
        if self._proxy is None or self._proxy.stdin is None or self._proxy.stdout is None:
            return None
        self._proxy.stdin.write("\n")
        self._proxy.stdin.flush()
        return Traffic(**json.loads(self._proxy.stdout.readline()))


@contextlib.contextmanager
def open_link(server: Dovecot, spec: LinkSpec, *, counted: bool = False) -> Iterator[Link]:
    """Give a way to the server that is as long as ``spec`` says.

    :param counted: whether traffic is counted on loopback too, which takes a proxy with no delay.
    """
    if not spec.round_trip and not counted:
        yield Link(spec.name, server.imap_port, server.pop3_port)
        return
    words = [sys.executable, str(DELAY_LINE), str(spec.round_trip), server.host]
    with subprocess.Popen(
        [*words, str(server.imap_port), str(server.pop3_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        try:
            imap_port, pop3_port = (int(proxy.stdout.readline()) for _ in range(2))
            yield Link(spec.name, imap_port, pop3_port, proxy)
        finally:
            proxy.stdin.close()
