"""One run into an archive, to be killed: prints each UID once ``flush`` has said that it is safe.

Run as ``python -m tests.integration.archive_child ROOT FIRST LAST EVERY``.
"""

from __future__ import annotations

import sys

from mailroom.archive import Archive
from tests.support.archives import body, context, folder_row, place


def main(root: str, first: int, last: int, every: int) -> None:
    archive = Archive(root)
    live = set(archive.folder_state("post", "INBOX").live.tolist())
    run_id = f"run-{first}-{last}"
    with archive.writer(context(run_id), keep_committed=True) as writer:
        for uid in range(first, last + 1):
            if uid not in live:
                writer.add(body(uid, attachments=uid % 3), place(uid, run_id=run_id))
            if uid % every == 0:
                writer.close_folder(folder_row(messages=uid, run_id=run_id))
                report([row.uid for row in writer.flush()])
        report([row.uid for row in writer.flush()])
        writer.finish("succeeded", {"added": last - first + 1}, 0)


def report(uids: list[int | None]) -> None:
    print("safe", *uids, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]))
