"""What the receiver's tap gives is what others expect: the polled events, dbt, what a flow sends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from klaviyo_inbox.delivery import Delivery, Item
from klaviyo_inbox.moments import now
from klaviyo_inbox.records import RECEIVED, SEQUENCE, STREAMS, decoded
from klaviyo_inbox.sources.flows import FLOWS
from klaviyo_inbox.sources.klaviyo_webhooks import KLAVIYO_WEBHOOKS
from klaviyo_inbox.store import open_store
from subject_requests.tap import Actions, Processing
from tap_klaviyo_engagement.streams.events import Events
from target_duckdb.warehouse import BATCHED_AT

ROOT = Path(__file__).parent.parent
OWN = {RECEIVED, SEQUENCE}
SOURCES = yaml.safe_load((ROOT / "transform/models/staging/inbox/_inbox__sources.yml").read_text())["sources"]
TABLES = {table["name"]: {column["name"] for column in table["columns"]} for table in SOURCES[0]["tables"]}
TYPES = {"varchar": {"string"}, "json": {"object", "array"}, "timestamp": {"string"}, "double": {"number"}}


def test_a_pushed_event_has_the_columns_of_a_polled_one() -> None:
    # What Klaviyo credits with an event is asked for, and pushed with none.
    polled = {name: kind for name, kind in Events.schema["properties"].items() if name != "attributions"}
    pushed = STREAMS["pushed_events"].json_schema()["properties"]
    assert set(pushed) == set(polled) | OWN
    for name, schema in polled.items():
        assert {**pushed[name], "description": ""} == {**schema, "description": ""}, name
    assert STREAMS["pushed_events"].keys == tuple(Events.primary_keys)


OTHERS = {each.name: each for each in (Actions, Processing)}
"""What no receiver takes: tap-subject-requests reads it."""


@pytest.mark.parametrize("name", OTHERS)
def test_a_stream_of_the_log_is_what_dbt_reads(name: str) -> None:
    schema = OTHERS[name].schema["properties"]
    [told] = [each["columns"] for each in SOURCES[0]["tables"] if each["name"] == name]
    types = {**TYPES, "bigint": {"integer"}}
    assert [each["name"] for each in told if schema[each["name"]]["type"][0] not in types[each["data_type"]]] == []
    assert {each["name"] for each in told} == {*schema}


@pytest.mark.parametrize(
    "table", [each for each in SOURCES[0]["tables"] if each["name"] not in OTHERS], ids=lambda each: each["name"]
)
def test_a_stream_is_what_dbt_reads(table: dict[str, list[dict[str, str]]]) -> None:
    name = str(table["name"])
    schema = {BATCHED_AT: {"type": ["string"]}, **STREAMS[name].json_schema()["properties"]}
    told = {column["name"]: TYPES[column["data_type"]] for column in table["columns"]}
    assert [column for column, types in told.items() if schema[column]["type"][0] not in types] == []
    unread = {"timestamp", "uuid"} if name == "pushed_events" else set()
    assert set(schema) - set(told) <= OWN | unread | {BATCHED_AT}


def test_what_tap_experiments_has_typed_into_a_flow_is_understood(tmp_path: Path) -> None:
    """As it prints it, with what Klaviyo's templates fill in."""
    folder = tmp_path / "welcome"
    shown = (ROOT / "plugins/tap-experiments/README.md").read_text()
    body = re.search(r"  JSON body\n(.*?)\n\n", shown, re.DOTALL)
    assert body is not None
    filled = {"person.KlaviyoID": "01ABC", "event|lookup:'$event_id'": "77", "event|lookup:'basket'": "12.50"}
    sent = re.sub(r"\{\{ (.*?) \}\}", lambda found: filled[found[1]], body[1])
    [item] = FLOWS.divide(Delivery(sent.encode(), now(), {"experiment": folder.name}))
    assert isinstance(item, Item)
    record = decoded(item.record)
    assert {**record, **dict.fromkeys(OWN)}.keys() - OWN | {RECEIVED} == TABLES["flow_requests"]
    assert record["profile_id"] == "01ABC"
    assert record["attrs"] == {"basket": "12.50"}
    assert record["request_id"] == "welcome:01ABC/77"


def test_what_is_pushed_leaves_what_was_polled_before_as_it_is(tmp_path: Path) -> None:
    """Both taps and one loader: dbt then takes the polled one, whichever was loaded later."""
    inbox, path = tmp_path / "inbox.sqlite", tmp_path / "klaviyo.duckdb"
    store = open_store(str(inbox), 2**30)
    event = {
        "topic": "event:klaviyo.opened_email",
        "external_id": "E1",
        "payload": {
            "data": {
                "type": "event",
                "id": "E1",
                "attributes": {"timestamp": 1_788_527_689, "event_properties": {"pushed": 1}},
                "relationships": {"profile": {"data": {"type": "profile", "id": "P1"}}},
            }
        },
    }
    delivery = Delivery(json.dumps({"data": [event]}).encode(), now())
    store.append([KLAVIYO_WEBHOOKS.parcel(delivery)])
    store.close()
    environment = {**os.environ, "TAP_KLAVIYO_INBOX_STORE": str(inbox), "TARGET_DUCKDB_PATH": str(path)}

    def load(messages: bytes) -> None:
        command = [sys.executable, "-m", "target_duckdb", "--config=ENV"]
        subprocess.run(command, input=messages, env=environment, capture_output=True, check=True)  # noqa: S603

    polled = {"id": "E1", "datetime": "2026-09-04T13:14:49+00:00", "event_properties": {"polled": 1}}
    schema = {"type": "SCHEMA", "stream": "events", "schema": Events.schema, "key_properties": ["id"]}
    record = {"type": "RECORD", "stream": "events", "record": polled}
    load(b"\n".join(json.dumps(each).encode() for each in (schema, record)))
    command = [sys.executable, "-c", "from klaviyo_inbox.tap import main; main()", "--config=ENV"]
    load(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)  # noqa: S603
    with duckdb.connect(str(path), read_only=True) as warehouse:
        [row] = warehouse.sql("SELECT id, event_properties FROM klaviyo_raw.events").fetchall()
        assert row == ("E1", '{"polled": 1}')
        asked = "SELECT id, profile_id, event_properties, _seq FROM klaviyo_raw.pushed_events"
        [row] = warehouse.sql(asked).fetchall()
        assert row == ("E1", "P1", '{"pushed":1}', 1)
