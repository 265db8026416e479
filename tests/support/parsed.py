"""What an archive's parser found, back from the columns that it is packed in."""

from __future__ import annotations

from datetime import UTC, datetime

from mailroom.archive.writing.columns import PackedColumns
from mailroom.archive.writing.indexed import Indexed
from mailroom.archive.writing.message_rows import MessageRows, Part

__all__ = ["unpacked"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def unpacked(load: PackedColumns) -> list[Indexed]:
    """Return the columns of each message of a load, read from the rows that are made of them."""
    numbers = list(range(len(load)))
    digests = [f"{number:064x}" for number in numbers]
    rows = MessageRows([Part(load, numbers, digests, numbers, [NOW for _ in numbers])])
    messages = rows.as_messages().to_pylist()
    texts = [row for table in rows.as_texts() for row in table.to_pylist()]
    attachments: dict[str, list[tuple[object, ...]]] = {digest: [] for digest in digests}
    for row in rows.as_attachments().to_pylist():
        digest, *values = row.values()
        attachments[digest].append(tuple(values))
    return [
        Indexed(
            identity=row["identity"],
            message_id=row["message_id"],
            date=row["date"],
            date_source=row["date_source"],
            sender=row["from"],
            sender_address=row["from_address"],
            to=tuple(row["to"]),
            cc=tuple(row["cc"]),
            subject=row["subject"],
            in_reply_to=row["in_reply_to"],
            references=tuple(row["references"]),
            defects=tuple(row["defects"]),
            text=said["text"],
            reply=said["reply"],
            attachments=tuple(attachments[row["sha256"]]),  # type: ignore[arg-type]
        )
        for row, said in zip(messages, texts, strict=True)
    ]
