"""The certificate of a removal: what went under a plan, by whose order, with whose consent, and when.

Here: building it, as JSON and as Markdown, and where the archive keeps it; and what whoever is to agree to
a plan reads. Not here: removing.

It is built from the plan and the audit, not from what one run did: where a removal was cut off and ended
later, it lists all of it. It holds digests and counts, no content and no name out of mail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mailroom.archive import Archive
from mailroom.archive.removing.removal import CERTIFICATES
from mailroom.ledger import AuditAction
from mailroom.services.deleting.plan_markdown import escaped
from mailroom.services.forgetting.forget_plan import ForgetPlan

if TYPE_CHECKING:
    from mailroom.services.forgetting.forget_report import ForgetReport

__all__ = [
    "certificate_in_markdown",
    "certificate_of",
    "gone_under",
    "keep_certificate",
    "plan_to_forget_in_markdown",
]

MEGABYTE = 1_000_000

_COUNTS = (
    ("messages", "messages removed"),
    ("octets", "octets they took"),
    ("shared", "messages that stay, for other accounts have them"),
    ("held", "messages that stay, under legal hold"),
    ("on_server", "messages that are on a server still"),
    ("later", "messages that came after the plan, and stay"),
    ("deliveries", "delivered attachments deleted"),
    ("changed", "delivered attachments that were gone or changed, left alone"),
)


def gone_under(archive: Archive, plans: Sequence[ForgetPlan]) -> list[str]:
    """Return the messages of plans that left the archive by them, in whatever run, sorted.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    planned = {digest for plan in plans for digest in plan.goes}
    if not planned:
        return []
    for rows in archive.scan_table("messages", ("sha256",)):
        planned.difference_update(rows["sha256"].to_pylist())
    mine, names = set[str](), {plan.plan_id for plan in plans}
    others: set[str] = set()
    equal = {"action": AuditAction.FORGOTTEN.value}
    for rows in archive.scan_table("audit", ("message_sha256", "plan_id"), equal=equal):
        for digest, plan_id in zip(
            rows["message_sha256"].to_pylist(), rows["plan_id"].to_pylist(), strict=True
        ):
            if digest in planned:
                (mine if plan_id in names else others).add(digest)
    return sorted(planned - (others - mine))


def certificate_of(report: ForgetReport, plans: Sequence[ForgetPlan]) -> dict[str, Any]:
    """Return what went, message by message.

    :param plans: the plan of the removal, and those that it ended.
    """
    return {
        "certificate": "removal from a mail archive",
        "archive": report.archive,
        "by": report.who,
        "run_id": report.run_id,
        "at": report.at.isoformat(),
        **{name: value for name, value in report.summary().items() if name not in ("dry_run", "certificate")},
        "plans": [
            {"plan_id": p.plan_id, "created": p.created.isoformat(), "by": p.by, "approved_by": p.approved_by}
            for p in plans
        ],
        "not_removed": list(report.failures),
        "sha256": list(report.digests),
    }


def certificate_in_markdown(said: Mapping[str, Any]) -> str:
    """Return a certificate for people to read and to print."""
    return "\n".join(_lines(said)) + "\n"


def keep_certificate(archive: Archive, said: Mapping[str, Any], plan_id: str) -> str:
    """Write a certificate into the archive, as JSON and as Markdown; return the path of the first.

    :raises StoreUnavailable: if the archive cannot be written.
    """
    path = f"{CERTIFICATES}/{plan_id}.json"
    content = json.dumps(said, indent=1, ensure_ascii=False)
    archive.store.replace_file(path, content.encode("utf-8", "replace"))
    text = certificate_in_markdown(said)
    archive.store.replace_file(f"{CERTIFICATES}/{plan_id}.md", text.encode("utf-8", "replace"))
    return path


def plan_to_forget_in_markdown(plan: ForgetPlan) -> str:
    """Return what a plan means, for a person who is to agree to it: counts only."""
    days = [f"{moment:%Y-%m-%d}" for moment in (plan.oldest, plan.newest) if moment is not None]
    between = f", sent between {days[0]} and {days[1]}" if len(days) > 1 else ""
    places = (
        f" The account's places of **{len(plan.places):,} messages** that other accounts have go as well."
        if plan.places
        else ""
    )
    return (
        f"**{plan.messages:,} messages** (**{plan.octets / MEGABYTE:,.1f} MB**{between}) are to be removed "
        f"from the archive for good: {escaped(plan.rule)}.{places}\n\n"
        f"Nothing beyond plan `{plan.plan_id}` of {plan.created:%Y-%m-%d %H:%M} UTC goes. What is under a "
        "legal hold by then stays, and so does what came since. It cannot be brought back."
    )


def _lines(said: Mapping[str, Any]) -> Iterator[str]:
    yield from ("# Certificate of removal from a mail archive", "")
    yield f"- What: {escaped(said['what'])}"
    yield f"- Archive: {escaped(said['archive'])}"
    yield f"- By: {escaped(said['by'])}, run {escaped(said['run_id'])}"
    yield f"- When: {said['at']}"
    for plan in said["plans"]:
        approved = f", approved by {escaped(plan['approved_by'])}" if plan["approved_by"] else ""
        yield f"- Plan `{plan['plan_id']}` of {plan['created']}, made by {escaped(plan['by'])}{approved}"
    if said["objects_go_after"]:
        yield f"- Their objects go with the first sweep after {said['objects_go_after']}"
    yield from ("", "| what | count |", "| --- | ---: |")
    for name, words in _COUNTS:
        yield f"| {words} | {said[name]:,} |"
    for table, count in said["rows"].items():
        yield f"| rows removed from table {table} | {count:,} |"
    if said["not_removed"]:
        yield from ("", "## Not removed", "")
        yield from (f"- {escaped(sentence)}" for sentence in said["not_removed"])
    yield from ("", "## SHA-256 of each message", "", "```", *said["sha256"], "```")
