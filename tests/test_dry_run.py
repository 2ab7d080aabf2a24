"""A dry run works on copies, which are gone afterwards; a whole one is in test_pipeline.py."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from dry_run import assigned, copied, would_assign  # noqa: E402
from project import NotStarted  # noqa: E402

LEDGER = """
    create schema marts;
    create table marts.fct_assignments (experiment_key text, experiment_version int, slot_key text, arm_key text);
    insert into marts.fct_assignments values ('spring', 1, 'hero', 'bold'), ('spring', 1, 'hero', 'control');
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a warehouse, and Meltano's database beside it."""
    home = tmp_path / "home"
    home.mkdir()
    with duckdb.connect(str(home / "klaviyo.duckdb")) as warehouse:
        warehouse.execute(LEDGER)
    with closing(sqlite3.connect(tmp_path / "meltano.db")) as database, database:
        database.execute("create table state (state_id)")
        database.execute("insert into state values ('demo:tap-to-target')")
    monkeypatch.setenv("KLAVIYO_LOOP_DEMO_HOME", str(home))
    monkeypatch.setenv("MELTANO_DATABASE_URI", f"sqlite:///{tmp_path}/meltano.db")
    monkeypatch.delenv("DBT_TARGET", raising=False)
    monkeypatch.delenv("MELTANO_STATE_BACKEND_URI", raising=False)
    return home


def test_what_happens_to_the_copy_is_not_seen_in_the_home(home: Path) -> None:
    before = (home / "klaviyo.duckdb").read_bytes()
    with copied("pipeline", "demo") as root:
        warehouse = root / "home" / "klaviyo.duckdb"
        counted = assigned(warehouse)
        with duckdb.connect(str(warehouse)) as copy:
            copy.execute("insert into marts.fct_assignments select * from marts.fct_assignments limit 1")
            copy.execute("insert into marts.fct_assignments values ('autumn', 2, 'subject', 'short')")
        assert would_assign(counted, assigned(warehouse)) == [
            "would assign autumn v2 subject: short 1",
            "would assign spring v1 hero: bold 1",
        ]
        with closing(sqlite3.connect(root / "meltano.db")) as state, state:
            assert state.execute("select * from state").fetchall() == [("demo:tap-to-target",)]
            state.execute("delete from state")
    with closing(sqlite3.connect(home.parent / "meltano.db")) as state:
        assert len(state.execute("select * from state").fetchall()) == 1
    assert (home / "klaviyo.duckdb").read_bytes() == before
    assert [path.name for path in home.iterdir()] == ["klaviyo.duckdb"]


@pytest.mark.usefixtures("home")
def test_the_copy_ends_where_it_has_written_and_has_its_home_in_itself() -> None:
    with copied("pipeline", "demo") as root:
        project = yaml.safe_load((root / "meltano.yml").read_text())
        [tasks] = [job["tasks"] for job in project["jobs"] if job["name"] == "pipeline"]
        assert tasks[-1] == "tap-duckdb target-klaviyo-profiles"
        [demo] = [each for each in project["environments"] if each["name"] == "demo"]
        assert demo["env"]["KLAVIYO_LOOP_HOME"] == str(root / "home")
        assert {path.name for path in (root / "plugins").iterdir()} >= {"loaders.meltano.yml"}


def test_the_copy_of_a_killed_one_is_removed(home: Path) -> None:
    (home / "dry-run-of-x" / "home").mkdir(parents=True)
    with copied("pipeline", "demo"):
        assert not (home / "dry-run-of-x").exists()


def test_a_ledger_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert assigned(tmp_path / "klaviyo.duckdb") == {}
    (tmp_path / "klaviyo.duckdb").touch()  # a killed process leaves it
    assert assigned(tmp_path / "klaviyo.duckdb") == {}
    (tmp_path / "klaviyo.duckdb").unlink()
    duckdb.connect(str(tmp_path / "klaviyo.duckdb")).close()
    assert assigned(tmp_path / "klaviyo.duckdb") == {}


def test_what_the_receiver_holds_is_not_read_by_a_dry_run(home: Path) -> None:
    """It would say that nobody asks for anything, whatever came in."""
    with pytest.raises(NotStarted, match="make pipeline JOB=answer DRY=1"), copied("pushed", "demo"):
        pass
    assert [path.name for path in home.iterdir()] == ["klaviyo.duckdb"]


def test_files_are_not_written_by_a_dry_run(home: Path) -> None:
    """A bucket is no part of the home, and is not copied."""
    with pytest.raises(NotStarted, match="EXPOSURE_EXPORT_DESTINATION"), copied("exposures", "demo"):
        pass
    assert [path.name for path in home.iterdir()] == ["klaviyo.duckdb"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DBT_TARGET", "postgres"),
        ("MELTANO_STATE_BACKEND_URI", "s3://bucket/state"),
        ("MELTANO_DATABASE_URI", "postgresql://host/meltano"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    home: Path, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(NotStarted, match="is not copied for a dry run"), copied("pipeline", "demo"):
        pass
    assert [path.name for path in home.iterdir()] == ["klaviyo.duckdb"]
