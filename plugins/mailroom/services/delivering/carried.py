"""Messages that others carry, taken for themselves: journal reports and certified mail unwrapped.

Here: an attachment with the author, date and subject of the message it is really of. Not here:
reading envelopes (``message``), choosing (``attachment_choice``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mailroom.archive import Archive
from mailroom.exceptions import MailroomError
from mailroom.message import Envelope, unwrap
from mailroom.policy.attachments import Attachment

__all__ = ["CarriedMessages"]

REMEMBERED = 1000
"""Of so many messages the envelope is kept, for they have several attachments."""


@dataclass(slots=True, kw_only=True)
class CarriedMessages:
    """The carried messages of one archive."""

    archive: Archive
    _envelopes: dict[str, Envelope | None] = field(default_factory=dict, init=False)

    def unwrapped(self, attachment: Attachment) -> Attachment | None:
        """Return an attachment as one of the message it was carried in, or None where it is the envelope's.

        Of a message that carries none it is what it was.
        """
        envelope = self._envelope(attachment.message_sha256)
        if envelope is None or not envelope.part or envelope.kind == "pec-receipt":
            return attachment
        if not attachment.part.startswith(f"{envelope.part}."):
            return None
        return replace(
            attachment,
            sender=envelope.author_address,
            subject=envelope.subject,
            date=envelope.date,
            moment=envelope.date or attachment.moment,
            recipients=envelope.recipients,
        )

    def _envelope(self, digest: str) -> Envelope | None:
        if digest not in self._envelopes:
            if len(self._envelopes) >= REMEMBERED:
                self._envelopes.clear()
            self._envelopes[digest] = self._read(digest)
        return self._envelopes[digest]

    def _read(self, digest: str) -> Envelope | None:
        try:
            with self.archive.raw.mapped(digest) as content:
                return unwrap(content)
        except MailroomError:
            return None  # whoever delivers its attachments says that it is missing
