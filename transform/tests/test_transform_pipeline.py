"""The whole pipeline on PostgreSQL: Meltano's published loader and tap around the project, and a local Klaviyo.

Part of `make test-warehouses`: it starts eight plugins, some twice, and PostgreSQL.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
import yaml
from transform_engines import Postgres
from transform_project import PROJECT

ROOT = PROJECT.parent
PLUGINS = ROOT / ".meltano"
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package


@dataclass
class Loop:
    """A sandbox, a server, and Meltano between them."""

    sandbox: Any
    server: Postgres
    home: Path
    database: str

    def run(self, job: str) -> None:
        pipeline = importlib.import_module("pipeline")
        environment = pipeline.rehearsal(self.home, self.sandbox.url, self.sandbox.api_key)
        environment |= self.server.environment() | settings_of("postgres")
        pipeline.run_job(job, "demo", self.home / "log.jsonl", tell=pipeline.progress, extra=environment)

    def one_profile(self) -> str:
        found: str = self.sandbox.store.read("select min(id) from profiles")[0][0]
        return found

    def patch(self, profile: str, properties: dict[str, Any]) -> None:
        """Change a profile by Klaviyo's API."""
        self.call(
            "PATCH",
            f"profiles/{profile}",
            {"type": "profile", "id": profile, "attributes": {"properties": properties}},
        )

    def call(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401
        """One request to Klaviyo's API; what it answers as `data`."""
        answer = requests.request(
            method,
            f"{self.sandbox.url}/api/{path}",
            data=json.dumps({"data": data}) if data else None,
            params=params,
            headers={
                "Authorization": f"Klaviyo-API-Key {self.sandbox.api_key}",
                "revision": "2026-07-15",
                "Content-Type": "application/vnd.api+json",
            },
            timeout=10,
        )
        assert answer.ok, answer.text
        return answer.json()["data"] if answer.content else None

    def consents(self) -> dict[str, str]:
        """What Klaviyo shows of consent to e-mail, by address."""
        asked = {"additional-fields[profile]": "subscriptions", "page[size]": "100"}
        shown = self.call("GET", "profiles", params=asked)
        return {
            each["attributes"]["email"]: each["attributes"]["subscriptions"]["email"]["marketing"]["consent"]
            for each in shown
            if each["attributes"]["email"]
        }

    def wait_for_consent(self, email: str, consent: str) -> None:
        """Jobs take their time."""
        deadline = time.monotonic() + 60
        while self.consents()[email] != consent:
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.execute(self.database, sql)[1]

    def written(self) -> dict[str, int]:
        """Successful writing requests so far, by operation."""
        requests: dict[str, int] = self.sandbox.control.requests()["requests"]
        writing = (
            *("bulk_import_profiles 202", "create_template 201", "update_template 200"),
            *("bulk_subscribe_profiles 202", "bulk_unsubscribe_profiles 202"),
        )
        return {name: requests.get(name, 0) for name in writing}


def settings_of(environment: str) -> dict[str, str]:
    """What meltano.yml sets in an environment; the jobs here run in another one, which has a place of its own."""
    declared = yaml.safe_load((ROOT / "meltano.yml").read_text())["environments"]
    plugins = next(each for each in declared if each["name"] == environment)["config"]["plugins"]
    return {
        f"{plugin['name']}_{setting}".replace("-", "_").upper(): value
        for kind in plugins.values()
        for plugin in kind
        for setting, value in plugin["config"].items()
    }


NUL = {"deep": [{"er": "a\0b"}], "text": "c\0"}
"""What PostgreSQL cannot hold."""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """After one run of the pipeline over an account without tokens."""
    sandboxes = importlib.import_module("klaviyo_sandbox")
    home = tmp_path_factory.mktemp("home")
    server = Postgres(home)
    try:
        database = server.create()
        server.open_database(database)
        with sandboxes.Sandbox(profiles=300, events=600, segments=3, seed=7, rate_limits="off") as sandbox:
            loop = Loop(sandbox, server, home, database)
            loop.patch(loop.one_profile(), NUL)
            loop.run("postgres-pipeline")
            yield loop
    finally:
        server.close()


def test_every_record_is_loaded(loop: Loop) -> None:
    counts = loop.sandbox.control.counts()
    tables = (
        "metrics",
        "profiles",
        "events",
        "lists",
        "segments",
        "segment_memberships",
        "list_memberships",
        "campaigns",
    )
    loaded = {table: loop.query(f"select count(*) from klaviyo_raw.{table}")[0][0] for table in tables}  # noqa: S608
    assert loaded == {table: counts[table] for table in tables}


def test_the_character_nul_stops_nothing(loop: Loop) -> None:
    profile = loop.one_profile()
    [(deep, text)] = loop.query(
        f"select properties -> 'deep' -> 0 ->> 'er', properties ->> 'text' from klaviyo_raw.profiles where id = '{profile}'"  # noqa: S608, E501
    )
    assert (deep, text) == ("a\ufffdb", "c\ufffd")


def test_the_report_is_written(loop: Loop) -> None:
    assert "spring_hero" in (loop.home / "report.html").read_text()


def test_klaviyo_holds_what_the_ledger_says(loop: Loop) -> None:
    wanted: dict[str, set[str]] = {}
    for profile, *token in loop.query(
        "select profile_id, experiment_key, slot_key, arm_key from marts.fct_assignments"
    ):
        wanted.setdefault(profile, set()).add(":".join(token))
    assert len(wanted) > 20
    ids = [row[0] for row in loop.sandbox.store.read("select id from profiles")]
    held = {
        profile.id: set(profile.properties["lf_assignments"])
        for profile in loop.sandbox.store.profiles(ids)
        if "lf_assignments" in profile.properties
    }
    assert held == wanted


def test_a_second_publish_writes_nothing(loop: Loop) -> None:
    before = loop.written()
    assert before["create_template 201"] == len([*(ROOT / "demo" / "experiments").glob("*/experiment.yml")])
    loop.run("postgres-publish")
    assert loop.written() == before
    assert loop.query("select count(*) from publish.pub_klaviyo_profiles") == [(0,)]
    assert loop.query("select count(*) from publish.pub_klaviyo_templates") == [(0,)]


def test_the_schedules_run_on_the_server(loop: Loop) -> None:
    """Those that ask Klaviyo; the nightly one is the job that the other tests found done."""
    declared = yaml.safe_load((ROOT / "meltano.yml").read_text())["schedules"]
    jobs = [each["job"] for each in declared if each["name"].startswith("postgres-")]
    assert {"postgres-changes", "postgres-pipeline", "postgres-sweep"} <= set(jobs)
    report = loop.home / "report.html"
    report.unlink()
    loop.run("postgres-changes")
    assert "spring_hero" in report.read_text()
    loop.run("postgres-sweep")
    swept = loop.query("select count(*) from klaviyo_raw.profile_ids")[0][0]
    assert swept == loop.sandbox.control.counts()["profiles"]


def test_both_ends_of_consent_come_to_rest(loop: Loop) -> None:
    """What your systems know reaches Klaviyo, what it learns reaches them, and then there is nothing to send."""
    known = loop.consents()
    joins = min(email for email, consent in known.items() if consent == "NEVER_SUBSCRIBED")
    leaves, left = sorted(email for email, consent in known.items() if consent == "SUBSCRIBED")[:2]
    for number, email, said in ((1, joins, "given"), (2, leaves, "withdrawn"), (3, left, "given")):
        loop.query(
            "insert into klaviyo_raw.consent_statements (statement_id, email, channel, consent, source, stated_at, received_at)"  # noqa: S608, E501
            f" values ('{number}', '{email}', 'email', '{said}', 'shop', now() - interval '1 minute', now())"
        )
    loop.run("postgres-publish")
    loop.wait_for_consent(joins, "SUBSCRIBED")
    loop.wait_for_consent(leaves, "UNSUBSCRIBED")
    unsubscribed = {"email": left, "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
    job = {"profiles": {"data": [{"type": "profile", "attributes": unsubscribed}]}}
    loop.call(
        "POST",
        "profile-subscription-bulk-delete-jobs",
        {"type": "profile-subscription-bulk-delete-job", "attributes": job},
    )
    loop.wait_for_consent(left, "UNSUBSCRIBED")
    settled = loop.written()
    for _ in range(2):
        loop.run("postgres-publish")
        assert loop.written() == settled
    loop.run("postgres-changes")
    told = {*loop.query("select email, change, repeats_ref from marts.fct_consent_changes")}
    assert {(joins, "subscribed", "consent:1"), (leaves, "unsubscribed", "consent:2")} <= told
    assert (left, "unsubscribed", None) in told
    may = dict(loop.query("select identifier, may_be_written_to from marts.fct_consent where channel = 'email'"))
    assert (may[joins], may[leaves], may[left]) == (True, False, False)


def test_a_database_of_one_s_own_hears_of_consent(loop: Loop, tmp_path: Path) -> None:
    """By the plugins that docs/consent-changes.md names; a second run has nothing to send."""
    warehouse = tmp_path / "klaviyo.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.fct_consent_changes as select * from (values"
            " ('E1', 'P1', 'Zoë''s', 'zoe@example.org', 'email', 'unsubscribed', timestamp '2026-11-01', now()),"
            " ('E2', 'P2', null, null, 'sms', 'bounced', timestamp '2026-11-02', now()))"
            " as rows (change_id, profile_id, external_id, email, channel, change, occurred_at, recorded_at)"
        )
    server = loop.server.environment()
    config = tmp_path / "target.json"
    config.write_text(
        json.dumps(
            {
                name: server[f"KLAVIYO_LOOP_POSTGRES_{name.upper()}"]
                for name in ("host", "user", "password", "database")
            }
            | {
                "port": int(server["KLAVIYO_LOOP_POSTGRES_PORT"]),
                "default_target_schema": "shop",
                "load_method": "upsert",
            }
        )
    )
    plugins = yaml.safe_load((ROOT / "plugins/extractors.meltano.yml").read_text())["plugins"]["extractors"]
    [plugin] = [each["config"] for each in plugins if each["name"] == "tap-duckdb-consent"]
    settings = {"path": str(warehouse), **plugin}
    settings |= {name: json.dumps(plugin[name]) for name in ("keys", "bookmarks")}
    told = {**os.environ, **{f"TAP_DUCKDB_{name.upper()}": value for name, value in settings.items()}}
    state = tmp_path / "state.json"
    state.write_text("{}")
    tap = [str(PLUGINS / "extractors/tap-duckdb/venv/bin/tap-duckdb"), "--config=ENV", f"--state={state}"]
    target = [str(PLUGINS / "loaders/target-postgres/venv/bin/target-postgres"), f"--config={config}"]
    for sent in (2, 0):
        messages = subprocess.run(tap, env=told, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
        subprocess.run(target, input=messages, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
        lines = [json.loads(line) for line in messages.splitlines()]
        assert len([line for line in lines if line["type"] == "RECORD"]) == sent
        state.write_text(json.dumps([line["value"] for line in lines if line["type"] == "STATE"][-1]))
    rows = loop.query("select change_id, external_id, email, change from shop.consent_changes order by change_id")
    assert rows == [("E1", "Zoë's", "zoe@example.org", "unsubscribed"), ("E2", None, None, "bounced")]
