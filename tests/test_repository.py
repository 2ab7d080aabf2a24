"""House rules that a tool can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _sources(folder: str) -> list[Path]:
    return [
        path
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts and "benchmarks" not in path.parts
    ]


OURS = (
    "exposure_export",
    "klaviyo_wire",
    "klaviyo_inbox",
    "klaviyo_sandbox",
    "tap_",
    "target_",
    "lift_report",
    "singer_program",
    "subject_requests",
)
RULES = {
    # folder: (our packages it may import, third-party modules it may not)
    "klaviyo-wire/src": (("klaviyo_wire",), ("singer_sdk", "socket", "time", "os")),
    "tap-klaviyo-engagement/tap_klaviyo_engagement": (
        ("tap_klaviyo_engagement", "klaviyo_wire", "singer_program"),
        (),
    ),
    # Only `client.py` knows what the SDK wants of a stream.
    "tap-klaviyo-engagement/tap_klaviyo_engagement/extraction": (
        ("tap_klaviyo_engagement", "klaviyo_wire", "singer_program"),
        ("singer_sdk", "requests", "singer_program.plugin", "singer_program.reader", "singer_program.writer"),
    ),
    "tap-klaviyo-engagement/tap_klaviyo_engagement/state": (
        ("tap_klaviyo_engagement",),
        ("singer_sdk", "requests"),
    ),
    "tap-klaviyo-engagement/tap_klaviyo_engagement/stream_kinds": (
        ("tap_klaviyo_engagement", "klaviyo_wire"),
        ("singer_sdk", "requests", "backoff"),
    ),
    "tap-klaviyo-engagement/tap_klaviyo_engagement/streams": (
        ("tap_klaviyo_engagement", "klaviyo_wire"),
        ("requests", "backoff"),
    ),
    "target-klaviyo-profiles/target_klaviyo_profiles": (
        ("target_klaviyo_profiles", "klaviyo_wire", "singer_program"),
        (),
    ),
    "target-klaviyo-profiles/target_klaviyo_profiles/sinks": (
        ("target_klaviyo_profiles", "klaviyo_wire"),
        (
            "requests",
            "backoff",
            "singer_sdk",
            "target_klaviyo_profiles.delivery",
            "target_klaviyo_profiles.settings",
            "target_klaviyo_profiles.target",
        ),
    ),
    # Of what Singer programs share, the rejects file alone: nothing of Singer.
    "target-klaviyo-profiles/target_klaviyo_profiles/delivery": (
        ("target_klaviyo_profiles", "klaviyo_wire", "singer_program"),
        (
            "requests",
            "backoff",
            "singer_sdk",
            "singer_program.plugin",
            "singer_program.reader",
            "singer_program.writer",
            "target_klaviyo_profiles.settings",
            "target_klaviyo_profiles.target",
        ),
    ),
    "plugins/exposure-export/src": (("exposure_export", "singer_program"), ("requests", "duckdb", "singer_sdk")),
    # What an hour is, wherever it lies.
    "plugins/exposure-export/src/exposure_export/stores": (
        ("exposure_export", "singer_program"),
        ("exposure_export.hours", "exposure_export.manifest", "exposure_export.folder", "exposure_export.source"),
    ),
    # The receiver starts without the SDK; only the tap needs it.
    "plugins/klaviyo-inbox/src": (("klaviyo_inbox", "klaviyo_wire", "singer_program"), ("requests", "duckdb")),
    "plugins/klaviyo-inbox/src/klaviyo_inbox/sources": (
        ("klaviyo_inbox", "klaviyo_wire", "singer_program"),
        ("singer_sdk", "starlette", "sqlite3", "klaviyo_inbox.store", "klaviyo_inbox.receiver"),
    ),
    "plugins/klaviyo-inbox/src/klaviyo_inbox/store": (
        ("klaviyo_inbox", "singer_program"),
        ("singer_sdk", "starlette", "klaviyo_inbox.sources", "klaviyo_inbox.receiver"),
    ),
    "plugins/klaviyo-sandbox/src": (("klaviyo_sandbox", "klaviyo_wire"), ("singer_sdk",)),
    "plugins/map-consent-strings/src": (("map_consent_strings", "singer_program"), ("requests", "duckdb")),
    # What the IAB's specifications say, and nothing of Singer.
    "plugins/map-consent-strings/src/map_consent_strings/decoding": (
        ("map_consent_strings",),
        ("singer_sdk", "map_consent_strings.rows", "map_consent_strings.mapper"),
    ),
    "plugins/singer-program/src": (("singer_program",), ("requests",)),
    # The command starts without the SDK; only the tap needs it.
    "plugins/subject-requests/src": (("subject_requests", "klaviyo_wire", "singer_program"), ("requests",)),
    "plugins/tap-experiments/src": (("tap_experiments", "singer_program"), ()),
    "plugins/tap-forwarding/src": (("tap_forwarding", "singer_program"), ()),
    "plugins/tap-klaviyo-files/src": (("tap_klaviyo_files", "singer_program"), ("requests", "duckdb")),
    # What a file becomes, wherever it lies and whatever its format.
    "plugins/tap-klaviyo-files/src/tap_klaviyo_files/streams": (
        ("tap_klaviyo_files",),
        ("singer_sdk", "fsspec", "pyarrow", "tap_klaviyo_files.places", "tap_klaviyo_files.reading"),
    ),
    "plugins/tap-duckdb/src": (("tap_duckdb", "singer_program"), ()),
    "plugins/target-duckdb/src": (("target_duckdb", "singer_program"), ()),
    "plugins/lift-report/src": (("lift_report", "singer_program"), ("singer_sdk",)),
}


@pytest.mark.parametrize("folder", RULES)
def test_who_may_import_whom(folder: str) -> None:
    allowed, banned = RULES[folder]
    sources = _sources(folder)
    assert sources
    for path in sources:
        for name in _imports(path):
            if name.startswith(OURS):
                assert name.split(".")[0] in allowed, f"{path.relative_to(ROOT)} imports {name}"
            assert not any(name == module or name.startswith(f"{module}.") for module in banned), (
                f"{path.relative_to(ROOT)} imports {name}"
            )


@pytest.mark.parametrize(("module", "room"), [("duckdb", "warehouse"), ("pyarrow", "s3")])
def test_what_an_extra_brings_is_imported_in_its_room_alone(module: str, room: str) -> None:
    """A small program that needs neither a warehouse nor a store is installed without them."""
    for path in _sources("plugins/singer-program/src"):
        imported = any(name.split(".")[0] == module for name in _imports(path))
        assert imported is (path.stem == room), path.relative_to(ROOT)


def test_nothing_of_the_target_knows_a_sink_by_name() -> None:
    """Only the registry imports a sink: so the delivery is the same for all, and a new one is one line there."""
    package = ROOT / "target-klaviyo-profiles" / "target_klaviyo_profiles"
    registry = package / "sinks" / "__init__.py"
    sinks = {name for name in _imports(registry) if name.startswith("target_klaviyo_profiles.sinks.")}
    sinks.remove("target_klaviyo_profiles.sinks.base")
    assert sinks
    for path in package.rglob("*.py"):
        if path != registry:
            assert sinks.isdisjoint(_imports(path)), path.relative_to(ROOT)


FOREIGN = re.compile(
    r"/root/|/home/\w|/work/|/tmp/\w+/\w|pypi\.org|pythonhosted|registry\.npmjs|deb\.debian",
)


def test_the_project_names_no_machine_and_no_package_index() -> None:
    for path in _tracked():
        if path == Path(__file__):
            continue
        text = path.read_text(errors="ignore")
        assert not FOREIGN.search(text), f"{path.relative_to(ROOT)}: {FOREIGN.search(text)}"


def test_no_secret_is_committed() -> None:
    for path in _tracked():
        assert path.name != ".env"
        for key in re.findall(r"pk_[0-9a-f]{30,}", path.read_text(errors="ignore")):
            pytest.fail(f"{path.relative_to(ROOT)} holds {key[:6]}…")


def test_versions_are_fixed_once() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    assert re.search(r"^duckdb==2\.0\.1\b", constraints, re.MULTILINE)
    assert re.search(r"^dbt-core==1\.12\.0\b", constraints, re.MULTILINE)
    assert "://" not in constraints


def test_the_python_of_this_run_is_a_supported_one() -> None:
    assert (3, 11) <= sys.version_info < (3, 14)


def test_a_commit_is_checked_by_what_make_check_runs() -> None:
    """And by nothing that would have to be fetched."""
    [check] = re.findall(r"^check: (.*?) ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == [f"make {target}" for target in check.split()]
    assert {hook["language"] for hook in local["hooks"]} == {"system"}


def test_coverage_is_measured_of_every_package() -> None:
    [packages] = re.findall(r"^PACKAGES := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    names = [Path(folder).name.replace("-", "_") for folder in packages.replace("\\\n", " ").split()]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    assert sorted(settings["source_pkgs"]) == sorted(names)
