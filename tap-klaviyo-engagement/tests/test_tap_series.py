"""`flow_series`, `segment_series` and `form_series`: seven days in one question, a row for each hour."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_sandbox.protocol.resources import TIMEZONE
from tap_klaviyo_engagement.streams.reports import FORM_STATISTICS, SEGMENT_STATISTICS, STATISTICS

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 10, 28, 9, 30, tzinfo=UTC)
"""Three days after clocks were put back."""
ZONE = ZoneInfo(TIMEZONE)
DAY = timedelta(days=1)
STREAMS = {"flow_series": "flow_values", "segment_series": "segment_values", "form_series": "form_values"}
SUMS = {"flow_series": "recipients", "segment_series": "members_added", "form_series": "submits"}


def _now() -> datetime:
    return NOW


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    clock = Clock()
    clock.freeze(NOW)
    with Sandbox(profiles=60, events=300, seed=5, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "report_conversion_metric": _metric(sandbox, "Opened Email"),
    }


def _metric(sandbox: Sandbox, name: str) -> str:
    found = sandbox.store.metric_named(name, "klaviyo")
    assert found is not None
    return found.id


def _sent(sandbox: Sandbox, *moments: datetime) -> None:
    person = sandbox.store.read("select id from profiles order by id limit 1")[0][0]
    sandbox.store.add_events(
        Event(
            id=f"e{place}",
            uuid=f"u{place}",
            timestamp=int(at.timestamp()),
            metric_id=_metric(sandbox, "Received Email"),
            profile_id=person,
            properties={"$flow": "FLOW01", "$message": "MSG001"},
        )
        for place, at in enumerate(moments)
    )


@pytest.mark.parametrize("stream", STREAMS)
def test_hours_of_a_day_add_up_to_what_its_report_says(
    stream: str, sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    _sent(sandbox, *(NOW - DAY * days for days in range(1, 30, 3)))
    column = SUMS[stream]
    read = run_tap(config, [stream, STREAMS[stream]], now=_now).records
    by_day: Counter[str] = Counter()
    for row in read[stream]:
        by_day[row["date"]] += row[column]
    whole: Counter[str] = Counter()
    for row in read[STREAMS[stream]]:
        whole[row["date"]] += row[column]
    assert +by_day == +whole != Counter()


def test_an_hour_that_comes_twice_is_two_and_each_is_what_was_sent_in_it(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    twice = [datetime(2026, 10, 25, 2, 15, fold=fold, tzinfo=ZONE) for fold in (0, 1)]
    _sent(sandbox, *twice)
    rows = run_tap(config, ["flow_series"], now=_now).records["flow_series"]
    mine = [row for row in rows if row["flow_id"] == "FLOW01" and row["recipients"]]
    assert [row["date_time"] for row in mine] == ["2026-10-25T00:00:00+00:00", "2026-10-25T01:00:00+00:00"]
    changed = [row for row in rows if row["flow_id"] == "FLOW01" and row["date"] == "2026-10-25"]
    assert len({row["date_time"] for row in changed}) == len(changed) == 25


def test_a_question_is_about_seven_days_and_days_that_are_done_are_not_asked_for_again(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    first = run_tap(config, ["segment_series"], now=_now)
    assert sandbox.requests["query_segment_series 200"] == 5  # thirty days, of which seven may still change
    assert first.marks["segment_series"]["oldest"] == "2026-09-28"
    again = run_tap(config, ["segment_series"], state=first.state, now=_now)
    assert again.failed == []
    assert sandbox.requests["query_segment_series 200"] == 5
    sandbox.clock.freeze(NOW + DAY)
    tomorrow = run_tap(config, ["segment_series"], state=first.state, now=lambda: NOW + DAY)
    assert sandbox.requests["query_segment_series 200"] == 7
    assert {row["date"] for row in tomorrow.records["segment_series"]} == {
        (date(2026, 10, 21) + DAY * place).isoformat() for place in range(8)
    }


# Against answers that the sandbox does not give


@pytest.fixture
def answered(httpserver: HTTPServer, run_tap: RunTap, tmp_path: Path) -> Callable[..., Any]:
    """Runs the tap on a Klaviyo that has one answer to any question about segments; notes the questions."""

    def run(attributes: Json, asked: list[Json] | None = None) -> Any:  # noqa: ANN401 - of conftest.py
        def answer(request: Request) -> Response:
            if asked is not None:
                asked.append(json.loads(request.data)["data"] | {"fields": dict(request.args)})
            return Response(json.dumps({"data": {"type": "segment-series-report", "attributes": attributes}}))

        zone = [{"type": "account", "id": "A", "attributes": {"timezone": "US/Eastern"}}]
        httpserver.expect_request("/api/accounts").respond_with_json({"data": zone})
        httpserver.expect_request("/api/segment-series-reports").respond_with_handler(answer)
        settings = {"report_lookback": 0, "start_date": "2026-10-27", "rejects_path": str(tmp_path / "rejects")}
        config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for(""), **settings}
        return run_tap(config, ["segment_series"], now=_now)

    return run


def test_what_is_asked_is_every_hour_of_the_days(answered: Callable[..., Any]) -> None:
    asked: list[Json] = []
    answered({"results": [], "date_times": []}, asked)
    (question,) = asked
    assert question["fields"] == {"fields[segment-series-report]": "date_times,results"}
    assert question["attributes"] == {
        "statistics": list(SEGMENT_STATISTICS),
        "timeframe": {"start": "2026-10-27T00:00:00-04:00", "end": "2026-10-27T23:59:59.999999-04:00"},
        "interval": "hourly",
    }


def _told(numbers: object) -> Json:
    return {"groupings": {"segment_id": "S1"}, "statistics": {"total_members": numbers}}


def test_an_hour_of_a_day_that_was_not_asked_for_is_left_out(answered: Callable[..., Any]) -> None:
    hours = ["2026-10-27T23:00:00+00:00", "2026-10-28T00:00:00+00:00"]
    labels = ["2026-10-27T00:00:00+00:00", *hours]
    rows = answered({"results": [_told([1, 2, 3])], "date_times": labels}).records["segment_series"]
    assert [(row["date_time"], row["total_members"], row["members_added"]) for row in rows] == [
        ("2026-10-27T04:00:00+00:00", 1, None),
        ("2026-10-28T03:00:00+00:00", 2, None),
    ]


@pytest.mark.parametrize("numbers", [[1], [1, 2, 3], 7, None, {"0": 1}], ids=str)
def test_a_result_without_a_number_for_each_hour_costs_itself(
    numbers: object, answered: Callable[..., Any], tmp_path: Path
) -> None:
    labels = ["2026-10-27T00:00:00+00:00", "2026-10-27T01:00:00+00:00"]
    other = _told([5, 6]) | {"groupings": {"segment_id": "S2"}}
    extract = answered({"results": [_told(numbers), other], "date_times": labels})
    assert extract.failed == []
    assert [(row["segment_id"], row["total_members"]) for row in extract.records["segment_series"]] == [
        ("S2", 5),
        ("S2", 6),
    ]
    (line,) = (tmp_path / "rejects").read_text().splitlines()
    assert "total_members is no number" in json.loads(line)["detail"]


@pytest.mark.parametrize("labels", [None, 7, ["soon"], [None], ["2026-01-01T00:00:00+00:00"]], ids=str)
def test_an_answer_about_no_hours_or_others_stops_the_stream(
    labels: object, answered: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    extract = answered({"results": [_told([1])], "date_times": labels})
    assert extract.failed == ["segment_series"]
    assert "a report on 2026-10-27 that is none" in caplog.text


@pytest.mark.parametrize(
    ("kind", "statistics"), [("Flow", STATISTICS), ("Segment", SEGMENT_STATISTICS), ("Form", FORM_STATISTICS)]
)
def test_the_statistics_are_klaviyos(kind: str, statistics: Json, reference: Path) -> None:
    document = json.loads((reference / "reference" / "openapi" / "stable-2026-07-15.json").read_text())
    for report in ("Series", "Values"):
        resource = document["components"]["schemas"][f"{kind}{report}RequestDTOResourceObject"]
        asked = resource["properties"]["attributes"]["properties"]["statistics"]["items"]["enum"]
        assert sorted(statistics) == sorted(asked)
