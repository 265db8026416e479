"""Who archived messages are really from, by the word of the server that received them.

Here: reading that word from a message, finding out which server it is, and checking signatures
where asked. Not here: what is required (``policy.authentication``), the check itself
(``client.dkim_signatures``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mailroom.archive import Archive
from mailroom.client.dkim_signatures import KeyLookup, check_signatures
from mailroom.exceptions import ConfigurationError, MailroomError
from mailroom.message import AuthenticationResults, Hop, author_addresses, receipt_fields
from mailroom.policy.authentication import Facts, Requirement, facts_of, unmet
from mailroom.policy.receiving_servers import (
    Receiver,
    learned_receiver,
    read_receiver,
    receiver_of,
    written_as,
)

__all__ = ["Authentication"]

MESSAGES_TO_LEARN_FROM = 200
"""How many messages of an account, the newest, are looked at to find its receiving server."""

MAX_NAMES_SHOWN = 3
"""How many names that stand in mail are shown where it is not clear which is the server's."""

REMEMBERED = 1000
"""Of so many messages the facts are kept, for they have several attachments."""


@dataclass(slots=True, kw_only=True)
class Authentication:
    """What is known of the messages of one archive.

    :param server: the name that the receiving server writes (its authserv-id), see ``read_receiver``; None
        has it learned from the messages of each account, where its own fields tell it.
    :param checks_dkim: whether signatures are checked here; a server's word on them counts for
        nothing then.
    :param keys: where keys of signatures come from, if not from the DNS.
    """

    archive: Archive
    server: str | None = None
    checks_dkim: bool = False
    keys: KeyLookup | None = None
    _stated: Receiver | None = field(default=None, init=False)
    _learned: dict[str, tuple[Receiver | None, Counter[str]]] = field(default_factory=dict, init=False)
    _facts: dict[tuple[str, Receiver | None], Facts] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Read the name that is stated.

        :raises ConfigurationError: it is not understood.
        """
        self._stated = None if self.server is None else read_receiver(self.server)

    def unmet(self, requirements: Sequence[Requirement], digest: str, account: str) -> str | None:
        """Return why a message does not meet what is required, or None where it does.

        :raises ConfigurationError: the word of a server is needed, and it is not clear which receives.
        """
        needs_word = not self.checks_dkim or any(one.method != "dkim" for one in requirements)
        if needs_word and self.server_of(account) is None:
            raise ConfigurationError(self._unclear(account), argument="authserv_id")
        try:
            return unmet(requirements, self.facts(digest, account))
        except ConfigurationError:
            raise
        except MailroomError as error:
            return f"the message cannot be read: {error}"

    def facts(self, digest: str, account: str) -> Facts:
        """Return what is known of a message.

        :raises ConfigurationError: signatures are to be checked, and the library is not installed.
        :raises MailroomError: the message cannot be read.
        """
        server = self._receiver_of(account)
        key = (digest, server)
        if key not in self._facts:
            if len(self._facts) >= REMEMBERED:
                self._facts.clear()
            self._facts[key] = self._read(digest, server)
        return self._facts[key]

    def server_of(self, account: str) -> str | None:
        """Return the server whose word is taken for an account: the one stated, or learned, or None."""
        receiver = self._receiver_of(account)
        return None if receiver is None else str(receiver)

    def _receiver_of(self, account: str) -> Receiver | None:
        if self._stated is not None:
            return self._stated
        if account not in self._learned:
            traces = [self._trace(digest) for digest in self._newest(account)]
            names = Counter(name for trace in traces if (name := written_as(trace)) is not None)
            self._learned[account] = learned_receiver(map(receiver_of, traces)), names
        return self._learned[account][0]

    def _unclear(self, account: str) -> str:
        """Return the sentence that says what was seen and what to give."""
        names = self._learned[account][1].most_common(MAX_NAMES_SHOWN)
        seen = ", ".join(f"{name[:60]!r} ({count:,})" for name, count in names) or "none"
        return (
            f"The mail of {account} does not tell which server receives it, so nothing there can meet "
            f"require_auth: the names in its newest Authentication-Results are {seen}. Give authserv_id, the "
            "name that your server writes, followed by below if it writes below its own Received field, or "
            "verify_dkim if dkim is all that is required; names that are not your server's are a sender's."
        )

    def _read(self, digest: str, server: Receiver | None) -> Facts:
        with self.archive.raw.mapped(digest) as content:
            facts = replace(facts_of(receipt_fields(content), server), authors=author_addresses(content))
            if not self.checks_dkim:
                return facts
            signatures = check_signatures(bytes(content), self.keys)
        others = tuple(result for result in facts.results if result.method != "dkim")
        return replace(facts, results=(*signatures, *others))

    def _newest(self, account: str) -> deque[str]:
        digests: deque[str] = deque(maxlen=MESSAGES_TO_LEARN_FROM)
        for table in self.archive.scan_table("locations", ["sha256"], {"account": account}):
            digests.extend(digest for digest in table["sha256"].to_pylist() if digest)
        return digests

    def _trace(self, digest: str) -> list[AuthenticationResults | Hop]:
        try:
            with self.archive.raw.mapped(digest) as content:
                return receipt_fields(content)
        except MailroomError:
            return []  # a message that is missing says nothing; whoever delivers it will say so
