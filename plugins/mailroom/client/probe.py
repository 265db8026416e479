"""Try an account and say in one sentence what works or what is wrong; for connection tests.

Goes as far as opening the inbox, because some servers accept a sign-in and then refuse
everything else. Changes nothing: IMAP by EXAMINE, POP3 by STAT and TOP.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import CommandRejected, MailroomError
from mailroom.model import Endpoint, MailProtocol, Security

__all__ = ["ProbeResult", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Whether an account can be used, and the sentence that says so or why not."""

    ok: bool
    message: str


def probe(endpoint: Endpoint) -> ProbeResult:
    """Connect, sign in, look at the inbox and leave; report instead of raising."""
    try:
        found = _probe_pop3(endpoint) if endpoint.protocol is MailProtocol.POP3 else _probe_imap(endpoint)
    except CommandRejected as error:
        # What Exchange says for "authenticated but not connected", and others for a disabled mailbox.
        hint = "The sign-in was accepted, but the mailbox does not open: check that the account allows"
        return ProbeResult(ok=False, message=f"{error} {hint} {endpoint.protocol.name}.")
    except MailroomError as error:
        return ProbeResult(ok=False, message=str(error))
    return ProbeResult(ok=True, message=f"Signed in to {_describe(endpoint)}. {found}")


def _describe(endpoint: Endpoint) -> str:
    where = f"{endpoint.host}:{endpoint.port} as {endpoint.user}"
    if endpoint.security is Security.PLAIN:
        return f"{where}, without encryption"
    return f"{where} over TLS" if endpoint.verify else f"{where} over TLS, certificate not verified"


def _probe_pop3(endpoint: Endpoint) -> str:
    with Pop3Client.connect(endpoint) as client:
        count, octets = client.stat()
        has_uidl, has_top = "UIDL" in client.capabilities, "TOP" in client.capabilities
        if count and not (has_uidl and has_top):
            # No CAPA, or one that leaves out what the server can do: trying is surer.
            first = client.list_messages().messages[:1]
            has_uidl = any(message.uidl for message in first)
            has_top = any(headed.header is not None for headed in client.top([m.number for m in first]))
        client.quit()
    text = f"The maildrop holds {_count(count, 'message')}, {octets} octets."
    if has_uidl and has_top:
        return f"{text} UIDL and TOP are offered."
    if not has_uidl:
        text += " UIDL is not offered, so messages are recognised by their content, which takes longer."
    if not has_top:
        text += " TOP is not offered, so headers cannot be read without downloading the message."
    return text


def _probe_imap(endpoint: Endpoint) -> str:
    # Imported here so that a POP3 probe does not load the IMAP client.
    from mailroom.client.imap import ImapClient

    with ImapClient.connect(endpoint) as client:
        inbox = client.examine("INBOX")
        folders = sum(folder.is_selectable for folder in client.list_folders())
        has_uidplus = client.supports("UIDPLUS")
    text = f"INBOX holds {_count(inbox.exists, 'message')}; the account has {_count(folders, 'folder')}."
    if not has_uidplus:
        text += " UIDPLUS is not offered, so folders with deletions of others in them are left alone."
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
