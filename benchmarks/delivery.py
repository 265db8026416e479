"""Attachments delivered by the command, beside a bare concurrent PUT of the same octets.

The server is moto's, over HTTP, a process of its own and a new one for each measurement. It is
written in Python and takes some 3.5 ms of one core for each object: mostly it is what limits
both sides, which is why processor time is told as well. The bare side has all attachments
decoded in memory before its clock starts, and sends them with the fastest client there is.

``python -m benchmarks.delivery`` makes an archive, measures, and prints JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any  # clients have no types

from benchmarks.accounts import ACCOUNTS, AccountSpec, messages
from benchmarks.measure import measure
from mailroom.archive import Archive
from mailroom.message import iter_attachment
from mailroom.model import Body, Change, LocationRow, MailProtocol, RunContext
from tests.support.maildir import Stored
from tests.support.s3 import S3Server

__all__ = ["Delivered", "DeliveryResult", "deliver_to_disk", "fill_archive", "mail_of", "measure_delivery"]

AT_ONCE = 16
"""How many objects the bare side sends at once: as many as ours."""

NO_ATTACHMENT = "no attachment has this name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One delivery of all attachments.

    :param seconds: wall time; of the command from its start to its end.
    :param cpu_seconds: processor time of the delivering process.
    :param server_cpu_seconds: processor time of the S3 server meanwhile; 0 for a disk.
    :param peak_mib: most memory that the command held; 0 for the bare side, which holds everything.
    """

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """All rounds.

    :param client: what the bare side sent with.
    :param start_seconds: what the command takes to find that there is nothing to deliver.
    """

    count: int
    octets: int
    client: str
    start_seconds: float
    ours: Sequence[Delivered]
    bare: Sequence[Delivered]
    disk: Sequence[Delivered]

    @property
    def ratio(self) -> float:
        """Our throughput as a share of the bare one's, the start of our process included."""
        return statistics.median(b.seconds / o.seconds for o, b in zip(self.ours, self.bare, strict=True))

    @property
    def ratio_without_start(self) -> float:
        """The same, without the start of our process."""
        return statistics.median(
            b.seconds / (o.seconds - self.start_seconds) for o, b in zip(self.ours, self.bare, strict=True)
        )

    @property
    def disk_octets_per_second(self) -> float:
        """Octets a second to a local folder, the start of the process included."""
        return self.octets / statistics.median(one.seconds for one in self.disk)

    def summary(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        return {
            "attachments": self.count,
            "octets": self.octets,
            "bare_client": self.client,
            "start_seconds": round(self.start_seconds, 3),
            "ratio": round(self.ratio, 3),
            "ratio_without_start": round(self.ratio_without_start, 3),
            "disk_megabytes_per_second": round(self.disk_octets_per_second / 1e6, 1),
            **{
                side: [{name: round(value, 3) for name, value in asdict(one).items()} for one in rounds]
                for side, rounds in (("ours", self.ours), ("bare", self.bare), ("disk", self.disk))
            },
        }


def mail_of(account: AccountSpec) -> Iterator[tuple[str, int, Stored]]:
    """Yield all messages of an account with their folders and numbers."""
    for folder in account.folders:
        for uid, message in enumerate(messages(account, folder), 1):
            yield folder.name, uid, message


def fill_archive(
    root: Path, account: AccountSpec, mail: Iterable[tuple[str, int, Stored]] | None = None
) -> None:
    """Archive the messages of an account, with no server.

    :param mail: as ``mail_of`` yields them, where they were made before.
    """
    now = datetime.now(UTC)
    run = RunContext(run_id="bench", what="mirror", account=account.name, started=now, who="benchmark")
    with Archive(root).writer(run) as writer:
        for folder, uid, message in mail_of(account) if mail is None else mail:
            row = LocationRow(
                account=account.name,
                protocol=MailProtocol.IMAP,
                folder=folder,
                change=Change.ADDED,
                at=now,
                run_id=run.run_id,
                uid_validity=1,
                uid=uid,
                internal_date=message.internal_date,
            )
            writer.add(Body(octets=len(message.content), content=message.content), row)
        writer.finish("succeeded", {}, account.octets)


def measure_delivery(root: Path, rounds: int = 3) -> DeliveryResult:
    """Deliver all attachments of an archive to S3, to a folder beside it, and bare, round by round.

    :raises ProgramFailed: if the command fails.
    """
    table = Archive(root).read_table("attachments", ["size"])
    ours: list[Delivered] = []
    bare: list[Delivered] = []
    disk: list[Delivered] = []
    start = statistics.median(_to_s3(root, _command, "--name", NO_ATTACHMENT).seconds for _ in range(rounds))
    for number in range(rounds):
        sides = [(ours, _command), (bare, _bare)]
        for found, deliver in sides if number % 2 else reversed(sides):
            found.append(_to_s3(root, deliver))
        disk.append(deliver_to_disk(root))
    return DeliveryResult(
        count=table.num_rows,
        octets=sum(table["size"].to_pylist()),
        client=_client_name(),
        start_seconds=start,
        ours=ours,
        bare=bare,
        disk=disk,
    )


_Deliver = Callable[..., tuple[float, float, float]]
"""Delivers to a URL; returns wall and processor time, and the most memory in MiB."""


def _to_s3(root: Path, deliver: _Deliver, *options: str) -> Delivered:
    with S3Server() as server:
        to = f"s3://{server.new_bucket()}/out"
        before = _cpu_seconds(server.pid)
        seconds, cpu, peak = deliver(root, to, server.environment, *options)
        return Delivered(
            seconds=seconds,
            cpu_seconds=cpu,
            server_cpu_seconds=_cpu_seconds(server.pid) - before,
            peak_mib=peak,
        )


def deliver_to_disk(root: Path) -> Delivered:
    """Deliver all attachments of an archive to a folder beside it.

    :raises ProgramFailed: if the command fails.
    """
    place = Path(tempfile.mkdtemp(prefix="mailroom-bench-", dir=root.parent))
    try:
        seconds, cpu, peak = _command(root, str(place / "out"), {})
    finally:
        shutil.rmtree(place)
    return Delivered(seconds=seconds, cpu_seconds=cpu, server_cpu_seconds=0.0, peak_mib=peak)


def _command(root: Path, to: str, more: dict[str, str], *options: str) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "mailroom", "attachments", "--archive", str(root), "--to", to, "--quiet"]
    ran = measure([*command, *options], {**os.environ, **more})
    return ran.seconds, ran.cpu_seconds, ran.peak_mib


def _bare(root: Path, to: str, more: dict[str, str]) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "benchmarks.delivery", "--bare", str(root), to]
    found = json.loads(measure(command, {**os.environ, **more}).output)
    return found["seconds"], found["cpu_seconds"], 0.0


def _put_all(root: Path, to: str) -> dict[str, float]:
    """Decode all attachments of an archive, then put them, and say how long the puts took."""
    archive = Archive(root)
    bucket, _, prefix = to.removeprefix("s3://").partition("/")
    objects = []
    for row in archive.read_table("attachments").to_pylist():
        with archive.raw.mapped(row["message_sha256"]) as content:
            key = f"{prefix}/{row['message_sha256']}/{row['part']}"
            objects.append((key, b"".join(iter_attachment(content, row["part"]))))
    put = _compiled_put(bucket) if _client_name() == "obstore" else _botocore_put(bucket)
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(lambda one: put(*one), objects):
            pass
    return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def _client_name() -> str:
    return "obstore" if importlib.util.find_spec("obstore") else "boto3"


def _compiled_put(bucket: str) -> Callable[[str, bytes], Any]:
    import obstore
    from obstore.store import S3Store

    store: Any = S3Store(bucket, client_options={"allow_http": True})  # the rest is in the environment
    return lambda key, data: obstore.put(store, key, data, use_multipart=False)


def _botocore_put(bucket: str) -> Callable[[str, bytes], Any]:
    import boto3
    from botocore.config import Config

    settings = Config(max_pool_connections=AT_ONCE, request_checksum_calculation="when_required")
    client: Any = boto3.client("s3", config=settings)
    return lambda key, data: client.put_object(Bucket=bucket, Key=key, Body=data)


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, and print JSON; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description=__doc__)
    parser.add_argument("--bare", nargs=2, metavar=("ARCHIVE", "URL"), help=argparse.SUPPRESS)
    parser.add_argument("--archive", type=Path, help="an archive that is there already")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a tenth of the mail, one round")
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(_put_all(Path(options.bare[0]), options.bare[1])))
        return 0
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as place:
        root = options.archive
        if root is None:
            root = Path(place) / "archive"
            fill_archive(root, ACCOUNTS[0].part(10) if options.small else ACCOUNTS[0])
        found = measure_delivery(root, 1 if options.small else options.rounds)
    print(json.dumps(found.summary(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
