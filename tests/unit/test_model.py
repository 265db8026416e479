"""The shared vocabulary: what a value says of itself."""

from __future__ import annotations

import pytest

from mailroom.model import DEFAULT_PORTS, SERVER_PROTOCOLS, Change, Endpoint, Folder, MailProtocol, Security


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
