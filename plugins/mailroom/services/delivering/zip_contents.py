"""What is in attached zip archives, within limits that no archive made to harm gets past.

Here: opening one that came by mail, its members and their contents. Not here: which are
wanted (``attachment_choice``), the work (``delivery_run``). An archive is held in memory up to
``IN_MEMORY_OCTETS``, and in a temporary file above; a member is read in chunks.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from mailroom.exceptions import LimitExceeded, MailroomError
from mailroom.message import DETECTION_OCTETS, detect_type
from mailroom.policy.zip_names import is_hidden, shown_name

__all__ = ["Member", "ZipContents", "split_part"]

IN_MEMORY_OCTETS = 8 * 1024 * 1024
"""Larger archives are kept in a temporary file while they are read. Octets."""

MAX_DEPTH = 3
"""How deep archives may lie in archives."""

MAX_MEMBERS = 10_000
"""Most members of one archive."""

MAX_UNPACKED_OCTETS = 4 * 1024 * 1024 * 1024
"""Most octets that the members of one archive may come to, together."""

MAX_RATIO = 300
"""Most octets that an archive may unpack to for each of its own; real ones stay below 100."""

RATIO_COUNTS_ABOVE_OCTETS = 16 * 1024 * 1024
"""What unpacks to less than this may be as small as it likes. Octets."""

CHUNK_OCTETS = 1024 * 1024
"""How much of a member is read at a time. Octets."""

_AES = 99
_PARTS = re.compile(r"(.*?)((?:\.zip\d+)+)\Z")
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    NotImplementedError,
    OSError,
    RuntimeError,
    IndexError,  # ZipInfo.is_dir of a member without a name, up to Python 3.11
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in an archive.

    :param part: the archive's part, then ``.zip`` and the member's number, such as ``2.zip1``.
    :param detected_type: what its content looks like; ``application/zip`` where it is an archive itself.
    """

    part: str
    number: int
    name: str
    size: int
    detected_type: str


@dataclass(slots=True, kw_only=True)
class _Budget:
    """What is left of the limits for an archive and all archives within it."""

    members: int = MAX_MEMBERS
    octets: int = MAX_UNPACKED_OCTETS


class ZipContents:
    """An open archive; a context manager.

    :param chunks: its octets.
    :param part: where in its message it is.
    :param password: for members that are encrypted.
    :raises LimitExceeded: where it is larger, deeper or denser than archives are that people send.
    :raises MailroomError: where it is damaged, or encrypted and the password is none or not the right one.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        part: str,
        password: str | None = None,
        budget: _Budget | None = None,
    ) -> None:
        self.part = part
        self._budget = budget or _Budget()
        self._password = None if password is None else password.encode()
        self._open = ExitStack()
        self._file = self._open.enter_context(
            tempfile.SpooledTemporaryFile(IN_MEMORY_OCTETS)  # noqa: SIM115 (the stack closes it)
        )
        try:
            with self._readable():
                for chunk in chunks:
                    self._file.write(chunk)
                self._zip = self._opened()
                self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
            self._check_limits()
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def members(self) -> Iterator[Member]:
        """Yield the files in the archive; those that systems leave in archives for themselves are none."""
        for number, info in enumerate(self._infos, 1):
            name = shown_name(info.filename, is_utf8=bool(info.flag_bits & 0x800))
            if is_hidden(name):
                continue
            with self._readable(), self._zip.open(info) as file:
                head = file.read(DETECTION_OCTETS)
            yield Member(
                part=f"{self.part}.zip{number}",
                number=number,
                name=name.rpartition("/")[2],
                size=info.file_size,
                detected_type=detect_type(head),
            )

    def read(self, number: int) -> Generator[bytes, None, None]:
        """Yield the content of a member in chunks, never more than the archive says it has."""
        with self._readable(), self._zip.open(self._infos[number - 1]) as file:
            while chunk := file.read(CHUNK_OCTETS):
                yield chunk

    def nested(self, number: int) -> ZipContents:
        """Open a member that is an archive itself."""
        if self.part.count(".zip") + 1 >= MAX_DEPTH:
            raise LimitExceeded(
                f"part {self.part}.zip{number} lies deeper than {MAX_DEPTH} archives",
                limit=MAX_DEPTH,
                found=MAX_DEPTH + 1,
            )
        password = None if self._password is None else self._password.decode()
        return ZipContents(self.read(number), f"{self.part}.zip{number}", password, self._budget)

    def _opened(self) -> Any:  # Any: of either library, which are used alike
        found: Any = self._open.enter_context(zipfile.ZipFile(self._file))
        if any(info.compress_type == _AES for info in found.infolist()):
            try:
                import pyzipper
            except ImportError:
                raise MailroomError(
                    f"part {self.part} is encrypted with AES; pip install 'airflow-mailroom[zip]' reads it"
                ) from None
            found = self._open.enter_context(pyzipper.AESZipFile(self._file))
        if self._password is not None:
            found.setpassword(self._password)
        return found

    def _check_limits(self) -> None:
        packed = self._file.seek(0, 2)
        unpacked = sum(info.file_size for info in self._infos)
        self._check("members", len(self._infos), self._budget.members)
        self._check("octets unpacked", unpacked, self._budget.octets)
        if unpacked > RATIO_COUNTS_ABOVE_OCTETS:
            self._check("octets unpacked for each of its own", unpacked // max(1, packed), MAX_RATIO)
        self._budget.members -= len(self._infos)
        self._budget.octets -= unpacked

    def _check(self, what: str, found: int, limit: int) -> None:
        if found > limit:
            raise LimitExceeded(
                f"part {self.part} has {found:,} {what}, where at most {limit:,} are unpacked",
                limit=limit,
                found=found,
            )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what the library says of damage and passwords into one sentence."""
        try:
            yield
        except _ERRORS as error:
            text = str(error)
            if "password" in text.lower():
                said = "is encrypted, and its password is not the one given"
                if self._password is None:
                    said = "is encrypted, and no password is given"
                raise MailroomError(f"part {self.part} {said}") from error
            raise MailroomError(f"part {self.part} is a damaged archive ({type(error).__name__})") from error


def split_part(part: str) -> tuple[str, list[int]]:
    """Return the part that is the outermost archive, and the numbers of members that lead on from it.

    >>> split_part("2.1.zip3.zip1"), split_part("2")
    (('2.1', [3, 1]), ('2', []))
    """
    found = _PARTS.fullmatch(part)
    if found is None:
        return part, []
    return found[1], [int(number) for number in re.findall(r"\d+", found[2])]
