"""What somebody wrote anew, without the mail they answer or pass on.

Belongs here: quoting as mail programs do it: lines that begin with ``>``, a line that says who
wrote when, a rule such as ``-----Original Message-----``, or the header of the quoted mail as
Outlook shows it, in the languages that such programs are translated to. Does not belong here:
signatures, which are the author's own.

Lines with ``>`` may have answers between and below; whatever else begins a quote reaches to the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["reply_of"]

_MAX_LINE_CHARACTERS = 300
_LINES_OF_HEADER = 8
_WHO_WROTE = re.compile(
    r"(?:^|\s|\d)(?:wrote|writes|a écrit|escribió|ha scritto|escreveu|написал(?:\(?а\)?)?|a scris"
    r"|yazdı|έγραψε|写道|寫道|님이 작성|(?:schrieb|schreef|skrev|napisał(?:\(a\))?|napsal(?:\(a\))?|пишет"
    r"|kirjoitti|írta)(?:\s.{0,120})?)\s?[:：]$"
)
_WHEN_OR_WHO = re.compile(r"[0-9@]")
_RULE = re.compile(
    r"-{3,}\s{0,4}(?:(?:Original|Forwarded|Reply) (?:message|mail)|Original Appointment|Forwarded by .{1,80}"
    r"|(?:Ursprüngliche|Weitergeleitete) (?:Nachricht|Mail)|Message (?:d'origine|transféré|original)"
    r"|Mensaje (?:original|reenviado)|Messaggio (?:originale|inoltrato)|Mensagem (?:original|encaminhada)"
    r"|(?:Oorspronkelijk|Doorgestuurd) bericht|(?:Исходное|Пересланное|Пересылаемое) сообщение"
    r"|原始邮件|原始郵件|转发邮件|元のメッセージ|원본 메시지)\s{0,4}-{3,}",
    re.IGNORECASE,
)
_UNDERSCORES = re.compile(r"_{10,}\s*\Z")
_FROM = frozenset(
    ["from", "von", "de", "da", "van", "från", "fra", "od", "от", "发件人", "寄件者", "差出人", "보낸 사람"]
)
_SENT = frozenset(
    ["sent", "date", "gesendet", "datum", "envoyé", "enviado", "fecha", "data", "inviato", "verzonden",
     "skickat", "sendt", "dato", "wysłano", "отправлено", "дата", "发送时间", "日期", "寄件日期", "送信日時",
     "날짜"]
)  # fmt: skip
_SUBJECT = frozenset(
    ["subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "ämne", "emne", "temat",
     "тема", "主题", "主旨", "件名", "제목"]
)  # fmt: skip
_FIRST = frozenset([">", "-", "*", *(word[0].upper() for word in _FROM)])
_COLONS = (":", "：")


def reply_of(text: str) -> str | None:
    """Return a text without what it quotes, or None where it quotes nothing; linear in its length.

    >>> reply_of("Yes.\\n\\nOn Mon, Ana <ana@example.org> wrote:\\n> Is it paid?\\n")
    'Yes.'

    :param text: readable text of a message, lines ended by LF.
    """
    if ">" not in text and ":" not in text and "---" not in text and "：" not in text:
        return None  # nothing below begins a quote without one of these
    lines = text.split("\n")
    marks = [number for number, line in enumerate(lines) if line[:1] in _FIRST or line[-1:] in _COLONS]
    quoted: set[int] = set()
    end = len(lines)
    for number in marks:
        if lines[number].startswith(">"):
            if not lines[number].startswith(">From "):  # as mbox files write a line that begins so
                quoted.add(number)
        elif (start := _begins(lines, number)) is not None:
            if _is_marked(lines, number + 1):
                quoted.update(range(start, number + 1))
                continue
            end = start
            break
    if not quoted and end == len(lines):
        return None
    return _joined([line for number, line in enumerate(lines[:end]) if number not in quoted])


def _begins(lines: Sequence[str], number: int) -> int | None:
    """Return the first line of what introduces a quote and ends here, or None where nothing does."""
    line = lines[number].strip(" *\t\xa0")
    if len(line) > _MAX_LINE_CHARACTERS:
        return None
    if line.endswith(_COLONS):
        return _who_wrote(lines, number)
    if line.startswith("---"):
        return number if _RULE.match(line) is not None else None
    if _name(line) in _FROM and _is_header(lines, number):
        above = number - 1
        return above if above >= 0 and _UNDERSCORES.match(lines[above]) is not None else number
    return None


def _who_wrote(lines: Sequence[str], number: int) -> int | None:
    """Return where a line that says who wrote begins, which programs fold into up to three."""
    text = lines[number].strip()
    for start in range(number, max(-1, number - 3), -1):
        if start != number:
            above = lines[start].strip()
            if not above or above.startswith(">"):
                return None
            text = f"{above[:_MAX_LINE_CHARACTERS]} {text}"
        if _WHEN_OR_WHO.search(text) is not None and _WHO_WROTE.search(text) is not None:
            return start
    return None


def _name(line: str) -> str:
    """Return the name of a field, as programs show it: maybe bold, in any language."""
    name, colon, _ = line.replace("：", ":", 1).partition(":")
    return name.strip(" *\xa0").lower() if colon else ""


def _is_header(lines: Sequence[str], number: int) -> bool:
    """Whether a header is shown here: who, when and what about, in consecutive lines."""
    names: set[str] = set()
    for line in lines[number + 1 : number + _LINES_OF_HEADER]:
        if not line.strip():
            break
        names.add(_name(line[:_MAX_LINE_CHARACTERS].strip(" *\t\xa0")))
    return not names.isdisjoint(_SENT) and not names.isdisjoint(_SUBJECT)


def _is_marked(lines: Sequence[str], number: int) -> bool:
    """Whether the first line with words, here or soon below, is marked as quoted."""
    return next((line for line in lines[number : number + 3] if line.strip()), "").startswith(">")


def _joined(lines: Sequence[str]) -> str:
    """Return lines as one text, with one blank line where a quote left several."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1].strip()):
            kept.append(line)
    return "\n".join(kept).strip()
