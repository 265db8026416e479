"""Keys that sign seals: held by whoever runs Mailroom, never by the archive.

Belongs here: from the text of a key to signatures. Does not belong here: seals (``seals``).

======================  ===================================================================
``hmac:SECRET``         one secret signs and checks (RFC 2104 with SHA-256)
``ed25519:SEED``        32 octets in base64 sign and check (RFC 8032)
``ed25519-public:KEY``  32 octets in base64 check only: for whoever must not be able to sign
======================  ===================================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field

from mailroom.exceptions import ConfigurationError

__all__ = ["SealKey", "read_key"]

MIN_SECRET_CHARACTERS = 16
"""Shorter secrets can be guessed."""

KEY_OCTETS = 32
HMAC, SEED, PUBLIC = "hmac", "ed25519", "ed25519-public"
_FORMS = "hmac:SECRET, ed25519:SEED or ed25519-public:KEY, the last two with 32 octets in base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealKey:
    """One key; never shown.

    :param algorithm: what it signs with: ``hmac-sha256`` or ``ed25519``.
    :param key_id: tells keys apart, and tells nothing of the key.
    :param signs: whether it can sign, or only check.
    """

    algorithm: str
    key_id: str
    signs: bool
    _secret: bytes = field(repr=False)

    def sign(self, content: bytes) -> str:
        """Return a signature in hex.

        :raises ConfigurationError: where the key can only check.
        """
        if not self.signs:
            raise ConfigurationError(
                "The key for seals is a public one, which cannot sign; give runs that write the seed."
            )
        if self.algorithm == "hmac-sha256":
            return hmac.new(self._secret, content, hashlib.sha256).hexdigest()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._secret).sign(content).hex()

    def verifies(self, content: bytes, signature: str) -> bool:
        """Say whether a signature in hex is this key's."""
        if self.algorithm == "hmac-sha256":
            return hmac.compare_digest(self.sign(content), signature)
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        public = _public_of(self._secret) if self.signs else self._secret
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_key(text: str) -> SealKey:
    """Return the key that a text says.

    :raises ConfigurationError: where it says none; the text is not shown.
    """
    form, _, value = text.strip().partition(":")
    if form == HMAC:
        if len(value) < MIN_SECRET_CHARACTERS:
            raise ConfigurationError(
                f"The secret of the key for seals must have {MIN_SECRET_CHARACTERS} characters or more."
            )
        secret = value.encode()
        return SealKey(algorithm="hmac-sha256", key_id=_id_of(secret), signs=True, _secret=secret)
    if form not in (SEED, PUBLIC):
        raise ConfigurationError(f"The key for seals makes no sense; write {_FORMS}.")
    try:
        octets = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != KEY_OCTETS:
        raise ConfigurationError(f"The key for seals makes no sense; write {_FORMS}.")
    public = _public_of(octets) if form == SEED else octets
    return SealKey(algorithm="ed25519", key_id=_id_of(public), signs=form == SEED, _secret=octets)


def _public_of(seed: bytes) -> bytes:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise ConfigurationError("Keys of kind ed25519 need the package cryptography; install it.") from error
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _id_of(octets: bytes) -> str:
    return hashlib.sha256(b"mailroom seal key\0" + octets).hexdigest()[:16]
