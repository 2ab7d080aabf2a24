"""No line about what went wrong shows a key or a password, wherever in the settings it was put."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from tap_klaviyo_engagement.__main__ import main
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
Lines = Callable[[Json], list[str]]
KEY = "pk_0123456789abcdef0123456789"
OWN = {"api_key": "pk_test_9876543210"}


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Lines:
    """Run the command in this process, which fails, with some settings: the lines of its log."""
    monkeypatch.setattr("singer_sdk.plugin_base._setup_console_logging", lambda **_: None)
    monkeypatch.setattr(TapKlaviyoEngagement, "_setup_signal_handlers", lambda _: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(tmp_path)

    def lines(config: Json) -> list[str]:
        Path("config.json").write_text(json.dumps(config))
        monkeypatch.setattr(sys, "argv", ["tap-klaviyo-engagement", "--config", "config.json"])
        with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return [record.getMessage() for record in caplog.records]

    return lines


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_url": "user:hunter2@host"}, "the setting `api_url` is '***@host': give scheme and host"),
        ({"api_url": "//user:hunter2@host"}, "the setting `api_url` is '***@host': give scheme and host"),
        ({"api_url": "https://user:hunter2/@host"}, "the setting `api_url` is 'https://***@host'"),
        ({"start_date": KEY}, "the setting `start_date` is 'pk_***'"),
        ({"start_date": f"2026-01-01 {KEY}"}, "the setting `start_date` is '2026-01-01 pk_***'"),
        ({"metrics": KEY}, "'pk_***' is not of type 'array'"),
        ({"lists": KEY}, "'pk_***' is not of type 'array'"),
        ({"segments": KEY}, "'pk_***' is not of type 'array'"),
        ({"rate_limit_share": KEY}, "'pk_***' is not of type 'number'"),
        ({"max_rejects": [KEY]}, "['pk_***'] is not of type 'integer'"),
        ({"nul_characters": KEY}, "'pk_***' is not one of ['keep', 'replace']"),
        ({"metrcs": ["Opened Email"]}, "there is no setting `metrcs`; did you mean `metrics`?"),
        ({KEY: "x"}, "there is no setting `pk_***`"),
        ({f"x{KEY}": "x"}, "there is no setting `xpk_***`"),
    ],
)
def test_a_wrong_setting_is_told_without_the_secret_in_it(wrong: Json, said: str, lines: Lines) -> None:
    *_, last = found = lines(OWN | wrong)
    assert said in last
    assert not any(secret in line for line in found for secret in ("hunter2", KEY[3:]))


def test_a_key_among_names_is_told_by_no_stream(lines: Lines) -> None:
    named = {"metrics": [KEY], "lists": [KEY], "segments": ["x", KEY], "report_conversion_metric": KEY}
    with Sandbox(profiles=3, events=5, segments=1, seed=1) as sandbox:
        *_, last = found = lines({"api_key": sandbox.api_key, "api_url": sandbox.url} | named)
    for setting in ("metrics", "lists"):
        assert f"the setting `{setting}` names 'pk_***', which does not exist" in last
    assert "the setting `segments` names 'x' and 'pk_***', which does not exist" in last
    assert not any(KEY[3:] in line for line in found)
