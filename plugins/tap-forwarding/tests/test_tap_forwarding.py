"""The command: what it emits, starts, checks and prints."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml
from singer_sdk.testing import get_tap_test_class

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from forwarding_files import EVERY_KEY, SMALL, complaints, every_key, written

from tap_forwarding.cli import main
from tap_forwarding.commands import schema_text
from tap_forwarding.definitions.model import Status
from tap_forwarding.definitions.scaffold import SCHEMA_FILE
from tap_forwarding.definitions.schema import json_schema
from tap_forwarding.project import load
from tap_forwarding.tap import TapForwarding

ROOT = Path(__file__).parents[3]
STREAMS = {
    name: [*stream.primary_keys] for name, stream in TapForwarding(config={"path": str(EVERY_KEY)}).streams.items()
}
TestTapForwarding = get_tap_test_class(TapForwarding, config={"path": str(EVERY_KEY)})


class Run(NamedTuple):
    """What a run of the command left behind."""

    code: int
    out: str
    complaints: list[str]

    def rows(self, stream: str) -> list[dict[str, Any]]:
        messages = [json.loads(line) for line in self.out.splitlines()]
        return [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == stream]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Run]]:
    """Runs the command in the folder of the test."""
    handlers = list(logging.root.handlers)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["tap-forwarding", *arguments])
        code = main()
        logging.root.handlers = list(handlers)  # the SDK adds one for each run
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Run(code, out, [line.split(" | ")[-1] for line in err.splitlines() if " | INFO " not in line])

    yield run
    logging.root.handlers = handlers


def test_records_in_order_with_one_moment(tmp_path: Path, run: Callable[..., Run]) -> None:
    every_key(tmp_path)
    done = run()
    assert (done.code, done.complaints) == (0, [])
    messages = [json.loads(line) for line in done.out.splitlines()]
    records = [each for each in messages if each["type"] == "RECORD"]
    assert list(dict.fromkeys(each["stream"] for each in records)) == [*STREAMS]
    assert len({each["record"]["defined_at"] for each in records}) == 1
    (snapshot,) = done.rows("forwarding_snapshots")
    assert (snapshot["name"], snapshot["definitions"]) == ("forwarding", 2)
    state = [each["value"] for each in messages if each["type"] == "STATE"][-1]
    assert state["bookmarks"]["forwarding_snapshots"] == {"defined_at": snapshot["defined_at"]}


def test_each_row_has_a_key_of_its_own(tmp_path: Path, run: Callable[..., Run]) -> None:
    """Or a loader would keep the last of those that share one."""
    every_key(tmp_path)
    done = run()
    for name, keys in STREAMS.items():
        rows = done.rows(name)
        assert rows
        assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows), name


def test_what_the_warehouse_gets_of_a_rule(tmp_path: Path, run: Callable[..., Run]) -> None:
    every_key(tmp_path)
    done = run()
    quiz, line, page, *_ = [row for row in done.rows("forwarding_rules") if row["definition_key"] == "shop"]
    assert (quiz["rule"], quiz["event"], quiz["per_root"], quiz["per_key_1"]) == (1, "Quiz Finished", None, None)
    assert (line["metric"], line["per_root"], line["per_key_1"]) == ("Ordered Product", "properties", "products")
    assert (page["event"], page["keeps_all"], page["without"]) == (None, True, ["referrer"])
    values = [row for row in done.rows("forwarding_values") if row["definition_key"] == "shop"]

    def keys(row: dict[str, Any], of: str = "key") -> list[str]:
        return [row[f"{of}_{number}"] for number in range(1, 5) if row[f"{of}_{number}"]]

    def places(rule: int, use: str, parent: str = "", name: str = "") -> list[object]:
        return [
            row["constant"] if row["root"] is None else [row["root"], *keys(row)]
            for row in sorted(values, key=lambda row: (row["part"], row["alternative"]))
            if (row["rule"], row["use"], row["parent"], row["name"]) == (rule, use, parent, name)
        ]

    assert places(0, "identifier", name="email") == [["context", "traits", "email"], ["properties", "email"]]
    assert places(0, "contact", name="location.city") == [["context", "traits", "address", "city"]]
    assert places(1, "property", name="result") == [["properties", "result"]]
    assert places(1, "property", name="Points") == [["properties", "points"], ["context", "points"]]
    assert places(1, "property", name="Step") == ["3"]
    assert places(1, "item", "Answers") == [["item", "text"]]
    assert places(1, "item", "Prizes", "Kind") == ['"prize"']
    assert places(1, "unique_id") == [["message_id"]]
    assert places(2, "unique_id") == [
        '"shop:"', ["properties", "order_id"], '":"', ["item", "sku"], ["item", "name"],
    ]  # fmt: skip
    assert places(2, "currency") == ['"EUR"']
    (amount,) = [row for row in values if (row["rule"], row["use"]) == (2, "value")]
    assert (keys(amount), amount["times_root"], keys(amount, "times_key")) == (["price"], "item", ["quantity"])
    (named,) = [
        row for row in values if (row["parent"], row["name"]) == ("Prizes", "Name") and not row["alternative"]
    ]
    assert (named["value_type"], named["personal"]) == ("text", "mask")


def test_who_is_chosen_first_and_what_is_ignored(tmp_path: Path, run: Callable[..., Run]) -> None:
    every_key(tmp_path)
    done = run()
    named = [
        row
        for row in done.rows("forwarding_values")
        if (row["use"], row["definition_key"]) == ("identifier", "shop")
    ]
    order = sorted({(row["part"], row["name"]) for row in named})
    assert order == [*enumerate(["email", "external_id", "profile_id", "phone_number", "anonymous_id"])]
    rules = [row for row in done.rows("forwarding_rules") if row["definition_key"] == "shop"]
    ignored = [row for row in rules if row["metric"] is None]
    assert [row["event"] for row in ignored] == ["Product Clicked", "Product List Viewed"]
    assert [row["rule"] for row in rules] == [*range(1, len(rules) + 1)]


def test_where_each_property_is_a_column(tmp_path: Path, run: Callable[..., Run]) -> None:
    """As Segment and RudderStack write tables: small letters, underscores, `context_` before the context."""
    every_key(tmp_path)
    done = run()
    (table,) = [row for row in done.rows("forwarding_definitions") if row["definition_key"] == "warehouse"]
    assert (table["layout"], table["relation"]) == ("columns", ["analytics", "shop", "order_completed"])
    assert (table["source_event"], table["source_type"]) == ("Order Completed", "track")
    assert {"order_id", "products", "revenue", "context_page_url", "context_traits_email"} <= {
        *table["property_columns"]
    }
    values = [row for row in done.rows("forwarding_values") if row["definition_key"] == "warehouse"]
    assert "traits_email" in [row["key_1"] for row in values if row["root"] == "context"]
    assert {row["key_2"] for row in values if row["root"] in {"properties", "context"}} == {None}
    (shop,) = [row for row in done.rows("forwarding_definitions") if row["definition_key"] == "shop"]
    assert (shop["layout"], shop["source_table"]) == ("documents", None)
    assert (shop["relation"], shop["columns"]["user_id"]) == (["copies", "site_events"], ["customer_id"])


def test_the_receivers_tables_have_the_columns_that_they_have(tmp_path: Path, run: Callable[..., Run]) -> None:
    """Also orders, of which the models make a document of properties."""
    written(tmp_path, SMALL)
    written(tmp_path, SMALL.replace("name: shop", "name: till").replace("inbox", "inbox_orders"), "till")
    found = {row["definition_key"]: row for row in run().rows("forwarding_definitions")}
    assert {key: (row["source_table"], row["relation"]) for key, row in found.items()} == {
        "shop": ("site_events", []),
        "till": ("orders", []),
    }
    assert {row["layout"] for row in found.values()} == {"documents"}


def test_a_fault_ends_the_run_before_any_record(tmp_path: Path, run: Callable[..., Run]) -> None:
    every_key(tmp_path)
    written(tmp_path, SMALL.replace("keep", "kep"), "shop")
    done = run()
    assert (done.code, done.out) == (1, "")
    assert [line.split("; ")[1] for line in done.complaints] == ["did you mean `keep`?"]


def test_a_new_definition_is_a_sound_draft(tmp_path: Path, run: Callable[..., Run]) -> None:
    (tmp_path / "forwarding").mkdir()
    done = run("new", "spring")
    assert (done.code, done.out) == (0, "forwarding/spring.yml: a draft; say here what is forwarded\n")
    (definition,) = load(tmp_path / "forwarding").definitions
    assert (definition.key, definition.status) == ("spring", Status.DRAFT)
    assert load(tmp_path / "forwarding").warnings == ()
    text = (tmp_path / "forwarding" / "spring.yml").read_text()
    assert complaints(text) == []
    assert "yaml-language-server" not in text


def test_what_it_comments_out_is_sound_too(tmp_path: Path, run: Callable[..., Run]) -> None:
    (tmp_path / "forwarding").mkdir()
    run("new", "spring")
    path = tmp_path / "forwarding" / "spring.yml"
    text = re.sub(r"(?m)^#(?=  )|^# (?=[a-z ]+: ?)", "", path.read_text())
    path.write_text(text)
    assert complaints(text) == []
    (definition,) = load(tmp_path / "forwarding").definitions
    assert (definition.stitch_days, len(definition.checks), definition.bots.per_minute) == (30, 2, 120)
    assert {"properties.plan", "first_name"} <= definition.contact.keys()
    assert [*definition.rules[0].properties] == ["Quiz", "Channel", "Score", "Friend"]


def test_in_the_repository_it_names_the_schema(tmp_path: Path, run: Callable[..., Run]) -> None:
    (tmp_path / SCHEMA_FILE).parent.mkdir(parents=True)
    (tmp_path / SCHEMA_FILE).touch()
    (tmp_path / "forwarding").mkdir()
    run("new", "spring")
    for file, project in ((tmp_path / "forwarding" / "spring.yml", tmp_path), (EVERY_KEY / "shop.yml", ROOT)):
        named = file.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).resolve() == project / SCHEMA_FILE


def test_nothing_is_overwritten(tmp_path: Path, run: Callable[..., Run]) -> None:
    root = written(tmp_path, SMALL)
    done = run("new", "shop")
    assert (done.code, done.complaints) == (
        1, ["forwarding/shop.yml exists already; choose another name, or remove it"],
    )  # fmt: skip
    assert (root / "shop.yml").read_text() == SMALL


@pytest.mark.parametrize("name", ["", "Shop", "a b", "../up", "_draft", "1st", "a" * 41])
def test_a_name_that_is_none(tmp_path: Path, run: Callable[..., Run], name: str) -> None:
    (tmp_path / "forwarding").mkdir()
    done = run("new", "--", name)
    assert done.code == 1
    assert done.complaints[0].startswith(f"`{name}` cannot be used as a name; use 1 to 40 small letters")
    assert list((tmp_path / "forwarding").iterdir()) == []


def test_no_folder_to_write_into(run: Callable[..., Run]) -> None:
    done = run("new", "shop", "--path", "elsewhere")
    said = "elsewhere/shop.yml cannot be written: No such file or directory; give the folder with `--path`"
    assert (done.code, done.complaints) == (1, [said])


def test_lint_says_what_becomes_of_which_events(tmp_path: Path, run: Callable[..., Run]) -> None:
    written(tmp_path, SMALL.replace("Quiz Finished", "placed order"))
    done = run("lint")
    warned, *said = done.out.splitlines()
    assert "is not Klaviyo's `Placed Order`" in warned
    assert said[1:] == [
        "forwarding/shop.yml: live, from the receiver's site_events",
        "  `placed order` becomes `placed order`",
        "1 definition: sound, 2 warnings",
    ]
    assert (done.code, run("lint", "--strict").code) == (0, 1)
    every_key(tmp_path / "other")
    said = run("lint", "--path", "other/forwarding").out.splitlines()
    assert "  any page becomes `Active on Site`" in said
    assert (
        "  `Order Completed` becomes `Ordered Product`, one for each of properties.products (preset klaviyo)"
        in said
    )
    assert "other/forwarding/warehouse.yml: draft, from analytics.shop.order_completed" in said


def test_the_published_schema_is_fresh(run: Callable[..., Run]) -> None:
    assert (ROOT / SCHEMA_FILE).read_text() == schema_text() == run("schema").out
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_the_definition_of_the_readme_is_sound(tmp_path: Path) -> None:
    text = (ROOT / "plugins/tap-forwarding/README.md").read_text()
    definition, source = re.findall(r"(?ms)^```yaml\n(.*?)^```", text)
    assert complaints(definition) == []
    (read,) = load(written(tmp_path, definition)).definitions
    assert {rule.metric for rule in read.rules if rule.event == "Order Completed"} == {
        "Placed Order",
        "Ordered Product",
    }
    whole = yaml.safe_load(SMALL) | yaml.safe_load(source) | {"who": {"external_id": "user_id"}}
    assert complaints(yaml.safe_dump(whole)) == []
    assert load(written(tmp_path, yaml.safe_dump(whole))).definitions
