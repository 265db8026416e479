"""Who a message must really be from, and whether it is.

Here: requirements such as ``dkim=supplier.com``, what a server's word or a signature says to
them, and which server's word is taken. Not here: reading fields (``message``), checking a
signature (``client``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResult, AuthenticationResults

__all__ = ["Facts", "Requirement", "facts_of", "learned_server", "read_requirements", "unmet"]

METHODS = ("dkim", "spf", "dmarc")
"""What may be required; each means a pass."""

MIN_MESSAGES_TO_LEARN = 10
"""From fewer messages it is not told which server receives for an account."""

MIN_SHARE_TO_LEARN = 0.9
"""Of the messages that carry results, so many must carry those of one server at the top."""

MIN_SHARE_OF_ALL = 1 / 3
"""Of all messages, so many must carry them: a server that writes none leaves the word to senders."""

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{2,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A method that must have passed, for a domain or one below it, or for any.

    :param domain: in lower case, or None for any.
    """

    method: str
    domain: str | None

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.method}={self.domain or 'pass'}"

    def is_met_by(self, result: AuthenticationResult) -> bool:
        """Return whether a result is a pass of this method for this domain."""
        if result.method != self.method or result.value != "pass" or not result.domain:
            return (
                False  # a pass for nobody knows whom, such as one of SPF for the name in HELO, says nothing
            )
        return self.domain is None or f".{result.domain}".endswith(f".{self.domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one message.

    :param server: whose word it is, or None where no field of that server is in the message.
    """

    server: str | None
    results: tuple[AuthenticationResult, ...]

    def result_of(self, method: str) -> AuthenticationResult | None:
        """Return the result of a method: a pass where there is one, else the first."""
        mine = [result for result in self.results if result.method == method]
        return next((result for result in mine if result.value == "pass"), mine[0] if mine else None)


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """Return what a text requires, all of which must hold.

    >>> [str(one) for one in read_requirements("dkim=Supplier.com, dmarc=pass")]
    ['dkim=supplier.com', 'dmarc=pass']

    :raises ConfigurationError: it is not understood.
    """
    found: list[Requirement] = []
    for word in re.split(r"[,\s]+", text.strip()):
        method, _, value = word.lower().partition("=")
        if method not in METHODS or not (value == "pass" or _DOMAIN.fullmatch(value)):
            raise ConfigurationError(
                f"require_auth says {word[:60]!r}; write dkim=supplier.com, spf=supplier.com or dmarc=pass, "
                "several with commas between.",
                argument="require_auth",
            )
        found.append(Requirement(method=method, domain=None if value == "pass" else value))
    return tuple(found)


def facts_of(fields: Sequence[AuthenticationResults], server: str | None) -> Facts:
    """Return what the receiving server says; what others say counts for nothing.

    :param fields: those at the top of a message.
    :param server: the name that the receiving server writes, in lower case; None where nobody knows it.
    """
    mine = [field for field in fields if server is not None and field.server == server]
    results = tuple(result for field in mine for result in field.results)
    return Facts(server=server if mine else None, results=results)


def unmet(requirements: Iterable[Requirement], facts: Facts) -> str | None:
    """Return why a message does not meet what is required, or None where it does."""
    for requirement in requirements:
        if any(requirement.is_met_by(result) for result in facts.results):
            continue
        said = facts.result_of(requirement.method)
        if said is not None:
            about = f" for {said.domain}" if said.domain else ""
            return f"{requirement} is required, and {said.method} is {said.value}{about}"
        return f"{requirement} is required, and nothing that is trusted says so"
    return None


def learned_server(topmost: Iterable[str | None]) -> str | None:
    """Return the server that receives for an account, or None where that cannot be told.

    :param topmost: of many of its messages, the server whose results stand at the top, or None.
    """
    counts = Counter(topmost)
    everything = counts.total()
    silent = counts.pop(None, 0)
    if not counts:
        return None
    name, count = counts.most_common(1)[0]
    is_clear = (
        count >= MIN_MESSAGES_TO_LEARN
        and count >= MIN_SHARE_TO_LEARN * (everything - silent)
        and count >= MIN_SHARE_OF_ALL * everything
    )
    return name if is_clear else None
