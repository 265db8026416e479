"""Which rule of a policy decides for one message, at each place where the archive knows it to be.

Here: the question for people, answered from the archive alone; no server is asked, so flags are
those of the last mirror. Not here: the decision (``policy.verdicts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailroom.archive import Archive, FolderState
from mailroom.archive.ledgers import read_holds
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import HoldRow
from mailroom.model import LocationRow, MailProtocol
from mailroom.policy.deletion import Keep
from mailroom.policy.holds import holds_on
from mailroom.policy.proof import ServerAnswer
from mailroom.policy.retention import discarding_folders, uses_of
from mailroom.policy.rules import FolderRules, RetentionPolicy, bind_policy, is_view
from mailroom.policy.verdicts import Verdict, candidate_of, decide, decide_across
from mailroom.services.deleting.brought_back import TakenAway
from mailroom.services.deleting.held import archived_folders
from mailroom.services.deleting.labelled import Judge, LabelledMail, folders_of_labels
from mailroom.services.deleting.message_facts import FactSource, facts_of_folder, facts_of_maildrop
from mailroom.services.fetching.maildrop_ledger import INBOX

__all__ = ["Explanation", "explain_message", "find_message"]

MIN_DIGEST_DIGITS = 8
"""How many digits of a checksum name a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a policy says of a message at one place.

    :param number: UID or UIDL.
    :param verdict: what decides; None where no rule that deletes means the folder.
    :param returned: when somebody brought it back that retention had taken away.
    :param also_in: other folders that have the very same message, on a server with labels.
    """

    folder: str
    number: str
    verdict: Verdict | None
    returned: datetime | None = None
    also_in: tuple[str, ...] = ()

    def sentence(self, now: datetime) -> str:
        """Return the verdict in words, and what it has to do with other folders."""
        if not self.also_in:
            return self._told(now)
        names = ", ".join(map(repr, self.also_in))
        return f"{self._told(now)} It is in {names} too, and goes when the last of its folders lets it go."

    def _told(self, now: datetime) -> str:
        verdict = self.verdict
        if verdict is None or verdict.keep is Keep.NO_RULE:
            what = "this folder" if verdict is None else "it"
            return f"It stays: no rule that deletes means {what}."
        if verdict.keep is Keep.NO_DATE:
            return f"It stays: nobody knows the date that counts for the rule: {verdict.rule}."
        outcome = "It is due" if verdict.keep is None else f"It stays, {verdict.keep.value}"
        since = verdict.since
        why = ", when it was brought back" if since and since == self.returned else ""
        counted = f", counted from {since:%Y-%m-%d}{why}, {(now - since).days:,} days ago" if since else ""
        return f"{outcome}. What decides: {verdict.rule}{counted}."

    def summary(self, now: datetime) -> dict[str, Any]:
        """Return it as a small JSON object."""
        verdict = self.verdict or Verdict(keep=Keep.NO_RULE)
        return {
            "folder": self.folder,
            "number": self.number,
            "also_in": list(self.also_in),
            "due": verdict.keep is None,
            "kept": verdict.keep.value if verdict.keep else None,
            "rule": verdict.rule or None,
            "since": verdict.since.isoformat() if verdict.since else None,
            "why": self.sentence(now),
        }


def find_message(archive: Archive, words: str) -> str:
    """Return the digest of the one message that a checksum, its beginning, or a Message-ID means.

    :raises ConfigurationError: if there is none, or several.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    wanted = words.strip()
    is_digest = len(wanted) >= MIN_DIGEST_DIGITS and set(wanted.lower()) <= set("0123456789abcdef")
    found: set[str] = set()
    for table in archive.scan_table("messages", ["sha256", "message_id"]):
        digests, names = (table[column].to_pylist() for column in ("sha256", "message_id"))
        found.update(digest for digest, name in zip(digests, names, strict=True) if name == wanted)
        if is_digest:
            found.update(digest for digest in digests if digest.startswith(wanted.lower()))
    if len(found) != 1:
        what = "no message" if not found else f"{len(found)} messages, name one by its checksum"
        raise ConfigurationError(f"The archive has {what} for {words!r}; give a SHA-256 or a Message-ID.")
    return found.pop()


def explain_message(
    archive: Archive, account: str, digest: str, policy: RetentionPolicy, now: datetime
) -> list[Explanation]:
    """Return what decides for a message at each place in an account where it was last seen.

    :raises ConfigurationError: if a pattern of the policy means no folder, or POP3 is asked for what it
        has not.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    if archive.live_counts(account):
        return list(_in_mailbox(archive, account, digest, policy, now))
    return list(_in_maildrop(archive, account, digest, policy, now))


def _in_mailbox(
    archive: Archive, account: str, digest: str, policy: RetentionPolicy, now: datetime
) -> Iterator[Explanation]:
    folders = archived_folders(archive, account)
    found = {folder.name: _rows_in(archive.folder_state(account, folder.name), digest) for folder in folders}
    # Labels of folders that were not mirrored: rules may mean those too.
    labels = {label for _, rows in found.values() for row in rows for label in row.labels}
    uses: dict[str, str | None] = {label: None for label in labels if not label.startswith("\\")}
    uses |= uses_of(folders)
    is_labelled = bool(labels) or "\\all" in {(use or "").casefold() for use in uses.values()}
    discarding = discarding_folders(folders)
    bound = bind_policy(policy, uses, protocol=MailProtocol.IMAP, uses=uses, discarding=discarding)
    holds = read_holds(archive)
    labelled = LabelledMail(
        archive=archive,
        account=account,
        bound=bound,
        uses=uses,
        discarding=discarding,
        judge=_judge_at(now),
    )
    taken = TakenAway()
    for name, (state, rows) in found.items():
        if not rows:
            continue
        rules = bound.get(name)
        beside = labelled if is_labelled and name not in discarding else None
        source = None
        if rules is not None:
            held = holds_on(holds, account, name, now, use=uses[name])
            before = taken.before(state, is_discarding=name in discarding)
            source = facts_of_folder(archive, state, rules, held, taken=before, labelled=beside)
        for row in rows:
            explained = _explained(row.uid or 0, row, rules, source, now)
            if row.labels and source is not None and beside is not None:
                explained = _with_labels(explained, row, source, beside, holds, now)
            yield explained


def _rows_in(state: FolderState, digest: str) -> tuple[FolderState, list[LocationRow]]:
    """Return a folder, and the messages in it that have this digest."""
    digests = state.column("sha256")
    uids = [uid for uid, held in zip(state.live.tolist(), digests, strict=True) if held == digest]
    return state, state.rows(uids)


def _judge_at(now: datetime) -> Judge:
    return lambda key, row, several: candidate_of(key, row, decide_across(several, now))


def _with_labels(
    found: Explanation,
    row: LocationRow,
    source: FactSource,
    labelled: LabelledMail,
    holds: Sequence[HoldRow],
    now: datetime,
) -> Explanation:
    """Return what the other folders of a message, where it is one with several labels, make of a verdict."""
    key = row.uid or 0
    if found.verdict is None:
        return found
    (judged,) = labelled.reconsider(
        found.folder,
        [candidate_of(key, row, found.verdict)],
        {key: ServerAnswer(labels=row.labels)},
        {key: source.of(key, row, flags=row.flags)},
        holds=holds,
        now=now,
    )
    shown = (folders_of_labels(row.labels, labelled.uses) or frozenset()) - {found.folder}
    return replace(
        found,
        verdict=Verdict(keep=judged.keep, rule=judged.rule, since=judged.since),
        also_in=tuple(sorted(n for n in shown if not is_view(labelled.uses.get(n)))),
    )


def _in_maildrop(
    archive: Archive, account: str, digest: str, policy: RetentionPolicy, now: datetime
) -> Iterator[Explanation]:
    state = archive.maildrop_state(account)
    rows = dict(enumerate(state.live_rows(), start=1))
    if not any(row.sha256 == digest for row in rows.values()):
        return
    rules = bind_policy(policy, [INBOX], protocol=MailProtocol.POP3, uses={INBOX: None}).get(INBOX)
    source = None
    if rules is not None:
        holds = holds_on(read_holds(archive), account, INBOX, now)
        source = facts_of_maildrop(archive, state, rows, rules, holds)
    for number, row in rows.items():
        if row.sha256 == digest:
            yield _explained(number, row, rules, source, now)


def _explained(
    key: int, row: LocationRow, rules: FolderRules | None, source: FactSource | None, now: datetime
) -> Explanation:
    verdict = returned = None
    if rules is not None and source is not None:
        source.load([row])
        facts = source.of(key, row, flags=row.flags if row.protocol is MailProtocol.IMAP else None)
        verdict, returned = decide(rules, facts, now), facts.returned
    number = str(row.uid or row.uidl)
    return Explanation(folder=row.folder, number=number, verdict=verdict, returned=returned)
