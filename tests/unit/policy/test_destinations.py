"""Paths made of templates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import Attachment, Place
from mailroom.policy.destinations import MAX_PATH_OCTETS, DestinationTemplate
from tests.unit.policy.test_attachments import attachment

PLACE = Place(account="work", folder="Facturas/2026")


def render(template: str, place: Place = PLACE, turn: int = 1, **values: Any) -> str:
    """Return the path of one attachment."""
    return DestinationTemplate(template).render(attachment(**values), place, turn)


def test_default_is_by_day_and_message() -> None:
    """Names seldom meet, and no folder grows without bound."""
    path = DestinationTemplate().render(attachment(), PLACE)
    assert path == f"2026/03/04/{'ab' * 8}/Invoice-17.PDF"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{filename}", "Invoice-17.PDF"),
        ("{stem}_{part}.{ext}", "Invoice-17_2.PDF"),
        ("{account}/{folder}/{filename}", "work/Facturas/2026/Invoice-17.PDF"),
        ("{sender_domain}/{sender}/x", "supplier.com/ana@supplier.com/x"),
        ("{date}-{sha256}", f"2026-03-04-{'cd' * 32}"),
        ("{date:%d.%m.%y %H%M}", "04.03.26 2330"),
        ("{subject}/{position}.{extension}", "Your Invoice of März/2.PDF"),
        ("{rule}/{filename}", "all/Invoice-17.PDF"),
        ("in {{braces}}/{filename}", "in {braces}/Invoice-17.PDF"),
    ],
)
def test_fields(template: str, path: str) -> None:
    """Each field says what its name says."""
    assert render(template) == path


def test_rule_has_a_folder_of_its_name() -> None:
    """What people call a rule is made safe like what comes by mail."""
    template = DestinationTemplate("{rule}/{filename}", "in/../voices")
    assert template.render(attachment(), PLACE) == "in_.._voices/Invoice-17.PDF"


def test_day_is_in_utc() -> None:
    """The same mail has the same path wherever the run takes place."""
    moment = datetime.fromisoformat("2026-03-05T00:30:00+02:00")
    assert render("{date:%Y/%m/%d}", moment=moment) == "2026/03/04"
    assert render("{date:%Y}", moment=datetime(1999, 1, 1, tzinfo=UTC)) == "1999"


@pytest.mark.parametrize(
    "values",
    [
        {"filename": "../../etc/passwd"},
        {"filename": "/abs"},
        {"filename": "..", "content_type": "x/y"},
        {"sender": "../../x@../..", "filename": "a"},
        {"sender": "", "filename": ""},
        {"part": "../..", "filename": "CON"},
    ],
)
@pytest.mark.parametrize("folder", ["..", "../../x", "/", "", "a/../../b", "a\\..\\b", "C:/x"])
def test_path_never_leaves_the_destination(folder: str, values: dict[str, Any]) -> None:
    """Whatever came by mail becomes names of folders and files below the root."""
    place = Place(account="../a", folder=folder)
    path = render("{account}/{folder}/{sender}/{sender_domain}/{part}/{filename}", place, **values)
    segments = path.split("/")
    assert all(segment and set(segment) - {".", " "} for segment in segments)
    assert not any(set(segment) & set('\\:*?"<>|') for segment in segments)


@pytest.mark.parametrize(
    ("template", "values", "path"),
    [
        ("{filename}", {"filename": "_manifests"}, "__manifests"),
        ("{sender_domain}/{filename}", {"sender": "x@_Manifests"}, "__Manifests/Invoice-17.PDF"),
        ("{sender_domain}/{filename}", {"sender": "root"}, "unknown/Invoice-17.PDF"),
        ("{subject}/{filename}", {"subject": "Held"}, "_Held/Invoice-17.PDF"),
        ("all/{subject}", {"subject": "_manifests"}, "all/_manifests"),
        ("held/{filename}", {}, "held/Invoice-17.PDF"),
    ],
)
def test_no_mail_makes_a_first_level_that_means_something(
    template: str, values: dict[str, Any], path: str
) -> None:
    """Neither among manifests nor out of quarantine; what the template itself says is meant."""
    assert DestinationTemplate(template, None, ("held",)).render(attachment(**values), PLACE) == path


def test_taken_name_gets_a_number() -> None:
    """The number stands in the file's name, wherever the name came from."""
    assert render("{filename}", turn=2) == "Invoice-17-2.PDF"
    assert render("all/{sha256}", turn=3).endswith("cd-3")


def test_too_long_path_falls_back_to_message_and_name() -> None:
    """S3 takes a thousand octets; the file's own name is what must survive."""
    place = Place(account="a", folder="/".join(["x" * 150] * 10))
    path = render("{folder}/{filename}", place)
    assert path == f"{'ab' * 8}/Invoice-17.PDF"
    assert len(path) < MAX_PATH_OCTETS


@pytest.mark.parametrize(
    "template",
    [
        "",
        "/{filename}",
        "{filename}/",
        "a//{filename}",
        "../{filename}",
        "a/../{filename}",
        "./{filename}",
        "a\\{filename}",
        "a\n{filename}",
        "{nothing}",
        "{}",
        "{0}",
        "{filename.__class__}",
        "{filename!r}",
        "{filename:>10}",
        "{filename",
        "filename}",
        "{date:%Y/../%m}/x",
        "{date:%Y\n}/x",
    ],
)
def test_template_that_cannot_be_a_path_is_refused(template: str) -> None:
    """The sentence names the template and says why."""
    with pytest.raises(ConfigurationError, match="destination template"):
        DestinationTemplate(template)


def test_manifests_have_their_folder_for_themselves() -> None:
    """Whoever reads them trusts them."""
    with pytest.raises(ConfigurationError, match="manifests lie in _manifests"):
        DestinationTemplate("_manifests/{filename}")


def test_unknown_field_is_answered_with_those_there_are() -> None:
    """Who wrote {name} learns of {filename}."""
    with pytest.raises(ConfigurationError, match=r"\{name\} is not one of its fields: date, .*filename"):
        DestinationTemplate("{name}")


def test_nothing_but_unsafe_text_still_has_a_name() -> None:
    """Where nothing of a rendered path is left, the file's own name serves."""
    found: Attachment = attachment(filename="", content_type="application/pdf")
    assert DestinationTemplate("{filename}").render(found, PLACE) == "attachment.pdf"
    assert DestinationTemplate("{ext}").render(attachment(filename="README"), PLACE) == "README"
