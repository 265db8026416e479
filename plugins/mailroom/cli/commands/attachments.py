"""``mailroom attachments``: deliver attachments of archived mail."""

from __future__ import annotations

import argparse
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.cli.account import UsageError
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import day, name, octets, place, setting
from mailroom.policy.choosing_words import CHOOSING_WORDS

if TYPE_CHECKING:
    from mailroom.policy.aftermath import Aftermath
    from mailroom.policy.rule_words import RulePolicy

__all__ = ["add_to", "headline", "run"]

UNZIP_PASSWORD = "MAILROOM_UNZIP_PASSWORD"
"""The environment variable with the password of zip archives."""

CUSTOMER_KEY = "MAILROOM_S3_CUSTOMER_KEY"
"""The environment variable with the key that S3 encrypts with (SSE-C)."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "attachments",
        run,
        "deliver attachments of archived mail to a folder or bucket, each once",
        "mailroom attachments --archive ~/mail --to s3://company/invoices --name '*.pdf|*.xlsx'",
    )
    parser.add_argument(
        "--to",
        type=place,
        metavar="ROOT",
        help="where they go: a folder or s3://bucket/prefix; needed unless every rule of --rules says it",
    )
    parser.add_argument(
        "--rules", metavar="FILE", help="several rules in YAML or JSON, instead of the words below"
    )
    parser.add_argument("--account", type=name, metavar="NAME", help="only mail of this account")
    _add_choice(parser)
    _add_senders(parser)
    _add_delivery(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be delivered, deliver nothing")


def _add_choice(parser: Parser) -> None:
    """Add what says which attachments are chosen."""
    parser.add_argument("--name", metavar="GLOB", help="file name, as *.pdf")
    parser.add_argument("--name-regex", metavar="REGEX", help="found in the file name, in any case")
    parser.add_argument("--type", metavar="GLOB", help="declared content type, as image/*")
    parser.add_argument(
        "--detected-type", metavar="GLOB", help="what the content looks like, as image/*; CSV is text/plain"
    )
    parser.add_argument("--from", dest="sender", metavar="GLOB", help="sender's address, as *@supplier.com")
    parser.add_argument("--recipient", metavar="GLOB", help="an address of To or Cc, as invoices@*")
    parser.add_argument("--subject", metavar="GLOB", help="subject, as *invoice*")
    parser.add_argument("--folder", metavar="GLOB", help="only from this folder")
    parser.add_argument("--since", type=day, metavar="2024-01-31", help="mail dated since")
    parser.add_argument("--until", type=day, metavar="2024-12-31", help="mail dated before")
    parser.add_argument("--min-size", type=octets, metavar="1k", help="at least this large")
    parser.add_argument("--max-size", type=octets, metavar="20M", help="at most this large")
    parser.add_argument("--inline", action="store_true", help="inline images as well")
    parser.add_argument(
        "--disposition",
        choices=("attachment", "inline"),
        help="only what the mail says is attached, or inline",
    )
    parser.add_argument("--position", metavar="1-3", help="which attachments of a message, as 1 or 2-")
    parser.add_argument(
        "--unzip",
        action="store_true",
        help="choose from the members of zip archives, as if they were attached, instead of the archives; "
        f"the password of encrypted ones is read from {UNZIP_PASSWORD}",
    )
    parser.add_argument(
        "--unwrap",
        action="store_true",
        help="journal reports and certified mail (PEC) count as the message they carry",
    )


def _add_senders(parser: Parser) -> None:
    """Add what says whom mail must really be from."""
    parser.add_argument(
        "--require-auth",
        metavar="WHO",
        help="who the mail must really be from, as dkim=supplier.com or dmarc=pass; other mail's attachments "
        "go to quarantine",
    )
    parser.add_argument(
        "--quarantine", metavar="PREFIX", help="folder below --to for these (default: quarantine)"
    )
    parser.add_argument(
        "--authserv-id",
        metavar="NAME",
        help="the name that your mail server writes in Authentication-Results "
        "(default: learned from the mail)",
    )
    parser.add_argument(
        "--verify-dkim", action="store_true", help="check DKIM signatures anew, with keys from the DNS"
    )


def _add_delivery(parser: Parser) -> None:
    """Add what says how they lie at the destination, and what becomes of their mail."""
    parser.add_argument(
        "--template", metavar="TEMPLATE", help="name at the destination, as {date:%%Y/%%m}/{filename}"
    )
    parser.add_argument(
        "--on-collision",
        choices=("number", "skip", "fail"),
        default="number",
        help="where a name is taken: number the new one, skip it, or fail (default: number)",
    )
    parser.add_argument(
        "--object-option",
        action="append",
        default=[],
        type=setting,
        metavar="NAME=VALUE",
        help="of every object in S3, as ServerSideEncryption=aws:kms; may be given several times. A key of "
        f"your own (SSE-C) is read from {CUSTOMER_KEY}: 32 octets in base64",
    )
    parser.add_argument(
        "--manifest",
        choices=("jsonl", "parquet"),
        help="also write an object below _manifests/ there: one row a delivery, and where it came from",
    )
    for outcome, when in (("success", "is delivered"), ("failure", "could not be delivered")):
        parser.add_argument(
            f"--on-{outcome}",
            action="append",
            default=[],
            metavar="ACTION",
            help=f"with --account: what mailroom mirror --two-way does to a message whose mail {when}: seen, "
            "flag, answered, keyword:NAME, label:NAME (Gmail), move:FOLDER; may be given several times",
        )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Deliver attachments of archived mail to an object store."""
    from mailroom.archive.delivering.customer_key import read_customer_key
    from mailroom.policy.attachments import DEFAULT_TEMPLATE
    from mailroom.policy.destinations import Collision, DestinationTemplate
    from mailroom.services.aftermath import ask_after_delivery, unsettled_messages
    from mailroom.services.attachments import deliver_attachments
    from mailroom.services.delivering.manifest import ManifestForm

    with usage_errors():
        policy = _policy(options)
        said = (options.template, policy.template, DEFAULT_TEMPLATE)
        template = next(text for text in said if text is not None)
        DestinationTemplate(template)
    to = options.to or policy.destination
    if to is None and not all(rule.destination for rule in policy.rules):
        raise UsageError("say where they go, with --to or in the rules.")
    wishes = _wishes(options)
    key = os.environ.get(CUSTOMER_KEY)
    archive = existing_archive(options.archive)
    context = run_context("attachments", options.account or "")
    report = deliver_attachments(
        archive,
        to,
        context,
        rules=policy.rules,
        template=template,
        collision=Collision(options.on_collision),
        object_options=dict(options.object_option),
        customer_key=read_customer_key(key, CUSTOMER_KEY) if key else None,
        account=options.account,
        unzip_password=os.environ.get(UNZIP_PASSWORD) or None,
        authserv_id=options.authserv_id,
        verify_dkim=options.verify_dkim,
        manifest=ManifestForm(options.manifest) if options.manifest else None,
        unsettled=unsettled_messages(archive, options.account, *wishes) if any(wishes) else None,
        dry_run=options.dry_run,
        now=now,
        progress=terminal.progress(),
        stop=stop,
    )
    outcome = Outcome.of(report, headline)
    if not any(wishes) or options.dry_run:
        return outcome
    asked = ask_after_delivery(
        archive,
        options.account,
        report,
        context,
        on_success=wishes[0],
        on_failure=wishes[1],
        now=now(),
    )
    summary = {**outcome.summary, "settled": asked.succeeded, "set_aside": asked.failed}
    return replace(outcome, summary=summary, headline=headline(summary))


def _wishes(options: argparse.Namespace) -> tuple[Aftermath | None, Aftermath | None]:
    """Return what is to be done on the server where all went well, and where it did not."""
    from mailroom.policy.aftermath import read_aftermath

    with usage_errors():
        wishes = (
            read_aftermath("--on-success", options.on_success),
            read_aftermath("--on-failure", options.on_failure),
        )
    if any(wishes) and options.account is None:
        raise UsageError("--on-success and --on-failure need --account: it is where the mail lies")
    return wishes


def _policy(options: argparse.Namespace) -> RulePolicy:
    """Return the rules of a file, or the one that the words say."""
    from mailroom.policy.attachments import AttachmentRule
    from mailroom.policy.rule_words import RulePolicy

    own = {word: getattr(options, "type" if word == "content_type" else word) for word in CHOOSING_WORDS}
    if options.rules is None:
        return RulePolicy(rules=(AttachmentRule(**own),))
    said = [word for word in CHOOSING_WORDS if own[word]]
    if said:
        option = {"content_type": "type", "sender": "from"}.get(said[0], said[0]).replace("_", "-")
        raise UsageError(f"--{option} would be overlooked beside --rules; say it in the file.")
    from mailroom.services.rule_files import read_rule_file

    policy = read_rule_file(options.rules)
    for where in (policy.destination, *(rule.destination for rule in policy.rules)):
        if where is not None:
            _check_place(where, options.rules)
    return policy


def _check_place(where: str, file: str) -> None:
    try:
        place(where)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{file}: destination: {error}.") from error


def headline(summary: Summary) -> str:
    """Return what was delivered."""
    where = " and ".join(summary.get("destinations", [summary["destination"]]))
    if summary["dry_run"]:
        return (
            f"{count(summary['chosen'], 'attachment')} would be delivered to {where}; "
            f"{summary['already']:,} are there already.{_by_rule(summary, 'chosen')}"
        )
    text = (
        f"{count(summary['delivered'], 'attachment')} delivered to {where} "
        f"({octets_in_words(summary['octets'])})"
    )
    if summary["already"]:
        text += f"; {summary['already']:,} were there already"
    if summary["skipped"]:
        text += f"; {summary['skipped']:,} left out, as their name is taken"
    if summary.get("quarantined"):
        text += f"; {summary['quarantined']:,} of them to quarantine"
    if summary.get("unopened"):
        text += f"; {count(summary['unopened'], 'zip archive')} left whole, as they could not be looked into"
    told = "".join(
        f"\n{count(one['rows'], 'row')} in the manifest {one['location']}."
        for one in summary.get("manifests", ())
    )
    asked = summary.get("settled", 0) + summary.get("set_aside", 0)
    if asked:
        told += (
            f"\n{messages(asked)} of {summary['account']} to be changed on the server; "
            "mailroom mirror URL --two-way does it."
        )
    return f"{text}.{_by_rule(summary, 'delivered')}{told}"


def _by_rule(summary: Summary, word: str) -> str:
    """Return the counts of each rule as a sentence, where rules have names."""
    counts = [f"{name}: {tally[word]:,}" for name, tally in summary.get("rules", {}).items()]
    return f" By rule: {', '.join(counts)}." if counts else ""
