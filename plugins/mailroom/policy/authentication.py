"""Who a message must really be from, and whether it is.

Here: requirements such as ``dkim=supplier.com``, and what a server's word or a signature says to
them. Not here: which fields are that server's (``receiving_servers``), reading them (``message``),
checking a signature (``client``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResult, AuthenticationResults, Hop
from mailroom.policy.receiving_servers import Receiver, fields_of

__all__ = ["Facts", "Requirement", "facts_of", "read_requirements", "unmet"]

METHODS = ("dkim", "spf", "dmarc")
"""What may be required; each means a pass."""

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{2,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A method that must have passed, for a domain or one below it, or for that of the author.

    :param domain: in lower case, or None for that of the author's address.
    """

    method: str
    domain: str | None

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.method}={self.domain or 'pass'}"

    def is_met_by(self, result: AuthenticationResult, authors: Sequence[str] = ()) -> bool:
        """Return whether a result is a pass of this method for this domain, or for that of the author."""
        if result.method != self.method or result.value != "pass" or not result.domain:
            return (
                False  # a pass for nobody knows whom, such as one of SPF for the name in HELO, says nothing
            )
        if self.domain is not None:
            return _is_below(result.domain, self.domain)
        return any(_are_aligned(result.domain, author.rpartition("@")[2]) for author in authors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one message.

    :param server: whose word it is, or None where no field of that server counts.
    :param authors: the addresses in From.
    :param unheard: the name of the server where fields of that name are there and none counts.
    """

    server: str | None
    results: tuple[AuthenticationResult, ...]
    unheard: str | None = None
    authors: tuple[str, ...] = ()

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


def facts_of(trace: Sequence[AuthenticationResults | Hop], receiver: Receiver | None) -> Facts:
    """Return what the receiving server says; what others say counts for nothing.

    Of each method its uppermost field with a word on it is heard, and none below one that cannot be read
    whole: it may have said something.

    :param trace: the fields of a message.
    :param receiver: None where nobody knows it.
    """
    if receiver is None:
        return Facts(server=None, results=())
    mine = fields_of(trace, receiver)
    heard: dict[str, list[AuthenticationResult]] = {}
    for field in mine:
        said = {result.method for result in field.results} - heard.keys()
        for result in field.results:
            if result.method in said:
                heard.setdefault(result.method, []).append(result)
        if not field.is_whole:
            break
    names = {one.server for one in trace if isinstance(one, AuthenticationResults)}
    return Facts(
        server=receiver.server if mine else None,
        results=tuple(result for results in heard.values() for result in results),
        unheard=receiver.server if not mine and receiver.server in names else None,
    )


def unmet(requirements: Iterable[Requirement], facts: Facts) -> str | None:
    """Return why a message does not meet what is required, or None where it does."""
    for requirement in requirements:
        if len(facts.authors) > 1:
            return f"{requirement} is required, and the message names several authors"
        if any(requirement.is_met_by(result, facts.authors) for result in facts.results):
            continue
        said = facts.result_of(requirement.method)
        if said is not None:
            about = f" for {said.domain}" if said.domain else ""
            if said.value == "pass" and requirement.domain is None:
                about += ", which is not the author's domain"
            return f"{requirement} is required, and {said.method} is {said.value}{about}"
        text = f"{requirement} is required, and nothing that is trusted says so"
        if facts.unheard is not None:
            text += (
                f"; what bears the name {facts.unheard} stands where a sender may have written it, below the "
                "hop by which the message came in"
            )
        return text
    return None


def _are_aligned(domain: str, of_author: str) -> bool:
    """Return whether one of two domains is the other or below it, as a pass and the author's have to be."""
    return _is_below(domain, of_author) or _is_below(of_author, domain)


def _is_below(domain: str, parent: str) -> bool:
    return bool(parent) and f".{domain}".endswith(f".{parent}")
