"""Tells somebody what a run came to: a chat channel by its webhook, or a command. It never fails the run."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

from klaviyo_wire.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

URL, COMMAND = "KLAVIYO_LOOP_NOTIFY_URL", "KLAVIYO_LOOP_NOTIFY_COMMAND"
"""The variables: an address that takes `{"text": …}` by POST, as Slack's do, and a command that gets the text on
its standard input."""
_SECONDS = 15.0
_SECRET = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|NOTIFY_URL")
_SHORTEST = 6
"""Characters of a value that is masked wherever it stands: what is shorter stands in many words."""


def is_wanted(variables: Mapping[str, str]) -> bool:
    """Whether anybody is to be told."""
    return bool(variables.get(URL) or variables.get(COMMAND))


def masked(text: str, variables: Mapping[str, str]) -> str:
    """The text, line by line, without keys, addresses, phone numbers, and the values of secret variables."""
    for name, value in variables.items():
        if len(value) >= _SHORTEST and _SECRET.search(name.upper()):
            text = text.replace(value, "***")
    return "\n".join(map(redact, text.splitlines()))


def notify(
    text: str, variables: Mapping[str, str], complain: Callable[[str], object], *, seconds: float = _SECONDS
) -> bool:
    """Tell a text, masked, wherever the variables say.

    Args:
        text: Some lines.
        variables: Those of the environment and of `.env`.
        complain: Takes a line for each way that failed, without the address, which is a secret.
        seconds: That each way may take.

    Returns:
        Whether everybody who is to be told was told.
    """
    text = masked(text, variables)
    ways = ((URL, _post), (COMMAND, _run))
    faults = [
        f"nobody was notified by {name}: {fault}"
        for name, send in ways
        if variables.get(name) and (fault := send(variables[name], text, seconds))
    ]
    for fault in faults:
        complain(fault)
    return not faults


def _post(url: str, text: str, seconds: float) -> str:
    """Post the text; returns what went wrong.

    In a thread, since looking up a name and a slow answer have no limit of their own.
    """
    fault = [f"no answer within {seconds:g} seconds"]

    def post() -> None:
        fault[0] = _posted(url, text, seconds)

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    thread.join(seconds)
    return fault[0]


def _posted(url: str, text: str, seconds: float) -> str:
    if not url.lower().startswith(("https://", "http://")):
        return "it is no address that begins with https://"
    try:
        request = urllib.request.Request(  # noqa: S310 - looked at above
            url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return f"it answers with status {error.code}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is not to fail of it
        # The texts of some of them have the address.
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        return (cause.strerror if isinstance(cause, OSError) else "") or type(cause).__name__


def _run(command: str, text: str, seconds: float) -> str:
    """Give the text to a command; returns what went wrong.

    No shell reads anything: the words are those of the variable, and the text is data.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
    except (OSError, ValueError, IndexError) as error:
        return f"it cannot be started ({(error.strerror if isinstance(error, OSError) else '') or error})"
    try:
        process.communicate(f"{text}\n", timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"it did not end within {seconds:g} seconds"
    return f"it ended with {process.returncode}" if process.returncode else ""
