"""What a file of forwarding would have made of a day: what is shown of it, and what never is."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from forwarding_preview import Preview, body, definition_of, forget, masked, preview, set_clock  # noqa: E402
from project import NotStarted  # noqa: E402

from tap_forwarding.project import load  # noqa: E402

DAY = date(2026, 11, 29)
ADDRESS = "ada@mail.example.net"
COLUMNS = """
    match_ref varchar, definition_key varchar, type varchar, event varchar, metric varchar, decision varchar,
    identified_by varchar, identifier varchar, unique_id varchar, value double, currency varchar,
    event_key varchar, properties json, is_backfill boolean, occurred_at timestamp, received_at timestamp
"""
ROW: dict[str, Any] = {
    "definition_key": "shop",
    "type": "track",
    "event": "Order Completed",
    "metric": "Placed Order",
    "decision": "forwarded",
    "identified_by": "email",
    "identifier": ADDRESS,
    "unique_id": "shop:1001",
    "value": 9.5,
    "currency": "EUR",
    "properties": '{"OrderId": "1001", "Items": [{"ProductName": "Hat", "RowTotal": 9.5}]}',
    "is_backfill": False,
    "occurred_at": datetime.fromisoformat("2026-11-29 08:00"),
    "received_at": datetime.fromisoformat("2026-11-29 09:00"),
}


def warehouse(folder: Path, *rows: dict[str, Any]) -> Path:
    """A copy's warehouse, as the models leave it."""
    path = folder / "klaviyo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema intermediate")
        connection.execute(f"create table intermediate.int_forwarding_decided ({COLUMNS})")
        for number, row in enumerate(rows):
            whole = {"match_ref": f"m{number}", "event_key": f"k{number}", **ROW, **row}
            columns, marks = ", ".join(whole), ", ".join("?" for _ in whole)
            connection.execute(
                f"insert into intermediate.int_forwarding_decided ({columns}) values ({marks})",  # noqa: S608
                [*whole.values()],
            )
    return path


def shown(folder: Path, *rows: dict[str, Any], status: str = "live") -> Preview:
    (folder / "forwarding").mkdir()
    text = f"name: shop\nstatus: {status}\ndescription: All\nfrom: {{preset: inbox}}\npresets: [klaviyo]\n"
    (folder / "forwarding" / "shop.yml").write_text(f"{text}consent: not_asked\n")
    (definition,) = load(folder / "forwarding").definitions
    return preview(warehouse(folder, *rows), definition, DAY)


def test_the_models_have_the_columns_that_are_read() -> None:
    path = ROOT / "transform/models/intermediate/forwarding/int_forwarding_decided.yml"
    (model,) = yaml.safe_load(path.read_text())["models"]
    read = {name for name, _ in (column.split() for column in COLUMNS.split(",") if column.strip())}
    assert read <= {column["name"] for column in model["columns"]}


def test_counts_by_name_and_decision(tmp_path: Path) -> None:
    found = shown(
        tmp_path,
        *({"event": "Product Viewed", "metric": "Viewed Product"} for _ in range(3)),
        {"decision": "no_consent"},
        {"event": "Cart Opened", "metric": None, "decision": "unnamed"},
        {"event": None, "type": "page", "metric": None, "decision": "unnamed"},
        {"definition_key": "other"},
        {"received_at": "2026-11-28 23:59:59"},
        {"received_at": "2026-11-30"},
    )
    assert found.lines()[:6] == [
        "shop, received on 2026-11-29 (UTC): 3 of 6 would be sent",
        "  event            becomes         decision       events",
        "  Product Viewed   Viewed Product  forwarded           3",
        "  any page         -               unnamed             1",
        "  Cart Opened      -               unnamed             1",
        "  Order Completed  Placed Order    no_consent          1",
    ]


def test_a_draft_is_decided_as_if_it_were_live(tmp_path: Path) -> None:
    """The models hold all of a draft back, and so find no copies among it."""
    found = shown(
        tmp_path,
        {"decision": "draft", "event_key": "same"},
        {"decision": "draft", "event_key": "same", "occurred_at": "2026-11-29 07:00"},
        {"decision": "draft", "event_key": None},
        status="draft",
    )
    assert found.lines()[0] == "shop, received on 2026-11-29 (UTC): 2 of 3 would be sent once the file is live"
    assert {(each.decision, each.events) for each in found.counts} == {("forwarded", 2), ("duplicate", 1)}
    assert "2026-11-29T07:00:00Z" in [sample["time"] for sample in found.samples]


def test_ten_bodies_of_as_many_kinds_as_there_are(tmp_path: Path) -> None:
    rows = [{"metric": f"Metric {number}"} for number in range(4) for _ in range(6)]
    samples = shown(tmp_path, *rows).samples
    assert len(samples) == 10
    assert {each["metric"] for each in samples[:4]} == {f"Metric {number}" for number in range(4)}


def test_nothing_of_a_day_without_events(tmp_path: Path) -> None:
    assert shown(tmp_path).lines() == ["shop, received on 2026-11-29 (UTC): 0 of 0 would be sent"]


def test_a_body_is_what_the_target_sends() -> None:
    told = {
        **ROW,
        "properties": json.dumps({"OrderId": "1001", "Friend": {"Email": ADDRESS}, "n": [1, True, None]}),
    }
    assert body(told) == {
        "metric": "Placed Order",
        "profile": {"email": "a***"},
        "time": "2026-11-29T08:00:00Z",
        "backfill": False,
        "value": 9.5,
        "value_currency": "EUR",
        "unique_id": "shop:1001",
        "properties": {"OrderId": "1001", "Friend": {"Email": "***"}, "n": [1, True]},
    }


def test_what_the_target_would_refuse_is_told() -> None:
    refused = body({**ROW, "identifier": "nobody"})
    assert (refused["metric"], refused["refused"]) == ("Placed Order", "invalid_email")
    assert "nobody" not in json.dumps(refused)


@given(
    st.sampled_from(["note", "Items", "URL", "ProductName"]),
    st.sampled_from(
        [
            ADDRESS,
            f"for {ADDRESS}, please",
            "+49 151 12345678",
            "https://shop.example/?email=ada%40mail.example.net",
        ]
    ),
    st.integers(0, 3),
)
def test_no_address_is_shown_wherever_it_stands(name: str, text: str, depth: int) -> None:
    value: object = text
    for level in range(depth):
        value = {name: value} if level % 2 else [value]
    told = json.dumps(body({**ROW, "properties": json.dumps({name: value})}))
    assert "mail.example" not in told
    assert "12345678" not in told


def test_names_of_members_say_what_is_personal() -> None:
    assert masked(
        {
            "first_name": "Ada",
            "BillingAddress": {"City": "Bath", "Zip": "1"},
            "customer": {"note": "shy"},
            "phone": "0151",
            "userId": 7,
            "ip": "192.0.2.1",
            "Brand": "Ada's",
            "Quantity": 2,
            "Sizes": ["S", "M"],
            "email": None,
        }
    ) == {
        "first_name": "***",
        "BillingAddress": "***",
        "customer": "***",
        "phone": "***",
        "userId": "***",
        "ip": "***",
        "Brand": "Ada's",
        "Quantity": 2,
        "Sizes": ["S", "M"],
        "email": None,
    }


def test_for_a_program(tmp_path: Path) -> None:
    told = json.loads(json.dumps(shown(tmp_path, {}).as_json()))
    assert (told["definition"], told["status"], told["day"]) == ("shop", "live", "2026-11-29")
    assert told["counts"] == [
        {
            "type": "track",
            "event": "Order Completed",
            "metric": "Placed Order",
            "decision": "forwarded",
            "events": 1,
        }
    ]
    assert ADDRESS not in json.dumps(told)


def test_what_was_decided_of_the_day_is_decided_anew(tmp_path: Path) -> None:
    path = warehouse(tmp_path)
    forget(path, "shop", DAY)  # there is no ledger yet
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.fct_forwarding (definition_key varchar, received_at timestamp)")
        connection.execute(
            "insert into marts.fct_forwarding values ('shop', '2026-11-28 23:59:59'), ('shop', '2026-11-29'),"
            " ('shop', '2026-11-30'), ('other', '2026-11-29')"
        )
    forget(path, "shop", DAY)
    with duckdb.connect(str(path)) as connection:
        left = connection.execute(
            "select definition_key, received_at::varchar from marts.fct_forwarding"
        ).fetchall()
    assert left == [("shop", "2026-11-28 23:59:59"), ("other", "2026-11-29 00:00:00")]


def test_the_models_decide_as_of_the_end_of_the_day(tmp_path: Path) -> None:
    """Or what came in the morning would be too old by the next afternoon."""
    (tmp_path / "meltano.yml").write_text((ROOT / "meltano.yml").read_text())
    set_clock(tmp_path, "demo", DAY)
    changed = {
        each["name"]: each["env"]
        for each in yaml.safe_load((tmp_path / "meltano.yml").read_text())["environments"]
    }
    before = {
        each["name"]: each["env"] for each in yaml.safe_load((ROOT / "meltano.yml").read_text())["environments"]
    }
    assert yaml.safe_load(changed["demo"].pop("KLAVIYO_LOOP_VARS")) == {
        **yaml.safe_load(before["demo"].pop("KLAVIYO_LOOP_VARS")),
        "as_of": "2026-11-29 00:00:00",
    }
    assert changed == before


def test_a_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_FORWARDING_PATH", str(tmp_path))
    with pytest.raises(NotStarted, match=r"there is no file shop\.yml in .*; there are: none"):
        definition_of("shop", "dev")
    (tmp_path / "shop.yml").write_text("name: stop\n")
    with pytest.raises(NotStarted, match=r"is `stop` in the file `shop\.yml`"):
        definition_of("shop", "dev")
