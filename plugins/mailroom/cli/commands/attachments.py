"""``mailroom attachments``: deliver attachments of archived mail."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import check_account_known, existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import day, name, octets, place, setting

__all__ = ["add_to", "headline", "run"]


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
        required=True,
        type=place,
        metavar="ROOT",
        help="where they go: a folder or s3://bucket/prefix",
    )
    parser.add_argument("--account", type=name, metavar="NAME", help="only mail of this account")
    parser.add_argument("--name", metavar="GLOB", help="file name, as *.pdf")
    parser.add_argument("--name-regex", metavar="REGEX", help="file name, as a regular expression")
    parser.add_argument("--type", metavar="GLOB", help="content type, as application/pdf or image/*")
    parser.add_argument("--from", dest="sender", metavar="GLOB", help="sender's address, as *@supplier.com")
    parser.add_argument("--subject", metavar="GLOB", help="subject, as *invoice*")
    parser.add_argument("--folder", metavar="GLOB", help="only from this folder")
    parser.add_argument("--since", type=day, metavar="2024-01-31", help="mail dated since")
    parser.add_argument("--until", type=day, metavar="2024-12-31", help="mail dated before")
    parser.add_argument("--min-size", type=octets, metavar="1k", help="at least this large")
    parser.add_argument("--max-size", type=octets, metavar="20M", help="at most this large")
    parser.add_argument("--inline", action="store_true", help="inline images as well")
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
        help="of every object in S3, as ServerSideEncryption=aws:kms; may be given several times",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be delivered, deliver nothing")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Deliver attachments of archived mail to an object store."""
    from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule
    from mailroom.policy.destinations import Collision, DestinationTemplate
    from mailroom.services.attachments import deliver_attachments

    template = DEFAULT_TEMPLATE if options.template is None else options.template
    with usage_errors():
        DestinationTemplate(template)
        rule = AttachmentRule(
            name=options.name,
            name_regex=options.name_regex,
            content_type=options.type,
            min_size=options.min_size,
            max_size=options.max_size,
            sender=options.sender,
            subject=options.subject,
            folder=options.folder,
            since=options.since,
            until=options.until,
            inline=options.inline,
        )
    archive = existing_archive(options.archive)
    if options.account is not None:
        check_account_known(archive, options.account)
    report = deliver_attachments(
        archive,
        options.to,
        run_context("attachments", options.account or ""),
        rules=(rule,),
        template=template,
        collision=Collision(options.on_collision),
        object_options=dict(options.object_option),
        account=options.account,
        dry_run=options.dry_run,
        now=now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was delivered."""
    if summary["dry_run"]:
        return (
            f"{count(summary['chosen'], 'attachment')} would be delivered to {summary['destination']}; "
            f"{summary['already']:,} are there already."
        )
    text = (
        f"{count(summary['delivered'], 'attachment')} delivered to {summary['destination']} "
        f"({octets_in_words(summary['octets'])})"
    )
    if summary["already"]:
        text += f"; {summary['already']:,} were there already"
    if summary["skipped"]:
        text += f"; {summary['skipped']:,} left out, as their name is taken"
    return f"{text}."
