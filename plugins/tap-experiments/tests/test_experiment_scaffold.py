"""A new experiment begins as a sound draft; editors know its keys."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from tap_experiments.cli import main
from tap_experiments.commands import schema_text
from tap_experiments.definitions.model import PropertyFormat, Status
from tap_experiments.definitions.scaffold import SCHEMA_FILE
from tap_experiments.definitions.schema import json_schema
from tap_experiments.project import load

ROOT = Path(__file__).parents[3]
EVERY_KEY = Path(__file__).parent / "every_key" / "every_key" / "experiment.yml"
DEFINITIONS = [
    *sorted((ROOT / "demo" / "experiments").glob("*/experiment.yml")),
    EVERY_KEY,
]


class EditorLoader(yaml.SafeLoader):
    """Reads YAML as editors do, by version 1.2: dates and `NO` are texts."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def complaints(text: str) -> list[str]:
    """What an editor would underline."""
    validator = jsonschema.Draft7Validator(json_schema())
    return [error.json_path for error in validator.iter_errors(yaml.load(text, EditorLoader))]  # noqa: S506


@pytest.fixture
def new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `tap-experiments new` beside an empty folder of experiments: its code, and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()

    def new(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tap-experiments", "new", *arguments])
        code = main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out or err

    return new


def test_a_new_experiment_is_a_sound_draft(tmp_path: Path, new: Callable[..., tuple[int, str]]) -> None:
    code, said = new("spring_sale")
    assert code == 0
    assert said.startswith("experiments/spring_sale/experiment.yml: a draft; describe the experiment here\n")
    project = load(tmp_path / "experiments", PropertyFormat.LIST)
    [(experiment, template)] = project.pairs
    assert (experiment.key, experiment.status, template.name) == ("spring_sale", Status.DRAFT, "lf_spring_sale")
    assert project.warnings == ()
    definition = tmp_path / "experiments" / "spring_sale" / "experiment.yml"
    assert complaints(definition.read_text()) == []
    assert "yaml-language-server" not in definition.read_text()


def test_what_it_comments_out_is_sound_too(tmp_path: Path, new: Callable[..., tuple[int, str]]) -> None:
    new("spring_sale")
    definition = tmp_path / "experiments" / "spring_sale" / "experiment.yml"
    text = re.sub(r"(?m)^#(?=  )|^# (?=[a-z_]+: )", "", definition.read_text())
    definition.write_text(text)
    [(experiment, _)] = load(tmp_path / "experiments", PropertyFormat.LIST).pairs
    assert experiment.layer is not None
    assert len(experiment.conditions) == 2
    assert (experiment.holdout_bp, experiment.balance_tries, experiment.planned_stop is not None) == (
        500,
        20,
        True,
    )
    assert complaints(text) == []


def test_in_the_repository_it_names_the_schema(tmp_path: Path, new: Callable[..., tuple[int, str]]) -> None:
    (tmp_path / SCHEMA_FILE).parent.mkdir(parents=True)
    (tmp_path / SCHEMA_FILE).touch()
    new("spring_sale")
    definition = tmp_path / "experiments" / "spring_sale" / "experiment.yml"
    for file, project in ((definition, tmp_path), (DEFINITIONS[0], ROOT)):
        first = file.read_text().splitlines()[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).resolve() == project / SCHEMA_FILE


def test_nothing_is_overwritten(tmp_path: Path, new: Callable[..., tuple[int, str]]) -> None:
    (tmp_path / "experiments" / "spring_sale").mkdir()
    code, said = new("spring_sale")
    assert code == 1
    assert said == "experiments/spring_sale exists already; choose another name, or remove it\n"
    assert list((tmp_path / "experiments" / "spring_sale").iterdir()) == []


@pytest.mark.parametrize("name", ["", "Spring", "a b", "../up", "_draft", "1st", "a" * 41])
def test_a_name_that_tokens_cannot_carry(tmp_path: Path, new: Callable[..., tuple[int, str]], name: str) -> None:
    code, said = new("--", name)
    assert code == 1
    assert f"`{name}` cannot be used as a name; use 1 to 40 small letters" in said
    assert list((tmp_path / "experiments").iterdir()) == []


def test_no_folder_to_write_into(new: Callable[..., tuple[int, str]]) -> None:
    code, said = new("spring_sale", "--path", "elsewhere")
    assert code == 1
    assert "elsewhere/spring_sale cannot be written: No such file or directory; give the folder of exp" in said


def test_the_published_schema_is_fresh() -> None:
    assert (ROOT / SCHEMA_FILE).read_text() == schema_text()
    jsonschema.Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda path: path.parent.name)
def test_editors_accept_what_is_sound(definition: Path) -> None:
    assert complaints(definition.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new_text", "place"),
    [
        ("traffic: 80", "trafic: 80", "$"),
        ("traffic: 80", "traffic: 101", "$.traffic"),
        ("status: live", "status: lve", "$.status"),
        ("list: Newsletter", "segment: a\n  list: Newsletter", "$.audience"),
        ("in: [SE, NO]", "in: [SE], exists: true", "$.audience.where[0]"),
        ("at_least: 18", "at_least: adult", "$.audience.where[2].at_least"),
        ("since: 2026-01-01", "since: soon", "$.audience.where[3].since"),
        ("unsubscribed: 0.2", "unsubscribd: 0.2", "$.guardrails"),
        ("{plain: 70, bold: 30}", "{plain: 70, bold: x}", "$.slots.hero.allocation"),
        ("html: template.html, ", "", "$.template"),
        ("channel: email", "channel: sms", "$.template"),
        ("      large: {}\n", "", "$.slots.button.arms"),
    ],
)
def test_editors_underline_what_is_not(old: str, new_text: str, place: str) -> None:
    text = EVERY_KEY.read_text()
    assert old in text
    assert place in complaints(text.replace(old, new_text))
