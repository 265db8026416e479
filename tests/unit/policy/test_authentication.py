"""Who a message must really be from."""

from __future__ import annotations

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResult, AuthenticationResults, Hop
from mailroom.policy.authentication import Facts, facts_of, read_requirements, unmet
from mailroom.policy.receiving_servers import Receiver

BORDER = Hop("a.example", "mx.me", "esmtp", has_client=True, addresses=())
ME = Receiver(server="mx.me")


def result(method: str, value: str, domain: str = "") -> AuthenticationResult:
    name = {"dkim": "header.d", "spf": "smtp.mailfrom", "dmarc": "header.from"}[method]
    return AuthenticationResult(method, value, {name: domain} if domain else {})


def facts(*results: AuthenticationResult) -> Facts:
    return Facts(server="mx.me", results=results, authors=("ana@supplier.com",))


@pytest.mark.parametrize(
    ("required", "is_met"),
    [
        ("dkim=supplier.com", True),
        ("DKIM=Supplier.com", True),
        ("dkim=mail.supplier.com", False),
        ("dkim=plier.com", False),
        ("dkim=pass", True),
        ("spf=pass", False),
        ("dmarc=pass,dkim=supplier.com", True),
        ("dmarc=pass spf=pass", False),
    ],
)
def test_all_that_is_required_must_have_passed(required: str, is_met: bool) -> None:
    """A domain means itself and those below it, never one that merely ends like it."""
    known = facts(
        result("dkim", "fail", "other.com"),
        result("dkim", "pass", "eu.supplier.com"),
        result("spf", "softfail", "supplier.com"),
        result("dmarc", "pass", "supplier.com"),
    )
    assert (unmet(read_requirements(required), known) is None) is is_met


@pytest.mark.parametrize("required", ["spf=pass", "dkim=pass", "dmarc=pass"])
def test_pass_that_names_no_domain_meets_nothing(required: str) -> None:
    """SPF passes for the name in HELO as well, which anybody may choose."""
    method = required.partition("=")[0]
    assert unmet(read_requirements(required), facts(result(method, "pass"))) is not None


@pytest.mark.parametrize(
    ("authors", "reason"),
    [
        (("ana@supplier.com",), None),
        (("ana@eu.supplier.com",), None),
        (("eve@evil.com",), "which is not the author's domain"),
        (("eve@plier.com",), "which is not the author's domain"),
        ((), "which is not the author's domain"),
        (("ana@supplier.com", "eve@evil.com"), "names several authors"),
    ],
)
def test_pass_has_to_be_for_the_author(authors: tuple[str, ...], reason: str | None) -> None:
    """Anybody's own domain passes; and who of several wrote it, nobody says."""
    known = Facts(server="mx.me", results=(result("dmarc", "pass", "supplier.com"),), authors=authors)
    found = unmet(read_requirements("dmarc=pass"), known)
    assert (found or "").endswith(reason or "")
    assert (found is None) is (reason is None)


def test_reason_says_what_there_was_instead() -> None:
    """Who looks into quarantine learns why."""
    (required,) = read_requirements("dkim=supplier.com")
    assert unmet([required], facts(result("dkim", "fail", "supplier.com"))) == (
        "dkim=supplier.com is required, and dkim is fail for supplier.com"
    )
    assert unmet([required], facts()) == "dkim=supplier.com is required, and nothing that is trusted says so"


@pytest.mark.parametrize("text", ["", "dkim", "dkim=", "arc=pass", "dkim=fail", "dkim=supplier", "x=y.z"])
def test_requirement_that_is_not_understood_is_refused(text: str) -> None:
    """A door that nobody closed by a typing error."""
    with pytest.raises(ConfigurationError, match="require_auth"):
        read_requirements(text)


def test_only_the_word_of_the_receiving_server_counts() -> None:
    """Fields of any other name may be the sender's own."""
    trace = [
        AuthenticationResults("evil.com", (result("dkim", "pass", "supplier.com"),)),
        AuthenticationResults("mx.me", (result("spf", "pass"),)),
        BORDER,
    ]
    assert facts_of(trace, ME) == Facts(server="mx.me", results=(result("spf", "pass"),))
    assert facts_of(trace, Receiver(server="mx.you")) == Facts(server=None, results=())
    assert facts_of(trace, None) == Facts(server=None, results=())


def test_uppermost_field_with_a_word_on_a_method_decides() -> None:
    """Servers put their fields on top, one for each of their filters."""
    trace = [
        AuthenticationResults("mx.me", (result("dkim", "fail", "a.com"), result("dkim", "pass", "b.com"))),
        AuthenticationResults(
            "mx.me", (result("dkim", "pass", "supplier.com"), result("spf", "pass", "c.com"))
        ),
        BORDER,
    ]
    found = [(one.method, one.domain) for one in facts_of(trace, ME).results]
    assert found == [("dkim", "a.com"), ("dkim", "b.com"), ("spf", "c.com")]


def test_nothing_is_heard_below_a_field_that_cannot_be_read() -> None:
    """It may have said that the message fails."""
    broken = AuthenticationResults("mx.me", (), is_whole=False)
    whole = AuthenticationResults("mx.me", (result("dkim", "pass", "supplier.com"),))
    assert facts_of([broken, whole, BORDER], ME).results == ()


def test_reason_says_where_a_field_stands_that_does_not_count() -> None:
    """A server that writes below its own Received field has to be said to do so."""
    trace = [BORDER, AuthenticationResults("mx.me", (result("dkim", "pass", "supplier.com"),))]
    reason = unmet(read_requirements("dkim=supplier.com"), facts_of(trace, ME))
    assert reason is not None
    assert "mx.me stands where a sender may have written it" in reason
