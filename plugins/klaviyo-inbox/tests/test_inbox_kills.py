"""SIGKILL under load: what was answered 2xx is there, once; what was not comes again, and is there once, too."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from inbox_door import SECRET, TOKEN, event, signed, webhook_body

from klaviyo_inbox import moments
from klaviyo_inbox.records import decoded
from klaviyo_inbox.store import open_for_reading

KILLS = int(os.environ.get("CHAOS_KILLS", "4"))
SENDERS = 4


@contextmanager
def served(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "KLAVIYO_INBOX_STORE": str(folder / "inbox.sqlite"),
        "KLAVIYO_INBOX_KLAVIYO_WEBHOOK_SECRETS": json.dumps([SECRET]),
        "KLAVIYO_INBOX_FLOW_TOKEN": TOKEN,
    }
    command = [sys.executable, "-m", "klaviyo_inbox", "serve", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            while not ready.exists():
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def address(folder: Path) -> str:
    url: str = json.loads((folder / "ready.json").read_text())["url"]
    return url.removeprefix("http://")


def post(connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    connection.request("POST", path, body, dict(headers))
    answer = connection.getresponse()
    answer.read()
    return answer.status


class Sender(threading.Thread):
    """Sends deliveries until nobody answers; each has keys of its own, of which some it has sent before."""

    def __init__(self, where: str, name: str, again: list[list[str]]) -> None:
        super().__init__()
        self._where = where
        self._prefix = name
        self._again = again
        self.sent: list[list[str]] = []
        self.kept: set[str] = set()

    def run(self) -> None:
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection(self._where)) as made,
        ):
            for n in range(10_000):
                fresh = [f"{self._prefix}-{n}-{k}" for k in range(1 + n % 4)]
                keys = fresh + random.choice(self._again) if self._again and n % 2 else fresh  # noqa: S311
                self.sent.append(keys)
                body = webhook_body(*map(event, keys), timestamp=moments.iso(moments.now()))
                assert post(made, "/klaviyo/webhooks", *signed(body)) == 200
                self.kept.update(keys)


def stored(folder: Path) -> list[str]:
    with closing(open_for_reading(str(folder / "inbox.sqlite"))) as store:
        rows = list(store.records("pushed_events", 0, 2**62))
    assert [each.sequence for each in rows] == sorted(each.sequence for each in rows)
    return [decoded(each.record)["id"] for each in rows]


def test_sigkill_under_load_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    kept: set[str] = set()
    unsure: list[list[str]] = []
    for kill in range(KILLS):
        with served(tmp_path) as process:
            senders = [Sender(address(tmp_path), f"{kill}-{n}", unsure) for n in range(SENDERS)]
            for each in senders:
                each.start()
            while not any(each.kept for each in senders):  # a machine with much to do takes its time
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.2))  # noqa: S311
            process.send_signal(signal.SIGKILL)
            for each in senders:
                each.join()
        kept = kept.union(*(each.kept for each in senders))
        unsure = [each.sent[-1] for each in senders if each.sent]
        found = stored(tmp_path)
        assert len(found) == len(set(found))
        assert kept <= set(found)


def test_a_signal_ends_it_when_who_waits_is_answered(tmp_path: Path) -> None:
    with served(tmp_path) as process:
        sender = Sender(address(tmp_path), "0", [])
        sender.start()
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert process.wait() == 128 + signal.SIGTERM
        sender.join()
    assert {each["level"] for each in lines} == {"info"}
    assert sender.kept <= set(stored(tmp_path))
    assert len(list(tmp_path.glob("inbox.sqlite*"))) == 1, "the store was closed"
