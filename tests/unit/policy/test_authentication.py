"""Who a message must really be from."""

from __future__ import annotations

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResult, AuthenticationResults
from mailroom.policy.authentication import Facts, facts_of, learned_server, read_requirements, unmet


def result(method: str, value: str, domain: str = "") -> AuthenticationResult:
    name = {"dkim": "header.d", "spf": "smtp.mailfrom", "dmarc": "header.from"}[method]
    return AuthenticationResult(method, value, {name: domain} if domain else {})


def facts(*results: AuthenticationResult) -> Facts:
    return Facts(server="mx.me", results=results)


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
    fields = [
        AuthenticationResults("evil.com", (result("dkim", "pass", "supplier.com"),)),
        AuthenticationResults("mx.me", (result("spf", "pass"),)),
    ]
    assert facts_of(fields, "mx.me") == Facts(server="mx.me", results=(result("spf", "pass"),))
    assert facts_of(fields, "mx.you") == Facts(server=None, results=())
    assert facts_of(fields, None) == Facts(server=None, results=())


@pytest.mark.parametrize(
    ("topmost", "learned"),
    [
        ([], None),
        ([None] * 50, None),
        (["mx.me"] * 9, None),
        (["mx.me"] * 10 + [None] * 20, "mx.me"),
        (["mx.me"] * 10 + [None] * 21, None),
        (["mx.me"] * 19 + ["mx.old"], "mx.me"),
        (["mx.me"] * 15 + ["mx.old"] * 5, None),
    ],
)
def test_server_is_learned_only_where_it_is_clear(topmost: list[str | None], learned: str | None) -> None:
    """A few messages, two servers, or results that most mail lacks, prove nothing."""
    assert learned_server(topmost) == learned
