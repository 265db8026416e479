"""An S3 server over real HTTP on loopback (moto's), in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote

__all__ = ["S3Server"]

START_SECONDS = 60.0
"""How long a start may take; it takes about 2 s on an idle machine."""

SERVE = """
import os, sys, threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
"""
"""Serves until standard input closes, that is until whoever started it ends or is killed."""

REMEMBER_KEYS = """
from tests.support.customer_keys import remember_keys
remember_keys()
"""


class S3Server:
    """One running S3 server, empty at first; use it as a context manager."""

    access_key = "test-access-key"
    secret_key = "test-secret-key"
    region = "us-east-1"

    def __init__(self, *, knows_keys: bool = False) -> None:
        """Make a server; ``knows_keys`` has it treat customers' keys as S3 does, which moto does not."""
        self._serve = f"{REMEMBER_KEYS}{SERVE}" if knows_keys else SERVE
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process, to look at what it costs."""
        if self._process is None:
            raise RuntimeError("The server is not running.")
        return self._process.pid

    @property
    def endpoint_url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_options(self) -> dict[str, str]:
        """Options that let an archive or an fsspec file system use this server."""
        return {
            "endpoint_url": self.endpoint_url,
            "key": self.access_key,
            "secret": self.secret_key,
        }

    @property
    def environment(self) -> dict[str, str]:
        """Variables that let any AWS client in another process use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
        }

    def connection_uri(self) -> str:
        """Return an Airflow connection of type ``aws`` to this server, as JSON."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.endpoint_url, "region_name": self.region},
            }
        )

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises RuntimeError: if it does not.
        """
        # Fixed credentials: moto takes any, and the account's own must not leak into tests.
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._serve],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto"},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if not said.isdigit():
            raise RuntimeError("moto's S3 server did not start; is moto[s3,server] installed?")
        self.port = int(said)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            time.sleep(0.05)
        raise RuntimeError("moto's S3 server did not answer")

    def stop(self) -> None:
        """End the server; safe to call twice."""
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._process = None

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"bucket-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys below ``prefix``, sorted."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def client(self) -> Any:
        """Return a boto3 client, to look at what was stored."""
        import boto3  # heavy, and only tests of S3 need it

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )

    def url(self, bucket: str, path: str = "") -> str:
        """Return the ``s3://`` URL of a place in ``bucket``."""
        return f"s3://{bucket}/{quote(path)}" if path else f"s3://{bucket}"
