"""Small files that say what is under way, signed where seals are.

Belongs here: from what one says to its content, and back. Does not belong here: what they are about
(``seal_marks``, ``intents``, ``folder_notes``). What a run does by such a file after a kill, from rows in the
audit to marks on a server, must not be anybody's to order who can write to the archive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mailroom.exceptions import ArchiveError

if TYPE_CHECKING:
    from mailroom.archive.checking.seal_keys import SealKey

__all__ = ["not_signed", "read_note", "sign_note"]


def sign_note(kind: str, said: Mapping[str, Any], key: SealKey | None) -> bytes:
    """Return the content of a file.

    :param kind: what it is about, so that no file can be put in another's place.
    :raises ConfigurationError: where the key can only check.
    """
    signature = None if key is None else key.sign(_signed_content(kind, said))
    return json.dumps({**said, "signature": signature}).encode()


def read_note(kind: str, content: bytes, key: SealKey | None) -> tuple[dict[str, Any], bool]:
    """Return what a file says, and whether it may be believed: without a key every one is.

    :raises ValueError: where it is no such file.
    """
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError("no JSON object")
    signature = said.pop("signature", None)
    if key is None:
        return said, True
    return said, isinstance(signature, str) and key.verifies(_signed_content(kind, said), signature)


def not_signed(path: str) -> ArchiveError:
    """Return the error about a file that is not to be believed."""
    return ArchiveError(
        f"The note {path} of a deletion that was cut off is not signed with the key for seals: it was "
        "written without that key, or by somebody else. Look at it; delete it, or have it settled by one run "
        "without the key."
    )


def _signed_content(kind: str, said: Mapping[str, Any]) -> bytes:
    return kind.encode() + b"\n" + json.dumps(said, sort_keys=True).encode()
