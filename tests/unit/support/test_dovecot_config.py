"""The words in which a throwaway Dovecot is configured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.dovecot_config import DovecotSettings, render

GONE_IN_2_4 = (
    "mail_location",
    "disable_plaintext_auth",
    "ssl_cert ",
    "ssl_key ",
    "driver = passwd-file",
    "%u",
)


def settings(**changes: Any) -> DovecotSettings:
    values: dict[str, Any] = {
        "version": (2, 3),
        "home": Path("/tmp/x"),
        "owner": ("nobody", 65534, 65534),
        "rootless": False,
        "group": "nogroup",
        "ports": {"imap": 1, "imaps": 2, "pop3": 3, "pop3s": 4},
    }
    return DovecotSettings(**(values | changes))


def test_2_4_starts_with_the_version_of_its_language() -> None:
    """Dovecot 2.4 refuses a file whose first setting is anything else."""
    assert render(settings(version=(2, 4))).startswith("dovecot_config_version = ")


@pytest.mark.parametrize("gone", GONE_IN_2_4)
def test_2_4_has_none_of_the_words_it_refuses(gone: str) -> None:
    """Each of these settings of 2.3 stops Dovecot 2.4 from starting."""
    assert gone in render(settings())
    assert gone not in render(settings(version=(2, 4), escape_names=True, rootless=True))


@pytest.mark.parametrize("version", [(2, 3), (2, 4)])
def test_sections_are_closed(version: tuple[int, int]) -> None:
    """Every section that is opened is closed."""
    for rootless in (False, True):
        text = render(settings(version=version, rootless=rootless, escape_names=True, storage="sdbox"))
        lines = [line.strip() for line in text.splitlines()]
        assert sum(line.endswith("{") for line in lines) == lines.count("}")


@pytest.mark.parametrize("version", [(2, 3), (2, 4)])
def test_only_a_rootless_server_gives_up_its_chroots(version: tuple[int, int]) -> None:
    """An ordinary user may not chroot; root should."""
    assert "chroot =" in render(settings(version=version, rootless=True))
    assert "chroot =" not in render(settings(version=version))


def test_lines_of_a_test_reach_their_protocol() -> None:
    """A test may vary one protocol and leave the other as it is."""
    text = render(settings(imap_extra="imap_capability = A", pop3_extra="pop3_no_flag_updates = yes"))
    assert "protocol imap {\nimap_capability = A\n}" in text
    assert "protocol pop3 {\npop3_no_flag_updates = yes\n}" in text


def test_compression_is_a_plugin_of_imap_where_it_is_not_built_in() -> None:
    """2.3 loads it beside the plugins that all protocols have; 2.4 has it always."""
    lines = "protocol imap {\nmail_plugins = $mail_plugins imap_zlib\n"
    assert lines in render(settings(compress=True))
    assert "imap_zlib" not in render(settings())
    assert "imap_zlib" not in render(settings(version=(2, 4), compress=True))
