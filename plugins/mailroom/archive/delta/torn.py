"""Find commits that a power cut tore, and set them aside.

Belongs here: the last entries of a Delta log on a local disk, and the files they name.
Does not belong here: bringing back what was in them (``repair``). Only commits since the
last sync can be torn; a batch begins with a sync, so that is one or two of each table.

Nothing is deleted: what is torn, and all that was committed on top of it, gets ``.torn``
after its name, which every reader of Delta tables passes over.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any
from urllib.parse import unquote

__all__ = [
    "LINES",
    "TABLES_OF_MESSAGES",
    "find_torn",
    "has_torn_messages",
    "mark_repaired",
    "set_aside_torn",
    "torn_commits",
]

log = logging.getLogger(__name__)

LINES = "mailroomLines"
"""Key under which each of our commits says how many lines its log entry has."""

TABLES_OF_MESSAGES = ("messages", "texts", "attachments")
"""The tables whose rows can be known again from the raw objects."""

WINDOW = 4
"""How many of the last commits of a table are looked at."""

PARQUET_MAGIC = b"PAR1"

SUFFIX = ".torn"


def has_torn_messages(tables: str) -> bool:
    """Set aside what a power cut tore, in any table; say whether messages wait to be brought back.

    :param tables: the folder of all tables.
    :raises OSError: where the disk refuses.
    """
    try:
        names = os.listdir(tables)
    except FileNotFoundError:
        return False
    for name in names:
        set_aside_torn(f"{tables}/{name}")
    return any(torn_commits(f"{tables}/{name}") for name in TABLES_OF_MESSAGES)


def find_torn(folder: str) -> list[str]:
    """Return the names of the torn entries at the end of a table's log, and change nothing.

    :raises OSError: where the disk refuses.
    """
    try:
        names = os.listdir(f"{folder}/_delta_log")
    except FileNotFoundError:
        return []
    return _torn_names(folder, names)


def set_aside_torn(folder: str) -> list[str]:
    """Set aside the torn commits at the end of a table's log, and return the names of their entries.

    :raises OSError: where the disk refuses.
    """
    log_folder = f"{folder}/_delta_log"
    try:
        names = os.listdir(log_folder)
    except FileNotFoundError:
        return []
    _check_checkpoints(log_folder, names)
    found = _torn_names(folder, names)
    for name in reversed(found):
        _set_aside(f"{log_folder}/{name}")
    if found:
        log.warning(
            "Set aside %d torn entries of table %s after a power cut", len(found), os.path.basename(folder)
        )
    return found


def torn_commits(folder: str) -> list[str]:
    """Return the paths of set-aside log entries whose contents were not brought back yet."""
    log_folder = f"{folder}/_delta_log"
    try:
        return [f"{log_folder}/{name}" for name in os.listdir(log_folder) if name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []


def mark_repaired(paths: list[str]) -> None:
    """Note that what these entries had committed is back.

    :raises OSError: where the disk refuses.
    """
    for path in paths:
        os.rename(path, f"{path}-repaired")


def _torn_names(folder: str, names: list[str]) -> list[str]:
    """Return the torn entries and all on top of them, oldest first."""
    versions = sorted(int(name[:20]) for name in names if _is_entry(name))
    torn = _first_torn(folder, versions[-WINDOW:])
    if torn is None:
        return []
    found = sorted(name for name in names if _version_of(name) >= torn)
    if any(name.endswith(".parquet") for name in found) and "_last_checkpoint" in names:
        found.append("_last_checkpoint")
    return found


def _first_torn(folder: str, versions: list[int]) -> int | None:
    removed: set[str] = set()
    first = None
    for version in reversed(versions):
        actions = _actions(f"{folder}/_delta_log/{version:020d}.json")
        if actions is None:
            first = version
            continue
        removed.update(action["remove"]["path"] for action in actions if "remove" in action)
        added = [action["add"] for action in actions if "add" in action]
        if not all(_is_whole(folder, add) for add in added if add["path"] not in removed):
            first = version
    return first


def _actions(path: str) -> list[dict[str, Any]] | None:
    """Return the actions of a log entry, or None where it is not whole."""
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    try:
        actions = [json.loads(line) for line in lines if line.strip()]
    except ValueError:
        return None
    stated = next((action["commitInfo"].get(LINES) for action in actions if "commitInfo" in action), None)
    if not actions or (stated is not None and int(stated) != len(actions)):
        return None
    return actions


def _is_whole(folder: str, add: dict[str, Any]) -> bool:
    path = unquote(add["path"])
    if "://" in path:
        return True
    try:
        with open(f"{folder}/{path}", "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(PARQUET_MAGIC)))
            return size == add["size"] and file.read() == PARQUET_MAGIC
    except FileNotFoundError:
        return False


def _check_checkpoints(log_folder: str, names: list[str]) -> None:
    """Set aside the hint to the last check-point where it is cut or leads nowhere, and torn check-points."""
    for name in list(names):
        if name.endswith(".checkpoint.parquet") and not _has_footer(f"{log_folder}/{name}"):
            _set_aside(f"{log_folder}/{name}")
            names.remove(name)
    if "_last_checkpoint" not in names:
        return
    try:
        with open(f"{log_folder}/_last_checkpoint", "rb") as file:
            version = int(json.loads(file.read())["version"])
    except (ValueError, KeyError, TypeError):
        version = -1
    if f"{version:020d}.checkpoint.parquet" not in names:
        _set_aside(f"{log_folder}/_last_checkpoint")
        names.remove("_last_checkpoint")


def _has_footer(path: str) -> bool:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(PARQUET_MAGIC)))
        return size > 2 * len(PARQUET_MAGIC) and file.read() == PARQUET_MAGIC


def _is_entry(name: str) -> bool:
    return len(name) == 25 and name.endswith(".json") and name[:20].isdigit()


def _version_of(name: str) -> int:
    """Return the version of an entry or check-point, or -1 for anything else."""
    if _is_entry(name) or (name[:20].isdigit() and name.endswith(".checkpoint.parquet")):
        return int(name[:20])
    return -1


def _set_aside(path: str) -> None:
    os.rename(path, f"{path}.{time.time_ns()}{SUFFIX}")
