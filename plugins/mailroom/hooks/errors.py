"""Our errors as Airflow's: what a person must mend fails at once, what may pass is tried again.

The chain is cut (``from None``): the sentence says what to do, and what lies below it
(sockets, storage clients) may hold addresses, commands or headers that belong in no log.
Only a bug of ours keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from mailroom.exceptions import (
    AuthenticationFailed,
    ConfigurationError,
    IntegrityError,
    LimitExceeded,
    LocalProtocolError,
    MailroomError,
)

__all__ = ["airflow_errors"]

PERMANENT = (ConfigurationError, AuthenticationFailed, IntegrityError, LimitExceeded)
"""Errors that a retry cannot mend; another sign-in with a wrong password may even lock the account."""


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise Mailroom's errors inside as Airflow's, with their one sentence.

    :raises AirflowFailException: trying again cannot help.
    :raises AirflowException: trying again may help, so Airflow's retries apply.
    """
    try:
        yield
    except LocalProtocolError as error:
        raise AirflowFailException(str(error)) from error
    except PERMANENT as error:
        raise AirflowFailException(str(error)) from None
    except MailroomError as error:
        raise AirflowException(str(error)) from None
