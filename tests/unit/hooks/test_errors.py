"""Our errors as Airflow's: which are tried again, and what a log may hold."""

from __future__ import annotations

import traceback

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from mailroom import exceptions
from mailroom.exceptions import MailroomError
from mailroom.hooks.errors import airflow_errors

FINAL = {
    "AuthenticationFailed",
    "CapabilityMissing",
    "CertificateRejected",
    "ConfigurationError",
    "IntegrityError",
    "LimitExceeded",
    "LocalProtocolError",
}


def translated(error: Exception) -> BaseException:
    with pytest.raises(AirflowException) as caught, airflow_errors():
        _fail_on_the_wire(error)
    return caught.value


def _fail_on_the_wire(error: Exception) -> None:
    try:
        raise OSError("535 AUTH secret-token-of-the-wire")
    except OSError as cause:
        raise error from cause


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_error_is_final_or_tried_again(name: str) -> None:
    """What a person must mend fails at once; all else goes through Airflow's retries."""
    error = translated(getattr(exceptions, name)("The sentence."))
    assert str(error) == "The sentence."
    assert isinstance(error, AirflowException)
    assert isinstance(error, AirflowFailException) == (name in FINAL)


def test_what_lies_below_stays_out_of_the_log() -> None:
    """The wire's own words may hold commands; the chain is cut before Airflow logs it."""
    error = translated(MailroomError("The sentence."))
    assert "secret-token-of-the-wire" not in "".join(traceback.format_exception(error))


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    """A protocol error on our side must be reported, and needs to say where it is."""
    error = translated(exceptions.LocalProtocolError("The sentence."))
    assert isinstance(error.__cause__, exceptions.LocalProtocolError)


def test_foreign_errors_pass() -> None:
    """An error that nobody translated is a bug, and shows itself as what it is."""
    with pytest.raises(ZeroDivisionError), airflow_errors():
        _ = 1 / 0
