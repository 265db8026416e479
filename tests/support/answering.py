"""An HTTP server that notes what it is asked, and answers with nothing but a status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Asked", "answering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; the names of its headers in small letters."""

    method: str
    path: str
    headers: dict[str, str]


@contextmanager
def answering(status: Callable[[list[Asked]], int] = lambda _: 200) -> Iterator[tuple[str, list[Asked]]]:
    """Run such a server; give its URL and what it was asked.

    :param status: returns what is answered to the last of the requests.
    """
    seen: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.append(Asked(method=self.command, path=self.path, headers=headers))
            answer = status(seen)
            self.send_response(answer, "Slow Down" if answer == 503 else "OK")
            self.send_header("Content-Length", "0")
            self.send_header("ETag", '"x"')
            self.end_headers()

        do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
