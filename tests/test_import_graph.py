"""The import graph is that of the statements, and no package of ours has a circle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "import_graph.py"
sys.path.insert(0, str(SCRIPT.parent))  # scripts are not a package

import import_graph  # noqa: E402
from import_graph import Package  # noqa: E402

PACKAGES = import_graph.packages()
ARROWS: dict[str, dict[str, tuple[str, ...]]] = {
    # package: each of its rooms, with the rooms that it may import. A room names only those above it.
    "exposure_export": {
        "hours": (),
        "manifest": (),
        "rows": (),
        "settings": (),
        "stores": ("settings",),
        "source": ("hours", "manifest", "rows"),
        "folder": ("hours", "manifest", "stores"),
        "export": ("hours", "manifest", "rows", "stores", "source", "folder"),
        "cli": ("hours", "settings", "stores", "source", "export"),
        "__main__": ("cli",),
    },
    "klaviyo_inbox": {
        "moments": (),
        "logs": (),
        "reading": (),
        "settings": (),
        "verification": (),
        "delivery": (),
        "records": ("delivery",),
        "source": ("delivery", "records", "settings", "verification"),
        "forgotten": ("settings", "delivery", "records", "source"),
        "sources": ("moments", "settings", "verification", "delivery", "records", "source"),
        "store": ("moments", "delivery"),
        "metrics": ("delivery", "store"),
        "receiver": (
            "moments",
            "logs",
            "reading",
            "settings",
            "verification",
            "delivery",
            "source",
            "forgotten",
            "sources",
            "store",
            "metrics",
        ),
        "server": ("logs", "settings", "store", "receiver"),
        "tap": ("moments", "records", "sources", "store"),
        "cli": ("moments", "settings", "delivery", "forgotten", "sources", "store", "server"),
        "__main__": ("cli",),
    },
    "klaviyo_sandbox": {
        "model": (),
        "protocol": ("model",),
        "state": ("model", "protocol"),
        "simulation": ("model", "state"),
        "seed": ("model", "state", "simulation"),
        "account": ("model", "state", "simulation"),
        "operations": ("model", "protocol", "state", "simulation", "account"),
        "http": ("model", "protocol", "state", "simulation", "account", "operations"),
        "sandbox": ("model", "state", "simulation", "account", "http"),
        "cli": ("simulation", "http", "sandbox"),
        "__main__": ("cli",),
    },
    "map_consent_strings": {
        "decoding": (),
        "rows": ("decoding",),
        "mapper": ("rows",),
        "cli": ("mapper",),
        "__main__": ("cli",),
    },
    "singer_program": {
        "errors": (),
        "identifiers": (),
        "json_members": (),
        "json_text": (),
        "line_file": (),
        "lines": (),
        "output": (),
        "privacy_actions": (),
        "private": (),
        "signals": (),
        "state": (),
        "people_list": ("errors", "identifiers", "private"),
        "rejects_file": ("errors", "line_file"),
        "s3": ("errors",),
        "warehouse": ("errors",),
        "settings": ("errors",),
        "reader": ("errors", "lines"),
        "writer": ("output",),
        "command": ("errors", "output", "private", "signals"),
        "plugin": ("command", "errors", "private", "reader", "settings", "signals", "state", "writer"),
        "definitions": ("errors", "plugin"),
    },
    "tap_experiments": {
        "language": (),
        "definitions": ("language",),
        "templating": ("language", "definitions"),
        "project": ("definitions", "templating"),
        "streams": ("definitions", "project"),
        "tap": ("definitions", "project", "streams"),
        "commands": ("definitions", "templating", "project", "tap"),
        "cli": ("tap", "commands"),
        "__main__": ("cli",),
    },
    "tap_forwarding": {
        "definitions": (),
        "project": ("definitions",),
        "streams": ("definitions", "project"),
        "tap": ("project", "streams"),
        "commands": ("definitions", "project", "tap"),
        "cli": ("tap", "commands"),
        "__main__": ("cli",),
    },
    "tap_klaviyo_files": {
        "faults": (),
        "values": ("faults",),
        "mapping": ("faults",),
        "formats": ("faults",),
        "places": (),
        "settings": ("formats",),
        "ledger": ("places",),
        "rejects": ("faults",),
        "streams": ("faults", "values", "mapping", "settings"),
        "reading": ("faults", "formats", "places", "settings", "ledger", "rejects", "streams"),
        "run_context": ("places", "settings", "rejects"),
        "stream": ("values", "ledger", "reading", "run_context", "streams"),
        "tap": ("values", "run_context", "settings", "streams", "stream"),
        "cli": ("tap",),
        "__main__": ("cli",),
    },
    "tap_klaviyo_engagement": {
        "errors": (),
        "times": (),
        "emission": (),
        "connection_test": (),
        "extraction": ("errors", "times"),
        "name_lookup": ("errors", "extraction"),
        "settings": ("times",),
        "state": ("errors", "times"),
        "rejects": ("errors",),
        "run_context": (
            *(
                "errors",
                "times",
                "emission",
                "connection_test",
                "name_lookup",
                "settings",
                "extraction",
                "rejects",
            ),
        ),
        "client": ("errors", "emission", "extraction", "state", "run_context"),
        "stream_kinds": ("errors", "times", "extraction", "state", "client"),
        "streams": ("stream_kinds",),
        "tap": ("errors", "emission", "settings", "state", "run_context", "client", "streams"),
        "reconciliation": ("errors", "times", "emission", "settings", "extraction", "streams", "tap"),
        "__main__": ("tap", "reconciliation"),
    },
    "target_klaviyo_profiles": {
        "client": (),
        "errors": (),
        "identifiers": (),
        "values": (),
        "fields": ("values",),
        "rows": ("identifiers", "values"),
        "people": ("errors", "identifiers", "rows"),
        "audit": ("errors", "identifiers"),
        "deletions_tap": ("audit",),
        "rejects_tap": (),
        "answers": ("values", "rows"),
        "sinks": ("client", "fields", "identifiers", "values", "rows", "people", "answers", "audit"),
        "delivery": ("client", "errors", "identifiers", "values", "rows", "answers", "sinks"),
        "settings": ("identifiers", "people", "audit", "sinks"),
        "target": ("client", "errors", "people", "sinks", "delivery", "settings"),
        "__main__": ("client", "errors", "target"),
    },
}
"""Nothing of the sandbox imports `seed`: the package's metadata names what fills an account."""


@pytest.mark.parametrize("package", [each for each in PACKAGES if each.name in ARROWS], ids=lambda each: each.name)
def test_rooms_import_one_way(package: Package) -> None:
    allowed = ARROWS[package.name]
    order = list(allowed)
    for room, above in allowed.items():
        assert {order.index(each) < order.index(room) for each in above} <= {True}, f"{room} names a room below it"
    drawn = import_graph.rooms(package)
    assert drawn.keys() == allowed.keys()
    for room, imported in drawn.items():
        assert imported <= {*allowed[room]}, f"{room} imports {sorted(imported - {*allowed[room]})}"


def test_every_package_with_folders_has_its_arrows_told() -> None:
    """A package that grew folders says which may import which."""
    with_folders = {each.name for each in PACKAGES if any(each.folder.glob("*/__init__.py"))}
    assert with_folders == ARROWS.keys()


def test_nothing_of_the_sandbox_imports_what_fills_an_account() -> None:
    assert not any("seed" in above for above in ARROWS["klaviyo_sandbox"].values())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_circle_of_files_not_even_for_types(package: Package) -> None:
    assert import_graph.circles(package.imports) == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_file_says_what_it_is_for(package: Package) -> None:
    for path in package.files.values():
        if path.read_bytes().strip():
            assert import_graph.first_line(path), path.relative_to(ROOT)


def test_every_package_of_the_workspace_is_drawn() -> None:
    manifests = [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")]
    assert len(PACKAGES) == len(manifests)


def _package(folder: Path, **files: str) -> Path:
    root = folder / "house"
    for name, text in {"__init__": "", **files}.items():
        path = root / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_what_counts_as_an_import(tmp_path: Path) -> None:
    package = import_graph.read(
        _package(
            tmp_path,
            base="import json\nfrom requests import Session",
            typed="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.base import Thing",
            late="def function():\n    import house.base",
            module="from house import base, missing",
            relative="from . import base\nfrom .inner import leaf\nfrom .inner.leaf import name",
            inner__in____init__="",
            inner__in__leaf="from ..typed import x\nfrom . import other\nfrom house.inner.other import y",
            inner__in__other="",
        )
    )
    assert package.imports == {
        "house": set(),
        "house.base": set(),
        "house.typed": {"house.base"},
        "house.late": {"house.base"},
        "house.module": {"house.base"},
        "house.relative": {"house.base", "house.inner.leaf"},
        "house.inner": set(),
        "house.inner.leaf": {"house.typed", "house.inner.other"},
        "house.inner.other": set(),
    }
    drawn = import_graph.rooms(package)
    assert drawn["inner"] == {"typed"}
    assert drawn["relative"] == {"base", "inner"}
    assert import_graph.arrows(drawn) == 6
    assert import_graph.floors(drawn) == 4
    assert import_graph.rooms(package, "inner") == {"leaf": {"other"}, "other": set()}


def test_a_circle_is_found_and_counts_as_one_floor(tmp_path: Path) -> None:
    package = import_graph.read(
        _package(
            tmp_path,
            a="from house import b",
            b="from house import c",
            c="def f():\n    from house import a, d",
            d="",
            top="from house import a",
        )
    )
    assert import_graph.circles(package.imports) == [["house.a", "house.b", "house.c"]]
    assert import_graph.floors(import_graph.rooms(package)) == 3


NAMES = "abcdefg"


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES))))
def test_without_circles_the_floors_are_an_order(given_graph: dict[str, set[str]]) -> None:
    """Every arrow goes to an earlier letter, so there is no circle."""
    graph = {name: {other for other in given_graph.get(name, ()) if other < name} for name in NAMES}
    assert import_graph.circles(graph) == []
    longest = 1 + max(_depth(graph, name) for name in NAMES)
    assert import_graph.floors(graph) == longest


def _depth(graph: dict[str, set[str]], name: str) -> int:
    return max((1 + _depth(graph, other) for other in graph[name]), default=0)


def test_the_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own script
            [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )

    counted = run("klaviyo_wire")
    assert counted.returncode == 0
    assert [line.split()[0] for line in counted.stdout.splitlines()] == ["package", "klaviyo_wire"]
    told = run("klaviyo_wire", "--files")
    assert "ratelimit.py" in told.stdout
    unknown = run("nobody")
    assert unknown.returncode == 2
    assert "klaviyo_wire" in unknown.stderr
