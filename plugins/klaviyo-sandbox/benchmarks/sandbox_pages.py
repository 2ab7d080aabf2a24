"""How long a page takes and how much memory a large account needs.

    python benchmarks/sandbox_pages.py [--profiles 500000] [--events 1000000]

Pages are read over HTTP, one after the other, of whole listings and of windows of time; `answered` is the time the
sandbox works on one, `received` what a client waits for it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.api import Request
from klaviyo_sandbox.model.records import GroupKind
from klaviyo_sandbox.seed.world import EVERYBODY

PAGES = 100


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=500_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    asked = parser.parse_args()

    began = time.perf_counter()
    sandbox = Sandbox(profiles=asked.profiles, events=asked.events, segments=10, everybody=True)
    print(f"{asked.profiles:,} profiles and {asked.events:,} events made in {time.perf_counter() - began:.1f} s")
    with sandbox:
        events = "/api/events?page[size]=1000&sort=datetime"
        profiles = "/api/profiles?page[size]=100&sort=updated"
        members = f"/api/segments/{_everybody(sandbox)}/profiles?page[size]=100&sort=joined_group_at"
        now = sandbox.clock.now()
        start, end = (f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (120, 20))
        since = f"&filter=greater-or-equal({{0}},{start}),less-than({{0}},{end})"
        for name, path in (
            ("1,000 events", events),
            ("1,000 events, sparse", f"{events}&fields[event]=datetime"),
            ("1,000 events of a window", events + since.format("datetime")),
            ("1,000 events of a window, sparse", f"{events}&fields[event]=datetime{since.format('datetime')}"),
            ("100 profiles", profiles),
            (
                "100 profiles of a window",
                profiles + since.replace("-or-equal", "-than").format("updated"),
            ),
            ("100 members", members),
            ("100 members of a window", members + since.format("joined_group_at")),
        ):
            pages = list(_pages(sandbox, path))
            answered = statistics.median(_answered(sandbox, target) for target, _ in pages)
            received = statistics.median(seconds for _, seconds in pages)
            print(f"{name}: answered in {answered * 1000:.1f} ms, received in {received * 1000:.1f} ms (median)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"most memory, client included: {peak / 1e9:.2f} GB")


def _everybody(sandbox: Sandbox) -> str:
    group = sandbox.store.group_named(EVERYBODY, GroupKind.SEGMENT)
    if group is None:
        raise LookupError(EVERYBODY)
    return group.id


def _pages(sandbox: Sandbox, path: str) -> Iterator[tuple[str, float]]:
    """Target and seconds of every page, by following links."""
    with requests.Session() as session:
        session.headers.update(_headers(sandbox))
        url: str | None = sandbox.url + path
        for _ in range(PAGES):
            if url is None:
                return
            began = time.perf_counter()
            response = session.get(url)
            seconds = time.perf_counter() - began
            yield url.removeprefix(sandbox.url), seconds
            url = response.json()["links"]["next"]


def _answered(sandbox: Sandbox, target: str) -> float:
    request = Request("GET", target, _headers(sandbox))
    began = time.perf_counter()
    response = sandbox.api.respond(request)
    seconds = time.perf_counter() - began
    if not response.body.startswith(b'{"data":[{'):
        raise RuntimeError(response.body)
    return seconds


def _headers(sandbox: Sandbox) -> dict[str, str]:
    return {"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"}


if __name__ == "__main__":
    main()
