"""What a flow is to send so that it asks for an experiment's content."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tap_experiments.commands import commands
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.definitions.scaffold import scaffold

README = Path(__file__).parents[1] / "README.md"
SEGMENT = "audience:\n  segment: Demo audience            # Klaviyo's name or id; or `list:`\n"
FLOW = (
    "{flow: Welcome series, where: [{field: attrs.basket, more_than: 50}, {field: attrs.basket, less_than: 90}]}"
)


def webhook(folder: Path, audience: str, *arguments: str) -> tuple[int, str]:
    definition = scaffold(folder, "welcome", read_catalogue(None))[0]
    text = definition.read_text()
    assert SEGMENT in text
    definition.write_text(text.replace(SEGMENT, f"audience: {audience}\n"))
    ended = CliRunner().invoke(commands, ["webhook", *arguments, "--path", str(folder)])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.output


def test_the_webhook_is_what_the_readme_shows(tmp_path: Path) -> None:
    shown = re.search(
        r"^\$ tap-experiments (webhook welcome .*)\n((?s:.*?))^```", README.read_text(), re.MULTILINE
    )
    assert shown is not None
    assert webhook(tmp_path, FLOW, *shown[1].split()[1:]) == (0, shown[2])


def test_the_body_is_json_that_asks_for_each_attribute_once(tmp_path: Path) -> None:
    code, said = webhook(tmp_path, FLOW, "welcome", "--receiver", "https://push.example/")
    assert code == 0
    assert "https://push.example/klaviyo/flows/welcome\n" in said
    body = json.loads(said[said.index("    {") : said.index("Time delay")])
    assert list(body) == ["profile_id", "request_id", "attrs"]
    assert body["attrs"] == {"basket": "{{ event|lookup:'basket' }}"}


@pytest.mark.parametrize(
    ("audience", "name", "told"),
    [
        ("{segment: Everyone}", "welcome", "is a segment, which calls nobody; write `audience: {flow: "),
        (FLOW, "welcom", "holds no experiment `welcom`; there are welcome"),
    ],
)
def test_what_calls_nobody_is_told(tmp_path: Path, audience: str, name: str, told: str) -> None:
    code, said = webhook(tmp_path, audience, name)
    assert code == 1
    assert told in said
