"""DKIM signatures of archived messages, checked anew.

Belongs here: what the library says of each signature (RFC 6376), and where keys come from:
the DNS, or whoever calls. Does not belong here: whether a signature is enough (``policy``).

A key that its owner has withdrawn since makes an old signature fail; a signature that does not
cover the whole body proves nothing of an attachment, and counts as ``policy``, not as a pass.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResult

__all__ = ["KeyLookup", "check_signatures"]

KeyLookup = Callable[[bytes], bytes | None]
"""Returns the TXT record of a name such as ``selector._domainkey.example.org.``, or None."""

MAX_MESSAGE_OCTETS = 128 * 1024 * 1024
"""Larger messages are not checked, for they would have to be held in memory whole. Octets."""

MAX_SIGNATURES = 5
"""How many signatures of one message are checked; each may cost a question to the DNS."""

DNS_SECONDS = 5

_LENGTH = re.compile(rb"(?:\A|;)\s*l\s*=", re.I)
_QUIET = logging.getLogger(f"{__name__}.library")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False  # what the library logs holds parts of messages


def check_signatures(content: bytes, keys: KeyLookup | None = None) -> tuple[AuthenticationResult, ...]:
    """Return a result for each signature, such as ``dkim=pass header.d=example.org``.

    :param content: the exact octets of the message.
    :param keys: where keys come from; the DNS where it is None.
    :raises ConfigurationError: the library is not installed.
    """
    try:
        import dkim
    except ImportError:
        raise ConfigurationError("To check DKIM signatures, pip install 'airflow-mailroom[dkim]'.") from None
    if len(content) > MAX_MESSAGE_OCTETS:
        return ()
    try:
        message = dkim.DKIM(content, logger=_QUIET, timeout=DNS_SECONDS)
    except dkim.DKIMException:
        return ()  # no header that can be signed
    fields = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    return tuple(_check(message, number, value, keys) for number, value in enumerate(fields[:MAX_SIGNATURES]))


def _check(message: object, number: int, field: bytes, keys: KeyLookup | None) -> AuthenticationResult:
    import dkim

    domain = re.search(rb"(?:\A|;)\s*d\s*=\s*([^\s;]{1,255})", field)
    about = {"header.d": domain[1].decode("ascii", "replace").lower()} if domain is not None else {}
    try:
        is_good = message.verify(idx=number, dnsfunc=_asking(keys))  # type: ignore[attr-defined]  # no types
        value = "pass" if is_good else "fail"
    except _NoAnswer:
        value = "temperror"
    except dkim.ValidationError:
        value = "fail"
    except (dkim.DKIMException, ValueError, KeyError, IndexError, TypeError):
        value = "permerror"
    if value == "pass" and _LENGTH.search(field):
        value = "policy"
    return AuthenticationResult("dkim", value, about)


def _asking(keys: KeyLookup | None) -> Callable[..., bytes | None]:
    """Return what the library asks for keys; that a name server is silent is no failed signature."""

    def ask(name: bytes, timeout: int = DNS_SECONDS) -> bytes | None:
        if keys is not None:
            return keys(name)
        import dkim

        try:
            found: bytes | None = dkim.get_txt(name, timeout=timeout)
        except dkim.DnsTimeoutError as error:
            raise _NoAnswer from error
        return found

    return ask


class _NoAnswer(Exception):
    """No name server answered."""
