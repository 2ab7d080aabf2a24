"""The receiver: signed deliveries over loopback into a store on disk, each answered when it is there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from figures import Bar, Benchmark, Row, Scale
from harness import BIN, NotMeasured, one_core_apart

from klaviyo_inbox import moments
from klaviyo_inbox.store import open_for_reading
from klaviyo_wire.webhooks import SIGNATURE, TIMESTAMP, WEBHOOK_ID, signature

DELIVERIES = 20_000
A_SECOND = 1_000
SECONDS = 20
"""At half of that."""
LARGE, EVENTS = 100, 1_000
CONNECTIONS = 64
_SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - opens nothing else
_MADE = "Thu, 04 Jan 2024 18:05:25 GMT"
_PATIENCE = 60.0


@dataclass(frozen=True)
class _Receiver:
    """A running receiver, with a store of its own."""

    host: str
    port: int
    process: int
    store: Path

    def cpu_seconds(self) -> float:
        """Processor time until now."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """Resident bytes at most."""
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def check(self, count: int) -> None:
        """See that all of it is there, once.

        Raises:
            NotMeasured: it is not.
        """
        with closing(open_for_reading(str(self.store))) as store:
            found = sum(1 for _ in store.records("pushed_events", 0, 2**62))
        if found != count:
            msg = f"the store holds {found:,} events of {count:,}"
            raise NotMeasured(msg)


def inbox(scale: Scale) -> Iterator[Row]:
    """Deliveries of one event as fast as they are answered, at half of the wanted rate, and of 1,000 events."""
    if not Path("/proc/self/stat").exists():
        msg = "a process's time and memory are read from /proc, which this system does not have"
        raise NotMeasured(msg)
    count, large = scale.of(DELIVERIES), max(1, scale.of(LARGE))
    steady = max(1, int(SECONDS * A_SECOND / 2 * scale.part))
    wanted = Bar(1, at_least=True)
    with _served() as receiver:
        asyncio.run(_send(receiver, [_request(f"w{n}", 1) for n in range(count // 4)]))
        before = receiver.peak()
        requests = [_request(f"a{n}", 1) for n in range(count)]
        began, used = time.perf_counter(), receiver.cpu_seconds()
        asyncio.run(_send(receiver, requests))
        seconds, used = time.perf_counter() - began, receiver.cpu_seconds() - used
        after = receiver.peak()
        yield Row("inbox", f"{count:,} deliveries", count / seconds, "a second", A_SECOND, "wanted", wanted)
        yield Row("inbox", "by its processor time", count / max(used, 0.01), "a second", A_SECOND, "wanted")
        waits = asyncio.run(_send(receiver, [_request(f"b{n}", 1) for n in range(steady)], A_SECOND / 2))
        for part, bar in ((0.5, None), (0.99, Bar(1))):
            wait = sorted(waits)[min(len(waits) - 1, int(part * len(waits)))] * 1_000
            what = f"{A_SECOND // 2} a second: {part:.0%} answered within"
            yield Row("inbox", what, wait, "ms", 50 if bar else None, "allowed" if bar else "", bar)
        requests = [_request(f"c{n}", EVENTS) for n in range(large)]
        began, used = time.perf_counter(), receiver.cpu_seconds()
        asyncio.run(_send(receiver, requests))
        seconds, used = time.perf_counter() - began, receiver.cpu_seconds() - used
        what = f"{large:,} deliveries of {EVENTS:,} events"
        yield Row("inbox", what, seconds, "s", 10 * large / LARGE, "allowed", Bar(1))
        yield Row("inbox", f"{what}, by its processor time", used, "s", 10 * large / LARGE, "allowed")
        yield Row("inbox", "most memory, one event each", after / 1e6, "MB", before / 1e6, "at a fifth", Bar(1.1))
        yield Row("inbox", "most memory", receiver.peak() / 1e6, "MB", 300, "allowed", Bar(1))
        receiver.check(count // 4 + count + steady + large * EVENTS)


def _request(name: str, events: int) -> bytes:
    """A delivery as it goes over the wire."""
    data = [
        {
            "topic": "event:klaviyo.opened_email",
            "external_id": f"{name}-{n}",
            "payload": {
                "data": {
                    "type": "event",
                    "id": f"{name}-{n}",
                    "attributes": {
                        "timestamp": 1_788_527_689,
                        "datetime": "2026-09-04 13:14:49+00:00",
                        "uuid": "5ddd4a80-a860-11f1-8001-5ddf45a5ce7b",
                        "event_properties": {
                            "Subject": "x" * 500,
                            "$message": "01HZXMESSAGE",
                            "Items": [{"SKU": f"{n}", "Price": 9.5}] * 3,
                        },
                    },
                    "relationships": {
                        "profile": {"data": {"type": "profile", "id": "01HZXPROFILE"}},
                        "metric": {"data": {"type": "metric", "id": "M3TR1C"}},
                    },
                }
            },
        }
        for n in range(events)
    ]
    meta = {"klaviyo_webhook_id": "wh_1", "timestamp": moments.iso(moments.now()), "version": "2024-06-28"}
    body = json.dumps({"data": data, "meta": meta}).encode()
    headers = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        TIMESTAMP: _MADE,
        SIGNATURE: signature(_SECRET, body, _MADE.encode()),
        WEBHOOK_ID: "wh_1",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /klaviyo/webhooks HTTP/1.1\r\n{head}\r\n".encode() + body


async def _send(receiver: _Receiver, requests: Sequence[bytes], a_second: float | None = None) -> list[float]:
    """Send requests over a few connections.

    Args:
        receiver: Takes them.
        requests: Each is sent once.
        a_second: How many come, whether those before are answered or not; None: each as soon as one is answered.

    Returns:
        Seconds from when each was due to its answer.
    """
    began = time.perf_counter()
    waiting = iter(range(len(requests)))
    waits: list[float] = []

    async def over_a_connection() -> None:
        reader, writer = await asyncio.open_connection(receiver.host, receiver.port)
        for number in waiting:
            due = time.perf_counter() if a_second is None else began + number / a_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            if not head.startswith(b"HTTP/1.1 200"):
                raise NotMeasured(head.partition(b"\r\n")[0].decode())
            waits.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(over_a_connection() for _ in range(CONNECTIONS)))
    return waits


@contextmanager
def _served() -> Iterator[_Receiver]:
    """A receiver on one core; who sends has the others.

    Raises:
        NotMeasured: it did not start.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready, store = folder / "ready.json", folder / "inbox.sqlite"
        environment = {
            **os.environ,
            "KLAVIYO_INBOX_STORE": str(store),
            "KLAVIYO_INBOX_KLAVIYO_WEBHOOK_SECRETS": json.dumps([_SECRET]),
        }
        command = [str(BIN / "klaviyo-inbox"), "serve", "--port", "0", "--ready-file", str(ready)]
        with one_core_apart() as core:
            process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603
            try:
                if core is not None:
                    os.sched_setaffinity(process.pid, {core})
                until = time.monotonic() + _PATIENCE
                while not ready.exists():
                    if process.poll() is not None or time.monotonic() > until:
                        msg = "klaviyo-inbox did not start"
                        raise NotMeasured(msg)
                    time.sleep(0.05)
                host, _, port = json.loads(ready.read_text())["url"].removeprefix("http://").partition(":")
                yield _Receiver(host, int(port), process.pid, store)
            finally:
                process.terminate()
                process.wait(_PATIENCE)


BENCHMARKS: dict[str, Benchmark] = {"inbox": inbox}
