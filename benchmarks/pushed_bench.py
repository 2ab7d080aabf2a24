"""How long what was pushed waits: a flow for its answer, a withdrawal until nobody is subscribed against it."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import BIN, NotMeasured

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from pipeline import rehearsal  # noqa: E402

from klaviyo_sandbox import Sandbox  # noqa: E402
from klaviyo_wire.webhooks import SIGNATURE, TIMESTAMP, WEBHOOK_ID, signature  # noqa: E402
from tap_experiments.definitions.outcome_metrics import read_catalogue  # noqa: E402
from tap_experiments.definitions.scaffold import scaffold  # noqa: E402

ALLOWED = Bar(1.0)
EXPERIMENT = "welcome"
TOKEN = "what the flow of a benchmark shows"  # noqa: S105 - of a receiver that lives for minutes
SECRET = "what a webhook of a benchmark is signed with"  # noqa: S105 - likewise
UNSUBSCRIBED = "Unsubscribed from Email Marketing"
MINUTE = 60.0
"""Between two runs of `pushed`: the longest that what came in waits for the next."""
LOOK = 0.5
"""Seconds between two looks at what profiles hold."""


def pushed(scale: Scale) -> Iterator[Row]:
    """1,000 requests of a flow in a minute, one run of `pushed` a minute: from the POST to the property."""
    people, seconds = max(scale.of(1_000), 10), 60.0 if scale.part == 1 else 2.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(profiles=max(scale.of(6_000), 50), events=scale.of(12_000), segments=2, seed=7) as sandbox,
    ):
        home = Path(folder) / "home"
        variables = {**os.environ, **rehearsal(home, sandbox.url, sandbox.api_key)}
        variables["TAP_EXPERIMENTS_PATH"] = str(_experiments(Path(folder) / "experiments"))
        _run("prepare", variables)
        ids = [row[0] for row in sandbox.store.read(f"select id from profiles order by id limit {people}")]  # noqa: S608
        asked, held = dict[str, float](), dict[str, float]()
        with _receiver(home, FLOW_TOKEN=TOKEN) as url:
            quiet = min(_run("pushed", variables) for _ in range(scale.repeats))
            sender = threading.Thread(target=_ask, args=(url, ids, seconds, asked), daemon=True)
            looker = threading.Thread(target=_look, args=(sandbox, ids, held), daemon=True)
            sender.start()
            looker.start()
            for _ in range(4):  # each minute one, and the last of them finds nothing new
                next_one = time.monotonic() + seconds
                _run("pushed", variables)
                time.sleep(max(0.0, next_one - time.monotonic()))
            sender.join()
            looker.join(timeout=10)
    if set(held) != set(ids):
        message = f"{len(set(ids) - set(held))} of {people} requests were not answered"
        raise NotMeasured(message)
    waited = sorted(held[each] - asked[each] for each in ids)
    slow, usual = waited[int(0.99 * people)], waited[people // 2]
    yield Row("pushed", f"99 of 100 of {people} requests", slow, "s", 120, "allowed", ALLOWED)
    yield Row("pushed", "half of them", usual, "s")
    yield Row("pushed", "a run with nothing new, by its processor", quiet, "s", 10, "allowed", ALLOWED)


def _experiments(folder: Path) -> Path:
    """One experiment, live and locked, on whom the flow asks for."""
    folder.mkdir()
    definition = scaffold(folder, EXPERIMENT, read_catalogue(None))[0]
    text = re.sub(
        r"^audience:\n  segment: .*\n", "audience: {flow: Welcome}\n", definition.read_text(), flags=re.MULTILINE
    )
    definition.write_text(text.replace("status: draft", "status: live"))
    command = [str(BIN / "tap-experiments"), "lock", "--path", str(folder)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return folder


def _run(job: str, variables: Mapping[str, str]) -> float:
    """Run a job; returns the seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "scripts" / "pipeline.py"), "--environment=demo", job]
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise NotMeasured(done.stderr.strip())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def _receiver(home: Path, **secrets: str) -> Iterator[str]:
    ready = home / "ready.json"
    variables = {f"KLAVIYO_INBOX_{name}": value for name, value in secrets.items()}
    variables["KLAVIYO_INBOX_STORE"] = str(home / "inbox.sqlite")
    command = [str(BIN / "klaviyo-inbox"), "serve", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            while not ready.exists():
                if process.poll() is not None:
                    message = "the receiver did not start"
                    raise NotMeasured(message)
                time.sleep(0.05)
            yield json.loads(ready.read_text())["url"]
        finally:
            process.terminate()


def _ask(url: str, ids: Sequence[str], seconds: float, asked: dict[str, float]) -> None:
    """Evenly, so many in so many seconds."""
    began = time.monotonic()
    for number, profile in zip(count(), ids):
        time.sleep(max(0.0, began + number * seconds / len(ids) - time.monotonic()))
        body = json.dumps({"profile_id": profile, "request_id": f"{profile}/1"}).encode()
        asked[profile] = time.monotonic()
        request = urllib.request.Request(  # noqa: S310 - our own receiver
            f"{url}/klaviyo/flows/{EXPERIMENT}", body, {"X-Inbox-Token": TOKEN}
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass


def _look(sandbox: Sandbox, ids: Sequence[str], held: dict[str, float]) -> None:
    """When each profile was first seen with its assignment."""
    while len(held) < len(ids):
        missing = [each for each in ids if each not in held]
        for profile in sandbox.store.profiles(missing):
            if any(token.startswith(EXPERIMENT) for token in profile.properties.get("lf_assignments", ())):
                held.setdefault(profile.id, time.monotonic())
        time.sleep(LOOK)


def withdrawn(scale: Scale) -> Iterator[Row]:
    """1,000 consents that wait to be sent, 1,000 withdrawn by webhook, and 1,000 by what polling sees."""
    people = max(scale.of(1_000), 4)
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(profiles=max(scale.of(12_000), 60), events=scale.of(12_000) or 60, segments=2, seed=7) as sandbox,
    ):
        home = Path(folder) / "home"
        variables = {**os.environ, **rehearsal(home, sandbox.url, sandbox.api_key)}
        _run("prepare", variables)
        rows = sandbox.store.read(
            "select id, email from profiles where email_state = 'NEVER_SUBSCRIBED' and email is not null"
            " and id not in (select profile_id from suppressions) order by id"
        )
        told, seen, others = (rows[first : first + people] for first in (0, people, 2 * people))
        if not others:
            message = f"{len(rows)} people have said nothing yet, too few"
            raise NotMeasured(message)
        _consents(home / "klaviyo.duckdb", [email for _, email in (*told, *seen, *others)])
        with _receiver(home, KLAVIYO_WEBHOOK_SECRETS=json.dumps([SECRET])) as url:
            sandbox.store.unsubscribe([key for key, _ in seen], datetime.now(UTC))
            began = time.monotonic()
            _call(url, sandbox, [key for key, _ in told])
            _run("pushed", variables)
            read = time.monotonic()
            _run("publish", variables)
            ended = time.monotonic()
        sandbox.settle()
        wrong = [key for key, _ in (*told, *seen) if _is_subscribed(sandbox, key)]
        missing = [key for key, _ in others if not _is_subscribed(sandbox, key)]
    if wrong or missing:
        message = f"{len(wrong)} were subscribed after they had withdrawn, and {len(missing)} others were not"
        raise NotMeasured(message)
    what = f"{len(told)} withdrawals"
    yield Row("withdrawn", f"{what} by webhook", MINUTE + ended - began, "s", 120, "allowed", ALLOWED)
    yield Row("withdrawn", f"{what} by polling", ended - read, "s", 3_600, "allowed", ALLOWED)


def _consents(warehouse: Path, addresses: Sequence[str]) -> None:
    """Consents by a form an hour ago, which no run has compared with Klaviyo yet."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "insert into klaviyo_raw.consent_statements"
            " (statement_id, channel, consent, email, method, stated_at, received_at)"
            " select 'form/' || email, 'email', 'given', email, 'form', stated_at, stated_at"
            " from (select unnest(?) as email, now()::timestamp - interval 1 hour as stated_at)",
            [list(addresses)],
        )


def _call(url: str, sandbox: Sandbox, ids: Sequence[str]) -> None:
    """One delivery of a webhook, of events that polling does not find yet."""
    metric = sandbox.store.metric_named(UNSUBSCRIBED, "klaviyo")
    if metric is None:
        message = f"the account has no metric {UNSUBSCRIBED!r}"
        raise NotMeasured(message)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    events = [
        {
            "external_id": f"withdrawn/{key}",
            "payload": {
                "data": {
                    "id": f"withdrawn/{key}",
                    "attributes": {"datetime": now, "event_properties": {}},
                    "relationships": {
                        "profile": {"data": {"type": "profile", "id": key}},
                        "metric": {"data": {"type": "metric", "id": metric.id}},
                    },
                }
            },
        }
        for key in ids
    ]
    meta = {"klaviyo_account_id": "Acc", "klaviyo_webhook_id": "Hook", "timestamp": now, "version": "2024-06-28"}
    body = json.dumps({"data": events, "meta": meta}).encode()
    headers = {WEBHOOK_ID: "Hook", TIMESTAMP: now, SIGNATURE: signature(SECRET, body, now.encode())}
    request = urllib.request.Request(f"{url}/klaviyo/webhooks", body, headers)  # noqa: S310 - our own receiver
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310
        pass


def _is_subscribed(sandbox: Sandbox, key: str) -> bool:
    profile = sandbox.store.profile(key)
    return profile is not None and profile.email_marketing.state.value == "SUBSCRIBED"


BENCHMARKS: Mapping[str, Benchmark] = {"pushed": pushed, "withdrawn": withdrawn}
