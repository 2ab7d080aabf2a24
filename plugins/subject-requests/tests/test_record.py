"""Who is responsible is checked to the line; the record says beside it what the pipeline really does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from subject_requests import activities, controller

Runs = Callable[..., Any]
ROOT = Path(__file__).parents[3]
WHOLE = """\
name: Shop Ltd
contact: privacy@shop.example
did: did:web:shop.example
purposes:
- name: Newsletter
  legal_basis: consent
  people: [subscribers]
  data: [address, clicks]
recipients:
- {name: Klaviyo, country: US, safeguard: standard | clauses}
retention:
- {data: events, days: 1095}
security: [files are their owner's alone]
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: Shop Ltd", "nam: Shop Ltd"), "line 1: Object contains unknown field `nam`"),
        (("name: Shop Ltd\n", ""), "line 1: Object missing required field `name`"),
        (("name: Shop Ltd", "name: ''"), "line 1 at `name`"),
        (("did: did:web:shop.example", "did: shop"), "line 3 at `did`"),
        (("  legal_basis: consent\n", ""), "line 5 at `purposes[0]`"),
        (("[address, clicks]", "address"), "line 8 at `purposes[0].data`"),
        (("days: 1095", "days: 0"), "line 12 at `retention[0].days`"),
        (("country: US", "land: US"), "line 10 at `recipients[0]`"),
        (("security: [", "security: ["), None),
        (("security: [", "security: [["), "is not YAML"),
        ((WHOLE, "- a list\n"), "line 1: Expected `object`"),
        ((WHOLE, ""), "line 1: Expected `object`"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    change: tuple[str, str], told: str | None, run: Runs, tmp_path: Path
) -> None:
    (tmp_path / "controller.yml").write_text(WHOLE.replace(*change))
    done = run("controller", controller_path="controller.yml")
    if told is None:
        assert (done.status, done.out) == (0, "nothing is missing\n")
    else:
        assert done.status == 1
        assert told in done.err
        assert done.err.startswith("subject-requests: controller.yml")


def test_what_a_record_lacks_is_told(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("name: Shop\ncontact: x\npurposes: [{name: News, legal_basis: consent}]\n")
    assert run("controller", controller_path="c.yml").out.splitlines() == [
        "recipients", "retention", "security", "News: people", "News: data",
    ]  # fmt: skip
    assert run("controller", controller_path="none.yml").status == 1
    assert json.loads(run("controller", "--schema").out)["$defs"]["Controller"]["required"] == ["name", "contact"]


def test_the_record_says_what_this_pipeline_does(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "controller.yml").write_text(WHOLE)
    done = run("record", "--project", str(ROOT / "meltano.yml"), controller_path="controller.yml")
    assert done.status == 0, done.err
    assert "| Newsletter | consent | subscribers | address, clicks |" in done.out
    assert "| Klaviyo |  | US | standard \\| clauses |" in done.out
    found = {each.name: each for each in activities.read(ROOT / "meltano.yml")}
    night = {(move.source, move.destination): move.streams for move in found["nightly-pipeline"].moves}
    assert "events" in night["tap-klaviyo-events", "target-duckdb"]
    assert ("tap-duckdb", "target-klaviyo-profiles") in night
    [sweep] = [line for line in done.out.splitlines() if line.startswith("| weekly-sweep | `50 4 * * 0` |")]
    assert "profile_ids" in sweep
    assert "## Not told" not in done.out


def test_a_project_that_is_none_is_told(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "controller.yml").write_text(WHOLE)
    (tmp_path / "wrong.yml").write_text("schedules: [{name: a, job: b, interval: '@daily'}]\n")
    for project, told in (("none.yml", "cannot be read as YAML"), ("wrong.yml", "a job that is not defined")):
        done = run("record", "--project", project, controller_path="controller.yml")
        assert done.status == 1
        assert told in done.err


def test_the_example_of_the_readme_is_taken(run: Runs, tmp_path: Path) -> None:
    shown = re.search(r"```yaml\n(.*?)```", (Path(__file__).parent.parent / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    (tmp_path / "controller.yml").write_text(shown[1])
    assert run("controller", controller_path="controller.yml").out.splitlines() == ["recipients", "security"]


def test_the_example_to_copy_lacks_nothing_and_names_jobs_that_there_are(run: Runs) -> None:
    path = ROOT / "privacy" / "controller.example.yml"
    assert run("controller", controller_path=path).out == "nothing is missing\n"
    said = controller.read(path)
    assert said is not None
    jobs = {each["name"] for each in yaml.safe_load((ROOT / "meltano.yml").read_text())["jobs"]}
    assert {job for each in said.purposes for job in each.jobs} <= jobs
    done = run("record", "--project", str(ROOT / "meltano.yml"), controller_path=path)
    assert (done.status, "Shop Ltd" in done.out) == (0, True)
