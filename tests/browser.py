"""Chromium without a window, driven through its own debugging pipe: no driver and no package is needed, only the browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip


def chromium() -> str:
    """The browser's path; skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium on PATH to look at the page with")


class Browser:
    """One page. Everything that it asks the network for, every error and every download is kept."""

    def __init__(self, process: subprocess.Popen[bytes], requests: int, answers: int, downloads: Path) -> None:
        self._process, self._requests, self._answers, self.downloads = process, requests, answers, downloads
        self._buffer, self._number, self._session = b"", 0, ""
        self.addresses: list[str] = []
        """Of everything that was loaded."""
        self.errors: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        self._send("Browser.setDownloadBehavior", session=False, behavior="allow", downloadPath=str(downloads))

    @property
    def asked_of_network(self) -> list[str]:
        """Addresses that lie neither on the disk nor in the page or the browser itself (the buttons of its players do)."""
        return [address for address in self.addresses if not address.startswith(("file:", "data:", "blob:"))]

    def open(self, page: Path | str, *, dark: bool = False, width: int = 1200, height: int = 900) -> None:
        """Loads a file from disk, or an address of this machine."""
        self._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._send("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        told = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in told:
            raise AssertionError(f"{script}: {told['exceptionDetails'].get('exception', {}).get('description')}")
        return told["result"].get("value")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < until, f"it never came true: {condition}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Clicks on the first element of a selector."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector: str, *files: Path) -> None:
        """Chooses files in an input."""
        document = self._send("DOM.getDocument")["root"]["nodeId"]
        node = self._send("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self._send("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve()) for file in files])

    def type(self, selector: str, text: str) -> None:
        """Writes into a field, in place of what it holds."""
        self.run(f"(field => {{ field.focus(); field.select(); }})(document.querySelector({json.dumps(selector)}))")
        self._send("Input.insertText", text=text)

    def press(self, key: str, number: int, *, ctrl: bool = False) -> None:
        """Presses a key where the focus is: its name and its Windows key code."""
        for kind in ("rawKeyDown", "keyUp"):
            self._send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number, modifiers=2 if ctrl else 0)

    def picture(self, path: Path) -> Path:
        """The whole page as PNG."""
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        data = self._send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def _send(self, method: str, *, session: bool = True, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session and self._session:
            message["sessionId"] = self._session
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], 60)
            data = os.read(self._answers, 1 << 20) if ready else b""
            assert data, f"Chromium said nothing more; it ended with {self._process.poll()}"
            self._buffer += data
        first, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(first)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.addresses.append(parameters["request"]["url"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.errors.append(parameters["exceptionDetails"].get("exception", {}).get("description", "?"))
        elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A fresh browser with a profile of its own in ``folder``, ended at the end."""
    program, downloads = chromium(), folder / "downloads"
    downloads.mkdir(parents=True)
    (from_us, requests), (answers, to_us) = os.pipe(), os.pipe()

    def place() -> None:
        # The pipe is expected at these two numbers; copies first, so that neither overwrites the other.
        one, two = os.dup(from_us), os.dup(to_us)
        os.dup2(one, 3)
        os.dup2(two, 4)

    command = [program, *_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"]
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, close_fds=False, preexec_fn=place, stdin=silent, stdout=silent, stderr=silent)
    os.close(from_us)
    os.close(to_us)
    try:
        yield Browser(process, requests, answers, downloads)
    finally:
        os.close(requests)
        os.close(answers)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
