"""Put files into a bucket and do nothing else: what an S3 server takes from this machine.

Run as ``python bare_put.py ENDPOINT BUCKET FOLDER``: one PUT a file of FOLDER, as many connections at once
as our deliveries have, kept open, unsigned. Prints as JSON how many, how large, and the seconds from the
first PUT to the last answer.
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 8


def main() -> None:
    """Put all files and print what it took."""
    endpoint, bucket, folder = urlsplit(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
    files = sorted(folder.iterdir())
    for path in files:
        waiting.put(path)
    failures: list[str] = []

    def work() -> None:
        connection = http.client.HTTPConnection(endpoint.hostname or "", endpoint.port or 80)
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                return
            connection.request("PUT", f"/{bucket}/bare/{path.name}", body=path.read_bytes())
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(f"{path.name}: {answer.status}")

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        sys.exit(f"{len(failures)} of {len(files)} were refused, the first: {failures[0]}")
    octets = sum(path.stat().st_size for path in files)
    print(json.dumps({"files": len(files), "octets": octets, "seconds": seconds}))


if __name__ == "__main__":
    main()
