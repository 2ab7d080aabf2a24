"""`segment_values` and `form_values`: reports without a metric, in their own grain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.state.database import marks

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
DAYS = 12
STREAMS = ["segment_values", "form_values"]


def _now() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=80, events=0, seed=5, clock=Clock(lambda: NOW), rate_limits="off") as sandbox:
        known = [row[0] for row in sandbox.store.read("select id from profiles order by id limit 40")]
        for place, key in enumerate(known):  # in the days that are read somebody must have come
            at = int(NOW.timestamp()) - 86_400 * (1 + place % DAYS) - 3 * 3_600
            sandbox.store.write("update profiles set updated = ? where id = ?", [[at, key]])
            sandbox.store.write("update members set joined = ? where profile_id = ?", [[at, key]])
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    start = (NOW - timedelta(days=DAYS)).date().isoformat()
    return {"api_key": sandbox.api_key, "api_url": sandbox.url, "start_date": start}


def test_every_day_has_a_row_of_each_segment(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, ["segment_values"], now=_now)
    rows = extract.records["segment_values"]
    segments = {row[0] for row in sandbox.store.read("select id from groups where kind = 'segment'")}
    days = {(NOW - timedelta(days=number)).date().isoformat() for number in range(1, DAYS + 1)}
    assert Counter((row["date"], row["segment_id"]) for row in rows) == Counter(
        (day, segment) for day in days for segment in segments
    )
    joined = sandbox.store.read(
        f"select count(*) from members where group_id in ({marks(len(segments))}) and joined >= ?",  # noqa: S608
        [*segments, (NOW - timedelta(days=DAYS + 1)).timestamp()],
    )
    assert 0 < sum(row["members_added"] for row in rows) <= joined[0][0]
    by_segment: dict[str, list[Json]] = {}
    for row in sorted(rows, key=lambda row: row["date"]):
        by_segment.setdefault(row["segment_id"], []).append(row)
    for series in by_segment.values():
        for before, after in pairwise(series):
            assert after["total_members"] == before["total_members"] + after["net_members_changed"]


def test_forms_are_told_by_their_versions(config: Json, run_tap: RunTap) -> None:
    read = run_tap(config, ["form_versions", "form_values"], now=_now).records
    known = {(row["form_id"], row["id"]) for row in read["form_versions"]}
    rows = read["form_values"]
    assert rows
    assert {(row["form_id"], row["form_version_id"]) for row in rows} <= known
    keys = [(row["date"], row["form_id"], row["form_version_id"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(row["submit_rate"] == row["submits"] / row["viewed_form"] for row in rows)


def test_no_metric_is_needed_and_a_day_is_read_once_a_day(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, STREAMS, now=_now)
    assert first.failed == []
    assert "conversion_metric_id" not in str(first.state)
    before = Counter(sandbox.requests)
    second = run_tap(config, STREAMS, state=first.state, now=_now)
    asked = sandbox.requests - before
    assert {name for name in asked if name.startswith("query_")} == set()
    assert all(records == [] for records in second.records.values())


def test_only_selected_statistics_are_asked_for(config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, {"segment_values": ["total_members"], "form_values": []}, now=_now)
    assert extract.records["segment_values"][0].keys() == {"date", "segment_id", "total_members"}
    assert extract.records["form_values"][0].keys() == {"date", "form_id", "form_version_id"}


def test_nothing_is_asked_of_before_klaviyo_has_it(config: Json, run_tap: RunTap, sandbox: Sandbox) -> None:
    early = datetime(2023, 6, 4, 12, tzinfo=UTC)
    extract = run_tap(config | {"start_date": "2020-01-01"}, ["segment_values"], now=lambda: early)
    assert {row["date"] for row in extract.records["segment_values"]} == {
        date(2023, 6, day).isoformat() for day in (1, 2, 3)
    }
    assert sandbox.requests
