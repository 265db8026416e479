"""The last lines a person reads: what a command did, in words, from its summary.

One function a command; numbers that say nothing (zero moved, zero failed) are left out.
Pure: a summary in, lines out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mailroom.cli.table import table

__all__ = [
    "attachments",
    "check",
    "export",
    "fetch",
    "import_",
    "mirror",
    "octets_in_words",
    "restore",
    "retention",
    "verify",
]

Summary = Mapping[str, Any]  # Any: the JSON values of a report


BASES = {"internal": "arrival", "archived": "first archiving", "saved": "coming into the folder"}
"""What the days of retention count from, in words."""


def fetch(summary: Summary) -> str:
    """Return what a POP3 fetch did."""
    lines = [
        f"{_messages(summary['added'], 'new ')} of {summary['listed']:,} listed archived"
        f" ({octets_in_words(summary['octets'])}); {_messages(summary['deleted'])} deleted on the server."
    ]
    lines += _notes(
        summary,
        differing="archived under a known UIDL are other mail than before; they stay on the server",
        not_listed="no longer listed; that may be a window, so they are not taken for gone",
        vanished="went away while they were listed",
    )
    if summary["identity"] != "uidl":
        lines.append(
            f"This server has no UIDL: messages were told apart by their {summary['identity']}, "
            "which takes longer."
        )
    return "\n".join(lines)


def mirror(summary: Summary) -> str:
    """Return what a mirror did."""
    folders = _count(summary["folders"], "folder")
    unchanged = f", {summary['unchanged']:,} of them unchanged" if summary["unchanged"] else ""
    lines = [
        f"{folders}{unchanged}: {_messages(summary['added'], 'new ')}"
        f" ({octets_in_words(summary['octets'])} downloaded)."
    ]
    lines += _notes(
        summary,
        recognised="known under another number or folder, not downloaded again",
        flags="with changed flags",
        expunged="gone from the server; they stay in the archive",
        not_listed="not listed by a server that shows a part only",
        unfetchable="listed and not delivered; tried again in each run",
    )
    if summary["deleted_folders"]:
        lines.append(f"{_count(summary['deleted_folders'], 'folder')} gone from the server.")
    return "\n".join([*lines, *summary["warnings"]])


def retention(summary: Summary) -> str:
    """Return what retention deleted or would delete, a line a folder."""
    verb = "would be deleted" if summary["dry_run"] else "deleted"
    number = summary["would_delete" if summary["dry_run"] else "deleted"]
    lines = [
        f"{_messages(number)} {verb} on the server ({octets_in_words(summary['octets'])}),"
        f" of {summary['due']:,} that were old enough."
    ]
    for folder in summary["folders"]:
        lines.append(f"  {_folder_line(folder)}")
        lines += _message_lines(folder)
    if summary["folders_not_shown"]:
        lines.append(f"  … and {_count(summary['folders_not_shown'], 'more folder')}.")
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


def attachments(summary: Summary) -> str:
    """Return what was delivered."""
    if summary["dry_run"]:
        return (
            f"{_count(summary['chosen'], 'attachment')} would be delivered to {summary['destination']}; "
            f"{summary['already']:,} are there already."
        )
    text = (
        f"{_count(summary['delivered'], 'attachment')} delivered to {summary['destination']} "
        f"({octets_in_words(summary['octets'])})"
    )
    if summary["already"]:
        text += f"; {summary['already']:,} were there already"
    if summary["skipped"]:
        text += f"; {summary['skipped']:,} left out, as their name is taken"
    return f"{text}."


def check(summary: Summary, folders: Sequence[Summary]) -> str:
    """Return a table of the folders, and whether everything is archived."""
    has_new, has_damaged = any(f["arrived"] for f in folders), any(f.get("damaged") for f in folders)
    head = ["folder", "server", "archived", "missing", *(["of them new"] if has_new else []), "gone"]
    head += [*(["damaged"] if has_damaged else []), "size", "complete", ""]
    rows = [
        [
            _shown(f["folder"]),
            f"{f['messages']:,}",
            f"{f['archived']:,}",
            f"{f['missing']:,}",
            *([f"{f['arrived']:,}"] if has_new else []),
            f"{f['gone']:,}",
            *([f"{f.get('damaged', 0):,}"] if has_damaged else []),
            octets_in_words(f["archived_octets"] if f["octets"] is None else f["octets"]),
            "yes" if f["complete"] else "no",
            f.get("note", ""),
        ]
        for f in folders
    ]
    lines = table(head, rows, text_columns={0, len(head) - 2, len(head) - 1})
    if summary["gone"]:
        lines.append(f"{_messages(summary['gone'])} gone from the server; they stay in the archive.")
    if summary["complete"]:
        held = f"{summary['messages']:,} of {_messages(summary['messages'])}"
        allowed = summary["missing"]
        if allowed:
            held = f"{summary['archived']:,} of {_messages(summary['messages'])}"
        new = f", and {allowed:,} arrived since the last mirror" if allowed else ""
        lines.append(f"Everything is safe: {held} of {summary['account']} are in the archive{new}.")
    return "\n".join(lines)


def export(summary: Summary) -> str:
    """Return what was exported."""
    accounts = f" of {_count(summary['accounts'], 'account')}" if summary["accounts"] > 1 else ""
    lines = [
        f"{_messages(summary['exported'])} ({octets_in_words(summary['octets'])}) exported to "
        f"{summary['destination']}: {_count(summary['folders'], 'folder')}{accounts} as {summary['format']}."
    ]
    lines += _notes(summary, already="there already, and left alone")
    return "\n".join([*lines, *summary["warnings"]])


def restore(summary: Summary, warnings: Sequence[str]) -> str:
    """Return what was brought back, a line a folder in which anything was done."""
    number = summary["would_add" if summary["dry_run"] else "added"]
    verb = "would be added" if summary["dry_run"] else "added"
    lines = [
        f"{_messages(number)} of {summary['account']} {verb} to {summary['target']}"
        f" ({octets_in_words(summary['octets'])}); {summary['already']:,} were there already."
    ]
    if summary["refused"]:
        lines.append(f"{_messages(summary['refused'])} not taken by the server.")
    lines += [f"  {_restored_line(folder)}" for folder in summary["folders"]]
    if summary["folders_not_shown"]:
        lines.append(f"  … and {_count(summary['folders_not_shown'], 'more folder')}.")
    lines += warnings
    if summary["checked"] and not summary["altered"]:
        lines.append("Asked again: all have the size, date and flags they had.")
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


def _restored_line(folder: Summary) -> str:
    name, target = _shown(folder["folder"]), _shown(folder["target"])
    parts = [f"{folder['added']:,} of {folder['messages']:,}"]
    if folder["already"]:
        parts.append(f"{folder['already']:,} there already")
    if folder.get("created"):
        parts.append("a new folder")
    parts += [f"{number:,} not taken: {reason}" for reason, number in folder.get("refused", {}).items()]
    if "note" in folder:
        parts.append(folder["note"])
    return f"{name}{'' if name == target else f' as {target}'}: {', '.join(parts)}"


def import_(summary: Summary) -> str:
    """Return what was imported, and which files were left out."""
    lines = [
        f"{_messages(summary['added'], 'new ')} ({octets_in_words(summary['octets'])}) of "
        f"{_count(summary['files'], 'file')} imported as {_shown(summary['account'])}, "
        f"{_count(summary['folders'], 'folder')}."
    ]
    lines += _notes(summary, already="there already")
    if summary["skipped"]:
        named = ", ".join(_shown(path) for path in summary["skipped_files"])
        more = ", …" if summary["skipped"] > len(summary["skipped_files"]) else ""
        lines.append(f"{_count(summary['skipped'], 'file')} without mail left out: {named}{more}.")
    return "\n".join(lines)


def verify(summary: Summary) -> str:
    """Return how the archive is."""
    held = (
        f"{_count(summary['objects'], 'object')} ({octets_in_words(summary['octets'])}), "
        f"{summary['messages']:,} messages, {summary['locations']:,} locations, "
        f"{summary['attachments']:,} attachments"
    )
    if summary["wrong"]:
        lines = [f"{_count(summary['wrong'], 'problem')} in {held}."]
    else:
        lines = [f"{'Nothing wrong so far' if summary['interrupted'] else 'All is well'}: {held}."]
    lines += [f"  {kind}: {number:,}" for kind, number in summary["problems"].items()]
    lines += [f"  {kind}: {number:,} (harmless)" for kind, number in summary["harmless"].items()]
    return "\n".join(lines)


def octets_in_words(octets: int) -> str:
    """Return a size for people.

    >>> octets_in_words(38140)
    '38.1 kB'
    """
    if octets < 1000:
        return f"{octets} octets"
    size = float(octets)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:,.1f} TB"


def _folder_line(folder: Summary) -> str:
    if "note" in folder:
        return f"{_shown(folder['folder'])}: passed over, {folder['note']}"
    parts = [f"{folder['deleted']:,} of {folder['due']:,}"]
    if folder.get("octets"):
        parts.append(octets_in_words(folder["octets"]))
    if folder.get("oldest"):
        parts.append(f"from {folder['oldest'][:10]} to {folder['newest'][:10]}")
    if folder.get("basis"):
        parts.append(f"counted from {BASES[folder['basis']]}")
    parts += [f"{number:,} kept: {reason}" for reason, number in folder.get("kept", {}).items()]
    return f"{_shown(folder['folder'])}: {', '.join(parts)}"


def _message_lines(folder: Summary) -> list[str]:
    """Return the messages that a dry run lists, and how many more there are."""
    listed = folder.get("messages", ())
    lines = []
    for message in listed:
        kind = "uid" if "uid" in message else "uidl"
        size = octets_in_words(message["octets"] or 0)
        since = (message["since"] or "no date")[:10]
        lines.append(f"    {kind.upper()} {_shown(str(message[kind]))}, {size}, {since}")
    more = folder["deleted"] - len(listed)
    return [*lines, f"    … and {_count(more, 'more message')}"] if listed and more else lines


def _notes(summary: Summary, **texts: str) -> list[str]:
    return [f"{_messages(summary[name])} {text}." for name, text in texts.items() if summary[name]]


def _messages(number: int, kind: str = "") -> str:
    return _count(number, f"{kind}message")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _shown(name: str) -> str:
    """Return a folder's name, which comes from the server, without control characters."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
