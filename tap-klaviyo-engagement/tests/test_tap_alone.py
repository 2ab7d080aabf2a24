"""The tap in a project that says nothing of its streams, and maps of streams that are not read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pendulum
import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]

ASKING = {"campaign_values", "flow_values", "flow_series"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=20, events=50, seed=2, advanced_kdp=False) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _all_but(config: Json, *deselected: str) -> Json:
    catalog: Json = TapKlaviyoEngagement(config=config).catalog_dict
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            each["metadata"]["selected"] = entry["stream"] not in deselected
    return catalog


def test_what_nobody_chose_is_left_out_with_a_warning(
    config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run = run_tap(config, _all_but(config))
    assert run.failed == []
    warned = {each.getMessage().split()[0] for each in caplog.records if "is left out" in each.getMessage()}
    assert warned == {"webhooks", *ASKING}
    assert "set `report_conversion_metric`" in caplog.text
    assert "webhooks:read" in caplog.text
    assert len(run.records["events"]) == 50
    assert all(each["group_id"] != "webhooks" for each in run.records["membership_snapshots"]), (
        "a listing that was never read tells of nothing that it is gone"
    )


def test_what_somebody_chose_fails_the_run(config: Json, run_tap: RunTap) -> None:
    assert set(run_tap(config, ["webhooks", *ASKING]).failed) == {"webhooks", *ASKING}
    assert set(run_tap(config, _all_but(config, "profiles")).failed) == {"webhooks", *ASKING}


@pytest.mark.parametrize(("settings", "days"), [({}, 7), ({"report_lookback": 2}, 2), ({"report_lookback": 0}, 1)])
def test_reports_that_nobody_chose_have_the_days_that_change_alone(
    settings: Json, days: int, sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    """Two requests a minute: a year of them would wait for days, and nobody asked for it."""
    noon = pendulum.yesterday("UTC").at(12)  # when the account's date is the same
    config |= settings | {"start_date": (noon - timedelta(days=90)).isoformat()}
    before = sandbox.requests["query_segment_values 200"]
    run = run_tap(config, _all_but(config), now=lambda: noon)
    told = {each["date"] for each in run.records["segment_values"]}
    assert sandbox.requests["query_segment_values 200"] - before == len(told) == days
    chosen = run_tap(config, ["segment_values"], state=run.state, now=lambda: noon)
    told |= {each["date"] for each in chosen.records["segment_values"]}
    assert len(told) == 90, "the rest comes once somebody does"


@pytest.mark.parametrize("gaps", [(1, 1, 1), (1, 12, 1), (12,)])
def test_reports_that_nobody_chose_miss_no_day_between_runs(
    gaps: Sequence[int], config: Json, run_tap: RunTap
) -> None:
    """Of each day from the first run's on the last row is of a run after its lookback."""
    noon, lookback = pendulum.yesterday("UTC").at(12).subtract(days=sum(gaps)), 3
    config |= {"report_lookback": lookback, "start_date": noon.subtract(days=90).isoformat()}
    oldest, state, told = noon.date().subtract(days=lookback), None, dict[str, int]()
    for gap in (0, *gaps):
        noon = noon.add(days=gap)
        run = run_tap(config, _all_but(config), state=state, now=lambda at=noon: at)
        state = run.state
        for row in run.records["segment_values"]:
            told[row["date"]] = (date(noon.year, noon.month, noon.day) - date.fromisoformat(row["date"])).days
    days = [oldest.add(days=number) for number in range((noon.date() - oldest).days)]
    assert sorted(told) == [day.isoformat() for day in days]
    final = [told[day.isoformat()] for day in days if (noon.date() - day).days > lookback]
    assert final
    assert min(final) > lookback


def test_a_setting_that_names_nothing_fails_the_run_though_everything_is_selected(
    config: Json, run_tap: RunTap
) -> None:
    assert set(run_tap(config | {"report_conversion_metric": "None Such"}, _all_but(config)).failed) == ASKING


def test_a_map_for_a_stream_that_is_not_read_changes_nothing(config: Json, run_tap: RunTap) -> None:
    maps = {"stream_maps": {"webhooks": {"more": "'x'"}, "lists": {"name": "md5(name)"}}}
    assert run_tap(config | maps, ["metrics"]).records == run_tap(config, ["metrics"]).records


def test_batches_are_refused(config: Json) -> None:
    batches = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///nowhere"}}
    told: Any = _Given({**config, "batch_config": batches})
    with pytest.raises(ConfigurationError, match=r"`batch_config` is not offered.* stream maps"):
        TapKlaviyoEngagement.configured(told)


class _Given:
    """A configuration as the command line has it."""

    parse_env = False

    def __init__(self, config: Json) -> None:
        self.config = config
