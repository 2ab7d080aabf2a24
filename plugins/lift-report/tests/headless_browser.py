"""A headless browser, spoken to in the DevTools protocol over two pipes: nothing has to be installed for it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLE = "LIFT_REPORT_BROWSER"
NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"),
    *("headless_shell", "chrome-headless-shell"),
)
_ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_DOWNLOADED = (f"{sys.prefix}/browsers", "~/.cache/ms-playwright", "~/Library/Caches/ms-playwright")
_PROGRAMS = ("chrome", "headless_shell", "chrome-headless-shell", "Chromium")
REMEDY = (
    "no Chromium, Chrome or Edge was found, and the report is looked at in a browser: install one"
    " (Debian, Ubuntu: apt-get install chromium), or give the path of one as LIFT_REPORT_BROWSER"
)
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update"),
    *("--remote-debugging-pipe", "about:blank"),
)
# The browser reads from descriptor 3 and writes to 4; above them they are out of each other's way.
_LAUNCH = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(reading, 3); os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class NoBrowser(Exception):  # noqa: N818  what it is called by who catches it
    """There is none; the message tells what to do."""


def find() -> str:
    """The program of a browser.

    Raises:
        NoBrowser: If there is none.
    """
    if given := os.environ.get(VARIABLE):
        if found := shutil.which(given):
            return found
        message = f"{VARIABLE} names `{given}`, which is no program"
        raise NoBrowser(message)
    for name in (*NAMES, *_ELSEWHERE):
        if found := shutil.which(name):
            return found
    for folder in _DOWNLOADED:
        for path in sorted(Path(folder).expanduser().glob("chrom*/*/**/*")):
            if path.name in _PROGRAMS and path.is_file() and os.access(path, os.X_OK):
                return str(path)
    raise NoBrowser(REMEDY)


class Page:
    """A page in a browser, and everything it complained of or asked for since it was opened."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._write = reading, os.fdopen(writing, "wb")
        self._heard = bytearray()
        self._number, self._session, self._loaded = 0, "", False
        self._frames: list[str] = []
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # A frame of no origin is a process of its own; it waits until it is listened to.
        self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  as the protocol has it
        """A command and its answer; what the browser tells meanwhile is remembered."""
        return self._call(self._session, method, parameters)

    def _call(self, session: str, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = self._say(session, method, parameters)
        while (told := self._hear()).get("id") != number:
            pass
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']}")  # noqa: EM102, TRY003
        return told["result"]  # type: ignore[no-any-return]

    def _say(self, session: str, method: str, parameters: dict[str, Any] | None = None) -> int:
        """A command, whose answer nobody waits for; its number."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        return self._number

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            if not (more := os.read(self._reading, 1 << 20)):
                raise RuntimeError("the browser has ended; does it start by itself?")  # noqa: EM101, TRY003
            self._heard += more
        text, _, rest = self._heard.partition(b"\0")
        self._heard = rest
        told: dict[str, Any] = json.loads(text)
        self._note(told.get("method", ""), told.get("params", {}))
        return told

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(told["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Target.attachedToTarget" and told["targetInfo"]["type"] == "iframe":
            self._frames.append(told["sessionId"])
            for domain in ("Runtime", "Log", "Network"):
                self._say(told["sessionId"], f"{domain}.enable")
            self._say(told["sessionId"], "Runtime.runIfWaitingForDebugger")
        elif method == "Target.detachedFromTarget":
            self._frames = [each for each in self._frames if each != told["sessionId"]]

    def open(self, path: Path, *, width: int = 1280, dark: bool = False, media: str = "screen") -> None:
        """Load a file, and wait until it is there."""
        self.complaints.clear()
        self.requests.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._hear()

    def ask(self, expression: str) -> Any:  # noqa: ANN401  whatever the expression gives
        """The value of an expression in the page."""
        return self._ask(self._session, expression)

    def ask_frames(self, expression: str) -> list[Any]:
        """The value of an expression in each frame of the page, in no order."""
        return [self._ask(session, expression) for session in self._frames]

    def _ask(self, session: str, expression: str) -> Any:  # noqa: ANN401  whatever the expression gives
        answer = self._call(session, "Runtime.evaluate", {"expression": expression, "returnByValue": True})
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page as a picture."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self.call("Browser.close")
        os.close(self._reading)
        self._write.close()


@contextmanager
def browser() -> Iterator[Page]:
    """A page in a browser of its own, which is gone afterwards.

    Raises:
        NoBrowser: If there is none.
    """
    program = find()
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-c", _LAUNCH, str(commands), str(answers)),
                *(program, f"--user-data-dir={home}", *_FLAGS),
            ],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        os.close(commands)
        os.close(answers)
        try:
            page = Page(from_browser, to_browser)
            yield page
            page.close()
        finally:
            if process.poll() is None:
                process.terminate()


if __name__ == "__main__":
    try:
        print(find())  # noqa: T201
    except NoBrowser as reason:
        sys.exit(str(reason))
