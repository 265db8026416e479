"""The archived side of the proof that precedes a deletion: this archive, and every copy of it that is named.

Here: which archives are read back, and what a message has to be in to count as safe. Not here: reading
one archive back (``archived_copies``), asking the server (``mailbox_retention``, ``maildrop_deletion``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from mailroom.archive import Archive
from mailroom.archive.replicating.replica import archive_identity, read_mark
from mailroom.exceptions import ConfigurationError
from mailroom.policy.proof import ArchivedCopy, ProofMode, ProofRule
from mailroom.services.deleting.archived_copies import read_copies
from mailroom.services.deleting.stored_copies import head_copies
from mailroom.services.destinations import lies_within

__all__ = ["Proving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """What a message must be found in, whole, before it may be deleted on a server.

    :param archive: the archive that says what is where.
    :param copies: other roots that must hold every message as well, as ``mailroom replicate`` fills them.
    :param rule: how the bytes are proved.
    """

    archive: Archive
    copies: tuple[Archive, ...] = ()
    rule: ProofRule = field(default_factory=ProofRule)

    def check(self) -> None:
        """Refuse copies that are none, before anything is asked of a server.

        :raises ConfigurationError: where a copy is not there, or is no copy of this archive, such as the
            archive itself by another name.
        :raises StoreUnavailable: where a copy cannot be reached.
        """
        for copy in self.copies:
            if copy.url == self.archive.url:
                raise ConfigurationError(f"The copy at {copy.url} is the archive itself; name a second root.")
            if lies_within(copy.url, self.archive.url) or lies_within(self.archive.url, copy.url):
                raise ConfigurationError(
                    f"The copy at {copy.url} and the archive lie within each other, so whoever loses one "
                    "loses both; name a root elsewhere."
                )
            if not copy.exists():
                raise ConfigurationError(
                    f"There is no copy of the archive at {copy.url}; fill it with mailroom replicate first."
                )
            mark = read_mark(copy.store)
            if mark is None or mark.of != archive_identity(self.archive):
                raise ConfigurationError(
                    f"What lies at {copy.url} is no copy of {self.archive.url}; name a root that mailroom "
                    "replicate has filled from it."
                )

    def read(self, digests: Collection[str], *, with_headers: bool = True) -> dict[str, ArchivedCopy]:
        """Prove the raw objects of these digests, here and in every copy.

        What is whole here and not in every copy is not ``is_copied``.

        :param with_headers: whether to take the header fields too, for a comparison with the server.
        :raises StoreUnavailable: if a store cannot be read.
        """
        found = self._prove(self.archive, digests, with_headers=with_headers)
        for copy in self.copies:
            wanted = {digest for digest, read in found.items() if read.is_intact and read.is_copied}
            again = self._prove(copy, wanted, with_headers=False)
            for digest, read in again.items():
                if not read.is_intact:
                    found[digest] = replace(found[digest], is_copied=False)
        return found

    def _prove(
        self, archive: Archive, digests: Collection[str], *, with_headers: bool
    ) -> dict[str, ArchivedCopy]:
        prove = head_copies if self.rule.mode is ProofMode.HEAD else read_copies
        return prove(archive, digests, with_headers=with_headers)
