"""PostgreSQL on loopback for tests: installed, or unpacked from Debian's packages.

One cluster in a temporary folder, with no password for those on this machine. It is gone when the ``with``
block ends, and also when the process that started it is killed: a shell waits for that.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.unpacked import PackagesMissing, library_path, unpacked

__all__ = ["Postgres"]

OWNER = "nobody"
"""Who it runs as, where the tests are root's: it refuses to run as root."""

LIBRARIES = "libpq|libicu|libxml|libxslt"

START_SECONDS = 60.0

KEEPER = '"$@" & server=$!; cat >/dev/null; kill -INT "$server"; wait "$server"'
"""Starts it and ends it when standard input closes, that is when whoever holds it ends or is killed."""


class Postgres:
    """One running server; use it as a context manager.

    :ivar port: where it listens, on 127.0.0.1.
    """

    user = "mail"

    def __init__(self) -> None:
        self._home = Path()
        self._server: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Postgres:
        programs, libraries = _programs()
        self._home = Path(tempfile.mkdtemp(prefix="mailroom-postgres-"))
        owner = OWNER if os.geteuid() == 0 else None
        if owner is not None:
            os.chown(self._home, pwd.getpwnam(owner).pw_uid, -1)
        environment = {"LC_ALL": "C.UTF-8", "PATH": os.defpath, "LD_LIBRARY_PATH": libraries}
        data = self._home / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", self.user, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            user=owner,
            env=environment,
            cwd=self._home,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        server = [str(part) for part in (programs / "postgres", "-D", data, "-k", self._home, "-F")]
        self._server = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", *server, "-p", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=owner,
            env=environment,
            cwd=self._home,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], env=environment
        ).returncode:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None and self._server.stdin is not None:
            self._server.stdin.close()
            self._server.wait(60)
        shutil.rmtree(self._home, ignore_errors=True)


def _programs() -> tuple[Path, str]:
    """Return the folder with the programs, and where they find their libraries.

    :raises PackagesMissing: if they are not installed and cannot be fetched.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent, ""
    try:
        told = subprocess.run(["apt-cache", "depends", "postgresql"], capture_output=True, text=True).stdout
    except OSError as error:
        raise PackagesMissing(f"PostgreSQL is fetched from Debian's archive: {error}") from error
    found = re.search(r"Depends: (postgresql-\d+)", told)
    if found is None:
        raise PackagesMissing("Debian's archive is not known here, so PostgreSQL cannot be fetched.")
    place = unpacked("postgresql", [found[1], found[1].replace("-", "-client-")], LIBRARIES)
    (program,) = place.glob("usr/lib/postgresql/*/bin/initdb")
    return program.parent, library_path(place)
