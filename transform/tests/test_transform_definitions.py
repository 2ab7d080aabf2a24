"""A definition with every key, as tap-experiments reads it, through the project into ledger and profiles."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from transform_project import (
    ASSIGN,
    NOW,
    PROJECT,
    READ_AT,
    Row,
    Warehouse,
    World,
    bucket,
    growthbook_bucket,
    small_world,
)

EVERY_KEY = PROJECT.parent / "plugins" / "tap-experiments" / "tests" / "every_key"
COUNTRIES = ("SE", "NO", "DK")
TIERS = ("vip", 7, "gold", None)


@pytest.fixture(scope="module")
def records() -> dict[str, list[Row]]:
    """What the tap emits, by stream."""
    if not EVERY_KEY.is_dir():
        pytest.skip("the definitions of tap-experiments' own tests are not here")
    tap = [str(Path(sys.executable).parent / "tap-experiments"), "--config"]
    done = subprocess.run(  # noqa: S603
        [*tap, "/dev/stdin"],
        input=json.dumps({"path": str(EVERY_KEY)}),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[Row]] = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            found.setdefault(message["stream"], []).append({**message["record"], "defined_at": READ_AT})
    return found


@pytest.fixture(scope="module")
def account(records: dict[str, list[Row]]) -> World:
    """A list of people who differ in everything that the conditions ask for."""
    world = small_world()
    world.lists[0]["name"] = "Newsletter"
    world.list_memberships = [
        {"list_id": "LstOne", **{name: row[name] for name in ("profile_id", "joined_group_at", "snapshot_at")}}
        for row in world.segment_memberships
    ]
    for number, profile in enumerate(world.profiles):
        profile["location"] = {"country": COUNTRIES[number % 12 // 5]}
        tier = TIERS[number % 8 // 2]
        profile["properties"] = {"age": 17 + number % 9, **({} if tier is None else {"tier": tier})}
        profile["phone_number"] = None if number % 11 == 0 else "+4670"
        profile["created"] = READ_AT - timedelta(days=360 if number % 7 == 0 else 30)
    for table, rows in records.items():
        setattr(world, table, rows)
    return world


@pytest.fixture(scope="module")
def assigned(first_run: Warehouse, account: World) -> Warehouse:
    warehouse = first_run.copy()
    account.land(warehouse)
    warehouse.dbt(*ASSIGN, "fct_allocations", "path:models/publish")
    return warehouse


def fulfils(profile: Row) -> bool:
    properties = profile["properties"]
    return (
        profile["location"]["country"] in {"SE", "NO"}
        and str(properties.get("tier")) not in {"vip", "7"}
        and properties["age"] >= 18
        and profile["created"].year >= NOW.year
        and profile["phone_number"] is not None
    )


def expected(profile: str) -> dict[str, str]:
    """Arm by slot, for who fulfils the conditions."""
    if bucket("holdout-global-2", profile) < 500 or growthbook_bucket("holdout-every_key-3", profile) < 250:
        return {"*": "holdout"}
    if bucket("layer-promo", profile) >= 5000 or growthbook_bucket("traffic-everything-3", profile) >= 8000:
        return {}
    hero = growthbook_bucket("split-everything-3-hero", profile)
    button = growthbook_bucket("split-everything-3-button", profile)
    return {"hero": "plain" if hero < 7000 else "bold", "button": "small" if button < 4550 else "large"}


def test_the_ledger_follows_every_key(assigned: Warehouse, account: World) -> None:
    ledger = assigned.query("select profile_id, slot_key, arm_key from marts.fct_assignments")
    wanted = {
        (profile["id"], slot, arm)
        for profile in account.profiles
        if fulfils(profile)
        for slot, arm in expected(profile["id"]).items()
    }
    assert set(ledger) == wanted
    assert {slot for _, slot, _ in wanted} == {"*", "hero", "button"}
    tokens: dict[str, list[str]] = {}
    for profile, slot, arm in sorted(wanted):
        if slot != "*":
            tokens.setdefault(profile, []).append(f"every_key:{slot}:{arm}")
    published = assigned.query("select id, properties from publish.pub_klaviyo_profiles")
    assert {profile: json.loads(properties) for profile, properties in published} == {
        profile: {"lf_assignments": found} for profile, found in tokens.items()
    }


def test_a_row_keeps_what_was_promised_and_asked_for(assigned: Warehouse, records: dict[str, list[Row]]) -> None:
    (defined,) = records["experiments"]
    rows = assigned.rows(
        """
        select rules.*, ledger.audience_snapshot_at
        from marts.fct_assignments as ledger
        left join marts.fct_assignment_rules as rules on ledger.rule_id = rules.rule_id
        where ledger.slot_key = 'hero' and ledger.arm_key = 'bold'
        """
    )
    assert rows
    for row in rows:
        assert json.loads(row["targeting"]) == defined["audience_conditions"]
        assert row["preregistration_sha256"] == defined["preregistration_sha256"]
        assert row["audience_snapshot_at"] == READ_AT
        reason = "member of list LstOne; layer promo [0, 5000); traffic 8000 bp; arm owns [7000, 10000)"
        assert row["reason"] == reason


def test_every_value_is_staged(assigned: Warehouse, records: dict[str, list[Row]]) -> None:
    """Under its own name, or the one that tells its type."""
    renamed = {"version": "experiment_version", "planned_stop": "planned_stop_on"}
    for stream, model in (("experiments", "experiments"), ("experiment_arms", "arms")):
        staged = assigned.rows(f"select * from staging.stg_experiments__{model}")  # noqa: S608
        keys = [name for name in ("experiment_key", "slot_key", "arm_key") if name in records[stream][0]]
        found = {tuple(row[name] for name in keys): row for row in staged}
        for record in records[stream]:
            row = found[tuple(record[name] for name in keys)]
            for name, value in record.items():
                if name != "content":  # the template has it
                    assert _plain(row[renamed.get(name, name)], value) == value, name


def _plain(held: Any, wanted: Any) -> Any:  # noqa: ANN401
    """A value of the warehouse as the record has it."""
    if isinstance(wanted, list | dict):
        return json.loads(held)
    return held.isoformat() if hasattr(held, "isoformat") and isinstance(wanted, str) else held


def test_an_accepted_share_is_written_down(assigned: Warehouse) -> None:
    rows = assigned.query("select slot_key, arm_key, weight_bp, content_key, reason from marts.fct_allocations")
    accepted, given = "thompson, but accepted or set in the file", "manual, as the file says"
    assert sorted(rows) == [
        ("button", "large", 5450, "button", accepted),
        ("button", "small", 4550, "button", accepted),
        ("hero", "bold", 3000, "every_key.hero", given),
        ("hero", "plain", 7000, "every_key.hero", given),
    ]
