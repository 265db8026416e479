"""The indexing process: messages in, files and parsed columns out, over its standard streams.

Started by ``indexing`` as ``python -m mailroom.archive.writing.index_worker``; ends when its
input ends, so it never outlives the process that started it. A request is a header, the
marshalled list of its jobs, and the contents of those that bring one. An answer is two lengths
and what they are of: the packed columns of the messages (see ``columns``), or the marshalled
error where the disk refused one. Answers come in the order of the requests; the first, empty
one says that the parser is loaded. Requests hold many messages, because handing one over costs
more than parsing it.
"""

from __future__ import annotations

import gc
import marshal
import os
import struct
from collections.abc import Sequence
from typing import IO

from mailroom.archive.storage.raw_file import write_file_whole
from mailroom.archive.writing.columns import pack_columns
from mailroom.archive.writing.indexed import Indexed, index_content, index_file, not_indexed

__all__ = ["ANSWER", "REQUEST", "Job", "main", "pack_request", "serve", "work_off"]

REQUEST = struct.Struct("<I")
"""Length of the marshalled jobs that follow."""

ANSWER = struct.Struct("<II")
"""Lengths of the columns and of the error that follow; one of them is zero."""

READ_AHEAD_OCTETS = 256 * 1024
"""How much of the requests is read at a time. Octets."""

COLLECT_AFTER = 50_000
"""Allocations between two collections of garbage."""


Job = tuple[int, str | None, str | None, str | None]
"""One message to parse, and to store first where it says so: length of the content that comes along, or
-1 where it is to be read from a path; that path; the new file to write the content to, and what to
rename it to, both or none."""


def pack_request(jobs: list[Job]) -> bytes:
    """Return the head of a request; the contents of its jobs follow it in their order."""
    packed = marshal.dumps(jobs)
    return REQUEST.pack(len(packed)) + packed


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    from mailroom.message import index_message  # noqa: F401  # fails here, before the first message, if at all

    gc.freeze()
    answers.write(ANSWER.pack(0, 0))
    answers.flush()
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        packed = requests.read(REQUEST.unpack(head)[0])
        try:
            jobs: list[Job] = marshal.loads(packed)
        except (EOFError, ValueError):  # cut short: whoever asked is gone
            return
        contents = [requests.read(octets) if octets >= 0 else None for octets, *_ in jobs]
        if sum(octets for octets, *_ in jobs if octets > 0) > sum(len(c) for c in contents if c is not None):
            return
        answers.write(_answer(jobs, contents))
        answers.flush()


def work_off(jobs: Sequence[Job], contents: Sequence[bytes | None]) -> list[Indexed]:
    """Store messages where that is asked for, and parse them.

    All files, then all parsing: system calls in between have the processor forget what the parser
    needs, which takes it a third longer.

    :raises OSError: where one cannot be stored.
    """
    for (_, _, incoming, final), content in zip(jobs, contents, strict=True):
        if content is not None and incoming is not None and final is not None:
            write_file_whole(content, incoming, final)
    return [_parsed(job, content) for job, content in zip(jobs, contents, strict=True)]


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


def _answer(jobs: list[Job], contents: list[bytes | None]) -> bytes:
    try:
        columns = pack_columns(work_off(jobs, contents))
    except OSError as error:
        refused = marshal.dumps((error.errno, error.strerror))
        return ANSWER.pack(0, len(refused)) + refused
    return ANSWER.pack(len(columns), 0) + columns


def _parsed(job: Job, content: bytes | None) -> Indexed:
    if content is not None:
        return index_content(content)
    try:
        return index_file(job[1] or "")
    except OSError as error:
        return not_indexed(error.strerror or type(error).__name__)


if __name__ == "__main__":
    main()
