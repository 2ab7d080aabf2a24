"""Records out of other people's models: texts of a CSV file, JSON as text, ids as floats; and maps that fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from klaviyo_sandbox.model.records import GroupKind
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.fields import Kind, coerced

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]
README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        (Kind.TEXT, 42.0, "42"),
        (Kind.TEXT, -7.0, "-7"),
        (Kind.TEXT, "42.0", "42.0"),
        (Kind.NUMBER, "12.50", 12.5),
        (Kind.NUMBER, " -3 ", -3),
        (Kind.NUMBER, "9007199254740993", 9007199254740993),
        (Kind.NUMBER, "1e3", 1000.0),
        (Kind.BOOLEAN, "TRUE", True),
        (Kind.BOOLEAN, "false", False),
        (Kind.OBJECT, '{"a": 1, "b": null, "c": {"d": null}}', {"a": 1, "c": {}}),
        (Kind.TEXTS, '["a", "b"]', ["a", "b"]),
    ],
)
def test_what_a_warehouse_gives_instead_is_taken(kind: Kind, given: object, taken: object) -> None:
    value = coerced(kind, given)
    assert value == taken
    assert type(value) is type(taken)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Kind.TEXT, 4.5),
        (Kind.TEXT, 2.0**53),
        (Kind.TEXT, True),
        (Kind.NUMBER, ""),
        (Kind.NUMBER, "1_000"),
        (Kind.NUMBER, "1,5"),
        (Kind.NUMBER, "nan"),
        (Kind.NUMBER, "1e999"),
        (Kind.NUMBER, "9" * 5_000),
        (Kind.NUMBER, "\u0663"),
        (Kind.BOOLEAN, "yes"),
        (Kind.BOOLEAN, 1),
        (Kind.OBJECT, "[1]"),
        (Kind.OBJECT, "null"),
        (Kind.OBJECT, '"{}"'),
        (Kind.OBJECT, '{"a": 1'),
        (Kind.OBJECT, ""),
        (Kind.TEXTS, "[1]"),
        (Kind.TEXTS, "a"),
    ],
)
def test_what_may_mean_something_else_is_not(kind: Kind, given: object) -> None:
    with pytest.raises(TypeError):
        coerced(kind, given)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a": 1'])
def test_a_text_that_is_no_object_costs_its_record(load: Load, messages: Messages, text: str) -> None:
    good = [{"external_id": f"crm-{n}"} for n in range(30)]
    run = load(messages([*good, {"external_id": "bad", "properties": text}]))
    assert run.error is None
    [reject] = run.rejects
    assert (reject["code"], reject["pointer"], reject["key"]) == (
        "invalid_value",
        "/properties",
        {"external_id": "bad"},
    )
    assert run.tallies["profiles"].accepted == 30


def test_a_value_that_a_stream_map_fails_on_costs_its_record(load: Load, messages: Messages) -> None:
    records = [{"external_id": f"crm-{n}", "cents": "100"} for n in range(30)]
    records[7]["cents"] = "secret@mail.example.net"
    maps = {"profiles": {"properties": "{'euros': int(cents) / 100}", "cents": None}}
    run = load(messages(records), stream_maps=maps)
    assert run.error is None
    [reject] = run.rejects
    assert (reject["code"], reject["key"], reject["record"]) == ("unmapped", {"external_id": "crm-7"}, 8)
    assert "secret@" not in json.dumps(reject) + run.log
    assert run.tallies["profiles"].accepted == 29
    assert run.states == [{"at": "end"}]


def test_a_stream_map_that_fails_on_every_record_fails_the_run(load: Load, messages: Messages) -> None:
    run = load(messages([{"external_id": "1"}]), stream_maps={"profiles": {"title": "no_such_column"}})
    assert isinstance(run.error, RunFailed)
    assert "no_such_column" not in str(run.error)


def _yaml_of_the_page() -> Json:
    page = README.read_text().split("## Behind your own models")[1].split("\n## ")[0]
    [block] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    found: Json = yaml.safe_load(block)
    return found


def test_the_maps_of_the_readme_bring_tables_into_klaviyo(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    """Every value is a text, as `tap-csv` gives it, and every table has a key, as `tap-postgres` finds it."""
    [loader] = _yaml_of_the_page()["plugins"]["loaders"]
    assert "null" not in json.dumps(loader)  # Meltano would leave it out, and the columns in
    people = sandbox.store.read("select id from profiles order by id limit 1")
    [group] = sandbox.store.read("select id from groups where kind = ? limit 1", [GroupKind.LIST])
    tables = {
        "customers": [{"customer_id": "c1", "mail": "c1@mail.example.net", "plan": "gold", "seats": "3"}],
        "orders": [{"order_id": "o1", "customer_id": "c1", "ordered_at": "2026-10-01 10:00:00", "total": "12.50"}],
        "dim_list_members": [{"list": group[0], "klaviyo_id": people[0][0]}],
        "consents": [{"mail": "c1@mail.example.net", "given_at": "2026-09-01", "source": "shop"}],
    }
    keys = {table: list(rows[0])[:1] for table, rows in tables.items()}
    sent = [
        each | {"key_properties": keys[table]} if each["type"] == "SCHEMA" else each
        for table, rows in tables.items()
        for each in messages(rows, stream=table)
    ]
    run = load(sent, **loader["config"])
    assert run.error is None, run.rejects
    assert run.rejects == []
    assert run.tallies.keys() == {"profiles", "events", "list_members", "subscriptions"}
    profile = sandbox.store.profile_by("external_id", "c1")
    assert profile is not None
    assert profile.properties == {"plan": "gold", "seats": 3}
    assert sandbox.store.profile_by("email", "c1@mail.example.net") == profile  # who consented is who ordered
