"""What disks, object stores and table libraries raise, turned into one sentence of ours.

Belongs here: the border between foreign exceptions and ``StoreUnavailable``. Does not
belong here: retries, and what to do about a failure. Foreign texts are quoted only by
their first line, shortened and without query strings, because a signed URL is a secret.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mailroom.exceptions import ArchiveError, ConfigurationError, StoreUnavailable

__all__ = ["foreign_errors", "translate", "translated"]

MAX_QUOTED_CHARACTERS = 200
"""How much of a foreign error's first line is shown, in characters."""

_FOREIGN = (
    ("deltalake.exceptions", "DeltaError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("obstore.exceptions", "BaseError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("pyarrow.lib", "ArrowException"),
    ("duckdb", "Error"),
)

_BY_TEXT = (
    (r"os error 28\b|no space left|os error 122\b|quota exceeded|os error 27\b", "full"),
    (r"os error 30\b|read-only file system", "read_only"),
    (r"nosuchbucket|bucket does not exist|bucketnotfound|containernotfound", "missing"),
    (r"invalidaccesskeyid|signaturedoesnotmatch|invalidtoken|expiredtoken|authfailure", "credentials"),
    (r"nocredential|partialcredential|unable to locate credentials|missing credential", "credentials"),
    (r"error performing .*(metadata|token)", "credentials"),
    (r"accessdenied|access denied|forbidden|\b403\b|os error 13\b|permission denied", "permission"),
    (r"endpointconnection|connecttimeout|connection refused|error sending request|dns error", "network"),
    (r"could not connect|cannot connect|timed out|timeouterror|connectionerror", "network"),
    (r"os error 5\b|input/output error", "broken"),
    (r"nosuchkey|not found|no such file|os error 2\b|\b404\b", "missing"),
)


def foreign_errors() -> tuple[type[BaseException], ...]:
    """Return the exception classes of disks and of every storage library loaded so far."""
    found: list[type[BaseException]] = [OSError]
    for module, name in _FOREIGN:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            found.append(kind)
    return tuple(found)


def translate(error: BaseException, where: str) -> StoreUnavailable:
    """Return our error for a foreign one; facts are ``reason`` and ``where``."""
    reason = _reason(error)
    line = (str(error).strip().splitlines() or [""])[0]
    line = re.sub(r"[?]\S+", "?…", line)[:MAX_QUOTED_CHARACTERS]
    quoted = f"{type(error).__name__}: {line}"
    return StoreUnavailable.because(reason, where, quoted)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise ours in place of what a store raises inside the block.

    :raises StoreUnavailable: with one sentence that names ``where`` and what to do.
    """
    try:
        yield
    except (ArchiveError, ConfigurationError):
        raise
    except foreign_errors() as error:
        raise translate(error, where) from error


def _reason(error: BaseException) -> str:
    reason = StoreUnavailable.reason_of(error)
    if reason is not None:
        return reason
    text = f"{type(error).__name__} {error}".lower()
    return next((reason for pattern, reason in _BY_TEXT if re.search(pattern, text)), "other")
