"""`campaign_values` and `flow_values`: each day once, as it finally is, within what a day's requests allow."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Throttle
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_sandbox.protocol.resources import TIMEZONE
from klaviyo_wire.endpoints import REPORTS
from tap_klaviyo_engagement.streams.reports import STATISTICS, CampaignValues
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]
Extract = Any  # of conftest.py, which is no module to import from

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ZONE = ZoneInfo(TIMEZONE)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)
    monkeypatch.setattr("tap_klaviyo_engagement.emission.emitter.STATE_SECONDS", 0.0)


@dataclass
class Account:
    """A sandbox in which nothing happened but what a test says, and runs of the tap on it."""

    sandbox: Sandbox
    run_tap: RunTap
    numbers: Iterator[int] = field(default_factory=count)

    def happens(self, metric: str, at: datetime, person: int, **properties: object) -> None:
        found = self.sandbox.store.metric_named(metric, "klaviyo")
        message = self.sandbox.store.read("select id from messages order by id limit 1")
        people = self.sandbox.store.read("select id from profiles order by id")
        assert found is not None
        number = next(self.numbers)
        self.sandbox.store.add_events(
            [
                Event(
                    id=f"e{number}",
                    uuid=f"u{number}",
                    timestamp=int(at.timestamp()),
                    metric_id=found.id,
                    profile_id=people[person][0],
                    properties={"$message": message[0][0]} | properties,
                )
            ]
        )

    def is_sent_daily(self, first: date, days: int) -> None:
        """A message to a person, at noon, on each of some days."""
        for number in range(days):
            noon = datetime.combine(first + DAY * number, datetime.min.time(), ZONE) + timedelta(hours=12)
            self.happens("Received Email", noon, number)

    @property
    def metric(self) -> str:
        found = self.sandbox.store.metric_named("Opened Email", "klaviyo")
        assert found is not None
        return found.id

    def run(
        self,
        now: datetime = NOW,
        *,
        stream: str = "campaign_values",
        settings: Json | None = None,
        state: Json | None = None,
        breaks_after: int | None = None,
    ) -> Extract:
        settings = {"report_conversion_metric": self.metric} | (settings or {})
        config = {"api_key": self.sandbox.api_key, "api_url": self.sandbox.url, **settings}
        self.sandbox.clock.freeze(now)
        return self.run_tap(config, [stream], state=state, now=lambda: now, breaks_after=breaks_after)

    @property
    def asked(self) -> int:
        return sum(self.sandbox.requests[f"query_campaign_values {status}"] for status in (200, 429))


@pytest.fixture
def account(run_tap: RunTap) -> Iterator[Account]:
    clock = Clock()
    clock.freeze(NOW)
    with Sandbox(profiles=60, events=0, seed=5, clock=clock) as sandbox:
        yield Account(sandbox, run_tap)


def _share(requests: int) -> float:
    """The `rate_limit_share` that leaves so many requests a day."""
    return (requests + 0.5) / (REPORTS.daily or 0)


def _delivered(records: Sequence[Json]) -> dict[str, float]:
    return {record["date"]: record["delivered"] for record in records}


def _dates(first: date, days: int) -> list[str]:
    return [(first + DAY * number).isoformat() for number in range(days)]


# Days


@pytest.mark.parametrize("changed", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 7, 1)])
def test_what_is_sent_at_the_seams_of_days_is_counted_once(changed: date, account: Account) -> None:
    """On the days that clocks are put forward and back, and on one like any other."""
    people = count()
    for day in (changed - DAY, changed, changed + DAY):
        midnight = datetime.combine(day, datetime.min.time(), ZONE)
        end = datetime.combine(day, datetime.max.time(), ZONE)
        for moment in (midnight, midnight + timedelta(seconds=1), end, end - timedelta(seconds=1)):
            account.happens("Received Email", moment, next(people))
    now = datetime.combine(changed, datetime.min.time(), UTC) + DAY * 5
    start = {"start_date": (changed - DAY * 3).isoformat()}
    records = account.run(now, settings=start).records["campaign_values"]
    assert _delivered(records) == dict.fromkeys(_dates(changed - DAY, 3), 4)
    assert all(record["send_channel"] == "email" for record in records)


def test_today_is_not_read_and_a_day_is_over_by_the_clocks_of_the_account(account: Account) -> None:
    account.is_sent_daily(date(2026, 10, 28), 6)
    midnight = datetime(2026, 11, 2, tzinfo=ZONE)
    before = account.run(midnight + timedelta(minutes=1)).records["campaign_values"]
    after = account.run(midnight + timedelta(minutes=6)).records["campaign_values"]
    assert max(_delivered(before)) == "2026-10-31", "clocks differ: a day is over some minutes after midnight"
    assert max(_delivered(after)) == "2026-11-01"


def test_without_a_start_date_it_goes_back_thirty_days_newest_first(account: Account) -> None:
    account.is_sent_daily(date(2026, 9, 20), 50)
    dates = [record["date"] for record in account.run().records["campaign_values"]]
    assert dates == _dates(date(2026, 10, 3), 30)[::-1]


def test_days_on_which_nothing_was_sent_have_no_rows_and_are_read_once(account: Account) -> None:
    extract = account.run()
    assert extract.records == {"campaign_values": []}
    assert account.asked == 30
    assert extract.state["bookmarks"]["campaign_values"]["oldest"] == "2026-10-03"
    again = account.run(state=extract.state)
    assert again.failed == []
    assert account.asked == 30


def test_flows_have_their_own_rows(account: Account) -> None:
    account.happens("Received Email", NOW - DAY * 2, 1, **{"$flow": "FLOW01", "$message": "MSG001"})
    (record,) = account.run(stream="flow_values").records["flow_values"]
    assert record["flow_id"] == "FLOW01"
    assert record["flow_message_id"] == "MSG001"
    assert record["date"] == "2026-10-31"
    assert record["recipients"] == 1
    assert account.run().records["campaign_values"] == []


# What changes later


def test_a_late_event_changes_the_value_of_its_day_until_the_lookback_is_over(account: Account) -> None:
    account.is_sent_daily(date(2026, 10, 20), 13)
    first = account.run()
    assert {record["opens"] for record in first.records["campaign_values"]} == {0}
    for person in range(13):
        account.happens("Opened Email", NOW + timedelta(hours=2), person)
    same_day = account.run(NOW + timedelta(hours=4), state=first.state)
    assert same_day.records["campaign_values"] == [], "once a day"
    next_day = account.run(NOW + DAY, state=same_day.state)
    opens = {record["date"]: record["opens"] for record in next_day.records["campaign_values"]}
    assert opens == dict.fromkeys(_dates(date(2026, 10, 26), 7), 1)
    keys = [
        tuple(record[key] for key in CampaignValues.primary_keys) for record in next_day.records["campaign_values"]
    ]
    known = {
        tuple(record[key] for key in CampaignValues.primary_keys) for record in first.records["campaign_values"]
    }
    assert set(keys) <= known


def test_a_catalog_may_say_that_everything_is_read_anew(account: Account) -> None:
    account.is_sent_daily(date(2026, 10, 20), 13)
    state = account.run().state
    config = {"api_key": account.sandbox.api_key, "api_url": account.sandbox.url}
    catalog: Json = TapKlaviyoEngagement(config=config).catalog_dict
    for entry in catalog["streams"]:
        entry["metadata"][-1]["metadata"]["selected"] = entry["tap_stream_id"] == "campaign_values"
        entry["replication_method"] = "FULL_TABLE"
    settings = config | {"report_conversion_metric": account.metric}
    extract = account.run_tap(settings, catalog, state=state, now=lambda: NOW)
    assert len(extract.records["campaign_values"]) == 13


def test_another_metric_begins_anew_and_spends_what_is_left_of_the_day(account: Account) -> None:
    account.is_sent_daily(date(2026, 10, 20), 13)
    first = account.run(settings={"rate_limit_share": _share(40)})
    other = account.sandbox.store.metric_named("Clicked Email", "klaviyo")
    assert other is not None
    settings = {"report_conversion_metric": other.id, "rate_limit_share": _share(40)}
    second = account.run(state=first.state, settings=settings)
    assert {record["conversion_metric_id"] for record in second.records["campaign_values"]} == {other.id}
    assert account.asked == 40


# What a day's requests allow


def test_a_day_of_requests_is_shared_by_the_processes_of_a_day(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    account.is_sent_daily(date(2026, 9, 25), 38)
    settings = {"rate_limit_share": _share(12), "start_date": "2026-09-25"}
    extract = account.run(settings=settings)
    assert extract.failed == []
    assert account.asked == 12
    assert "campaign_values: the day's requests are used up; 26 days are left, the next run goes on" in caplog.text
    found = _delivered(extract.records["campaign_values"])
    assert list(found) == _dates(date(2026, 10, 21), 12)[::-1]
    for hour in range(1, 24):
        extract = account.run(NOW + timedelta(hours=hour), state=extract.state, settings=settings)
        assert extract.records["campaign_values"] == []
    assert account.asked == 12
    for day in range(1, 9):
        now = NOW + DAY * day + timedelta(minutes=1)
        extract = account.run(now, state=extract.state, settings=settings)
        assert account.asked <= 12 * (day + 1)
        assert len(json.dumps(extract.state)) < 700
        found |= _delivered(extract.records["campaign_values"])
    assert sorted(found) == _dates(date(2026, 9, 25), 38)
    assert extract.failed == []


def test_a_process_stops_before_the_limit_of_the_account(account: Account) -> None:
    settings = {"start_date": "2025-01-01"}
    extract = account.run(settings=settings)
    assert extract.failed == []
    assert account.asked == REPORTS.daily
    assert extract.state["bookmarks"]["campaign_values"]["newest"] == "2026-10-25"


def test_a_quota_that_others_used_up_ends_the_stream_well(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    account.is_sent_daily(date(2026, 10, 3), 30)
    account.sandbox.faults.add(Throttle(operation="query_campaign_values", nth=11, times=None, retry_after=40_000))
    extract = account.run()
    assert extract.failed == []
    assert "20 days are left" in caplog.text
    assert account.asked == 11, "one refusal is enough"
    account.sandbox.faults.clear()
    rest = account.run(NOW + timedelta(hours=12), state=extract.state)
    dates = [record["date"] for part in (extract, rest) for record in part.records["campaign_values"]]
    assert dates == _dates(date(2026, 10, 3), 30)[::-1]


def test_a_short_refusal_is_waited_for(account: Account) -> None:
    account.sandbox.faults.add(Throttle(operation="query_campaign_values", nth=2, times=3, retry_after=20))
    assert account.run().failed == []
    assert account.asked == 30 + 3


def test_a_killed_run_goes_on_after_the_last_day_it_wrote(account: Account) -> None:
    account.is_sent_daily(date(2026, 10, 3), 30)
    state: Json = {}
    found: dict[str, float] = {}
    runs = 0
    while True:
        extract = account.run(state=state, breaks_after=12)
        found |= _delivered(extract.records.get("campaign_values", []))
        state = extract.state
        runs += 1
        if not extract.killed:
            break
    assert sorted(found) == _dates(date(2026, 10, 3), 30)
    assert runs > 4
    assert account.asked <= 30 + runs, "no more than one day is read twice"


# Against answers that the sandbox does not give


@dataclass
class Stub:
    """A Klaviyo that answers what a test says to questions about reports, and notes them."""

    server: HTTPServer
    bodies: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        metrics = [{"type": "metric", "id": key, "attributes": {"name": name}} for key, name in METRICS.items()]
        zone = [{"type": "account", "id": "A", "attributes": {"timezone": "US/Eastern"}}]
        self.server.expect_request("/api/metrics").respond_with_json({"data": metrics})
        self.server.expect_request("/api/accounts").respond_with_json({"data": zone})

    @property
    def config(self) -> Json:
        return {
            "api_key": "pk_test_0123456789",
            "api_url": self.server.url_for(""),
            "report_conversion_metric": "Placed Order",
            "report_lookback": 0,
            "start_date": "2026-11-01",
        }

    def answers(self, answer: Callable[[Request], Response]) -> None:
        def noting(request: Request) -> Response:
            self.bodies.append(json.loads(request.data)["data"]["attributes"])
            return answer(request)

        self.server.expect_request("/api/campaign-values-reports").respond_with_handler(noting)


METRICS = {"M1": "Placed Order", "M2": "Viewed", "M3": "Twice", "M4": "Twice"}
GROUPINGS = {"campaign_id": "C1", "campaign_message_id": "N1", "send_channel": "email"}


def _report(*results: Json, following: str | None = None) -> Response:
    body = {"data": {"type": "report", "attributes": {"results": results}}, "links": {"next": following}}
    return Response(json.dumps(body), content_type="application/vnd.api+json")


@pytest.fixture
def stub(httpserver: HTTPServer) -> Stub:
    return Stub(httpserver)


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_is_asked_is_one_whole_day_with_all_statistics(stub: Stub, run_tap: RunTap) -> None:
    stub.answers(lambda _: _report())
    assert run_tap(stub.config, ["campaign_values"], now=lambda: NOW).failed == []
    (asked,) = stub.bodies
    assert asked == {
        "statistics": list(STATISTICS),
        "timeframe": {"start": "2026-11-01T00:00:00-04:00", "end": "2026-11-01T23:59:59.999999-05:00"},
        "conversion_metric_id": "M1",
        "group_by": list(GROUPINGS),
    }


@pytest.mark.parametrize(
    ("columns", "statistics"), [(["opens", "clicks"], ["clicks", "opens"]), ([], ["recipients"])], ids=str
)
def test_only_selected_statistics_are_asked_for(
    columns: list[str], statistics: list[str], stub: Stub, run_tap: RunTap
) -> None:
    stub.answers(lambda _: _report({"groupings": GROUPINGS, "statistics": {"opens": 1.0, "clicks": None}}))
    extract = run_tap(stub.config, {"campaign_values": columns}, now=lambda: NOW)
    assert stub.bodies[0]["statistics"] == statistics
    (record,) = extract.records["campaign_values"]
    assert record.keys() == {*CampaignValues.primary_keys, *columns}


@pytest.mark.parametrize("length", [1, 2, 7])
def test_pages_of_a_day_that_name_each_other_in_a_circle_stop_the_stream(
    length: int, stub: Stub, run_tap: RunTap
) -> None:
    def answer(request: Request) -> Response:
        page = int(request.args.get("page_cursor", "0"))
        link = f"https://elsewhere.invalid{request.path}?page_cursor={(page + 1) % length}"
        groupings = GROUPINGS | {"campaign_message_id": f"N{page}"}
        return _report({"groupings": groupings, "statistics": {"opens": page}}, following=link)

    stub.answers(answer)
    extract = run_tap(stub.config, ["campaign_values"], now=lambda: NOW)
    assert extract.failed == ["campaign_values"]
    assert extract.records["campaign_values"] == [], "half a day is none"
    assert len(stub.bodies) == length + 1


def test_all_pages_of_a_day_are_read_and_each_costs_a_request(stub: Stub, run_tap: RunTap) -> None:
    def answer(request: Request) -> Response:
        page = int(request.args.get("page_cursor", "0"))
        link = f"https://elsewhere.invalid{request.path}?page_cursor={page + 1}" if page < 2 else None
        groupings = GROUPINGS | {"campaign_message_id": f"N{page}"}
        return _report({"groupings": groupings, "statistics": {"opens": page}}, following=link)

    stub.answers(answer)
    extract = run_tap(stub.config, ["campaign_values"], now=lambda: NOW)
    assert [record["opens"] for record in extract.records["campaign_values"]] == [0, 1, 2]
    assert len(extract.state["bookmarks"]["campaign_values"]["requests"]) == 3
    too_few = stub.config | {"rate_limit_share": _share(2)}
    cut = run_tap(too_few, ["campaign_values"], now=lambda: NOW)
    assert cut.failed == []
    assert cut.records["campaign_values"] == [], "half a day is none"
    assert "oldest" not in cut.state["bookmarks"]["campaign_values"]


def test_what_klaviyo_adds_breaks_nothing(stub: Stub, run_tap: RunTap) -> None:
    groupings = GROUPINGS | {"planet": "earth", "date": "1999-01-01"}
    statistics = {"opens": 4, "delight": 0.9, "campaign_id": "no"}
    stub.answers(lambda _: _report({"groupings": groupings, "statistics": statistics, "mood": "fine"}))
    (record,) = run_tap(stub.config, ["campaign_values"], now=lambda: NOW).records["campaign_values"]
    assert record["date"] == "2026-11-01"
    assert record["campaign_id"] == "C1"
    assert record["opens"] == 4
    assert record["clicks"] is None
    assert not record.keys() & {"planet", "delight"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"data": {"attributes": {}}}, "that is none", id="no results"),
        pytest.param({"data": []}, "that is none", id="a list"),
        pytest.param({"data": {"attributes": {"results": 7}}}, "that is none", id="a number"),
        pytest.param(
            {
                "data": {"attributes": {"results": []}},
                "links": {"next": "?fields[campaign-values-report]=results"},
            },
            "names a page as the next one that was read before",
            id="a circle",
        ),
    ],
)
def test_an_answer_that_is_no_report_stops_the_stream(
    body: Json, said: str, stub: Stub, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    stub.answers(lambda _: Response(json.dumps(body)))
    extract = run_tap(stub.config, ["campaign_values"], now=lambda: NOW)
    assert extract.failed == ["campaign_values"]
    assert said in _errors(caplog)[0]
    assert "oldest" not in extract.state["bookmarks"]["campaign_values"]


def test_a_result_that_cannot_be_read_costs_itself(stub: Stub, run_tap: RunTap, tmp_path: Path) -> None:
    good = json.dumps({"groupings": GROUPINGS, "statistics": {"opens": 4}})
    bad = (
        json.dumps({"groupings": {"campaign_id": "C"}, "statistics": {}}),
        json.dumps({"groupings": GROUPINGS}).replace("}}", '},"statistics":{"open_rate":NaN}}'),
        json.dumps({"groupings": GROUPINGS | {"send_channel": "sms"}, "statistics": 7}),
        "7",
    )
    body = '{"data":{"attributes":{"results":[' + ",".join([good, *bad]) + "]}}}"
    stub.answers(lambda _: Response(body))
    settings = {"rejects_path": str(tmp_path / "rejects.jsonl"), "report_lookback": 0, "start_date": "2026-10-31"}
    extract = run_tap(stub.config | settings, ["campaign_values"], now=lambda: NOW)
    assert extract.failed == []
    assert {record["opens"] for record in extract.records["campaign_values"]} == {4}
    days = {record["date"] for record in extract.records["campaign_values"]}
    told = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert len(told) == len(days) * len(bad)
    assert {line["key"]["date"] for line in told} == days


def test_a_metric_without_conversions_is_told_with_the_setting(
    stub: Stub, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    error = {
        "code": "invalid",
        "title": "Invalid input.",
        "detail": "M2 does not support querying for values data",
    }
    stub.answers(lambda _: Response(json.dumps({"errors": [error]}), status=400))
    config = stub.config | {"report_conversion_metric": "Viewed"}
    assert run_tap(config, ["campaign_values"], now=lambda: NOW).failed == ["campaign_values"]
    (line,) = _errors(caplog)
    assert "'Viewed'" in line
    assert "`report_conversion_metric`" in line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(None, "set `report_conversion_metric` to the name or id", id="not given"),
        pytest.param(
            "Thrice", "no metric has, there are: Placed Order (M1), Twice (M3), Twice (M4)", id="unknown"
        ),
        pytest.param("Twice", "several metrics have, give one of their ids: M3, M4", id="ambiguous"),
    ],
)
def test_a_metric_that_is_not_one_stops_the_stream(
    given: str | None, said: str, stub: Stub, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    config = stub.config | {"report_conversion_metric": given}
    assert run_tap(config, ["campaign_values", "flow_values"], now=lambda: NOW).failed == [
        "campaign_values",
        "flow_values",
    ]
    assert all(said in line and "`report_conversion_metric`" in line for line in _errors(caplog))


@pytest.mark.parametrize("wrong", [{"oldest": "soon"}, {"newest": 7}, {"on": None}])
def test_a_state_of_something_else_stops_the_stream(
    wrong: Json, stub: Stub, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    state = {"bookmarks": {"campaign_values": {"conversion_metric_id": "M1", **wrong}}}
    assert run_tap(stub.config, ["campaign_values"], state=state, now=lambda: NOW).failed == ["campaign_values"]
    assert "in which a day is none" in _errors(caplog)[0]


@pytest.mark.parametrize("requests", ["many", [None, "x"], {}])
def test_requests_in_the_state_that_are_none_are_none(requests: object, stub: Stub, run_tap: RunTap) -> None:
    stub.answers(lambda _: _report())
    state = {"bookmarks": {"campaign_values": {"requests": requests}}}
    extract = run_tap(stub.config, ["campaign_values"], state=state, now=lambda: NOW)
    assert extract.failed == []
    assert extract.state["bookmarks"]["campaign_values"]["requests"] == [int(NOW.timestamp())]


def test_an_unknown_time_zone_is_told(
    httpserver: HTTPServer, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    zone = [{"type": "account", "id": "A", "attributes": {"timezone": "Mars/Olympus"}}]
    httpserver.expect_request("/api/accounts").respond_with_json({"data": zone})
    run_tap(Stub(httpserver).config, ["campaign_values"], now=lambda: NOW)
    assert "'Mars/Olympus' is not known" in _errors(caplog)[0]


def test_the_statistics_are_klaviyos(reference: Path) -> None:
    document = json.loads((reference / "reference" / "openapi" / "stable-2026-07-15.json").read_text())
    for kind in ("Campaign", "Flow"):
        resource = document["components"]["schemas"][f"{kind}ValuesRequestDTOResourceObject"]
        asked = resource["properties"]["attributes"]["properties"]["statistics"]["items"]["enum"]
        assert list(STATISTICS) == sorted(asked)


def test_reports_are_read_only_on_request() -> None:
    catalog = TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789"}).catalog
    assert not catalog["campaign_values"].metadata.root.selected_by_default
    assert not catalog["flow_values"].metadata.root.selected_by_default
