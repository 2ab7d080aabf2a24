"""Settings, from a file and from the environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.settings import SCHEMA, Settings
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

KEY = {"api_key": "pk_test_0123456789"}
PREFIX = "TAP_KLAVIYO_ENGAGEMENT_"


def test_defaults() -> None:
    settings = Settings.of(KEY)
    assert settings.api_url == "https://a.klaviyo.com"
    assert settings.event_lookback == timedelta(days=7)
    assert settings.start_date is None
    assert settings.rate_limit_share == 1
    assert settings.metrics == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_mean_the_default(nothing: str | None) -> None:
    assert Settings.of(KEY | dict.fromkeys(set(SCHEMA["properties"]) - {"api_key"}, nothing)) == Settings.of(KEY)


def test_a_start_date_may_be_a_date_or_a_time() -> None:
    assert Settings.of(KEY | {"start_date": "2026-01-01"}).start_date == datetime(2026, 1, 1, tzinfo=UTC)
    assert Settings.of(KEY | {"start_date": "2026-01-01 02:00:00+02:00"}).start_date == datetime(
        2026, 1, 1, tzinfo=UTC
    )


def test_a_start_date_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="`start_date` is 'soon'"):
        Settings.of(KEY | {"start_date": "soon"})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "'api_key' is a required property"),
        (KEY | {"rate_limit_share": 2}, "rate_limit_share"),
        (KEY | {"rate_limit_share": 0}, "rate_limit_share"),
        (KEY | {"event_lookback": -1}, "event_lookback"),
        (KEY | {"event_lookback": "a week"}, "event_lookback"),
        (KEY | {"request_timeout": 0}, "request_timeout"),
        (KEY | {"metrics": "Opened Email"}, "metrics"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigValidationError) as refusal:
        TapKlaviyoEngagement(config=config)
    assert said in refusal.value.errors[0]


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "api_key": "pk_test_0123456789",
        "api_url": "http://127.0.0.1:1",
        "revision": "2026-07-15",
        "start_date": "2026-01-01",
        "event_lookback": "0.5",
        "metrics": '["Opened Email", "Clicked Email"]',
        "lists": "[]",
        "segments": '["VIPs"]',
        "include_subscriptions": "true",
        "include_predictive_analytics": "false",
        "report_conversion_metric": "Placed Order",
        "report_lookback": "3",
        "rate_limit_share": "0.25",
        "concurrency": "4",
        "nul_characters": "keep",
        "max_rejects": "5",
        "rejects_path": "refused.jsonl",
        "request_timeout": "5",
        "response_size_limit": "7",
        "response_timeout": "9.5",
    }
    assert given.keys() == SCHEMA["properties"].keys() & given.keys()
    for name, text in given.items():
        monkeypatch.setenv(PREFIX + name.upper(), text)
    tap = TapKlaviyoEngagement(parse_env_config=True)
    assert tap.run.settings == Settings(
        api_key="pk_test_0123456789",
        api_url="http://127.0.0.1:1",
        revision="2026-07-15",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        event_lookback=timedelta(hours=12),
        metrics=("Opened Email", "Clicked Email"),
        lists=(),
        segments=("VIPs",),
        report_conversion_metric="Placed Order",
        report_lookback=timedelta(days=3),
        rate_limit_share=0.25,
        concurrency=4,
        nul_characters="keep",
        max_rejects=5,
        rejects_path=Path("refused.jsonl"),
        request_timeout=5,
        response_size_limit=7,
        response_timeout=9.5,
    )
    assert "subscriptions" in tap.streams["profiles"].schema["properties"]
    assert "predictive_analytics" not in tap.streams["profiles"].schema["properties"]


def test_a_number_in_the_environment_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "API_KEY", "pk_test_0123456789")
    monkeypatch.setenv(PREFIX + "RATE_LIMIT_SHARE", "half")
    with pytest.raises(ConfigValidationError) as refusal:
        TapKlaviyoEngagement(parse_env_config=True)
    assert "rate_limit_share" in refusal.value.errors[0]
