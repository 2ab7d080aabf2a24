from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_experiments.cli import main
from tap_experiments.tap import TapExperiments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERO = Path(__file__).parents[3] / "demo" / "experiments" / "spring_hero"

EVERY_KEY = Path(__file__).parent / "every_key"

TestTapExperiments = get_tap_test_class(TapExperiments, config={"path": str(EVERY_KEY)})


class Run(NamedTuple):
    """What a run of the command left behind."""

    code: int
    stdout: str
    complaints: list[str]


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    """A copy of the example that a test may spoil."""
    return shutil.copytree(HERO, tmp_path / "experiments" / HERO.name).parent


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Run]]:
    """Runs the command in the folder of the test."""
    handlers = list(logging.root.handlers)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, config: object = None) -> Run:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config or {}))
        monkeypatch.setattr(sys, "argv", ["tap-experiments", "--config", "config.json", *arguments])
        code = main()
        logging.root.handlers = list(handlers)  # the SDK adds one for each run
        stdout, stderr = capfd.readouterr()
        assert "Traceback" not in stderr
        complaints = [line.split(" | ")[-1] for line in stderr.splitlines() if " | INFO " not in line]
        return Run(code, stdout, complaints)

    yield run
    logging.root.handlers = handlers


def test_records_in_order_with_one_moment(experiments: Path, run: Callable[..., Run]) -> None:
    code, stdout, complaints = run(config={"path": str(experiments), "property_format": "flat"})
    messages = [json.loads(line) for line in stdout.splitlines()]
    records = [message for message in messages if message["type"] == "RECORD"]
    assert [record["stream"] for record in records] == [
        "experiments",
        "experiment_arms",
        "experiment_arms",
        "experiment_templates",
        "definition_snapshots",
    ]
    assert len({record["record"]["defined_at"] for record in records}) == 1
    assert datetime.fromisoformat(records[0]["record"]["defined_at"]).utcoffset() is not None
    assert records[0]["record"]["property_format"] == "flat"
    assert records[0]["record"]["campaign_message_ids"] == []
    assert "lf_spring_hero_hero" in records[3]["record"]["html"]
    assert records[4]["record"]["experiments"] == 1
    assert (code, complaints) == (0, [])


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=365)], ids=str)
def test_a_reading_is_later_than_the_one_before_also_where_the_clock_was_set_back(
    experiments: Path, run: Callable[..., Run], tmp_path: Path, ahead: timedelta
) -> None:
    """Or a definition that was deleted since would count as one that is still there."""
    before = datetime.now(UTC) + ahead
    state: object = {"bookmarks": {"definition_snapshots": {"defined_at": before.isoformat()}}}
    for _ in range(2):
        (tmp_path / "state.json").write_text(json.dumps(state))
        done = run("--state", "state.json", config={"path": str(experiments)})
        assert done.code == 0
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        (defined_at,) = {each["record"]["defined_at"] for each in messages if each["type"] == "RECORD"}
        assert before < datetime.fromisoformat(defined_at) < before + timedelta(seconds=1)
        before = datetime.fromisoformat(defined_at)
        state = [each["value"] for each in messages if each["type"] == "STATE"][-1]


def test_a_state_of_another_shape_is_one_line(experiments: Path, run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"bookmarks": {"experiments": {"partitions": null}}}')
    done = run("--state", "state.json", config={"path": str(experiments)})
    assert (done.code, done.stdout) == (1, "")
    (line,) = done.complaints
    assert line.startswith("the state of the stream `experiments` has null as `partitions`, and no list: give ")


def records(stdout: str, stream: str) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in stdout.splitlines()]
    return [message["record"] for message in messages if message.get("stream") == stream and "record" in message]


@pytest.mark.parametrize("cleanup", [None, False, True])
def test_what_the_warehouse_gets_of_a_winner(
    experiments: Path, run: Callable[..., Run], *, cleanup: bool | None
) -> None:
    """Which arm it is, and whether profiles still hold the others."""
    definition = experiments / "spring_hero" / "experiment.yml"
    keys = "" if cleanup is None else f"\ncleanup: {str(cleanup).lower()}"
    definition.write_text(
        definition.read_text().replace("status: live", f"status: ended\nwinner: {{hero: bold}}{keys}")
    )
    code, stdout, complaints = run(config={"path": str(experiments)})
    assert (code, complaints) == (0, [])
    [experiment] = records(stdout, "experiments")
    assert (experiment["is_shipped"], experiment["is_cleaned_up"]) == (True, bool(cleanup))
    arms = {arm["arm_key"]: arm["is_winner"] for arm in records(stdout, "experiment_arms")}
    assert arms == {"control": False, "bold": True}


def test_what_the_warehouse_gets_of_every_key(run: Callable[..., Run]) -> None:
    code, stdout, complaints = run(config={"path": str(EVERY_KEY)})
    assert (code, complaints) == (0, [])
    [experiment] = records(stdout, "experiments")
    lock = json.loads((EVERY_KEY / "every_key" / "preregistration.lock").read_text())
    expected = {
        "channel": "email",
        "audience_type": "list",
        "audience": "Newsletter",
        "audience_conditions": [
            {"field": "location.country", "operator": "in", "values": ["SE", "NO"]},
            {"field": "properties.tier", "operator": "not_in", "values": ["vip", "7"]},
            {"field": "properties.age", "operator": "at_least", "values": ["18"]},
            {"field": "created", "operator": "since", "values": ["2026-01-01"]},
            {"field": "phone_number", "operator": "exists", "values": ["true"]},
        ],
        "traffic_bp": 8000,
        "layer_name": "promo",
        "layer_start_bp": 0,
        "layer_end_bp": 5000,
        "holdout_bp": 250,
        "global_holdout_bp": 500,
        "global_holdout_version": 2,
        "group_key": "everything",
        "unit_hash": "growthbook_v2",
        "assignment_method": "hash",
        "balance_tries": 1,
        "balance_days": 0,
        "primary_metric": "revenue",
        "secondary_metrics": ["ordered", "clicked"],
        "guardrails": {"unsubscribed": 0.2, "complained": 0.0},
        "planned_stop": "2026-12-31",
        "decision": "always",
        "minimum_detectable_effect": 0.1,
        "dimensions": [
            {"dimension": "country", "kind": "country", "name": "", "position": 0},
            {"dimension": "property:plan", "kind": "property", "name": "plan", "position": 1},
            {"dimension": "segment:VIPs", "kind": "segment", "name": "VIPs", "position": 2},
            {"dimension": "tenure", "kind": "tenure", "name": "", "position": 3},
        ],
        "preregistration_sha256": lock["sha256"],
        "is_shipped": False,
        "is_cleaned_up": False,
    }
    assert {name: experiment[name] for name in expected} == expected
    arms = [
        (arm["arm_key"], arm["snippet"], arm["allocation"], arm["weight_bp"], arm["thompson_floor_bp"],
         arm["thompson_half_life_days"], arm["thompson_at_most"])
        for arm in records(stdout, "experiment_arms")
    ]  # fmt: skip
    assert arms == [
        ("plain", None, "manual", 7000, None, None, None),
        ("bold", None, "manual", 3000, None, None, None),
        ("small", "button", "thompson", 4550, 1000, 60, 5000),
        ("large", "button", "thompson", 5450, 1000, 60, 5000),
    ]


def test_what_is_left_out_is_null_and_a_text_message_has_its_text(tmp_path: Path, run: Callable[..., Run]) -> None:
    folder = tmp_path / "experiments" / "note"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("Look: https://x.io")
    (folder / "other.txt").write_text("See: https://x.io")
    (folder / "template.txt").write_text('[[ slot("body") ]]')
    definition = {
        "key": "note",
        "version": 1,
        "status": "draft",
        "description": "Which?",
        "channel": "sms",
        "audience": {"segment": "Everybody"},
        "primary_metric": "clicked",
        "attribution_window_days": 5,
        "slots": {
            "body": {
                "arms": {"a": {"content": "note.txt", "control": True}, "b": {"content": "other.txt"}},
                "allocation": {"thompson": {}},
            }
        },
        "template": {"name": "note", "text": "template.txt"},
    }
    (folder / "experiment.yml").write_text(json.dumps(definition))
    (tmp_path / "experiments" / "_snippets" / "old").mkdir(parents=True)
    code, stdout, complaints = run()
    assert (code, complaints) == (0, ["experiments/_snippets/old: no experiment uses this snippet"])
    [experiment] = records(stdout, "experiments")
    nulls = (
        "layer_name",
        "layer_start_bp",
        "layer_end_bp",
        "group_key",
        "planned_stop",
        "minimum_detectable_effect",
    )
    assert [experiment[name] for name in nulls] == [None] * len(nulls)
    assert (experiment["holdout_bp"], experiment["global_holdout_bp"], experiment["audience_conditions"]) == (
        0,
        0,
        [],
    )
    arms = records(stdout, "experiment_arms")
    assert [(arm["weight_bp"], arm["thompson_floor_bp"]) for arm in arms] == [(None, 500)] * 2
    assert [(arm["html"], arm["text"], arm["subject"]) for arm in arms] == [
        (None, "Look: https://x.io", None),
        (None, "See: https://x.io", None),
    ]
    [template] = records(stdout, "experiment_templates")
    assert (template["channel"], template["html"], template["subject"]) == ("sms", None, None)
    assert "https://x.io?lf_cid=note.body.b" in template["text"]


@pytest.mark.usefixtures("experiments")
def test_the_same_files_give_the_same_template(run: Callable[..., Run]) -> None:
    def templates() -> list[str]:
        records = [json.loads(line).get("record", {}) for line in run().stdout.splitlines()]
        return [record["html"] for record in records if "content_sha256" in record and "channel" in record]

    first = templates()
    assert len(first) == 1
    assert templates() == first


def test_no_experiments_is_a_sound_set(tmp_path: Path, run: Callable[..., Run]) -> None:
    """The snapshot tells the warehouse that whatever it holds is gone."""
    (tmp_path / "experiments").mkdir()
    [record] = [json.loads(line) for line in run().stdout.splitlines() if '"RECORD"' in line]
    assert (record["stream"], record["record"]["experiments"]) == ("definition_snapshots", 0)


@pytest.mark.parametrize("arguments", [(), ("--discover",), ("--test",)])
def test_one_fault_in_one_experiment_stops_all(
    experiments: Path, run: Callable[..., Run], arguments: tuple[str, ...]
) -> None:
    shutil.copytree(experiments / "spring_hero", experiments / "autumn")
    code, stdout, [line] = run(*arguments)
    assert (code, stdout) == (1, "")
    place, remedy = "experiments/autumn/experiment.yml:4: key", "give both the same name"
    assert line == f"{place}: is `spring_hero` in the folder `autumn`; {remedy}"


def test_every_fault_is_a_line(experiments: Path, run: Callable[..., Run]) -> None:
    (experiments / "spring_hero" / "hero_bold.html").unlink()
    (experiments / "spring_hero" / "template.html").write_text("")
    code, stdout, complaints = run()
    assert (code, stdout) == (1, "")
    assert [line.partition(":")[0] for line in complaints] == [
        "experiments/spring_hero/experiment.yml",
        "experiments/spring_hero/template.html",
    ]


@pytest.mark.parametrize(
    ("arguments", "config", "complaint"),
    [
        (
            (),
            {"property_format": "set"},
            "wrong settings: 'set' is not one of ['list', 'object', 'flat'] in config[",
        ),
        (("--test",), {"path": 1}, "wrong settings: 1 is not of type 'string', 'null' in config['path']"),
        (
            (),
            {"path": "elsewhere"},
            "elsewhere: cannot be read: No such file or directory; give the setting `path` the",
        ),
        ((), "{", "Invalid value for '--config': config.json: "),
        (
            ("--config", "absent.json"),
            {},
            "Invalid value for '--config': config.json, absent.json: File at 'absent.json'",
        ),
        (
            ("--catalog", "absent.json"),
            {},
            "Invalid value for '--catalog': 'absent.json': No such file or directory",
        ),
        (("--discovery",), {}, "No such option '--discovery'. Did you mean '--discover'?"),
    ],
)
@pytest.mark.usefixtures("experiments")
def test_a_wrong_use_is_one_line(
    run: Callable[..., Run], arguments: tuple[str, ...], config: object, complaint: str
) -> None:
    code, stdout, [line] = run(*arguments, config=config)
    assert (code, stdout) == (1, "")
    assert line.startswith(complaint)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [[], ["--discover"]])
def test_a_full_disk_is_one_line(experiments: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tap_experiments", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603
            command, cwd=experiments.parent, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if " | INFO " not in line] == [done.stderr.splitlines()[-1]]
    assert done.stderr.endswith("the records could not be written to standard output: No space left on device\n")
