"""DKIM signatures checked anew."""

from __future__ import annotations

import base64
import sys

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mailroom.client.dkim_signatures import check_signatures
from mailroom.exceptions import ConfigurationError
from tests.support.mail import make_message

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
MESSAGE = make_message(attachments=[("a.pdf", "application/pdf", b"%PDF")])


def signed(message: bytes = MESSAGE, domain: bytes = b"supplier.com", **options: bool) -> bytes:
    """Return a message with a signature of its sender's domain."""
    signature: bytes = dkim.sign(message, b"s1", domain, PRIVATE, **options)
    return signature + message


def keys(name: bytes) -> bytes | None:
    """Return the key of one selector."""
    return b"v=DKIM1; k=rsa; p=" + PUBLIC if name == b"s1._domainkey.supplier.com." else None


def check(message: bytes) -> list[tuple[str, str]]:
    """Return value and domain of each result."""
    return [(result.value, result.domain) for result in check_signatures(message, keys)]


def test_good_signature_passes() -> None:
    """The domain is the signer's."""
    assert check(signed()) == [("pass", "supplier.com")]


def test_changed_message_fails() -> None:
    """One octet is enough."""
    assert check(signed().replace(b"this is the text", b"this is the next")) == [("fail", "supplier.com")]


def test_each_signature_has_its_result() -> None:
    """A forwarder that signs for itself does not make the first signature good or bad."""
    assert check(signed(signed(), b"list.example")) == [("fail", "list.example"), ("pass", "supplier.com")]


def test_signature_of_a_part_of_the_body_proves_nothing() -> None:
    """Whoever forwards such a message may add to it."""
    assert check(signed(length=True)) == [("policy", "supplier.com")]


@pytest.mark.parametrize(
    "message", [MESSAGE, b"", b"no header at all", b"DKIM-Signature: rubbish\r\nFrom: a@b.c\r\n\r\nx"]
)
def test_nothing_signed_is_no_pass(message: bytes) -> None:
    """Whatever the message is."""
    assert all(value != "pass" for value, _ in check(message))


def test_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for only where signatures are to be checked."""
    monkeypatch.setitem(sys.modules, "dkim", None)
    with pytest.raises(ConfigurationError, match="airflow-mailroom\\[dkim\\]"):
        check_signatures(MESSAGE, keys)
