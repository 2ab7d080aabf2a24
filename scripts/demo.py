"""The whole loop against a local Klaviyo, in a minute and a half, leaving nothing running."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
from demo_door import door, experiment_of_a_flow, order_line, pushed_unsubscribes, somebody, unsubscribes_line
from home import empty, held_files, keep_private
from pipeline import Run, holding, one_line_errors, rehearsal, run_job
from project import BIN, ROOT, JobFailed, read_dotenv
from sandbox import SEED, local_klaviyo

HOME = ROOT / ".demo"
LOG = HOME / "log.jsonl"
WAREHOUSE = HOME / "klaviyo.duckdb"
PARSED = HOME / "dbt" / "partial_parse.msgpack"
"""The project as dbt has parsed it, for this path of the warehouse. Where it does not fit, dbt refuses it."""
EXPERIMENTS = ROOT / "demo" / "experiments"
TRUTH = ROOT / "scripts" / "demo_truth.yml"
_COUNTED = re.compile(r"(profiles|templates): [\d,]+ received")
STREAMS = ("profiles", "events", "segments", "segment_memberships", "list_memberships", "campaigns", "templates")


def say(topic: str, text: str) -> None:
    """One line of the demo's output."""
    print(f"{topic:<11} {text}", flush=True)


def counted(counts: dict[str, int]) -> str:
    """`profiles 6,000 · events 12,000`."""
    return " · ".join(f"{name} {counts[name]:,}" for name in STREAMS)


class Sandbox:
    """A running `klaviyo-sandbox`."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url, self.api_key = url, api_key
        self.environment = rehearsal(HOME, url, api_key)

    def counts(self) -> dict[str, int]:
        """Rows per stream, as the sandbox holds them."""
        with urllib.request.urlopen(f"{self.url}/sandbox/counts") as answer:  # noqa: S310 - our own server
            return json.load(answer)  # type: ignore[no-any-return]

    def send(self) -> dict[str, Any]:
        """Play a campaign with the generated template."""
        done = subprocess.run(  # noqa: S603
            [
                str(BIN / "klaviyo-sandbox"),
                "send",
                "--url",
                self.url,
                "--template",
                "lf_spring_hero",
                "--audience",
                "Demo audience",
                "--truth",
                str(TRUTH),
                "--seed",
                SEED,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"send: {done.stderr.strip()}"
            raise JobFailed(msg)
        return json.loads(done.stdout)  # type: ignore[no-any-return]


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Start a sandbox on a free port; it is gone afterwards, whatever happened."""
    with local_klaviyo(HOME) as (url, api_key):
        yield Sandbox(url, api_key)


def warehouse_counts() -> dict[str, int]:
    """Rows per raw table."""
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        return {
            name: warehouse.sql(f"select count(*) from klaviyo_raw.{name}").fetchall()[0][0]  # noqa: S608
            for name in STREAMS
        }


def job(klaviyo: Sandbox, *names: str) -> Run:
    """Run jobs of the pipeline, telling of each task as it ends, on one line; returns the last of them."""
    print(f"{names[0]:<11}", end=" ", flush=True)
    began = time.monotonic()

    def tell(task: str, seconds: float) -> None:
        label = task.split(maxsplit=1)[0].removeprefix("tap-klaviyo-").removeprefix("dbt:")
        print(f"{label} {seconds:.0f} ·", end=" ", flush=True)

    try:
        runs = [run_job(name, "demo", LOG, tell=tell, extra=klaviyo.environment) for name in names]
    except JobFailed:
        print()
        raise
    print(f"{time.monotonic() - began:.0f} s")
    return runs[-1]


def written(run: Run) -> str:
    """What the target said at its end."""
    return " · ".join(line for line in run.said["target-klaviyo-profiles"] if _COUNTED.match(line))


def proven(klaviyo: Sandbox) -> str:
    """What Klaviyo's own rendering of the template says of each arm."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(ROOT / "scripts" / "proof.py"), "--environment=demo"],
        env={**os.environ, **klaviyo.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"proof: {done.stderr.strip()}"
        raise JobFailed(msg)
    return "; ".join(done.stdout.splitlines())


def reported(run: Run, slot: str) -> list[str]:
    """What the report said of a slot; its verdict is the first line."""
    return [line for line in run.said["lift-report"] if line.startswith(slot)]


def next_split(run: Run) -> str:
    """The shares that the report tells for the next version."""
    slot = "spring_hero v1 hero: "
    told = [line.removeprefix(slot) for line in reported(run, slot) if "next split" in line]
    return told[0].removeprefix("next split ") if told else "no split is proposed yet"


def empty_home() -> None:
    """Remove what an earlier demo left, except what is only parsed: dbt compares that with the files itself."""
    parsed = PARSED.read_bytes() if PARSED.exists() else b""
    empty(HOME)
    PARSED.parent.mkdir(parents=True, exist_ok=True)
    if parsed:
        PARSED.write_bytes(parsed)


@contextmanager
def home_of_its_own() -> Iterator[None]:
    """Hold the demo's home, emptied, for as long as the demo plays."""
    with holding("the demo", "demo", rehearsal(HOME, "http://127.0.0.1", "unused")):
        empty_home()
        yield


def parse() -> None:
    """Let dbt parse the project for the demo, which takes it as long as a step of the pipeline.

    Raises:
        JobFailed: it cannot.
    """
    variables = rehearsal(HOME, "http://127.0.0.1", "unused")
    command = [str(BIN / "meltano"), "--environment=demo", "invoke", "dbt:parse"]
    with holding("the demo's parsing", "demo", variables):
        done = subprocess.run(  # noqa: S603
            command,
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            pass_fds=held_files(),
        )
    if done.returncode:
        msg = f"dbt could not parse the project: {(done.stdout + done.stderr).strip()[-2000:]}"
        raise JobFailed(msg)


def main() -> None:
    """Play the demo, or with `--parse` only prepare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--parse", action="store_true", help="only parse the dbt project, so that the demo need not"
    )
    keep_private()
    read_dotenv()
    if parser.parse_args().parse:
        with one_line_errors(LOG):
            parse()
    else:
        play()


def play() -> None:
    """Play the demo."""
    began = time.monotonic()
    with (
        one_line_errors(LOG),
        home_of_its_own(),
        sandbox() as klaviyo,
        door(HOME, klaviyo.url, klaviyo.api_key, klaviyo.environment) as opened,
    ):
        say("sandbox", f"a local Klaviyo at {klaviyo.url}: {counted(klaviyo.counts())}")
        say("receiver", f"at {opened.url}, for Klaviyo's webhooks, a flow's webhook action and a shop's orders")
        before = job(klaviyo, "prepare")
        say("warehouse", counted(warehouse_counts()))
        say("written", written(before))
        say("proven", proven(klaviyo))
        sent = klaviyo.send()
        received, audience, late = sent["people"]["received"], sent["audience"], sent["late"]
        say("send", f"{received:,} of {audience:,} people received it; {late} of its events arrive late")
        asks, person = experiment_of_a_flow(EXPERIMENTS), somebody(WAREHOUSE)
        for _ in range(2):
            opened.order()
        opened.ask(asks, person)
        asked = time.monotonic()
        told = opened.tell_who_left()
        job(klaviyo, "pushed", "answer")
        say("order", order_line(opened.bought()))
        shown, waited = ", ".join(opened.held(person)), time.monotonic() - asked
        say("flow", f"{asks.audience} asked what to show somebody: the profile holds {shown} {waited:.0f} s later")
        pushed = pushed_unsubscribes(WAREHOUSE)
        after = job(klaviyo, "changes")
        say("unsubscribe", unsubscribes_line(WAREHOUSE, told, pushed))
        say("truth", "the bold hero doubles clicks (scripts/demo_truth.yml)")
        say("measured", reported(after, "spring_hero v1 hero: ")[0])
        say("next", next_split(after))
        say("report", f"{_shown('report.html')}; warehouse {_shown('klaviyo.duckdb')}; log {_shown('log.jsonl')}")
        say("done", f"in {time.monotonic() - began:.0f} s; nothing is left running")


def _shown(name: str) -> str:
    return os.path.relpath(HOME / name)


if __name__ == "__main__":
    main()
