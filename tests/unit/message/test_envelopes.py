"""Messages that carry others in their envelopes."""

from __future__ import annotations

from datetime import UTC, datetime

from mailroom.message import unwrap
from tests.support.mail import make_message

CARRIED = make_message(
    subject="Fattura n° 7", sender="Ana <ana@example.org>", message_id="<7@example.org>"
).decode()

JOURNAL = (
    "From: journal@example.com\r\nX-MS-Journal-Report: \r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
    "Sender: Ana@Example.org\r\nSubject: To: nobody@example.org\r\nMessage-Id: <7@example.org>\r\n"
    "To: bob@example.com\r\nCc: carl@example.com, Expanded: all@example.com\r\nBcc: dora@example.com\r\n"
    "To: bob@example.com\r\n"
    f"--b\r\nContent-Type: message/rfc822\r\n\r\n{CARRIED}\r\n--b--\r\n"
)

CERTIFICATE = (
    '<?xml version="1.0"?><postacert tipo="{kind}" errore="nessuno"><intestazione>'
    '<mittente>Ditta@PEC.example</mittente><destinatari tipo="certificato">uno@pec.example</destinatari>'
    '<destinatari tipo="esterno">due&amp;co@example.it</destinatari></intestazione></postacert>'
)

CERTIFIED = (
    'From: "Per conto di: ditta@pec.example" <posta-certificata@pec.provider.example>\r\n'
    "{field}\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="s"\r\n\r\n'
    '--s\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
    "Messaggio di posta certificata\r\n--b\r\n"
    'Content-Type: application/xml; name="daticert.xml"\r\n\r\n{certificate}\r\n--b\r\n'
    'Content-Type: message/rfc822; name="postacert.eml"\r\n\r\n{carried}\r\n--b--\r\n'
    '--s\r\nContent-Type: application/x-pkcs7-signature; name="smime.p7s"\r\n\r\nMIIG\r\n--s--\r\n'
)


def certified(kind: str, field: str) -> bytes:
    """Return a message of a provider of certified mail."""
    text = CERTIFIED.format(
        field=field,
        certificate=CERTIFICATE.format(kind=kind),
        carried=CARRIED.replace("\r\n\r\n", "\r\n\r\n"),
    )
    return text.encode()


def test_journal_report_names_all_who_got_it() -> None:
    """Blind copies too, each once; the carried message is who it is."""
    found = unwrap(JOURNAL.encode())
    assert found is not None
    assert (found.kind, found.part) == ("journal", "2")
    assert found.sender == "ana@example.org"
    assert found.recipients == ("bob@example.com", "carl@example.com", "dora@example.com")
    assert (found.author, found.author_address) == ("Ana <ana@example.org>", "ana@example.org")
    assert (found.subject, found.message_id) == ("Fattura n° 7", "<7@example.org>")
    assert found.date == datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


def test_certified_mail_is_of_who_its_certificate_says() -> None:
    """Its outer sender is the provider."""
    found = unwrap(certified("posta-certificata", "X-Trasporto: posta-certificata"))
    assert found is not None
    assert (found.kind, found.part, found.sender) == ("pec", "1.3", "ditta@pec.example")
    assert found.recipients == ("uno@pec.example", "due&co@example.it")
    assert found.subject == "Fattura n° 7"


def test_receipt_is_told_from_mail() -> None:
    """Acceptance and delivery carry the message again, and are none."""
    found = unwrap(certified("avvenuta-consegna", "X-Ricevuta: avvenuta-consegna"))
    assert found is not None
    assert found.kind == "pec-receipt"


def test_ordinary_mail_carries_nothing() -> None:
    """Neither does a report without a message, or mail with a certificate's name alone."""
    assert unwrap(make_message()) is None
    assert unwrap(JOURNAL.encode().replace(b"X-MS-Journal-Report", b"X-Other")) is None
    assert unwrap(JOURNAL.encode().partition(b"--b\r\nContent-Type: message")[0]) is None
    assert unwrap(b"X-Trasporto: posta-certificata\r\n\r\nno certificate") is None


def test_any_cut_is_survived() -> None:
    """What stands before the cut is read."""
    for whole in (JOURNAL.encode(), certified("posta-certificata", "X-Trasporto: x")):
        for length in range(0, len(whole), 13):
            unwrap(whole[:length])
