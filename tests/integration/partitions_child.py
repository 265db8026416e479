"""One task that tells of partitions, as Airflow runs it, to be killed.

Run as ``python -m tests.integration.partitions_child ROOT BOOK [MOMENT]``; it begins when it is sent a line.
What Airflow records with the success of a task, whole or not at all, is a file below BOOK here. At MOMENT it
is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any, cast

from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from mailroom.operators.assets import mailbox_partitions
from mailroom.operators.partitions import MailPartitionsOperator

ACCOUNT, CONSUMER = "post", "tell"


def main(root: str, book: str, moment: str = "") -> None:
    """Tell, have it recorded, and note it."""

    def pass_by(here: str) -> None:
        if here == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    made = MailPartitionsOperator(task_id="t", account=ACCOUNT, archive=root, by="folder", consumer=CONSUMER)
    print("ready", flush=True)
    sys.stdin.readline()
    events = OutletEventAccessors()
    try:
        made.execute(cast(Any, {"outlet_events": events}))
    except AirflowSkipException:
        print("nothing", flush=True)
        return
    pass_by("before the record")
    part = Path(book) / f".{uuid.uuid4().hex}"
    part.write_text("\n".join(events[mailbox_partitions(ACCOUNT, by="folder")].partition_keys))
    part.rename(part.with_name(part.name[1:]))
    pass_by("before the note")
    for callback in cast(Any, made.on_success_callback):
        callback(cast(Any, {}))
    pass_by("after the note")


if __name__ == "__main__":
    main(*sys.argv[1:])
