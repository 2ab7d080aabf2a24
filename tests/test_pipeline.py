"""The whole loop under Meltano, against a sandbox; the tests of this file build on one another, in order."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.control import SendRequest
from klaviyo_sandbox.model.records import GroupKind, Profile
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, person_context
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.definitions.scaffold import scaffold

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from newcomer import Place  # noqa: E402
from pipeline import HOLD, Run, progress, rehearsal, run_and_answer, run_job  # noqa: E402
from project import BIN, JobFailed, tasks_of  # noqa: E402

AUDIENCE = "Demo audience"
STREAMS = (
    "metrics",
    "events",
    "profiles",
    "lists",
    "segments",
    "list_memberships",
    "segment_memberships",
    "campaigns",
    "campaign_messages",
    "templates",
)


@dataclass
class Loop:
    """A sandbox, a warehouse, and Meltano between them."""

    sandbox: Sandbox
    home: Path
    changes: Run | None = None
    """What was said by the job that read the send."""

    def run(self, job: str, **extra: str) -> Run:
        environment = rehearsal(self.home, self.sandbox.url, self.sandbox.api_key) | extra
        return run_job(job, "demo", self.home / "log.jsonl", tell=progress, extra=environment)

    def query(self, sql: str) -> list[Any]:
        with duckdb.connect(str(self.home / "klaviyo.duckdb"), read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()

    def execute(self, sql: str, values: list[object]) -> None:
        with duckdb.connect(str(self.home / "klaviyo.duckdb")) as warehouse:
            warehouse.execute(sql, values)

    def counts(self) -> dict[str, int]:
        return {name: self.query(f"select count(*) from klaviyo_raw.{name}")[0][0] for name in STREAMS}  # noqa: S608

    def loaded(self) -> set[str]:
        """Ids of the events in the warehouse, each there once."""
        ids = [row[0] for row in self.query("select id from klaviyo_raw.events")]
        assert len(ids) == len(set(ids))
        return set(ids)

    def events(self) -> set[str]:
        """Ids of the events that Klaviyo shows now."""
        return {row[0] for row in self.sandbox.store.read("select id from events")}

    def truth(self) -> dict[str, int]:
        counts = self.sandbox.control.counts()
        return {name: counts[name] for name in STREAMS}

    def audience(self) -> list[Profile]:
        group = self.sandbox.store.group_named(AUDIENCE, GroupKind.SEGMENT)
        assert group is not None
        return self.sandbox.store.members_of(group.id)

    def wanted(self) -> dict[str, set[str]]:
        """Tokens by profile, as the ledger says."""
        rows = self.query(
            "select profile_id, experiment_key || ':' || slot_key || ':' || arm_key from marts.fct_assignments"
        )
        tokens: dict[str, set[str]] = {}
        for profile_id, token in rows:
            tokens.setdefault(profile_id, set()).add(token)
        return tokens

    def held(self) -> dict[str, set[str]]:
        """Tokens by profile, as Klaviyo holds them."""
        rows = self.sandbox.store.read("select id from profiles")
        profiles = self.sandbox.store.profiles([row[0] for row in rows])
        return {
            profile.id: set(profile.properties["lf_assignments"])
            for profile in profiles
            if "lf_assignments" in profile.properties
        }

    def writes(self) -> dict[str, int]:
        """Successful writing requests so far, by operation."""
        counted = self.sandbox.control.requests()["requests"]
        writing = ("bulk_import_profiles 202", "create_template 201", "update_template 200")
        return {name: counted.get(name, 0) for name in writing}


@pytest.fixture(scope="module")
def loop(place: Place, piped: str) -> Loop:  # noqa: ARG001 - it has been run
    """After the pipeline in a newcomer's copy; its warehouse is gone on with, in the environment of the demo."""
    return Loop(place.sandbox, place.home)


def test_the_first_pipeline_brings_every_row(loop: Loop) -> None:
    # The generated template was published after the templates were read; nothing else was written anew.
    assert loop.counts() == loop.truth() | {"templates": loop.truth()["templates"] - 1}


def test_nobody_else_of_the_machine_can_read_what_a_run_leaves(loop: Loop, place: Place) -> None:
    """Warehouse, report, log, rejects, state, and what Meltano had written the keys to."""
    made = [loop.home, *loop.home.rglob("*"), *place.root.glob("meltano.db*")]
    made = [path for path in made if not path.is_symlink()]
    names = {path.name for path in made}
    assert {"klaviyo.duckdb", "ledger.sqlite", "log.jsonl", "report.html", "meltano.db"} <= names
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    keys = [
        path
        for path in (loop.home / ".meltano").rglob("*")
        if path.is_file() and place.sandbox.api_key in path.read_text()
    ]
    assert keys == []


def test_what_plugins_need_while_they_run_is_the_home_s_own(loop: Loop, place: Place) -> None:
    """Meltano names it by the plugin alone: two environments of a checkout would read each other's state."""
    running = loop.home / ".meltano" / "run" / "tap-klaviyo-events"
    assert "tap.properties.cache_key" in {path.name for path in running.iterdir()}
    assert not (place.root / ".meltano" / "run" / "tap-klaviyo-events").exists()


def test_every_profile_of_the_audience_carries_what_the_warehouse_says(loop: Loop) -> None:
    wanted = loop.wanted()
    assert set(wanted) == {profile.id for profile in loop.audience()}
    assert len(wanted) > 1_000
    assert loop.held() == wanted


def test_the_template_shows_everybody_the_assigned_arm(loop: Loop) -> None:
    template = loop.sandbox.store.template_named("lf_spring_hero")
    assert template is not None
    compiled = CompiledTemplate(template.html)
    wanted = loop.wanted()
    for profile in loop.audience():
        html = compiled.render(person_context(profile))
        shown = set(re.findall(r"lf_cid=(\w+)\.(\w+)\.(\w+)", html))
        assert {":".join(token) for token in shown} == wanted[profile.id]
    stranger = compiled.render({"person": {}})
    assert set(re.findall(r"lf_cid=([\w.]+)", stranger)) == {"spring_hero.hero.fb"}


def test_a_second_publish_repairs_a_profile_changed_by_hand_and_sends_nothing_else(loop: Loop) -> None:
    """In the same request as a text that was made for it; to every other profile, and to the template, nothing."""
    victim = loop.audience()[0]
    loop.execute(
        "insert into klaviyo_raw.profile_contents values (?, 'lf_body', 'Grüße, \"Zoë\"', timestamp '2026-11-01')",
        [victim.id],
    )
    body = {
        "data": {
            "type": "profile",
            "id": victim.id,
            "attributes": {"properties": {"lf_assignments": ["spring_hero:hero:nonsense"], "mine": "kept"}},
        }
    }
    answer = requests.patch(
        f"{loop.sandbox.url}/api/profiles/{victim.id}",
        data=json.dumps(body),
        headers={
            "Authorization": f"Klaviyo-API-Key {loop.sandbox.api_key}",
            "revision": "2026-07-15",
            "Content-Type": "application/vnd.api+json",
            "Accept": "application/vnd.api+json",
        },
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    before = loop.writes()
    loop.run("publish")
    assert loop.query("select id from publish.pub_klaviyo_profiles") == [(victim.id,)]
    assert loop.query("select name from publish.pub_klaviyo_templates") == []
    assert loop.writes() == before | {"bulk_import_profiles 202": before["bulk_import_profiles 202"] + 1}
    assert loop.held() == loop.wanted()
    repaired = loop.sandbox.store.profile(victim.id)
    assert repaired is not None
    assert repaired.properties["mine"] == "kept"
    assert repaired.properties["lf_body"] == 'Grüße, "Zoë"'


def test_a_send_comes_back_whole_late_events_included(loop: Loop) -> None:
    summary = loop.sandbox.control.send(
        SendRequest(template="lf_spring_hero", audience=AUDIENCE, seed=5, duration=3, late_by=86_400)
    )
    assert summary.late > 0
    on_time = loop.events()
    loop.run("events")
    assert on_time <= loop.loaded() <= loop.events()  # a late one may have arrived meanwhile
    loop.sandbox.store.release_events()
    assert len(loop.events()) == len(on_time) + summary.late
    loop.changes = loop.run("changes")
    assert loop.loaded() == loop.events()
    assert loop.counts()["profiles"] == loop.truth()["profiles"]


def test_the_measurement_finds_what_is_true(loop: Loop) -> None:
    """By the job `changes`, whose last tasks are those of `measure`."""
    assert tasks_of("pipeline")[: len(tasks_of("prepare"))] == tasks_of("prepare")
    assert [HOLD, *tasks_of("changes")[-2:]] == tasks_of("measure")
    run = loop.changes
    assert run is not None
    verdicts = loop.query(
        "select experiment_key, slot_key, verdict, winning_arm from marts.fct_experiment_verdicts"
    )
    assert verdicts == [("spring_hero", "hero", "winner", "bold")]
    assert any("spring_hero" in line for line in run.said["lift-report"])
    assert (loop.home / "report.html").stat().st_size > 5_000


def test_who_was_shown_which_arm_reaches_files(loop: Loop, tmp_path: Path) -> None:
    """Of hours that have ended: those of a copy of the warehouse in which all of it was two hours before."""
    before = Loop(loop.sandbox, tmp_path / "home")
    before.home.mkdir()
    shutil.copy(loop.home / "klaviyo.duckdb", before.home)
    before.execute(
        "update klaviyo_raw.events set datetime = datetime - interval 2 hour, _sdc_batched_at = ?",
        [datetime.now(UTC)],
    )
    before.execute("update marts.fct_assignments set assigned_at = assigned_at - to_hours(?)", [2])
    # Between midnight and two o'clock they are of the day before now. On the day that they left they would stay
    # until the first run of the next, which alone looks for events that are gone (lf_days_of_news).
    before.execute("drop table intermediate.int_events_classified", [])
    run = before.run("exposures")
    files = str(before.home / "exposures" / "*" / "*" / "*" / "*" / "*.parquet")
    shown = duckdb.execute("select user_id, slot, arm, copy_id, vars from read_parquet(?)", [files]).fetchall()
    people = "select profile_id, slot_key, arm_key from marts"
    received = [(person, slot, arm) for person, slot, arm, *_ in shown]
    assert sorted(received) == sorted(before.query(f"{people}.fct_exposures"))
    assert set() < set(received) <= set(before.query(f"{people}.fct_assignments"))
    assert all("body" in json.loads(told) for *_, copy_id, told in shown if copy_id)
    assert any(f"{len(shown)} rows" in line for line in run.said["exposure-export"])


def _left_behind(place: Place) -> dict[str, object]:
    """Warehouse, ledger and state after a run, and what else is in its home but the log."""
    home = place.home
    with closing(sqlite3.connect(place.root / "meltano.db")) as database:
        state = database.execute("select * from state order by state_id").fetchall()
    files = {name: (home / name).read_bytes() for name in ("klaviyo.duckdb", "ledger.sqlite")}
    names = sorted(path.name for path in home.iterdir())
    return {**files, "state": state, "names": names, "writes": place.sandbox.requests.copy()}


def test_a_dry_run_leaves_everything_as_it_was(loop: Loop, place: Place) -> None:
    """A short job, whose tap and loader run as in any other; the target's own dry run is tested beside it."""
    before = _left_behind(place)
    said = place.run("make pipeline ENVIRONMENT=prod JOB=define DRY=1")
    assert "tap-experiments target-duckdb" in said
    assert "would assign nobody" in said
    assert _left_behind(place) == before
    assert loop.query("select count(*) from klaviyo_raw.definition_snapshots")[0][0] > 0


TOKEN = "what is shown to the receiver in this test"
Post = Callable[[str, dict[str, Any]], dict[str, Any]]


@contextmanager
def receiver(home: Path) -> Iterator[Post]:
    """Start one; what is posted to a path of it is answered by what became of it."""
    ready = home / "ready.json"
    ready.unlink(missing_ok=True)
    tokens = {f"KLAVIYO_INBOX_{name}_TOKEN": TOKEN for name in ("FLOW", "ORDER", "FORM")}
    variables = {"KLAVIYO_INBOX_STORE": str(home / "inbox.sqlite"), **tokens}
    command = [str(BIN / "klaviyo-inbox"), "serve", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            while not ready.exists():
                assert process.poll() is None
                time.sleep(0.05)
            url = json.loads(ready.read_text())["url"]

            def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
                shown = {"X-Inbox-Token": TOKEN, "Authorization": f"Bearer {TOKEN}"}
                answer = requests.post(f"{url}{path}", json=body, headers=shown, timeout=10)
                assert answer.status_code == 200, answer.text
                told: dict[str, Any] = answer.json()
                return told

            yield post
        finally:
            process.terminate()


@pytest.fixture
def rehearsed(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rehearsal(loop.home, loop.sandbox.url, loop.sandbox.api_key).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def welcome(loop: Loop, place: Place, tmp_path: Path, rehearsed: None) -> None:  # noqa: ARG001
    """An experiment on whom a flow asks for is live, beside the other one."""
    experiments = shutil.copytree(place.root / "experiments", tmp_path / "experiments")
    definition = scaffold(experiments, "welcome", read_catalogue(None))[0]
    text = re.sub(
        r"^audience:\n  segment: .*\n", "audience: {flow: Welcome}\n", definition.read_text(), flags=re.MULTILINE
    )
    definition.write_text(text.replace("status: draft", "status: live"))
    place.run(f"tap-experiments lock --path {experiments}")
    loop.run("define", TAP_EXPERIMENTS_PATH=str(experiments))


@pytest.fixture
def asked(loop: Loop) -> set[str]:
    """Profiles that a flow asks for: one of the account, and one that Klaviyo has just made."""
    others = loop.sandbox.store.read("select id from profiles order by id desc limit 1")
    made = requests.post(
        f"{loop.sandbox.url}/api/profiles",
        json={"data": {"type": "profile", "attributes": {"email": "just.made@example.org"}}},
        headers={"Authorization": f"Klaviyo-API-Key {loop.sandbox.api_key}", "revision": "2026-07-15"},
        timeout=10,
    )
    return {others[0][0], made.json()["data"]["id"]}


class Buyer:
    """Somebody of the account, as its API shows them."""

    def __init__(self, loop: Loop, email: str) -> None:
        self.loop = loop
        self.email = email

    def get(self, path: str, **params: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Klaviyo-API-Key {self.loop.sandbox.api_key}", "revision": "2026-07-15"}
        answer = requests.get(f"{self.loop.sandbox.url}/api/{path}", headers=headers, params=params, timeout=10)
        assert answer.ok, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def profile(self) -> dict[str, Any]:
        [found] = self.get(
            "profiles",
            **{"filter": f'equals(email,"{self.email}")', "additional-fields[profile]": "subscriptions"},
        )
        return found

    def wait_until_subscribed(self) -> None:
        deadline = time.monotonic() + 20
        while self.profile()["attributes"]["subscriptions"]["email"]["marketing"]["consent"] != "SUBSCRIBED":
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """Properties of their events, by metric."""
        metrics = {each["id"]: each["attributes"]["name"] for each in self.get("metrics")}
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self.get("events", filter=f'equals(profile_id,"{self.profile()["id"]}")', sort="datetime"):
            name = metrics[each["relationships"]["metric"]["data"]["id"]]
            found.setdefault(name, []).append(each["attributes"]["event_properties"])
        return found


def _answered(buyer: Buyer, list_id: str, product: object) -> dict[str, list[dict[str, Any]]]:
    """Their events, once profile, consent and list are as order and form told."""
    shown = buyer.profile()["attributes"]
    assert (shown["first_name"], shown["last_name"], shown["location"]["zip"]) == ("Zoë", "O'Neil", "08001")
    assert shown["properties"]["size"] == 42
    buyer.wait_until_subscribed()
    members = buyer.get(f"lists/{list_id}/profiles", filter=f'equals(email,"{buyer.email}")')
    assert [each["id"] for each in members] == [buyer.profile()["id"]]
    events = buyer.events()
    [placed] = events["Placed Order"]
    assert (placed["$value"], placed["$value_currency"], placed["OrderId"]) == (31.5, "EUR", "1001")
    assert [each["ProductName"] for each in placed["Items"]] == [product] * 2
    assert sorted(each["$event_id"] for each in events["Ordered Product"]) == [
        "orders:1001:1",
        "orders:1001:2",
    ]
    return events


@pytest.mark.usefixtures("welcome")
@pytest.mark.long
def test_what_is_pushed_is_answered_once(loop: Loop, asked: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """From the `POST` to arm, profile, events, consent and list; what comes again is neither read nor written."""
    before = loop.writes()
    buyer = Buyer(loop, "zoe.orders@customers.example.org")
    [list_id, *_] = [each["id"] for each in buyer.get("lists")]
    line = {"line_id": "1", "name": "Größe 42 — 東京", "quantity": 2, "price": 10, "total": 20}
    order = {
        "order_id": "1001",
        "event": "placed",
        "email": buyer.email,
        "value": 31.5,
        "currency": "EUR",
        "lines": [line, {**line, "line_id": "2", "total": 11.5}],
        "customer": {"first_name": "Zoë", "billing_address": {"city": "Zürich", "zip": "08001"}},
    }
    form = {
        "statement_id": "form/1",
        "email": buyer.email,
        "channels": {"email": "given"},
        "source": "footer",
        "method": "double_opt_in",  # whether or not the list asks for it
        "proof": {"text": "I agree"},
        "list_id": list_id,
        "contact": {"last_name": "O'Neil"},
        "properties": {"size": 42},
    }

    def run() -> str:
        capsys.readouterr()
        run_and_answer("pushed", "demo", loop.home / "log.jsonl")
        return capsys.readouterr().out

    with receiver(loop.home) as post:

        def ask(profile: str) -> dict[str, Any]:
            return post("/klaviyo/flows/welcome", {"profile_id": profile, "request_id": f"{profile}/1"})

        assert [ask(profile)["stored"] for profile in asked] == [1, 1]
        assert post("/shop/orders", order)["stored"] == 1
        assert post("/consent", form)["request_id"] == "form/1"
        assert "dbt:assign" in run()
        held = loop.held()
        assert held == loop.wanted()
        assert {each for each in held if any(token.startswith("welcome:") for token in held[each])} == asked
        assert loop.writes()["bulk_import_profiles 202"] == before["bulk_import_profiles 202"] + 1
        events = _answered(buyer, list_id, line["name"])

        assert post("/shop/orders", order)["duplicates"] == 1
        assert post("/consent", form)["duplicates"] == 1
        assert [ask(profile)["duplicates"] for profile in asked] == [1, 1]
        said = run()
        assert said.startswith("tap-klaviyo-inbox target-duckdb ")
        assert "dbt:assign" not in said
        numbered = {"phone_number": "+41 44 668 18 00"}
        cancelled = {**order, **numbered, "event": "cancelled", "details": {"reason": "late"}}
        assert post("/shop/orders", cancelled)["stored"] == 1
        sister = {**order, **numbered, "order_id": "1002", "email": "ida.orders@customers.example.org"}
        assert post("/shop/orders", {**sister, "lines": []})["stored"] == 1
        assert "dbt:assign" in run()
        assert buyer.profile()["attributes"]["phone_number"] == "+41446681800"
        assert Buyer(loop, sister["email"]).profile()["attributes"]["phone_number"] is None
        after = buyer.events()
        assert [each["Reason"] for each in after.pop("Cancelled Order")] == ["late"]
        assert after == events
        told = loop.query("select unique_id from publish.pub_klaviyo_events order by unique_id")
        assert told == [("orders:1001",), ("orders:1002",)]
        registered = "select profile_id from marts.fct_registrations where request_id = 'form/1'"
        assert loop.query(registered) == [(buyer.profile()["id"],)]
    assert loop.loaded() <= loop.events()


FORWARDING = """\
name: shop
status: live
description: What the site tells
from: {preset: inbox}
presets: [klaviyo]
events: [{event: Quiz Finished, keep: all}]
who: {email: context.traits.email, anonymous_id: anonymous_id, stitch_days: 7}
consent:
  checks:
    - {scheme: segment, categories: [marketing]}
    - {scheme: tcf, at: context.consent.tcf, purposes: [3, 4]}
age: {hours: 72}
"""
TCF = "CQdWToAQdWToAAKAAAENAwFoALiAAEFAAAYgAULKLupgjAAAAAAA.YAAAAAAAAAAA"

VIEWS = [f"view {number:02}" for number in range(16)]


def _site_events(email: str, now: datetime) -> Iterator[tuple[object, ...]]:
    """What a browser and a server tell: one order, a visitor before they are known, a string of the IAB.

    One of the twenty that are sent is refused; more would end the run as one to be looked at.
    """
    deep: object = "left"
    for _ in range(12):
        deep = {"more": deep}
    order = {"order_id": "F1", "revenue": 20, "products": [{"sku": "hat", "name": "Größe 42", "price": 20}]}
    agrees = {"consent": {"categoryPreferences": {"marketing": True}}}
    traits = {"traits": {"email": email}}
    for message, event, properties, context, minutes in (
        ("yesterday", "Product Viewed", {"sku": "hat"}, {**agrees, **traits}, 24 * 60),
        *((each, "Product Viewed", {"sku": "hat"}, agrees, 6) for each in VIEWS),
        ("browser", "Order Completed", order, {**agrees, **traits}, 5),
        ("server", "Order Completed", order, {**agrees, **traits}, 4),
        ("unknown", "Cart Opened", {}, {**agrees, **traits}, 4),
        ("deep", "Quiz Finished", {"result": "hat", "answers": deep}, {**agrees, **traits}, 4),
        ("string", "Checkout Started", {"checkout_id": "C1"}, {"consent": {"tcf": TCF}, **traits}, 4),
    ):
        moment = now - timedelta(minutes=minutes)
        yield message, event, json.dumps(properties), json.dumps(context), moment, moment


def _new_events(buyer: Buyer, before: dict[str, list[dict[str, Any]]], number: int) -> dict[str, list[str]]:
    """By metric, what makes each of their events one, once there are so many that were not there before."""
    deadline = time.monotonic() + 20
    while True:
        after = {name: found[len(before.get(name, [])) :] for name, found in buyer.events().items()}
        ids = {name: sorted(each["$event_id"] for each in found) for name, found in after.items() if found}
        if sum(map(len, ids.values())) >= number:
            return ids
        assert time.monotonic() < deadline, ids
        time.sleep(0.2)


@pytest.mark.long
def test_what_a_site_tells_is_forwarded_once_and_what_was_refused_once_it_is_mended(
    loop: Loop, place: Place
) -> None:
    """By the commands of the pages, from the raw table to the account."""
    buyer, now = Buyer(loop, loop.audience()[7].email or ""), datetime.now(UTC).replace(tzinfo=None)
    before = buyer.events()
    file = place.root / "forwarding" / "shop.yml"
    file.write_text(FORWARDING)
    for row in _site_events(buyer.email, now):
        loop.execute(
            "insert into klaviyo_raw.site_events (message_id, event, properties, context, occurred_at,"
            " received_at, type, anonymous_id) values (?, ?, ?, ?, ?, ?, 'track', 'visitor')",
            [*row],
        )

    def make(what: str) -> str:
        return place.run(f"DBT_EXCLUDE_RESOURCE_TYPES=test make {what}")

    shown = make(f"forwarding-preview name=shop ENVIRONMENT=prod DAY={(now - timedelta(days=1)).date()}")
    assert ": 1 of 1 would be sent" in shown
    assert buyer.email not in shown

    make("pipeline ENVIRONMENT=prod JOB=forwarding")
    new = {"Ordered Product": ["F1:hat"], "Placed Order": ["F1"], "Viewed Product": [*VIEWS, "yesterday"]}
    assert _new_events(buyer, before, 19) == new
    make("pipeline ENVIRONMENT=prod JOB=rejects")
    letters = "select message_id, metric, decision, remedy from marts.fct_forwarding_dead_letters"
    [(*letter, remedy)] = loop.query(letters)
    assert letter == ["deep", "Quiz Finished", "forwarded"]
    assert remedy.startswith("Leave out")

    file.write_text(FORWARDING.replace("keep: all", "keep: all, without: [answers]"))
    make("resend ENVIRONMENT=prod JOB=forwarding")
    mended = {"Quiz Finished": ["deep"], "Started Checkout": ["C1"]}  # and the string is decoded by now
    assert _new_events(buyer, before, 21) == {**new, **mended}
    decided = dict(loop.query("select message_id, decision from marts.fct_forwarding order by decided_at"))
    assert decided == {
        **dict.fromkeys(["yesterday", *VIEWS, "browser"], "delivered"),
        **dict.fromkeys(["deep", "string"], "forwarded"),
        "server": "duplicate",
        "unknown": "unnamed",
    }
    assert loop.query(letters) == []  # another file sent it, and Klaviyo refused nothing since
    file.unlink()  # whoever reads the pages makes one of this name


@pytest.mark.long
@pytest.mark.usefixtures("loop")
def test_accounts_run_side_by_side_and_are_read_as_one(place: Place) -> None:
    """As `docs/several-accounts.md` shows: a warehouse has what is of its account, one what all found."""
    page = (place.root / "docs" / "several-accounts.md").read_text()
    told = "".join(re.findall(r"```yaml\n# meltano.yml, under environments.*?\n(.*?)```", page, re.DOTALL))
    project, experiments = place.root / "meltano.yml", place.root / "experiments"
    before = project.read_text()
    project.write_text(before.replace("environments:\n", f"environments:\n{told}", 1))
    (place.root / ".meltano" / ".ready").touch()  # nothing of it is to be installed
    (experiments / "project.yml").write_text("accounts: [brand-a, brand-b]\n")
    only = Path(shutil.copytree(experiments / "spring_hero", experiments / "only_a")) / "experiment.yml"
    (only.parent / "preregistration.lock").unlink()
    only.write_text(f"{only.read_text().replace('spring_hero', 'only_a')}account: brand-a\n")
    try:
        place.run("make preregister")
        refused = _job_of(place.sandbox, "prod", place, "define")
        assert "nothing says which account this is" in refused.communicate(timeout=300)[0]
        with (
            Sandbox(profiles=400, events=600, segments=3, seed=1) as one,
            Sandbox(profiles=400, events=600, segments=3, seed=2) as other,
        ):
            accounts = {"brand-a": one, "brand-b": other}
            _side_by_side(accounts, place, "prepare")
            for name, account in accounts.items():
                with _account(place, name) as held:
                    rows = held.execute("select id from klaviyo_raw.events").fetchall()
                assert set(rows) == {tuple(row) for row in account.store.read("select id from events")}
            for seed, account in enumerate(accounts.values()):
                account.control.send(
                    SendRequest(template="lf_spring_hero", audience=AUDIENCE, seed=seed, duration=1)
                )
            _side_by_side(accounts, place, "changes")
            _hold_what_each_holds(place, _side_by_side({"all-accounts": one}, place, "accounts"), list(accounts))
    finally:
        project.write_text(before)
        (place.root / ".meltano" / ".ready").touch()
        (experiments / "project.yml").unlink()
        shutil.rmtree(only.parent)


def _hold_what_each_holds(place: Place, said: str, accounts: list[str]) -> None:
    """The tables of all accounts, row for row."""
    with _account(place, "all-accounts") as held:
        measured = "select distinct account_id, experiment_key from accounts.{} where {} order by all"
        found = held.execute(measured.format("fct_experiment_results", "received > 0")).fetchall()
        assert found == [("brand-a", "spring_hero"), ("brand-b", "spring_hero")]
        defined = held.execute(measured.format("dim_experiments", "true")).fetchall()
        assert defined == [("brand-a", "only_a"), ("brand-a", "spring_hero"), ("brand-b", "spring_hero")]
        by_account = "select table_name from duckdb_columns() where column_name = 'account_id'"
        tables = [row[0] for row in held.execute(by_account).fetchall()]
        together = "select distinct experiment_key, accounts from accounts.fct_experiment_meta_analysis"
        assert held.execute(together).fetchall() == [("spring_hero", 2)]
        assert {row[0] for row in held.execute("select schema_name from duckdb_tables()").fetchall()} == {
            "accounts"
        }
        for table in tables:
            theirs = f"select * exclude (account_id) from accounts.{table} where account_id = ? order by all"  # noqa: S608
            rows = {name: held.execute(theirs, [name]).fetchall() for name in accounts}
            for name in accounts:
                with _account(place, name) as own:
                    if own.execute("select 1 from duckdb_tables() where table_name = ?", [table]).fetchall():
                        columns = [row[0] for row in held.execute(f"describe accounts.{table}").fetchall()[1:]]
                        asked = f"select {', '.join(columns)} from marts.{table} order by all"  # noqa: S608
                        assert rows[name] == own.execute(asked).fetchall(), (table, name)
                    else:
                        assert rows[name] == []
                        assert f"warning: {table} is not there for the account brand-a (" in said
                        assert "run `engagement` there" in said


def _account(place: Place, name: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(place.root / "output" / name / "klaviyo.duckdb"), read_only=True)


def _side_by_side(accounts: dict[str, Sandbox], place: Place, job: str) -> str:
    """What the jobs said, all of which must have ended well."""
    running = {name: _job_of(account, name, place, job) for name, account in accounts.items()}
    said = {name: process.communicate(timeout=600)[0] for name, process in running.items()}
    assert [process.returncode for process in running.values()] == [0] * len(running), said
    return "\n".join(said.values())


def _job_of(account: Sandbox, name: str, place: Place, job: str) -> subprocess.Popen[str]:
    prefix = name.upper().replace("-", "_")
    own = {
        f"{prefix}_READING_KEY": account.api_key,
        f"{prefix}_WRITING_KEY": account.api_key,
        "TAP_KLAVIYO_ENGAGEMENT_API_URL": account.url,
        "TARGET_KLAVIYO_PROFILES_API_URL": account.url,
        "DBT_EXCLUDE_RESOURCE_TYPES": "test",  # a third of dbt's time
    }
    return subprocess.Popen(  # noqa: S603
        ["make", f"ENVIRONMENT={name}", f"JOB={job}", "pipeline"],  # noqa: S607
        cwd=place.root,
        env=place.environment | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# When a job fails, the reason is one line: the plugin's own.


def _reason(loop: Loop, job: str, home: Path, **extra: str) -> str:
    with pytest.raises(JobFailed) as caught:
        Loop(loop.sandbox, home).run(job, **extra)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_a_failing_tap_is_quoted(loop: Loop, tmp_path: Path) -> None:
    reason = _reason(loop, "profiles", tmp_path, TAP_KLAVIYO_ENGAGEMENT_API_KEY="pk_wrong")
    assert reason.startswith("tap-klaviyo-profiles")
    assert "`api_key`" in reason


def test_a_wrong_definition_is_quoted(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "experiments" / "broken").mkdir(parents=True)
    (tmp_path / "experiments" / "broken" / "experiment.yml").write_text("key: [")
    reason = _reason(loop, "define", tmp_path, TAP_EXPERIMENTS_PATH=str(tmp_path / "experiments"))
    assert "broken/experiment.yml" in reason


def test_a_failing_data_test_is_named() -> None:
    run = Run(["dbt:assign"], progress)
    for line in (
        "07:39:47  1 of 1 FAIL 2 fct_assignments_integrity ... [FAIL 2 in 0.30s]",
        "07:39:47  Completed with 1 error, 0 partial successes, and 0 warnings:",
        "07:39:47  Failure in test fct_assignments_integrity (models/marts/fct_assignments.yml)",
        "07:39:47    Got 2 results, configured to fail if != 0",
        "07:39:47  Done. PASS=2 WARN=0 ERROR=1 SKIP=0 NO-OP=0 TOTAL=3",
    ):
        run.hear({"event": line, "name": "dbt", "cmd_type": "command", "level": "info"})
    name = "fct_assignments_integrity (models/marts/fct_assignments.yml)"
    assert run.reason() == f"test {name}: Got 2 results, configured to fail if != 0"


def test_a_full_disk_is_told_with_its_remedy(loop: Loop, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: it needs no root, and fails the same writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, hard))
    try:
        reason = _reason(loop, "profiles", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk is full" in reason


def test_a_job_that_does_not_exist_is_told_with_those_that_do(loop: Loop, tmp_path: Path) -> None:
    assert "extract" in _reason(loop, "extrakt", tmp_path)
