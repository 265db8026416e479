"""Customers' keys (SSE-C) as S3 treats them, before moto, which lets all of them pass unseen.

What is checked: that the key of each request is whole (algorithm, key, its MD5), that the parts of an
upload come with the key it began with, and that an object is read with the key it was written with and
with no other. What is not: that anything is encrypted; the server holds the plain octets. Below
``write-only`` nothing may be read, which is said once the key is the right one.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs

__all__ = ["remember_keys"]

_KEY = "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_"
_WRITE_ONLY = "/write-only/"
_WRONG, _FORBIDDEN = "400 Bad Request", "403 Forbidden"


class _Keys:
    """Digests of keys, by the path of objects and of uploads under way."""

    def __init__(self) -> None:
        self.of_objects: dict[str, str] = {}
        self.of_uploads: dict[str, str] = {}

    def refusal(self, request: dict[str, Any]) -> str | None:
        """Return what a request is answered with before anything is done, if it is refused."""
        path, method, query = _asked(request)
        given = _given(request)
        if given == "":
            return _WRONG
        if method == "PUT" and "uploadId" in query:
            return None if self.of_uploads.get(path) == given else _WRONG
        known = self.of_objects.get(path)
        if method not in ("GET", "HEAD"):
            return None
        if known == given:
            return _FORBIDDEN if _WRITE_ONLY in path else None
        return _WRONG if known is None or given is None else _FORBIDDEN

    def note(self, request: dict[str, Any]) -> None:
        """Keep the key of what was just written."""
        path, method, query = _asked(request)
        given = _given(request)
        if method == "POST" and "uploads" in query:
            _set(self.of_uploads, path, given)
        elif method == "POST" and "uploadId" in query:
            _set(self.of_objects, path, self.of_uploads.get(path))
        elif method == "PUT" and "uploadId" not in query:
            _set(self.of_objects, path, given)


def remember_keys() -> None:
    """Put this before moto's server in this process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    serve, keys = DomainDispatcherApplication.__call__, _Keys()

    def answer(self: Any, request: dict[str, Any], start_response: Any) -> Any:
        refused = keys.refusal(request)
        if refused is not None:
            text = b"<Error><Code>%b</Code></Error>" % (
                b"AccessDenied" if refused == _FORBIDDEN else b"InvalidRequest"
            )
            start_response(refused, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            return [b"" if request["REQUEST_METHOD"] == "HEAD" else text]

        def start(status: str, *more: Any) -> Any:
            if status.startswith("200"):
                keys.note(request)
            return start_response(status, *more)

        return serve(self, request, start)

    setattr(DomainDispatcherApplication, "__call__", answer)  # noqa: B010, as mypy sees no method replaced


def _asked(request: dict[str, Any]) -> tuple[str, str, dict[str, list[str]]]:
    query = parse_qs(request.get("QUERY_STRING", ""), keep_blank_values=True)
    return request["PATH_INFO"], request["REQUEST_METHOD"], query


def _given(request: dict[str, Any]) -> str | None:
    """Return the digest of the key of a request; None where it has none, empty where it is not whole."""
    parts = [request.get(f"{_KEY}{name}") for name in ("ALGORITHM", "KEY", "KEY_MD5")]
    if parts == [None] * 3:
        return None
    algorithm, key, digest = (part or "" for part in parts)
    octets = base64.b64decode(key)
    is_whole = algorithm == "AES256" and len(octets) == 32
    return digest if is_whole and base64.b64encode(hashlib.md5(octets).digest()).decode() == digest else ""


def _set(keys: dict[str, str], path: str, digest: str | None) -> None:
    if digest is None:
        keys.pop(path, None)
    else:
        keys[path] = digest
