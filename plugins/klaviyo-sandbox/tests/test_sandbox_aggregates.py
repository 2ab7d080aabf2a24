"""Metric aggregates: what is counted where, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.records import Event
from klaviyo_sandbox.state.aggregates import Range, starts

if TYPE_CHECKING:
    from klaviyo_sandbox.model.clock import Clock

SPAN = ["greater-or-equal(datetime,2026-10-24T00:00:00)", "less-than(datetime,2026-10-27T00:00:00)"]


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """An account without events."""
    with Sandbox(profiles=2, events=0, segments=0, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def opened(sandbox: Sandbox) -> str:
    metric = sandbox.store.metric_named("Opened Email", "klaviyo")
    assert metric
    return metric.id


def add(sandbox: Sandbox, metric_id: str, *events: tuple[str, str | None, dict[str, Any]]) -> None:
    """Events as (UTC time, profile id, properties)."""
    sandbox.store.add_events(
        Event(
            id=f"E{number:010d}",
            uuid="",
            timestamp=int(datetime.fromisoformat(f"{at}+00:00").timestamp()),
            metric_id=metric_id,
            profile_id=profile_id,
            properties=properties,
        )
        for number, (at, profile_id, properties) in enumerate(events, sandbox.store.count("events"))
    )


def ask(api: requests.Session, metric_id: str, query: str = "", /, **attributes: object) -> requests.Response:
    asked = {"metric_id": metric_id, "measurements": ["count"], "filter": SPAN, **attributes}
    body = {"data": {"type": "metric-aggregate", "attributes": asked}}
    return api.post(f"/api/metric-aggregates{query}", json=body)


def answer(api: requests.Session, metric_id: str, **attributes: object) -> dict[str, Any]:
    response = ask(api, metric_id, "", **attributes)
    assert response.status_code == 200, response.text
    return dict(response.json()["data"]["attributes"])


def test_days_are_local_and_the_range_is_half_open(sandbox: Sandbox, api: requests.Session, opened: str) -> None:
    add(
        sandbox,
        opened,
        ("2026-10-23T21:59:59", "a", {}),  # the day before in Copenhagen
        ("2026-10-23T22:00:00", "a", {"$value": 2.5}),
        ("2026-10-24T21:59:59", "a", {"$value": 1}),
        ("2026-10-24T22:00:00", "b", {"$value": "not a number"}),
        ("2026-10-26T22:59:59", None, {}),  # the clocks went back on the 25th: midnight is an hour later
        ("2026-10-26T23:00:00", "b", {}),
    )
    found = answer(
        api, opened, timezone="Europe/Copenhagen", measurements=["unique", "count", "sum_value"], interval="day"
    )
    assert found == {
        "dates": ["2026-10-23T22:00:00+00:00", "2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00"],
        "data": [
            {
                "dimensions": [],
                "measurements": {
                    "unique": [1.0, 1.0, 1.0],
                    "count": [2.0, 1.0, 1.0],
                    "sum_value": [3.5, 0.0, 0.0],
                },
            }
        ],
    }


def test_without_events_there_is_one_row_of_zeros_but_none_by_dimension(
    api: requests.Session, opened: str
) -> None:
    assert answer(api, opened)["data"] == [{"dimensions": [], "measurements": {"count": [0.0, 0.0, 0.0]}}]
    assert answer(api, opened, by=["$message"])["data"] == []


def test_dimensions_are_text_and_empty_where_an_event_has_none(
    sandbox: Sandbox, api: requests.Session, opened: str
) -> None:
    at = "2026-10-24T12:00:00"
    add(
        sandbox,
        opened,
        (at, "a", {"$message": "M", "$flow": "F", "Bot Click": True}),
        (at, "a", {"$message": "M", "Bot Click": False}),
        (at, "b", {"$message": "M"}),
        (at, "b", {"$message": "ünïcode \"'"}),
    )
    found = answer(api, opened, by=["$message", "Bot Click"], interval="month")
    assert {tuple(row["dimensions"]): row["measurements"]["count"] for row in found["data"]} == {
        ("M", "1.0"): [1.0],
        ("M", "0.0"): [1.0],
        ("M", ""): [1.0],
        ("ünïcode \"'", ""): [1.0],
    }
    assert found["dates"] == ["2026-10-01T00:00:00+00:00"], (
        "the first of the month, although the range begins later"
    )
    by_flow = answer(api, opened, by=["$flow"], interval="month", filter=[*SPAN, 'any($message,["M","N"])'])
    assert {tuple(row["dimensions"]): row["measurements"]["count"] for row in by_flow["data"]} == {
        ("F",): [1.0],
        ("",): [2.0],
    }


def test_a_late_event_changes_the_count_once_it_can_be_read(
    sandbox: Sandbox, api: requests.Session, opened: str
) -> None:
    event = Event(
        id="L", uuid="", timestamp=1_792_843_200, metric_id=opened, profile_id="a", properties={}
    )  # 2026-10-24 12:00
    sandbox.store.add_events([event], visible_at=2**40)
    assert answer(api, opened)["data"][0]["measurements"]["count"] == [0.0, 0.0, 0.0]
    sandbox.store.release_events()
    assert answer(api, opened)["data"][0]["measurements"]["count"] == [1.0, 0.0, 0.0]


def test_pages_of_500_by_a_cursor_in_the_body(sandbox: Sandbox, api: requests.Session, opened: str) -> None:
    add(sandbox, opened, *(("2026-10-24T12:00:00", "a", {"URL": f"/{number}"}) for number in range(1_001)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for size in (500, 500, 1):
        document = ask(api, opened, by=["URL"], **cursor).json()
        rows = document["data"]["attributes"]["data"]
        assert len(rows) == size
        seen += [row["dimensions"][0] for row in rows]
        if document["links"]["next"]:
            (value,) = parse_qs(urlsplit(document["links"]["next"]).query)["page_cursor"]
            cursor = {"page_cursor": value}
    assert document["links"]["next"] is None
    assert sorted(seen) == sorted(f"/{number}" for number in range(1_001))
    assert ask(api, opened, by=["URL"], interval="hour", **cursor).status_code == 400, "another request's cursor"
    assert ask(api, opened, f"?page_cursor={cursor['page_cursor']}", by=["URL"]).status_code == 400
    assert len(answer(api, opened, by=["URL"], page_size=2_000)["data"]) == 1_001


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"metric_id": "NOPE01"}, "metric_id"),
        ({"measurements": []}, "measurements"),
        ({"measurements": ["sum"]}, "measurements/0"),
        ({"interval": "year"}, "interval"),
        ({"by": ["$message", "$attributed_flow"]}, "by/1"),
        ({"by": ["weather"]}, "by/0"),
        ({"timezone": "europe/copenhagen"}, "timezone"),
        ({"timezone": "Factory"}, "timezone"),
        ({"page_size": 499}, "page_size"),
        ({"sort": "-count"}, "sort"),
        ({"return_fields": ["dates"]}, "return_fields"),
        ({"nonsense": 1}, "nonsense"),
        ({"filter": SPAN[0]}, "filter"),
        ({"filter": []}, "filter"),
        ({"filter": SPAN[:1]}, "filter"),
        ({"filter": [*SPAN, SPAN[0]]}, "filter"),
        ({"filter": [SPAN[0], SPAN[0].replace("greater-or-equal", "less-than")]}, "filter"),
        ({"filter": [SPAN[0].replace("or-equal", "than"), SPAN[1]]}, "filter"),
        ({"filter": [SPAN[0], "less-than(datetime,2027-10-24T00:00:01)"]}, "filter"),
        ({"filter": [*SPAN, 'equals($attributed_flow,"X")']}, "filter"),
        ({"filter": [*SPAN, 'equals(weather,"rain")']}, "filter"),
    ],
)
def test_what_is_refused(api: requests.Session, opened: str, attributes: dict[str, Any], pointer: str) -> None:
    response = ask(api, opened, "", **attributes)
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["source"] == {"pointer": f"/data/attributes/{pointer}"}


def test_a_year_may_be_asked_for_and_offsets_may_be_given(api: requests.Session, opened: str) -> None:
    span = [
        "greater-or-equal(datetime,2025-10-24T00:00:00+02:00)",
        "less-than(datetime,2026-10-24T00:00:00+02:00)",
    ]
    assert len(answer(api, opened, filter=span, interval="week")["dates"]) == 53


ZONES = (
    "UTC",
    "Europe/Copenhagen",
    "America/New_York",
    "Asia/Kathmandu",
    "America/Santiago",
    "Australia/Lord_Howe",
)


@given(
    begin=st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    hours=st.integers(1, 2_000),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    interval=st.sampled_from(("hour", "day", "week", "month")),
)
def test_every_moment_of_a_range_is_in_one_interval(
    begin: datetime, hours: int, zone: ZoneInfo, interval: str
) -> None:
    span = Range(begin, begin + timedelta(hours=hours))
    found = starts(span, interval, zone)
    assert found == sorted(set(found))
    assert found[0] <= span.start
    assert found[-1] < span.end
    assert len(found) == 1 or found[1] > span.start, "no interval lies wholly before the range"
    longest = {"hour": 1, "day": 25, "week": 169, "month": 745}[interval]
    ends = [*found[1:], span.end]
    assert all(end - start <= timedelta(hours=longest) for start, end in zip(found, ends, strict=True))
