"""Folders as servers list them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One mailbox as LIST shows it (RFC 3501 section 7.2.2), its name decoded.

    :param status: STATUS items where they came along (RFC 5819), keys such as ``MESSAGES``.
    :param mailbox_id: MAILBOXID (RFC 8474) where it came along.
    :param subscribed: whether mail programs are to show it; None where the server was not asked.
    """

    name: str
    delimiter: str | None = None
    attributes: tuple[str, ...] = ()
    status: dict[str, int] | None = None
    mailbox_id: str | None = None
    subscribed: bool | None = None

    @property
    def is_selectable(self) -> bool:
        """Whether the mailbox can hold messages."""
        return not (self.has_attribute("\\Noselect") or self.has_attribute("\\NonExistent"))

    def has_attribute(self, name: str) -> bool:
        """Return whether LIST says this of it; case does not count."""
        return name.lower() in {attribute.lower() for attribute in self.attributes}

    @property
    def special_use(self) -> str | None:
        """The special-use attribute (RFC 6154), such as ``\\Trash``, or None."""
        known = {"\\all", "\\archive", "\\drafts", "\\flagged", "\\important", "\\junk", "\\sent", "\\trash"}
        return next((a for a in self.attributes if a.lower() in known), None)
