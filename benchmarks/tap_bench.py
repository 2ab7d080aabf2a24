"""Measures the tap against the sandbox."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from figures import Bar, Benchmark, Row, Scale, floor
from harness import (
    PLAIN_TAP,
    TAP,
    Extract,
    NotMeasured,
    Program,
    Sandbox,
    extract,
    one_core_apart,
    sandbox,
    seconds_to_start,
)

from klaviyo_wire.endpoints import ENDPOINTS

EVENT_COLUMNS = ("id", "datetime", "event_properties", "profile_id", "metric_id")
"""A selection as a warehouse wants it: without the columns that say the same twice."""
EVENT_BYTES = 1_300
"""Of an event in an answer, as they usually are."""
NEAR = Bar(1.10)
FULL_PAGES = Bar(1.05)
MANY_PAGES = 100
"""From so many on `FULL_PAGES` holds: a page that is half empty is nothing then."""
FLAT = Bar(1.30)
"""With few rows the buffers, which are of fixed size, are never full."""
SELDOM = Bar(1 / 200)
EIGHTFOLD = Bar(8, at_least=True)
REACHED = Bar(1, at_least=True)
WITHIN = Bar(1)
MB = 1_000_000


def profiles(scale: Scale) -> Iterator[Row]:
    """200,000 profiles; real limits, 100 ms."""
    people = scale.of(200_000)
    with sandbox(profiles=people, latency_ms=100, rate_limits="real") as klaviyo:
        run = complete(TAP, klaviyo, "profiles", people)
        yield from _beside_the_floor("profiles", klaviyo, run, "get_profiles")
    lines = sum(" records, " in line for line in run.told)
    yield Row("profiles", "progress told", lines, "times")


def segment(scale: Scale) -> Iterator[Row]:
    """A segment of 200,000 members; real limits, 100 ms."""
    people = scale.of(200_000)
    with sandbox(profiles=people, everybody=True, latency_ms=100, rate_limits="real") as klaviyo:
        run = complete(TAP, klaviyo, "segment_memberships", people, settings={"segments": ["Everybody"]})
        yield from _beside_the_floor("segment", klaviyo, run, "get_profiles_for_segment")


def _beside_the_floor(benchmark: str, klaviyo: Sandbox, run: Extract, operation: str) -> Iterator[Row]:
    endpoint = ENDPOINTS[operation]
    most = endpoint.page.maximum if endpoint.page else None
    pages = -(-run.records // (most or 1))
    least = floor(pages, endpoint.limits, latency=0.1)
    yield Row(benchmark, f"{run.records:,} rows", run.seconds, "s", least, "floor", NEAR)
    answers = klaviyo.answers(operation)
    requests = sum(answers.values())
    yield Row(benchmark, "answered 429", answers.get("429", 0), "requests", requests, "of", SELDOM)
    yield Row(benchmark, "requests", requests, "requests", pages, "full pages")


def events(scale: Scale) -> Iterator[Row]:
    """100,000 events beside a plain SDK tap; no limits, 50 ms."""
    count = scale.of(100_000)
    with sandbox(profiles=scale.of(20_000), events=count, latency_ms=50) as klaviyo:
        plain = complete(PLAIN_TAP, klaviyo, "events", count).seconds
        runs = [complete(TAP, klaviyo, "events", count) for _ in range(scale.repeats)]
    rate = count / statistics.median(run.seconds for run in runs)
    yield Row("events", f"{count:,} events", rate, "a second", count / plain, "plain tap", EIGHTFOLD)


def core(scale: Scale) -> Iterator[Row]:
    """400,000 events of 1.3 kB with one core; no limits, no latency."""
    count = scale.of(400_000)
    with (
        one_core_apart() as apart,
        sandbox(profiles=scale.of(20_000), events=count, event_bytes=EVENT_BYTES) as klaviyo,
    ):
        runs = [
            complete(TAP, klaviyo, "events", count, columns=EVENT_COLUMNS, core=apart)
            for _ in range(scale.repeats)
        ]
        requests = sum(klaviyo.answers("get_events").values()) / scale.repeats
    best = min(runs, key=lambda run: run.seconds)
    pinned = "on one core" if apart is not None else "on every core"
    yield Row("core", f"{count:,} events {pinned}", count / best.seconds, "a second", 40_000, "wanted", REACHED)
    yield Row("core", "by its processor time", count / best.cpu_seconds, "a second", 58_000, "wanted", REACHED)
    yield _beside_full_pages("core", requests, count)
    yield Row("core", "most memory", best.peak / MB, "MB", 250, "allowed", WITHIN)


def _beside_full_pages(benchmark: str, requests: float, events: int) -> Row:
    pages = -(-events // 1_000)
    bar = FULL_PAGES if pages >= MANY_PAGES else None
    return Row(benchmark, "requests", requests, "requests", pages, "full pages", bar)


def million(scale: Scale) -> Iterator[Row]:
    """1,000,000 events: memory beside fewer, and a second run with nothing new; real limits, 100 ms."""
    many, people = scale.of(1_000_000), scale.of(20_000)
    few = scale.of(100_000)
    limits = ENDPOINTS["get_events"].limits
    with sandbox(
        profiles=people, events=few, event_bytes=EVENT_BYTES, latency_ms=100, rate_limits="real"
    ) as klaviyo:
        small = complete(TAP, klaviyo, "events", few)
    with sandbox(
        profiles=people, events=many, event_bytes=EVENT_BYTES, latency_ms=100, rate_limits="real"
    ) as klaviyo:
        first = complete(TAP, klaviyo, "events", many)
        asked = sum(klaviyo.answers("get_events").values())
        start = seconds_to_start(TAP, scale.repeats)
        again = extract(TAP, klaviyo, {"events": ()}, state=first.state)
        surveyed = sum(klaviyo.answers("get_events").values()) - asked
        blind = extract(TAP, klaviyo, {"events": ()}, state=first.state, settings={"event_lookback": 0})
    least = max(floor(-(-many // 1_000), limits, 0.1), first.cpu_seconds)
    yield Row("million", "at first", first.seconds, "s", least, "floor or processor", NEAR)
    yield _beside_full_pages("million", asked, many)
    yield Row("million", "most memory", first.peak / MB, "MB", 250, "allowed", WITHIN)
    yield Row("million", "the same", first.peak / MB, "MB", small.peak / MB, f"at {few:,}", FLAT)
    yield Row("million", "again, beside its start", again.seconds - start, "s", 5, "allowed", WITHIN)
    yield Row("million", "again", again.seconds, "s", blind.seconds, "without lookback")
    yield Row("million", "requests, again", surveyed, "requests", asked, "at first")
    yield Row("million", "events, again", again.records, "events", first.records, "at first")
    yield Row("million", "STATE", again.state_bytes / 1000, "kB")


BENCHMARKS: Mapping[str, Benchmark] = {each.__name__: each for each in (profiles, segment, events, core, million)}


def complete(  # noqa: PLR0913
    program: Program,
    klaviyo: Sandbox,
    stream: str,
    count: int,
    *,
    columns: Collection[str] = (),
    settings: Mapping[str, Any] | None = None,
    core: int | None = None,
) -> Extract:
    """Read a stream for the first time.

    Args:
        program: The tap.
        klaviyo: What it reads.
        stream: The only one that is selected.
        count: Its rows.
        columns: Those that are selected; none named: all.
        settings: Beside address and key.
        core: The only one the tap may use.

    Raises:
        NotMeasured: it failed, did not emit every row, or not as selected.
    """
    found = extract(program, klaviyo, {stream: columns}, settings=settings, core=core)
    schema = found.schemas.get(stream, {}).get("schema", {})
    told = frozenset(schema.get("properties", ()))
    if found.records != count:
        msg = f"{found.records:,} of {count:,} {stream} were emitted"
    elif not (told == found.columns == frozenset(columns or told)):
        msg = f"the selection of {stream} was not kept to"
    elif stream not in found.state.get("bookmarks", {}):
        msg = f"no state of {stream} was told"
    else:
        return found
    raise NotMeasured(msg)
