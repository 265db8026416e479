"""Programs of Debian packages that conflict with installed ones: fetched and unpacked, never installed.

They come from Debian's archive by ``apt-get download``, once, into a cache folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PackagesMissing", "library_path", "unpacked"]

FETCH_SECONDS = 120
"""How long a download may take."""


class PackagesMissing(RuntimeError):
    """The packages cannot be had here, or what is in them does not run."""


def unpacked(name: str, packages: Sequence[str], libraries: str) -> Path:
    """Return the folder that packages are unpacked in; fetch them where they are not.

    :param libraries: pattern of the packages they depend on that are fetched too; the rest is everywhere.
    :raises PackagesMissing: if they cannot be fetched.
    """
    base = _cache() / "mailroom-tests"
    place = base / name
    if not place.exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise PackagesMissing(f"{packages[0]} is fetched from Debian's archive, and this is no Debian.")
        try:
            base.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=base) as folder:
                _fetch(Path(folder), packages, libraries)
                (Path(folder) / "root").chmod(0o755)
                with contextlib.suppress(OSError):  # another process was first
                    os.rename(Path(folder) / "root", place)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines() or ["no reason given"]
            raise PackagesMissing(f"{packages[0]} cannot be fetched: {said[-1]}") from error
    return place


def library_path(place: Path) -> str:
    """Return where the unpacked programs find their libraries, as ``LD_LIBRARY_PATH`` wants it."""
    return ":".join(sorted({str(path.parent) for path in place.rglob("lib*.so*")}))


def _cache() -> Path:
    """Return where programs can lie that another user runs: root's own folders are closed to those."""
    if os.geteuid() == 0:
        return Path("/var/cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _fetch(folder: Path, packages: Sequence[str], libraries: str) -> None:
    told = _run(["apt-cache", "depends", *packages], folder)
    others = sorted(set(re.findall(rf"Depends: ((?:{libraries})[\w.+-]*)", told)))
    _run(["apt-get", "download", "-q", *packages, *others], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(folder / "root")], folder)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=FETCH_SECONDS
    )
    return done.stdout
