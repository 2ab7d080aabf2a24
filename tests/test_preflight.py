"""What cannot work is said before anything runs, with the remedy, and what dbt found is said in a line."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import duckdb
import pytest
import yaml

from klaviyo_sandbox import Sandbox
from klaviyo_wire.endpoints import ENDPOINTS

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import dbt_log  # noqa: E402
import doctor  # noqa: E402
import preflight  # noqa: E402
import project  # noqa: E402
from pipeline import Run, one_line_errors, progress, run_job  # noqa: E402
from project import JobFailed, NotStarted, read_dotenv  # noqa: E402

KEYS = {"TAP_KLAVIYO_ENGAGEMENT_API_KEY": "pk_reads", "TARGET_KLAVIYO_PROFILES_API_KEY": "pk_writes"}


def refusal(job: str, environment: str, variables: dict[str, str]) -> str:
    with pytest.raises(NotStarted) as caught:
        preflight.check(job, environment, variables)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meltano is not asked for keys: it knows none."""
    monkeypatch.setattr(preflight, "_asked", lambda *_: "")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_pipeline_may_begin_with_both_keys(environment: str) -> None:
    preflight.check("pipeline", environment, KEYS)


@pytest.mark.usefixtures("unasked")
def test_a_missing_key_is_named_with_the_place_for_it() -> None:
    for name in KEYS:
        told = refusal("pipeline", "prod", KEYS | {name: ""})
        assert name in told
        assert all(other == name or other not in told for other in KEYS)
        assert ".env" in told
    preflight.check("measure", "prod", {})
    preflight.check("extract", "prod", {"TAP_KLAVIYO_ENGAGEMENT_API_KEY": "pk_reads"})


def test_a_definition_with_a_fault_ends_a_job_before_it_reads_anything(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo" / "experiments", tmp_path, dirs_exist_ok=True)
    own = KEYS | {"TAP_EXPERIMENTS_PATH": str(tmp_path)}
    preflight.check("pipeline", "prod", own)
    (tmp_path / "spring_hero" / "preregistration.lock").unlink()
    told = refusal("pipeline", "prod", own)
    assert "spring_hero/experiment.yml:" in told
    assert "run `make preregister`" in told
    definition = tmp_path / "spring_hero" / "experiment.yml"
    definition.write_text(
        definition.read_text().replace("clicked", "clickd").replace("channel: email", "channel: fax")
    )
    assert refusal("define", "dev", own).endswith(" more: `make preview` lists them)")
    preflight.check("changes", "prod", own)  # which reads no definition
    told = refusal("define", "dev", KEYS | {"TAP_EXPERIMENTS_PROPERTY_FORMAT": "flt"})
    assert told == "TAP_EXPERIMENTS_PROPERTY_FORMAT is 'flt': set it to list, object, flat"


def test_an_experiment_of_an_account_runs_where_the_environment_says_whose_it_is(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo" / "experiments", tmp_path, dirs_exist_ok=True)
    own = KEYS | {"TAP_EXPERIMENTS_PATH": str(tmp_path)}
    (tmp_path / "project.yml").write_text("accounts: [brand-a]\n")
    with (tmp_path / "spring_hero" / "experiment.yml").open("a") as definition:
        definition.write("account: brand-a\n")
    assert "account: is given, and nothing says which account this is; set TAP_EXPERIMENTS_ACCOUNT" in refusal(
        "define", "prod", own
    )
    preflight.check("define", "prod", own | {"TAP_EXPERIMENTS_ACCOUNT": "brand-a"})
    told = refusal("define", "prod", own | {"TAP_EXPERIMENTS_ACCOUNT": "brand-b"})
    assert told.startswith("TAP_EXPERIMENTS_ACCOUNT: is `brand-b`, which is no account of project.yml")


def test_accounts_are_read_as_one_where_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("accounts", "prod", {}).startswith(
        "the environment 'prod' names no accounts, so there is nothing"
    )
    read = project.meltano_yml

    def configured(root: Path = ROOT) -> dict[str, object]:
        content = deepcopy(read(root))
        content["environments"][1]["env"]["KLAVIYO_LOOP_VARS"] = "{accounts: {brand-a: {schema: marts_a}}}"
        return content

    monkeypatch.setattr(project, "meltano_yml", configured)
    preflight.check("accounts", "prod", {})
    monkeypatch.setattr(project, "variables_in", lambda *_: {"KLAVIYO_LOOP_VARS": "{accounts: {"})
    assert "KLAVIYO_LOOP_VARS of the environment 'prod' is not YAML" in refusal("accounts", "prod", {})


@pytest.mark.usefixtures("unasked")
def test_a_key_may_stand_wherever_meltano_takes_it_from(monkeypatch: pytest.MonkeyPatch) -> None:
    read = project.meltano_yml

    def configured(root: Path = ROOT) -> dict[str, object]:
        content = deepcopy(read(root))
        tap = {"name": "tap-klaviyo-engagement", "config": {"api_key": "$MINE"}}
        content["environments"][1]["config"] = {"plugins": {"extractors": [tap]}}
        return content

    monkeypatch.setattr(project, "meltano_yml", configured)
    preflight.check("extract", "prod", {"MINE": "pk_reads"})
    refusal("extract", "dev", {"MINE": "pk_reads"})
    preflight.check(
        "extract", "dev", {f"TAP_KLAVIYO_{part}_API_KEY": "pk" for part in ("GROUPS", "EVENTS", "PROFILES")}
    )


@pytest.mark.usefixtures("unasked")
def test_an_environment_has_keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it sets comes before the shell, as in Meltano: a key of one account must not read for another."""
    read = project.meltano_yml

    def configured(root: Path = ROOT) -> dict[str, object]:
        content = deepcopy(read(root))
        content["environments"][1]["env"]["TAP_KLAVIYO_ENGAGEMENT_API_KEY"] = "$BRAND_KEY"
        return content

    monkeypatch.setattr(project, "meltano_yml", configured)
    others = {"TAP_KLAVIYO_ENGAGEMENT_API_KEY": "pk_of_another"}
    tap = "tap-klaviyo-events"
    assert preflight.key_of(tap, "prod", others | {"BRAND_KEY": "pk_brand"}) == "pk_brand"
    assert preflight.key_of(tap, "dev", others | {"BRAND_KEY": "pk_brand"}) == "pk_of_another"
    assert "no key: set TAP_KLAVIYO_ENGAGEMENT_API_KEY" in refusal("extract", "prod", others)


def test_an_environment_that_does_not_exist_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    log = tmp_path / "prd" / "log.jsonl"
    with pytest.raises(SystemExit) as ended, one_line_errors(log):
        run_job("pipeline", "prd", log, tell=progress, extra=KEYS)
    assert str(ended.value) == "failed: meltano.yml has no environment 'prd'; it has dev, prod, demo, postgres"
    assert not log.parent.exists()


def test_an_environment_without_its_home_is_told(tmp_path: Path) -> None:
    assert "KLAVIYO_LOOP_DEMO_HOME" in refusal("pipeline", "demo", KEYS)
    preflight.check("pipeline", "demo", KEYS | {"KLAVIYO_LOOP_DEMO_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("job", "environment", "fits"),
    [
        ("pipeline", "postgres", "postgres-pipeline"),
        ("measure", "postgres", "postgres-pipeline"),
        ("postgres-pipeline", "prod", "prepare, pipeline"),
    ],
)
def test_a_job_for_another_warehouse_is_refused_with_those_that_fit(job: str, environment: str, fits: str) -> None:
    assert fits in refusal(job, environment, KEYS)


def test_a_job_over_two_kinds_of_warehouse_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = project.warehouses_of
    monkeypatch.setattr(
        preflight, "warehouses_of", lambda job: {"duckdb", "postgres"} if job == "events" else kinds(job)
    )
    told = refusal("events", "prod", KEYS)
    assert "of the kind duckdb and postgres" in told
    assert "profiles" in told
    assert "events," not in told


def test_what_only_dbt_does_fits_every_warehouse() -> None:
    for environment in ("prod", "postgres"):
        preflight.check("assign", environment, KEYS)
    preflight.check("postgres-pipeline", "prod", KEYS | {"DBT_TARGET": "postgres"})


def test_a_dry_target_alone_assigns_nobody_for_good() -> None:
    dry = KEYS | {"TARGET_KLAVIYO_PROFILES_DRY_RUN": "true"}
    for job in ("pipeline", "prepare"):
        assert "make pipeline DRY=1" in refusal(job, "prod", dry)
        preflight.check(job, "prod", dry, dry=True)
    preflight.check("publish", "prod", dry)
    # On a server there is no `DRY=1`: what is told instead is not refused.
    told = refusal("postgres-pipeline", "postgres", dry)
    assert "DRY=1" not in told
    jobs = [job for job in re.findall(r"`([\w-]+)`", told) if job != "dry_run"]
    assert jobs == ["postgres-extract", "assign", "postgres-publish"]
    for job in jobs:
        preflight.check(job, "postgres", dry)
    preflight.check("pipeline", "prod", dry | {"TARGET_KLAVIYO_PROFILES_DRY_RUN": "false"})


def test_dotenv_is_read_beneath_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"GIVEN": "by the shell"})
    (tmp_path / ".env").write_text("GIVEN=by the file\nexport OTHER='with spaces'\nEMPTY=\n")
    read_dotenv(tmp_path)
    assert os.environ == {"GIVEN": "by the shell", "OTHER": "with spaces", "EMPTY": ""}


def test_every_command_that_knows_settings_reads_dotenv() -> None:
    for name in ("demo", "doctor", "dry_run", "pipeline", "proof", "reconcile"):
        text = (ROOT / "scripts" / f"{name}.py").read_text()
        assert "read_dotenv()" in text or "command_line(" in text, name
    makefile = (ROOT / "Makefile").read_text()
    assert "bin/tap-experiments" not in makefile.replace("$(BIN)", "bin")


def test_a_fresh_clone_tests_nothing_live() -> None:
    found = [yaml.safe_load(path.read_text()) for path in (ROOT / "experiments").glob("*/experiment.yml")]
    assert [each["key"] for each in found if each["status"] == "live"] == []
    assert (ROOT / "demo" / "experiments" / "spring_hero" / "experiment.yml").exists()


# what dbt says

NEW = """
08:24:03  [WARNING]: assert_rules_recorded found rule_id = 7
08:24:03  [WARNING]: Experiment spring: no segment has the id or name "Springs".
08:24:03  [WARNING]: assert_rules_recorded found rule_id = 8
08:24:03  3 of 9 FAIL 2 assert_rules_recorded ........ [FAIL 2 in 0.02s]
08:24:04
08:24:04  Completed with 2 errors, 0 partial successes, and 1 warning:
08:24:04
08:24:04  [ERROR]: in test assert_rules_recorded (data-tests/assert_rules_recorded.sql)
08:24:04    Got 2 results, configured to fail if != 0
08:24:04
08:24:04    compiled code at x/assert_rules_recorded.sql
08:24:04
08:24:04  [ERROR]: in model fct_orders (models/marts/fct_orders.sql)
08:24:04    Runtime Error in model fct_orders (models/marts/fct_orders.sql)
  Binder Error: no column x
08:24:04
08:24:04  [WARNING]: in test assert_audience_found (data-tests/assert_audience_found.sql)
08:24:04  [WARNING]: Got 1 result, configured to warn if != 0
08:24:04
08:24:04  Done. PASS=5 WARN=1 ERROR=2 SKIP=0 NO-OP=0 TOTAL=8
"""
OLD = NEW.replace("[ERROR]: in", "Failure in").replace("[WARNING]: in", "Warning in")


@pytest.mark.parametrize("log", [NEW, OLD], ids=["dbt 1.12", "dbt 1.11"])
def test_a_failed_test_is_told_with_what_it_found_and_a_model_with_its_error(log: str) -> None:
    assert dbt_log.failures(log.splitlines()) == [
        "test assert_rules_recorded (data-tests/assert_rules_recorded.sql): rule_id = 7; rule_id = 8",
        "model fct_orders (models/marts/fct_orders.sql): Binder Error: no column x",
    ]


@pytest.mark.parametrize("log", [NEW, OLD], ids=["dbt 1.12", "dbt 1.11"])
def test_a_warning_is_told_once_and_a_failure_is_none(log: str) -> None:
    assert dbt_log.warnings((log + log).splitlines()) == [
        'Experiment spring: no segment has the id or name "Springs".'
    ]


def test_warnings_are_told_of_a_job_that_failed_too(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(["dbt:assign"], progress)
    for line in NEW.splitlines():
        run.hear({"event": line, "name": "dbt", "cmd_type": "command", "level": "info"})
    run.hear({"event": "Block run completed", "success": False, "err": "", "exit_codes": {"utilities": 1}})
    with pytest.raises(SystemExit) as ended, one_line_errors(Path("x/log.jsonl")):
        raise JobFailed(run.reason(), run.warnings)
    assert str(ended.value).startswith("failed: test assert_rules_recorded (")
    assert "(and 1 more, see the log)\nthe whole log: x/log.jsonl" in str(ended.value)
    assert capsys.readouterr().out.startswith("warning: Experiment spring: no segment")


# the doctor


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(profiles=5, events=5, segments=1, rate_limits="off") as sandbox:
        yield sandbox


def examined(account: Sandbox, home: Path, job: str = "pipeline", **variables: str) -> dict[str, tuple[bool, str]]:
    settings = {
        "KLAVIYO_LOOP_DEMO_HOME": str(home),
        "TAP_KLAVIYO_ENGAGEMENT_API_URL": account.url,
        "TARGET_KLAVIYO_PROFILES_API_URL": account.url,
        "TAP_KLAVIYO_ENGAGEMENT_API_KEY": account.api_key,
        "TARGET_KLAVIYO_PROFILES_API_KEY": account.api_key,
    }
    return dict(doctor.examine(job, "demo", home, settings | variables))


def test_the_doctor_finds_a_good_key_good_and_writes_nothing(account: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    before = account.store.count("profiles"), account.store.count("templates")
    found = examined(account, tmp_path)
    for topic in ("environment", "warehouse", "reading key", "writing key"):
        assert found[topic][0], found[topic]
    assert "segments:read" in found["reading key"][1]
    assert "templates:write" in found["writing key"][1]
    assert (account.store.count("profiles"), account.store.count("templates")) == before
    assert account.store.read("select * from import_jobs") == []


@pytest.mark.parametrize(
    ("content", "said"), [(None, "first run makes it"), (b"", "first run makes it"), (b"x", "cannot be opened")]
)
def test_the_doctor_takes_what_a_kill_left_of_a_warehouse_for_none(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "klaviyo.duckdb").write_bytes(content)
    good, told = doctor.warehouse("demo", tmp_path, {})
    assert good == (content != b"x")
    assert said in told


def test_the_doctor_names_the_scope_that_a_key_lacks(account: Sandbox, tmp_path: Path) -> None:
    reads = ["accounts:read", "events:read", "metrics:read", "profiles:read", "lists:read", "campaigns:read"]
    found = examined(
        account,
        tmp_path,
        TAP_KLAVIYO_ENGAGEMENT_API_KEY=account.key([*reads, "templates:read"]),
        TARGET_KLAVIYO_PROFILES_API_KEY="pk_wrong",
    )
    good, told = found["reading key"]
    assert not good
    assert "`segments:read`" in told
    assert "`events:read`" not in told
    good, told = found["writing key"]
    assert not good
    assert "does not accept the API key" in told
    assert "pk_wrong" not in told


def test_the_doctor_asks_for_the_scope_of_deletions_where_a_job_deletes(account: Sandbox, tmp_path: Path) -> None:
    every = {scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes} - {"data-privacy:write"}
    writing = {"TARGET_KLAVIYO_PROFILES_API_KEY": account.key(sorted(every))}
    people = account.store.count("profiles")
    assert examined(account, tmp_path, **writing)["writing key"][0]
    good, told = examined(account, tmp_path, "deletions", **writing)["writing key"]
    assert not good
    assert "`data-privacy:write`" in told
    assert examined(account, tmp_path, "deletions")["writing key"][0]
    assert account.store.count("profiles") == people


def test_the_doctor_asks_whether_a_key_may_say_whose_it_is(account: Sandbox, tmp_path: Path) -> None:
    """Tap and target ask that first: without it, a job would end after it has assigned."""
    every = {scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes} - {"accounts:read"}
    keys = {
        f"{name}_API_KEY": account.key(sorted(every))
        for name in ("TAP_KLAVIYO_ENGAGEMENT", "TARGET_KLAVIYO_PROFILES")
    }
    found = examined(account, tmp_path, **keys)
    for name in ("reading key", "writing key"):
        good, told = found[name]
        assert not good
        assert "`accounts:read`" in told


def test_the_doctor_looks_at_warehouse_and_modes(account: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert examined(account, tmp_path)["modes"][0], "nothing is in it yet"
    (tmp_path / "klaviyo.duckdb").write_text("no database")
    found = examined(account, tmp_path)
    assert not found["warehouse"][0]
    assert "chmod go=" in found["modes"][1]
    (tmp_path / "klaviyo.duckdb").unlink()
    duckdb.connect(str(tmp_path / "klaviyo.duckdb")).close()
    tmp_path.chmod(0o700)
    found = examined(account, tmp_path)
    assert found["warehouse"][0]


def test_the_doctor_knocks_at_postgresql(account: Sandbox, tmp_path: Path) -> None:
    assert "KLAVIYO_LOOP_POSTGRES_HOST" in examined(account, tmp_path, DBT_TARGET="postgres")["warehouse"][1]
    there = {"HOST": "127.0.0.1", "PORT": "1", "USER": "u", "PASSWORD": "p", "DATABASE": "d"}
    variables = {f"KLAVIYO_LOOP_POSTGRES_{name}": value for name, value in there.items()}
    good, told = examined(account, tmp_path, DBT_TARGET="postgres", **variables)["warehouse"]
    assert not good
    assert "does not answer at 127.0.0.1:1" in told
