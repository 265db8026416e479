"""Who archived messages are really from, by the word of the server that received them.

Here: reading that word from a message, finding out which server it is, and checking signatures
where asked. Not here: what is required (``policy.authentication``), the check itself
(``client.dkim_signatures``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailroom.archive import Archive
from mailroom.client.dkim_signatures import KeyLookup, check_signatures
from mailroom.exceptions import MailroomError
from mailroom.message import top_authentication_results
from mailroom.policy.authentication import Facts, Requirement, facts_of, learned_server, unmet

__all__ = ["Authentication"]

MESSAGES_TO_LEARN_FROM = 200
"""How many messages of an account, the newest, are looked at to find its receiving server."""

REMEMBERED = 1000
"""Of so many messages the facts are kept, for they have several attachments."""


@dataclass(slots=True, kw_only=True)
class Authentication:
    """What is known of the messages of one archive.

    :param server: the name that the receiving server writes (its authserv-id); None has it learned
        from the messages of each account.
    :param checks_dkim: whether signatures are checked here; a server's word on them counts for
        nothing then.
    :param keys: where keys of signatures come from, if not from the DNS.
    """

    archive: Archive
    server: str | None = None
    checks_dkim: bool = False
    keys: KeyLookup | None = None
    _learned: dict[str, str | None] = field(default_factory=dict, init=False)
    _facts: dict[tuple[str, str], Facts] = field(default_factory=dict, init=False)

    def unmet(self, requirements: Sequence[Requirement], digest: str, account: str) -> str | None:
        """Return why a message does not meet what is required, or None where it does."""
        try:
            return unmet(requirements, self.facts(digest, account))
        except MailroomError as error:
            return f"the message cannot be read: {error}"

    def facts(self, digest: str, account: str) -> Facts:
        """Return what is known of a message.

        :raises ConfigurationError: signatures are to be checked, and the library is not installed.
        :raises MailroomError: the message cannot be read.
        """
        server = self.server_of(account)
        key = (digest, server or "")
        if key not in self._facts:
            if len(self._facts) >= REMEMBERED:
                self._facts.clear()
            self._facts[key] = self._read(digest, server)
        return self._facts[key]

    def server_of(self, account: str) -> str | None:
        """Return the server whose word is taken for an account: the one stated, or learned, or None."""
        if self.server is not None:
            return self.server.strip().lower()
        if account not in self._learned:
            self._learned[account] = learned_server(map(self._topmost, self._newest(account)))
        return self._learned[account]

    def _read(self, digest: str, server: str | None) -> Facts:
        with self.archive.raw.mapped(digest) as content:
            facts = facts_of(top_authentication_results(content), server)
            if not self.checks_dkim:
                return facts
            signatures = check_signatures(bytes(content), self.keys)
        others = tuple(result for result in facts.results if result.method != "dkim")
        return Facts(server=facts.server, results=(*signatures, *others))

    def _newest(self, account: str) -> deque[str]:
        digests: deque[str] = deque(maxlen=MESSAGES_TO_LEARN_FROM)
        for table in self.archive.scan_table("locations", ["sha256"], {"account": account}):
            digests.extend(digest for digest in table["sha256"].to_pylist() if digest)
        return digests

    def _topmost(self, digest: str) -> str | None:
        try:
            with self.archive.raw.mapped(digest) as content:
                fields = top_authentication_results(content)
        except MailroomError:
            return None  # a message that is missing says nothing; whoever delivers it will say so
        return fields[0].server if fields else None
