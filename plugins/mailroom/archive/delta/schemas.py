"""The columns of every table: names, types, and what each one means.

Belongs here: Arrow schemas; the description of a column travels in the table's own
metadata, where DuckDB, Spark and people find it. Does not belong here: how rows are
made (``rows``) or read. Times are UTC with microseconds; texts are UTF-8; lists are
never null. A column is only ever added, at the end, and may be null in older files.
"""

from __future__ import annotations

import pyarrow as pa

from mailroom.archive.delta.derived_schemas import CONTACTS, THREADS
from mailroom.archive.delta.pipeline_schemas import CONSUMED, ZIP_MEMBERS
from mailroom.archive.delta.seal_schemas import ERASURES, SEALS
from mailroom.archive.delta.table_spec import TEXTS as _TEXTS
from mailroom.archive.delta.table_spec import TIME as _TIME
from mailroom.archive.delta.table_spec import TableSpec
from mailroom.archive.delta.table_spec import table_spec as _spec

__all__ = ["SCHEMA_VERSION", "TABLES", "TableSpec"]

_MESSAGES = _spec(
    "messages",
    "One row a distinct message.",
    [
        ("sha256", pa.string(), "hex SHA-256 of the exact bytes; names the raw object"),
        ("size", pa.int64(), "size of the exact bytes, in octets"),
        ("identity", pa.string(), "hash over what survives a change of server"),
        ("message_id", pa.string(), "Message-ID header, or null"),
        ("date", _TIME, "when it was sent, or null where no header says so"),
        ("date_source", pa.string(), "'header' (Date), 'received' (a Received header), or null"),
        ("from", pa.string(), "author as people read it: Name <address>"),
        ("from_address", pa.string(), "author's address, lower case"),
        ("to", _TEXTS, "recipients"),
        ("cc", _TEXTS, "recipients of copies"),
        ("subject", pa.string(), "subject, decoded"),
        ("in_reply_to", pa.string(), "In-Reply-To header, or null"),
        ("references", _TEXTS, "Message-IDs of the thread, oldest first"),
        ("attachment_count", pa.int32(), "number of rows in attachments"),
        (
            "defects",
            _TEXTS,
            "what is wrong with the message; 'encrypted'; 'not indexed: …' where no parser took it",
        ),
        ("archived_at", _TIME, "when this archive first stored it"),
    ],
    unique=("sha256", "size", "identity", "message_id", "date", "subject", "in_reply_to", "references"),
)

_TEXTS_TABLE = _spec(
    "texts",
    "The readable text of each message, apart from metadata so that access can be given separately.",
    [
        ("sha256", pa.string(), "the message"),
        ("text", pa.string(), "readable text; of a very long one the beginning, which a defect says"),
        (
            "reply",
            pa.string(),
            "the text without what it quotes; null where it quotes nothing, or in older rows",
        ),
    ],
    unique=("sha256", "text", "reply"),
)

_ATTACHMENTS = _spec(
    "attachments",
    "One row an attachment.",
    [
        ("message_sha256", pa.string(), "the message it is in"),
        (
            "part",
            pa.string(),
            "IMAP part path, such as 2.1; 2.uu1, 2.yenc1, 2.hqx1, 2.as1, 2.tnef1: files in part 2",
        ),
        ("filename", pa.string(), "name as a mail program shows it; not safe as a path"),
        ("content_type", pa.string(), "media type, lower case"),
        ("disposition", pa.string(), "'attachment', 'inline', or null"),
        ("size", pa.int64(), "decoded size, in octets"),
        ("sha256", pa.string(), "hex SHA-256 of the decoded content"),
        (
            "detected_type",
            pa.string(),
            "media type the content looks like; null where an older version wrote the row",
        ),
    ],
    unique=("message_sha256", "size", "sha256"),
)

_LOCATIONS = _spec(
    "locations",
    "Where messages are on servers: a log; the row of a key with the highest seq is its state.",
    [
        ("account", pa.string(), "connection id, or user@host"),
        ("protocol", pa.string(), "'pop3', 'imap', or 'import' where it came from files"),
        ("folder", pa.string(), "folder name, decoded; INBOX for POP3"),
        ("uidvalidity", pa.int64(), "IMAP: the folder's numbering; else null"),
        ("uid", pa.int64(), "IMAP: number in the folder; else null"),
        (
            "uidl",
            pa.string(),
            "POP3: the server's unique id; import: the file, and where in an mbox; null for IMAP",
        ),
        ("sha256", pa.string(), "the message; null where it was never delivered"),
        ("size", pa.int64(), "size as the server states it, which may be wrong"),
        ("flags", _TEXTS, "IMAP flags, sorted"),
        ("internal_date", _TIME, "IMAP INTERNALDATE; import: delivery as the file states it"),
        ("modseq", pa.int64(), "IMAP MODSEQ (RFC 7162), where offered"),
        (
            "change",
            pa.string(),
            "what happened: added, flags, moved, expunged, not_listed, unfetchable, deleted_by_…",
        ),
        ("at", _TIME, "when it was seen or done"),
        ("run_id", pa.string(), "the run that wrote this row"),
        ("archived_at", _TIME, "when this archive first stored the message, wherever it was then"),
        ("object_id", pa.string(), "EMAILID (RFC 8474) or X-GM-MSGID, where offered"),
        ("seq", pa.int64(), "number of the commit within account and folder; grows, whatever clocks do"),
        ("moved_from", pa.string(), "moved: the folder it was in before; else null"),
        ("labels", _TEXTS, "Gmail's labels (X-GM-LABELS), but for the folder's own, sorted"),
    ],
    bounds=("account", "folder", "run_id"),
    unique=("uid", "uidl", "sha256", "size", "internal_date", "modseq", "object_id"),
)

_FOLDERS = _spec(
    "folders",
    "Folders as the server stated them: a log; the newest row of a folder is its state.",
    [
        ("account", pa.string(), "connection id, or user@host"),
        ("folder", pa.string(), "folder name, decoded"),
        ("delimiter", pa.string(), "what separates levels in the name"),
        ("special_use", pa.string(), "RFC 6154 attribute, such as \\Trash"),
        ("uidvalidity", pa.int64(), "the folder's numbering"),
        ("uidnext", pa.int64(), "the next UID the server would give"),
        ("highestmodseq", pa.int64(), "highest MODSEQ (RFC 7162), where offered"),
        ("messages", pa.int64(), "messages in the folder"),
        ("complete", pa.bool_(), "whether every listed message is in the archive"),
        ("windowed", pa.bool_(), "whether only a part was asked for or shown"),
        ("deleted", pa.bool_(), "whether the server no longer lists the folder"),
        ("at", _TIME, "when"),
        ("run_id", pa.string(), "the run that wrote this row"),
        ("seq", pa.int64(), "number of the commit within the account; grows"),
        ("subscribed", pa.bool_(), "whether mail programs are to show it; null where unknown"),
        ("mailbox_id", pa.string(), "MAILBOXID (RFC 8474), where offered"),
        ("renamed_from", pa.string(), "the name it had before, where it is the same folder"),
    ],
    bounds=("account",),
)

_RUNS = _spec(
    "runs",
    "One row a run that changed something or failed.",
    [
        ("run_id", pa.string(), "the run"),
        ("what", pa.string(), "fetch, mirror, retention, attachments, import, push"),
        ("account", pa.string(), "the account it worked on"),
        ("started", _TIME, "when it began"),
        ("ended", _TIME, "when it ended"),
        ("counts", pa.string(), "JSON object: what was counted"),
        ("bytes", pa.int64(), "octets of messages received"),
        ("outcome", pa.string(), "succeeded, interrupted, failed"),
        ("who", pa.string(), "DAG, task and try, or command line"),
        ("seal", pa.string(), "the account's seal over the rows of this run; null where it wrote none"),
    ],
)

_DELIVERIES = _spec(
    "deliveries",
    "One row an attachment that was delivered to an object store.",
    [
        ("destination", pa.string(), "root it was delivered to"),
        ("path", pa.string(), "path below the destination"),
        ("message_sha256", pa.string(), "the message it came in"),
        ("part", pa.string(), "IMAP part path; 2.zip1 is a member of the zip archive in part 2"),
        ("sha256", pa.string(), "hex SHA-256 of the content"),
        ("size", pa.int64(), "octets"),
        ("content_type", pa.string(), "media type"),
        ("filename", pa.string(), "name in the mail"),
        ("account", pa.string(), "account whose rule chose it"),
        ("sender", pa.string(), "author's address"),
        ("subject", pa.string(), "subject of the message"),
        ("date", _TIME, "when the message was sent, or null"),
        ("adopted", pa.bool_(), "whether the same content lay there already, unclaimed"),
        ("at", _TIME, "when it was delivered"),
        ("run_id", pa.string(), "the run that delivered it"),
        ("rule", pa.string(), "the rule that chose it: its name, or its number where there were several"),
        (
            "quarantine",
            pa.string(),
            "why it lies in quarantine: what the rule requires and is not so; or null",
        ),
    ],
    bounds=("destination",),
    unique=("path", "message_sha256", "sha256", "size"),
)

_PLANS = _spec(
    "plans",
    "What was to be deleted before it was: a log; the row of a plan with the highest seq is its state.",
    [
        ("plan_id", pa.string(), "the plan"),
        ("account", pa.string(), "connection id, or user@host"),
        ("created", _TIME, "when it was made; ages are counted to this moment"),
        ("what", pa.string(), "what made it: retention, or forget"),
        ("policy", pa.string(), "JSON object: the rules it was made by; forget: what is to go"),
        ("folder", pa.string(), "the folder; null in rows about the whole plan"),
        ("rule", pa.string(), "the rule that decided, in words"),
        ("messages", pa.int64(), "how many messages of the folder it means"),
        ("octets", pa.int64(), "their size as the server states it"),
        ("oldest", _TIME, "the earliest instant that the days of one of them count from"),
        ("newest", _TIME, "the latest such instant"),
        ("uidvalidity", pa.int64(), "IMAP: the numbering that uids are of"),
        ("uids", pa.string(), "IMAP: the messages, as a sequence set such as 1:7,9"),
        ("uidls", _TEXTS, "POP3: the messages"),
        ("state", pa.string(), "planned, approved, refused, executed"),
        ("by", pa.string(), "who put it in this state"),
        ("at", _TIME, "when it came into this state"),
        ("run_id", pa.string(), "the run that wrote this row"),
        ("seq", pa.int64(), "number of the commit within the account; grows"),
        ("least_days", pa.float64(), "approved: what was younger than so many days stays; null: all of it"),
        ("digests", _TEXTS, "SHA-256 of each message, in the order of uids or uidls; null in old plans"),
    ],
    bounds=("account", "plan_id"),
    unique=("messages", "octets", "uids", "uidls", "digests"),
)

_AUDIT = _spec(
    "audit",
    "One row for each message that was deleted, moved to trash or forgotten: by whom, and why.",
    [
        ("message_sha256", pa.string(), "the message"),
        ("account", pa.string(), "connection id, or user@host"),
        ("protocol", pa.string(), "'pop3', 'imap' or 'import'"),
        ("folder", pa.string(), "folder name, decoded; INBOX for POP3"),
        ("uidvalidity", pa.int64(), "IMAP: the folder's numbering; else null"),
        ("uid", pa.int64(), "IMAP: number in the folder; else null"),
        ("uidl", pa.string(), "POP3: the server's unique id; null for IMAP"),
        ("octets", pa.int64(), "size as the server stated it"),
        ("internal_date", _TIME, "IMAP INTERNALDATE"),
        ("action", pa.string(), "deleted, moved_to_trash, forgotten"),
        ("rule", pa.string(), "the rule that decided, in words"),
        ("plan_id", pa.string(), "the plan it was part of, see plans"),
        ("approved_by", pa.string(), "who agreed to the plan, or null where nobody was asked"),
        ("who", pa.string(), "DAG, task and try, or command line"),
        ("run_id", pa.string(), "the run that did it"),
        ("at", _TIME, "when it was done"),
        ("seq", pa.int64(), "number of the commit within the account; grows"),
    ],
    bounds=("account", "folder", "run_id"),
    unique=("message_sha256", "uid", "uidl", "octets", "internal_date"),
)

_CHANGES = _spec(
    "changes",
    "What is to be changed on servers, asked for here: a log; the newest row of a change is its state.",
    [
        ("change_id", pa.string(), "the change; all rows of one tell its story"),
        ("account", pa.string(), "connection id, or user@host"),
        ("kind", pa.string(), "'flags', 'labels', 'move', 'delete' or 'append'"),
        ("folder", pa.string(), "where the message is; for append where it goes"),
        ("uidvalidity", pa.int64(), "numbering of that folder; null for append"),
        ("uid", pa.int64(), "number in that folder; null for append"),
        ("sha256", pa.string(), "the message"),
        ("arguments", pa.string(), "JSON object: add, remove, before, to, expunge, internal_date, …"),
        ("requested_at", _TIME, "when it was asked for"),
        ("requested_by", pa.string(), "who asked"),
        ("state", pa.string(), "pending, begun, pushed, refused, conflict, withdrawn"),
        ("reason", pa.string(), "why, where that needs saying"),
        ("at", _TIME, "when this state came about"),
        ("run_id", pa.string(), "the run that brought it about, or null"),
        ("seq", pa.int64(), "number of the commit within the account; grows"),
    ],
    bounds=("account",),
    unique=("change_id", "uid", "sha256"),
)

_HOLDS = _spec(
    "holds",
    "Legal holds: a log; the row of a hold with the highest seq is its state. What is held is not deleted.",
    [
        ("hold_id", pa.string(), "the hold"),
        ("account", pa.string(), "the account it is on, or * for every one"),
        ("folder", pa.string(), "pattern of folder names, or null for all"),
        ("sender", pa.string(), "pattern of the author's address, or null for all"),
        ("query", pa.string(), "words that mean the messages, or null for all"),
        ("reason", pa.string(), "why it was placed"),
        ("until", _TIME, "when it ends by itself, or null for never"),
        ("grace_days", pa.float64(), "for how many days after its end or release it is still obeyed"),
        ("state", pa.string(), "placed, released"),
        ("by", pa.string(), "who placed or released it"),
        ("at", _TIME, "when"),
        ("seq", pa.int64(), "number of the commit within the account; grows"),
        ("run_id", pa.string(), "the run that wrote this row; null where an older version wrote it"),
    ],
    bounds=("account",),
)

_AUTHENTICATION = _spec(
    "authentication",
    "One row a message that was inspected: what its receiving server found of who it is really from.",
    [
        ("sha256", pa.string(), "the message"),
        ("server", pa.string(), "receiving server by the name it writes (authserv-id); null: no word of it"),
        ("spf", pa.string(), "'pass', 'fail', …, or null"),
        ("spf_domain", pa.string(), "domain of the envelope sender, or null"),
        ("dkim", pa.string(), "'pass', 'fail', …, or null; of several signatures one that passed"),
        ("dkim_domain", pa.string(), "domain that signed, or null"),
        ("dmarc", pa.string(), "'pass', 'fail', …, or null"),
        ("dmarc_domain", pa.string(), "domain of the author, or null"),
        ("dkim_checked", pa.bool_(), "whether signatures were checked anew, not by the server's word"),
        ("at", _TIME, "when it was inspected"),
        ("asked", pa.string(), "server whose word was looked for, stated or learned; null: nobody knew it"),
    ],
    unique=("sha256",),
)

_ENVELOPES = _spec(
    "envelopes",
    "One row a message that was inspected: what it carries, where it is a journal report or certified mail.",
    [
        ("sha256", pa.string(), "the message"),
        ("kind", pa.string(), "'journal', 'pec', 'pec-receipt'; null where it carries none"),
        ("part", pa.string(), "part that is the carried message, or null"),
        ("envelope_from", pa.string(), "sender of the envelope, lower case"),
        ("envelope_to", _TEXTS, "recipients of the envelope, lower case, blind copies among them"),
        ("message_id", pa.string(), "Message-ID of the carried message"),
        ("date", _TIME, "when the carried message was sent"),
        ("from", pa.string(), "author of the carried message"),
        ("from_address", pa.string(), "that author's address, lower case"),
        ("subject", pa.string(), "subject of the carried message"),
        ("at", _TIME, "when it was inspected"),
    ],
    unique=("sha256", "message_id", "date", "subject"),
)

_LINKS = _spec(
    "links",
    "One row a link in an inspected message, as it stands; nothing was fetched.",
    [
        ("sha256", pa.string(), "the message"),
        ("number", pa.int32(), "1 for its first link; 0 in the only row of a message without links"),
        ("part", pa.string(), "part it stands in"),
        ("source", pa.string(), "'html' or 'plain'"),
        ("href", pa.string(), "where it leads; may be anything"),
        ("text", pa.string(), "the words that a reader sees, which may name another place"),
        ("host", pa.string(), "host that a browser asks, lower case, in ASCII form; or empty"),
        ("at", _TIME, "when it was inspected"),
    ],
    unique=("sha256", "href", "text"),
)

_TOMBSTONES = _spec(
    "tombstones",
    "Messages on their way out of the archive: a log; of a message the row with the highest seq counts.",
    [
        ("sha256", pa.string(), "the message"),
        ("state", pa.string(), "tombstoned, removing, revived"),
        ("since", _TIME, "when it was said first that it is to go; its object goes days later"),
        ("run_id", pa.string(), "the run that wrote this row"),
        ("seq", pa.int64(), "number of the commit; grows"),
    ],
    unique=("sha256",),
)

TABLES = {
    spec.name: spec
    for spec in (
        *(_MESSAGES, _TEXTS_TABLE, _ATTACHMENTS, _LOCATIONS, _FOLDERS, _RUNS, _DELIVERIES),
        *(_AUTHENTICATION, _ENVELOPES, _LINKS),
        *(_PLANS, _AUDIT, _CHANGES, _HOLDS, SEALS, _TOMBSTONES, ERASURES),
        *(CONSUMED, ZIP_MEMBERS),
        *(THREADS, CONTACTS),
    )
}
"""Every table of an archive, by name."""

SCHEMA_VERSION = (1, sum(len(spec.schema) for spec in TABLES.values()))
"""Grows by itself with every column: the second number counts those of all tables."""
