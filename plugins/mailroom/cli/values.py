"""Single words of a command line: durations, sizes, days, shares, places, account names.

Belongs here: from text to a value, or one sentence that says how to write it. Does not
belong here: account URLs and passwords (``account``). Nothing is opened or created.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from datetime import UTC, date, datetime, time, timedelta

from mailroom.model import MAX_CONNECTIONS
from mailroom.policy.durations import DURATION_WORDS, parse_duration, parse_octets

__all__ = [
    "connections",
    "count_of",
    "day",
    "duration",
    "local_place",
    "moment",
    "name",
    "octets",
    "pair",
    "place",
    "seconds",
    "setting",
    "share",
    "source",
]

MAX_SECONDS = 86_400.0
"""The longest timeout: a day."""

_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
_CREDENTIALS = "the environment says who you are there, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY do"


def duration(text: str) -> timedelta:
    """Read a duration such as ``7d``, ``12h``, ``1y`` or ``0d``; a bare number counts days.

    Minutes and months are refused: an ``m`` could be either, and mail is deleted by it.

    >>> duration("7d")
    datetime.timedelta(days=7)
    """
    found = parse_duration(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write {DURATION_WORDS}")
    return found


def octets(text: str) -> int:
    """Read a size such as ``500k``, ``10M`` or ``1048576`` (octets).

    >>> octets("10M")
    10485760
    """
    found = parse_octets(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 500k, 10M or a number of octets")
    return found


def day(text: str) -> date:
    """Read a day such as ``2026-01-31``.

    >>> day("2026-01-31")
    datetime.date(2026, 1, 31)
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()):
        try:
            return date.fromisoformat(text.strip())
        except ValueError:
            pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a day; write year-month-day, as 2026-01-31")


def moment(text: str) -> datetime:
    """Read a moment such as ``2026-01-31T08:00``, in UTC unless it says otherwise; a day means its end.

    >>> moment("2026-01-31T08:00+01:00").astimezone(UTC)
    datetime.datetime(2026, 1, 31, 7, 0, tzinfo=datetime.timezone.utc)
    """
    word = text.strip()
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
        return datetime.combine(day(word), time.max, UTC)
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T08:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def seconds(text: str) -> float:
    """Read a timeout in seconds, above 0 and at most a day.

    >>> seconds("2.5")
    2.5
    """
    found = _number(text)
    if not 0 < found <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a timeout; write seconds, as 60")
    return found


def share(text: str) -> float:
    """Read a share from 0 to 1, such as ``0.25`` or ``25%``.

    >>> share("25%")
    0.25
    """
    is_percent = text.strip().endswith("%")
    found = _number(text.strip().rstrip("%")) / (100 if is_percent else 1)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; write 0.25 or 25%, at most 1 or 100%")
    return found


def connections(text: str) -> int:
    """Read a number of connections, such as ``4``."""
    if re.fullmatch(r"\s*[0-9]{1,4}\s*", text) is None or not 1 <= int(text) <= MAX_CONNECTIONS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of connections; write 1 to {MAX_CONNECTIONS}"
        )
    return int(text)


def count_of(text: str) -> int:
    """Read how many, such as ``50``; at least one."""
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", text) is None or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; write 50, for example")
    return int(text)


def name(text: str) -> str:
    """Take an account's name, which must not be empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty; write one")
    return text


def place(text: str) -> str:
    """Take a folder or the URL of one in an object store, where such a place can be.

    An empty text is refused: it would mean the current folder, and is mostly a variable that is not set.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the place is empty; write a folder, or . for this one")
    scheme, separator, rest = text.partition("://")
    if not separator:
        path = os.path.expanduser(text)
        if os.path.exists(path) and not os.path.isdir(path):
            raise argparse.ArgumentTypeError(f"{text!r} is a file; give a folder")
    elif scheme not in ("file", "local"):
        _check_store(scheme, rest.partition("/")[0])
    return text


def local_place(text: str) -> str:
    """Take a folder of this machine, or the name of a file to be."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the place is empty; write a folder, or . for this one")
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no folder of this machine; mail programs need one")
    return text


def source(text: str) -> str:
    """Take a folder or file of this machine, or the URL of a place in an object store."""
    scheme, separator, rest = text.partition("://")
    if not text.strip():
        raise argparse.ArgumentTypeError("the place is empty; write a folder, a file or s3://bucket/prefix")
    if separator and scheme not in ("file", "local"):
        _check_store(scheme, rest.partition("/")[0])
    return text


def pair(text: str) -> tuple[str, str]:
    """Read two folder names such as ``Sent Items=Sent``.

    >>> pair("Sent Items=Sent")
    ('Sent Items', 'Sent')
    """
    old, separator, new = text.partition("=")
    if not separator or not old.strip() or not new.strip():
        raise argparse.ArgumentTypeError(f"{text!r} names no two folders; write OLD=NEW")
    return old, new


def setting(text: str) -> tuple[str, str]:
    """Read a setting such as ``StorageClass=STANDARD_IA``.

    >>> setting("StorageClass=STANDARD_IA")
    ('StorageClass', 'STANDARD_IA')
    """
    word, separator, value = text.partition("=")
    if not separator or not word.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; write NAME=VALUE")
    return word.strip(), value.strip()


def _check_store(scheme: str, bucket: str) -> None:
    # What stands before an @ may be a secret, so it is never repeated.
    if scheme not in _STORES:
        raise argparse.ArgumentTypeError(
            f"{scheme}:// is no place that can be used here; give a folder, s3://, gs:// or abfs://"
        )
    if not bucket:
        raise argparse.ArgumentTypeError(f"{scheme}:// names no bucket; write {scheme}://bucket/prefix")
    if "@" in bucket and not scheme.startswith("a"):
        raise argparse.ArgumentTypeError(
            f"leave out what stands before the @ in {scheme}://…@{bucket.rpartition('@')[2]}; {_CREDENTIALS}"
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
