"""The shared vocabulary: what a value says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailroom.model import (
    DEFAULT_PORTS,
    SERVER_PROTOCOLS,
    Change,
    Endpoint,
    Folder,
    MailProtocol,
    Security,
    return_of,
)


def test_secret_is_not_shown() -> None:
    """An endpoint in a log or a traceback does not give the password away."""
    endpoint = Endpoint(protocol=MailProtocol.IMAP, host="h", port=993, user="u", secret="hunter2secret")
    assert "hunter2secret" not in repr(endpoint)


def test_every_protocol_and_protection_has_a_port() -> None:
    """No choice in a form leaves the port unknown."""
    assert set(DEFAULT_PORTS) == {
        (protocol, security) for protocol in SERVER_PROTOCOLS for security in Security
    }


@pytest.mark.parametrize("change", list(Change))
def test_live_is_what_is_on_the_server_with_its_bytes_archived(change: Change) -> None:
    """Added, flagged and moved messages are there; all else is gone or not ours yet."""
    assert change.is_live == (change.value in {"added", "flags", "moved"})


@pytest.mark.parametrize(
    ("attributes", "selectable", "use"),
    [
        ((), True, None),
        (("\\HasChildren", "\\Noselect"), False, None),
        (("\\NonExistent",), False, None),
        (("\\HasNoChildren", "\\Trash"), True, "\\Trash"),
        (("\\trash",), True, "\\trash"),
    ],
)
def test_folder_attributes_say_what_it_is_for(
    attributes: tuple[str, ...], selectable: bool, use: str | None
) -> None:
    """Attributes are compared without regard to case (RFC 9051 section 7.3.1)."""
    folder = Folder(name="x", attributes=attributes)
    assert folder.is_selectable is selectable
    assert folder.special_use == use


NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("seen", "taken", "returned"),
    [
        (LATER, NOON, LATER),
        (NOON, NOON, None),
        (NOON, LATER, None),
        (NOON, None, None),
        (None, NOON, None),
        (None, None, None),
    ],
)
def test_a_message_came_back_if_it_was_seen_after_it_was_taken_away(
    seen: datetime | None, taken: datetime | None, returned: datetime | None
) -> None:
    """What was there before, and where nobody knows, did not come back: its days count from its first."""
    assert return_of(seen, taken) == returned
