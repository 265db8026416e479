"""Foreign exceptions become one sentence that names the place and what to do."""

from __future__ import annotations

import errno
import pickle

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from deltalake.exceptions import DeltaError

from mailroom.archive.failures import foreign_errors, translate, translated
from mailroom.exceptions import ArchiveError, ConfigurationError, IntegrityError, StoreUnavailable

CASES = [
    (OSError(errno.ENOSPC, "No space left on device"), "full"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "full"),
    (OSError(errno.EROFS, "Read-only file system"), "read_only"),
    (PermissionError(errno.EACCES, "Permission denied"), "permission"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory"), "missing"),
    (OSError(errno.EIO, "Input/output error"), "broken"),
    (DeltaError("Generic LocalFileSystem error: No space left on device (os error 28)"), "full"),
    (OSError("Generic S3 error: Client error with status 403 Forbidden: AccessDenied"), "permission"),
    (OSError("Object at location x not found: NoSuchBucket"), "missing"),
    (OSError("Generic S3 error: error sending request for url (http://127.0.0.1:1/)"), "network"),
    (ClientError({"Error": {"Code": "InvalidAccessKeyId"}}, "PutObject"), "credentials"),
    (ClientError({"Error": {"Code": "SignatureDoesNotMatch"}}, "PutObject"), "credentials"),
    (NoCredentialsError(), "credentials"),
    (EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"), "network"),
    (OSError("something nobody has seen"), "other"),
]


@pytest.mark.parametrize(("error", "reason"), CASES, ids=lambda case: str(case)[:40])
def test_each_failure_has_its_reason(error: Exception, reason: str) -> None:
    """The reason is a fact callers branch on; the sentence names the place and ends in a full stop."""
    found = translate(error, "/srv/mail")
    assert found.reason == reason  # type: ignore[attr-defined]  # a fact
    assert found.where == "/srv/mail"  # type: ignore[attr-defined]  # a fact
    assert "/srv/mail" in str(found)
    assert str(found).endswith(".")
    assert "\n" not in str(found)
    assert str(pickle.loads(pickle.dumps(found))) == str(found)


def test_a_signed_url_is_never_quoted() -> None:
    """What follows a question mark may be a signature, so it is left out."""
    error = OSError("failed: https://bucket/key?X-Amz-Signature=secret123&x=1 again\nand a second line")
    text = str(translate(error, "s3://bucket"))
    assert "secret123" not in text
    assert "second line" not in text


def test_a_block_raises_ours_with_the_cause_kept() -> None:
    """The foreign error stays as the cause, for whoever reads the log."""
    cause = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StoreUnavailable) as raised, translated("/srv/mail"):
        raise cause
    assert raised.value.__cause__ is cause


@pytest.mark.parametrize("error", [IntegrityError("x"), ConfigurationError("y"), KeyError("bug")])
def test_ours_and_bugs_pass_unchanged(error: Exception) -> None:
    """Our own errors are said already, and a bug is no failure of the store."""
    with pytest.raises(type(error)) as raised, translated("/srv/mail"):
        raise error
    assert raised.value is error


def test_libraries_that_are_not_loaded_are_not_imported() -> None:
    """The classes come from what is loaded; nothing heavy is imported to name an error."""
    assert OSError in foreign_errors()
    assert DeltaError in foreign_errors()
    assert not any(issubclass(kind, ArchiveError) for kind in foreign_errors())
