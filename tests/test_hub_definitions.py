"""The plugin definitions under plugins/hub, as Meltano Hub wants them and `meltano add --from-ref` takes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from klaviyo_sandbox import Sandbox

ROOT = Path(__file__).parent.parent
HUB = ROOT / "plugins" / "hub"
SCHEMAS = {"mappers": "loaders"}
"""The Hub's schema of mappers is that of loaders but for two keys that no definition here has."""
DEFINITIONS = sorted(path.relative_to(HUB).as_posix() for path in HUB.rglob("*.yml"))
EMPTY_PROJECT = """\
project_id: fresh
default_environment: dev
environments:
- name: dev
send_anonymous_usage_stats: false
"""


def _schema(folder: Path, kind: str) -> Draft7Validator:
    """The Hub's schema of a kind of plugin. Its parts name each other by file, and by no id that fits that."""
    parts: dict[str, Any] = {}
    for path in folder.rglob("*.schema.json"):
        part = json.loads(path.read_text())
        del part["$id"]
        parts[f"https://hub.example/{path.relative_to(folder).as_posix()}"] = part
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(part, default_specification=DRAFT7)) for name, part in parts.items()
    )
    return Draft7Validator(
        {"$ref": f"https://hub.example/plugin_definitions/{kind}.schema.json"}, registry=registry
    )


def test_tap_and_target_have_a_definition() -> None:
    assert {Path(name).parts[1] for name in DEFINITIONS} >= {"tap-klaviyo-engagement", "target-klaviyo-profiles"}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_is_as_the_hub_wants_it(name: str, reference: Path) -> None:
    kind, plugin, variant = Path(name).with_suffix("").parts
    schema = _schema(reference / "reference" / "meltano-hub", SCHEMAS.get(kind, kind))
    told = yaml.safe_load((HUB / name).read_text())
    assert [error.message for error in schema.iter_errors(told)] == []
    assert (told["name"], told["variant"]) == (plugin, variant)
    # The schema is one that can say no.
    for fault in ({"quality": "best"}, {"kind": "tap"}, {"settings": [{"name": "a", "kind": "text"}]}):
        assert list(schema.iter_errors(told | fault)), fault


def _meltano(project: Path, *words: str | Path, **variables: str) -> str:
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).parent / "meltano"), *map(str, words)],
        cwd=project,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO", "TAP_", "TARGET_"))
        }
        | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        (
            "extractors/tap-klaviyo-engagement",
            {"START_DATE": "2026-01-01", "METRICS": '["Opened Email"]', "FLATTENING_ENABLED": "true"},
        ),
        (
            "loaders/target-klaviyo-profiles",
            {"ON_REJECT": "fail", "CLEARABLE_FIELDS": '["title"]', "DRY_RUN": "true"},
        ),
        ("extractors/tap-experiments", {"PATH": "/srv/our-experiments", "PROPERTY_FORMAT": "flat"}),
    ],
)
def test_a_plugin_is_added_to_an_empty_project(name: str, variables: dict[str, str], tmp_path: Path) -> None:
    """Every variable of its settings has its effect there: Meltano passes on none that it is not told."""
    (tmp_path / "meltano.yml").write_text(EMPTY_PROJECT)
    plugin = Path(name).name
    _meltano(tmp_path, "add", plugin, "--no-install", "--from-ref", HUB / name / "klaviyo-loop.yml")
    prefix = plugin.replace("-", "_").upper()
    given = {f"{prefix}_{setting}": value for setting, value in variables.items()}
    config = json.loads(_meltano(tmp_path, "config", "print", plugin, **given))
    for setting, value in variables.items():
        kept = config[setting.lower()]
        assert (kept if isinstance(kept, str) else json.dumps(kept)) == value


if os.environ.get("KLAVIYO_LOOP_TEST_INSTALL") == "pip":  # `make test-install`: reports take minutes

    def test_an_empty_project_lands_an_account(tmp_path: Path, repository: str) -> None:
        """Tap and loader by their definitions alone, installed out of git, without `select`."""
        (tmp_path / "meltano.yml").write_text(EMPTY_PROJECT)
        for name in ("extractors/tap-klaviyo-engagement", "loaders/target-duckdb"):
            definition = HUB / name / "klaviyo-loop.yml"
            _meltano(
                tmp_path, "add", Path(name).name, "--from-ref", definition, KLAVIYO_LOOP_REPOSITORY=repository
            )
        with Sandbox(profiles=200, events=400, seed=1) as sandbox:
            _meltano(
                tmp_path,
                "run",
                "tap-klaviyo-engagement",
                "target-duckdb",
                TAP_KLAVIYO_ENGAGEMENT_API_KEY=sandbox.api_key,
                TAP_KLAVIYO_ENGAGEMENT_API_URL=sandbox.url,
                TARGET_DUCKDB_PATH=str(tmp_path / "warehouse.duckdb"),
            )
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
            assert warehouse.sql("select count(*) from klaviyo_raw.events").fetchall() == [(400,)]
            assert warehouse.sql("select count(*) from klaviyo_raw.profiles").fetchall() == [(200,)]
