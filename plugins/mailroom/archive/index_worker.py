"""The indexing process: message files in, parsed columns out, over its standard streams.

Started by ``indexing`` as ``python -m mailroom.archive.index_worker``; ends when its
input ends, so it never outlives the process that started it. A request is a kind
(``P``: path of a file, ``C``: the content itself), a length and as many octets; an
answer is a length and a pickled ``Indexed``, in the order of the requests; the first,
empty answer says that the parser is loaded.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
from typing import IO

from mailroom.archive.indexed import Indexed, index_content, index_file, not_indexed

__all__ = ["ANSWER", "CONTENT", "PATH", "REQUEST", "main", "serve"]

REQUEST = struct.Struct("<cI")
ANSWER = struct.Struct("<I")
PATH = b"P"
CONTENT = b"C"

READ_AHEAD_OCTETS = 256 * 1024
"""How much of the requests is read at a time. Octets."""

COLLECT_AFTER = 50_000
"""Allocations between two collections of garbage."""


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    from mailroom.message import index_message  # noqa: F401  # fails here, before the first message, if at all

    answers.write(ANSWER.pack(0))
    answers.flush()
    while len(header := requests.read(REQUEST.size)) == REQUEST.size:
        kind, length = REQUEST.unpack(header)
        payload = requests.read(length)
        if len(payload) < length:
            return
        answer = pickle.dumps(tuple(_index(kind, payload)), protocol=5)
        answers.write(ANSWER.pack(len(answer)))
        answers.write(answer)
        answers.flush()


def main() -> None:
    """Serve on the standard streams; whatever else prints goes to standard error."""
    gc.set_threshold(COLLECT_AFTER)  # parsing makes many short-lived objects and hardly a cycle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(os.fdopen(os.dup(0), "rb", buffering=READ_AHEAD_OCTETS), answers)
        answers.close()
    except BrokenPipeError:
        os._exit(0)  # the process that asked is gone, and so is the reader of any message


def _index(kind: bytes, payload: bytes) -> Indexed:
    if kind == CONTENT:
        return index_content(payload)
    try:
        return index_file(os.fsdecode(payload))
    except OSError as error:
        return not_indexed(error.strerror or type(error).__name__)


if __name__ == "__main__":
    main()
