"""Marks of writers at work: that rows are coming which are not sealed yet.

Belongs here: one small file a writer below ``unsealed/``, from before its first row until its seal. Does
not belong here: what is sealed of a writer that was killed (``sealer``).

A mark has a number of its own, which the seal that settles it keeps: put back later it is known, and has
nothing sealed. With a key marks are signed, and one that is not names no run.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailroom.archive.checking.seals import BEFORE
from mailroom.archive.checking.signed_notes import read_note, sign_note

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.checking.seal_keys import SealKey

__all__ = ["Mark", "new_mark", "open_marks", "write_mark"]

KIND = "unsealed"
"""What such files are about, and the folder that they lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The mark of one writer.

    :param path: the file.
    :param run_id: the run that writes; empty where the file is not to be believed.
    :param number: tells it from every other mark; None where an older Mailroom made it.
    """

    path: str
    account: str
    run_id: str
    number: str | None


def new_mark(account: str, run_id: str) -> Mark:
    """Return the mark of a writer, not written yet."""
    number = secrets.token_hex(8)
    return Mark(
        path=f"{_folder(account)}/{_short(run_id)}-{number}.json",
        account=account,
        run_id=run_id,
        number=number,
    )


def write_mark(archive: Archive, mark: Mark) -> None:
    """Write a mark, or make it anew.

    :raises ConfigurationError: where the key can only check.
    :raises StoreUnavailable: where the store refuses.
    """
    said = {"account": mark.account, "run_id": mark.run_id, "number": mark.number}
    archive.store.replace_file(mark.path, sign_note(KIND, said, archive.seal_key))


def open_marks(archive: Archive, account: str) -> list[Mark]:
    """Return the marks of an account's writers that have not sealed yet.

    :raises StoreUnavailable: where the store refuses.
    """
    paths = archive.store.list_files(_folder(account))
    contents = archive.store.read_files(paths) if paths else []
    return [
        _read(path, content, account, archive.seal_key)
        for path, content in zip(paths, contents, strict=True)
        if content is not None
    ]


def _read(path: str, content: bytes, account: str, key: SealKey | None) -> Mark:
    nobody = Mark(path=path, account=account, run_id=BEFORE, number=None)
    try:
        said, is_ours = read_note(KIND, content, key)
    except ValueError:
        return nobody
    run_id, number = said.get("run_id"), said.get("number")
    if not is_ours or said.get("account") != account or not isinstance(run_id, str):
        return nobody
    return Mark(path=path, account=account, run_id=run_id, number=None if number is None else str(number))


def _folder(account: str) -> str:
    return f"{KIND}/{_short(account)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
