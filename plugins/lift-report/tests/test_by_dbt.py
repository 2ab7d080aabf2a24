"""The rows that dbt prints, and what is said where it cannot."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from lift_warehouse import Rows

from lift_report.cli import main
from lift_report.tables import TABLES
from singer_program.warehouse import Printed


def told(value: Any) -> Any:  # noqa: ANN401
    """As the macro `print_results` writes a value."""
    if isinstance(value, dt.date):
        return {"time": value.isoformat()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"number": str(value)}
    return value


def lines(rows: Rows, *, upper: bool = False) -> list[str]:
    found = []
    for table, columns in rows.tables().items():
        names = sorted(columns)
        values = [list(map(told, row)) for row in rows.read(table, names)]
        shown = [name.upper() for name in names] if upper else names
        found.append(json.dumps({"table": table, "columns": shown, "rows": values}))
    return found


def program(folder: Path, script: str) -> Path:
    """A command that stands in for dbt; what it was asked lies in `asked` beside it."""
    path = folder / "dbt"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/asked\n{script}\n')
    path.chmod(0o700)
    return path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: object) -> int:
    arguments = ("lift-report", *options, "--output", folder / "page.html")
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    return main()


@pytest.fixture
def spring() -> Rows:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, units=40_000, verdict="winner", winning_arm="bold")
    return rows


@pytest.mark.parametrize("names", ["lower", "upper"])
def test_the_page_is_that_of_the_file(
    names: str, spring: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Snowflake tells names in upper case. What dbt says beside the rows is no row."""
    file = spring.write(tmp_path / "warehouse.duckdb")
    assert run(monkeypatch, tmp_path, "--warehouse", file) == 0
    page = (tmp_path / "page.html").read_bytes()
    (tmp_path / "page.html").unlink()
    (tmp_path / "rows").write_text(
        "\n".join(["[WARNING]: something", "{}", *lines(spring, upper=names == "upper")])
    )
    dbt = program(tmp_path, f"cat {tmp_path}/rows")
    assert run(monkeypatch, tmp_path, "--dbt", dbt, "--dbt-project", tmp_path) == 0
    assert (tmp_path / "page.html").read_bytes() == page
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:4] == ["--quiet", "run-operation", "print_results", "--args"]
    assert set(json.loads(asked[4])["models"]) == {table.TABLE for table in TABLES}
    assert asked[5:] == ["--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path)]
    assert "spring v1 hero" in capfd.readouterr().out


def test_every_kind_of_value_is_read() -> None:
    moment = dt.datetime(2026, 11, 2, 9, 1)  # noqa: DTZ001  the warehouse keeps UTC without saying so
    held = ['Zoë\n"', True, None, 0, -3, 2**60, 0.1, 126.0, 1e-300, dt.date(2026, 11, 2), moment]
    names = [f"c{place}" for place in range(len(held))]
    line = json.dumps({"table": "t", "columns": names, "rows": [list(map(told, held))]})
    [found] = Printed([line.encode()]).read("t", names)
    assert list(map(repr, found)) == list(map(repr, held))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Runtime Error'; echo '  could not connect to server' >&2; exit 2", "could not connect to server"),
        ("exit 2", "it ended with 2"),
        ("exit 0", "`fct_experiment_verdicts` is not built"),
    ],
)
def test_what_dbt_cannot_is_told_in_a_line(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    dbt = program(tmp_path, script)
    assert run(monkeypatch, tmp_path, "--dbt", dbt, "--dbt-project", tmp_path) == 1
    [line] = capfd.readouterr().err.splitlines()
    assert reason in line
    assert not (tmp_path / "page.html").exists()


def test_a_command_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--dbt", tmp_path / "dbt", "--dbt-project", tmp_path) == 1
    assert "name the command of dbt" in capfd.readouterr().err


@pytest.mark.parametrize(
    "options",
    [(), ("--dbt", "dbt"), ("--dbt-project", "p"), ("--warehouse", "w", "--dbt", "d", "--dbt-project", "p")],
)
def test_one_way_is_chosen(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, *options) != 0
    assert "give either --warehouse, or --dbt and --dbt-project" in capfd.readouterr().err
