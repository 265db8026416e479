"""A headless Chromium that tests drive over the DevTools protocol; nothing to install but the browser."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import httpx
from websockets.sync.client import ClientConnection, connect

__all__ = ["Chromium", "ChromiumMissing"]

START_SECONDS = 60.0
WAIT_SECONDS = 60.0
"""How long something on a page may take to appear; Airflow's pages take a second or two."""


class ChromiumMissing(RuntimeError):
    """No Chromium is installed here."""


class Chromium:
    """One browser with one page; use it as a context manager.

    :raises ChromiumMissing: from ``start``, if there is no browser.
    """

    def __init__(self, *, width: int = 1100, height: int = 1400) -> None:
        self._size = (width, height)
        self._process: subprocess.Popen[bytes] | None = None
        self._page: ClientConnection | None = None
        self._profile = Path()
        self._closing = contextlib.ExitStack()
        self._number = 0

    def __enter__(self) -> Chromium:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the browser with an empty page."""
        program = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        if program is None:
            raise ChromiumMissing("Chromium is not installed; install it with: apt-get install chromium")
        self._profile = Path(tempfile.mkdtemp(prefix="mailroom-chromium-"))
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        options += [
            "--window-size={},{}".format(*self._size),
            f"--user-data-dir={self._profile}",
            "about:blank",
        ]
        output = (self._profile / "output.log").open("wb")
        with output:
            self._process = subprocess.Popen([program, *options], stderr=output, stdout=output)
        with (self._profile / "output.log").open("rb") as said:
            port = self._port(said)
        pages = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=START_SECONDS).json()
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self._page = self._closing.enter_context(connect(url, max_size=None, compression=None))
        self.command("Page.enable")

    def stop(self) -> None:
        """End the browser; safe to call twice."""
        if self._page is not None:
            with contextlib.suppress(Exception):
                self.command("Browser.close")
            self._closing.close()
            self._page = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()
            self._process = None
            shutil.rmtree(self._profile, ignore_errors=True)

    def command(self, method: str, **params: Any) -> Any:
        """Send one DevTools command and return its result."""
        assert self._page is not None
        self._number += 1
        self._page.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._page.recv(timeout=WAIT_SECONDS))
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def set_cookie(self, url: str, name: str, value: str) -> None:
        """Set a cookie, such as the one of a signed-in user."""
        self.command("Network.setCookie", url=url, name=name, value=value)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.command("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression on the page."""
        answer = self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.run(f"!!({script})"):
            assert time.monotonic() < deadline, f"never true: {script}\n{self.text()[:3000]}"
            time.sleep(0.2)

    def text(self) -> str:
        """Return the text of the page as a person sees it."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def click(self, script: str) -> None:
        """Click, as a mouse does, in the middle of the element a JavaScript expression finds."""
        self.wait_for(script)
        place = self._place_at_rest(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.command("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Press one key, by its name and its Windows key code."""
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, area: Sequence[float] = ()) -> Path:
        """Save what is seen as a PNG file.

        :param area: left, top, width and height of a part of the page in pixels; empty for all of it.
        """
        clip = {"clip": dict(zip(("x", "y", "width", "height"), area, strict=True), scale=1)} if area else {}
        taken = self.command("Page.captureScreenshot", format="png", **clip)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def _place_at_rest(self, script: str) -> list[float]:
        """Return the middle of an element that has stopped moving, is enabled and covered by nothing."""
        deadline = time.monotonic() + WAIT_SECONDS
        before = None
        while True:
            place = self.run(
                f"(() => {{ const e = {script}; if (!e || e.disabled) return null;"
                "e.scrollIntoView({block: 'center', behavior: 'instant'});"
                "const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;"
                "return e.contains(document.elementFromPoint(x, y)) ? [x, y] : null; })()"
            )
            if place and place == before:
                return [float(place[0]), float(place[1])]
            assert time.monotonic() < deadline, f"never at rest: {script}"
            before = place
            time.sleep(0.1)

    def _port(self, output: IO[bytes]) -> int:
        deadline = time.monotonic() + START_SECONDS
        said = b""
        while time.monotonic() < deadline:
            said += output.read()
            found = re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", said)
            if found:
                return int(found[1])
            time.sleep(0.1)
        raise RuntimeError(f"Chromium did not start:\n{said.decode(errors='replace')[-2000:]}")
