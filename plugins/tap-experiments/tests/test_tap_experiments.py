from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_experiments.cli import main
from tap_experiments.tap import TapExperiments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXPERIMENTS = Path(__file__).parents[3] / "experiments"

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
    return Path(shutil.copytree(EXPERIMENTS, tmp_path / "experiments"))


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


@pytest.mark.usefixtures("experiments")
def test_the_same_files_give_the_same_template(run: Callable[..., Run]) -> None:
    def templates() -> list[str]:
        records = [json.loads(line).get("record", {}) for line in run().stdout.splitlines()]
        return [record["html"] for record in records if "html" in record]

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
