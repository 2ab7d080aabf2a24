"""What is sound is read as it is meant; what is not is told with file, line, key and remedy."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from forwarding_files import EVERY_KEY, SMALL, complaints, every_key, loaded, refused, written

from singer_program.definitions.yaml_values import Document, Value
from tap_forwarding.definitions.model import (
    EventType,
    Identifier,
    Older,
    Outcome,
    Personal,
    Scheme,
    ValueType,
)
from tap_forwarding.definitions.paths import unique_id_text
from tap_forwarding.definitions.schema import sections
from tap_forwarding.project import load

Change = Mapping[str, str]
FAULTS: Mapping[str, Sequence[Change]] = yaml.safe_load(Path(__file__).with_name("faults.yml").read_text())


def test_every_key_is_read(tmp_path: Path) -> None:
    shop, warehouse = load(every_key(tmp_path)).definitions
    quiz, line, page, *others = shop.rules
    assert (quiz.event, quiz.metric, quiz.keep, quiz.preset) == (
        "Quiz Finished",
        "Quiz Finished",
        ("result", "score"),
        None,
    )
    assert quiz.properties["Points"].type is ValueType.NUMBER
    assert [str(path) for path in quiz.properties["Points"].paths] == ["properties.points", "context.points"]
    assert quiz.properties["Friend"].personal is Personal.HASH
    constants = [quiz.properties[name].constant for name in ("Channel", "Step", "Beta")]
    assert constants == ['"web"', "3", "true"]
    assert [str(each.paths[0]) for each in quiz.properties["Answers"].each.values()] == ["item.text"]
    assert str(quiz.properties["Prizes"].each["Sum"].paths[0]) == "item.price * item.count"
    assert (line.metric, str(line.per), unique_id_text(line.unique_id)) == (
        "Ordered Product",
        "properties.products",
        "shop:{properties.order_id}:{item.sku|item.name}",
    )
    assert (page.event, page.type, page.keeps_all, page.without) == (None, EventType.PAGE, True, ("referrer",))
    assert "Placed Order" not in {rule.metric for rule in others}
    assert "Product Clicked" not in {rule.event for rule in others}
    assert shop.precedence == (
        Identifier.EMAIL,
        Identifier.EXTERNAL_ID,
        Identifier.PROFILE_ID,
        Identifier.PHONE_NUMBER,
        Identifier.ANONYMOUS_ID,
    )
    assert (shop.stitch_days, shop.missing, shop.max_age_hours, shop.older) == (
        30,
        Outcome.STRIP,
        72,
        Older.BACKFILL,
    )
    assert list(shop.contact)[-2:] == ["location.city", "properties.plan"]
    assert [check.scheme for check in shop.checks] == [*Scheme]
    assert [check.needed for check in shop.checks] == [
        ("marketing",), ("C0004",), ("1", "4"), (), ("ad_user_data",), (), ("email",),
    ]  # fmt: skip
    assert shop.checks[1].path is not None
    assert str(shop.checks[1].path) == "context.consentManagement"
    assert {"uptime", "crawl"} <= {*shop.bots.user_agents}
    assert [(each.first, each.last) for each in shop.bots.networks] == [(3221225984, 3221226239)]
    assert (warehouse.source.relation, warehouse.source.event) == (
        ("analytics", "shop", "order_completed"),
        "Order Completed",
    )
    assert (warehouse.source.has_documents, warehouse.bots.kept, warehouse.asks_no_consent) == (False, True, True)


def test_the_examples_have_every_key() -> None:
    """Or what is said above of every key is not true."""
    given: set[str] = set()

    def walk(value: Value) -> None:
        if value.is_mapping:
            for name, each in value.entries().items():
                given.add(name)
                walk(each)
        elif value.is_list:
            for each in value.sequence():
                walk(each)

    for path in EVERY_KEY.iterdir():
        walk(Document(path.name).root(path.read_text()))
    columns = {key.name for key in dict(sections())["from.columns."]}
    assert {key.name for _, keys in sections() for key in keys} - columns <= given


@pytest.mark.parametrize("path", sorted(EVERY_KEY.glob("*.yml")), ids=lambda path: path.stem)
def test_editors_accept_what_is_sound(path: Path) -> None:
    assert complaints(path.read_text()) == []


@pytest.mark.parametrize("change", FAULTS["every_key"], ids=lambda change: change["said"][:60])
def test_a_fault_is_named(tmp_path: Path, change: Change) -> None:
    root = every_key(tmp_path)
    text = (root / "shop.yml").read_text()
    assert change["old"] in text
    (root / "shop.yml").write_text(text.replace(change["old"], change["new"], 1))
    found = refused(root)
    assert any(line.startswith(change["said"]) for line in found), found


@pytest.mark.parametrize("change", FAULTS["small"], ids=lambda change: change["said"][:60])
def test_what_a_small_one_lacks_is_named(tmp_path: Path, change: Change) -> None:
    assert change["old"] in SMALL
    found = refused(written(tmp_path, SMALL.replace(change["old"], change["new"], 1)))
    assert any(line.startswith(change["said"]) for line in found), found


def test_the_defaults_hold_back(tmp_path: Path) -> None:
    """Who says nothing has old events dropped, and those of whom nothing is known."""
    asked = loaded(tmp_path, SMALL.replace("not_asked", "{checks: [{scheme: segment, categories: [a]}]}"))
    assert (asked.missing, asked.checks[0].denied, asked.older, asked.max_age_hours) == (
        Outcome.DROP, Outcome.DROP, Older.DROP, 24,
    )  # fmt: skip
    assert (asked.stitch_days, asked.bots.kept) == (0, False)
    assert unique_id_text(asked.rules[0].unique_id) == "{message_id}"
    assert asked.precedence == tuple(Identifier)[1:]


def test_what_lies_beside_them_is_told(tmp_path: Path) -> None:
    root = written(tmp_path, SMALL)
    (root / "other.yaml").write_text(SMALL)
    (root / "folder").mkdir()
    (root / "_shared.yml").write_text("anything")
    (root / ".hidden").mkdir()
    (root / "notes.md").write_text("anything")
    assert refused(root) == [
        f"folder: is not read; move its files to {root}/<name>.yml",
        "other.yaml: is not read; call it other.yml",
    ]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == [
        (
            f"{tmp_path}/none: cannot be read: No such file or directory;"
            " give the setting `path` the folder of definitions"
        )
    ]
    (tmp_path / "empty").mkdir()
    assert load(tmp_path / "empty").definitions == ()


def test_a_file_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    root = written(tmp_path, SMALL)
    (tmp_path / "secret.yml").write_text("password: hunter2")
    (root / "secret.yml").symlink_to(tmp_path / "secret.yml")
    (line,) = refused(root)
    assert line.startswith("secret.yml: `secret.yml` lies outside its folder; ")


@pytest.mark.parametrize(
    ("metric", "standard"),
    [
        ("placed order", "Placed Order"),
        ("Viewed_Product", "Viewed Product"),
        ("ActiveOnSite", "Active on Site"),
        ("Placed Order", None),
        ("Placed Orders", None),
    ],
)
def test_a_metric_that_is_nearly_klaviyos_is_a_warning(tmp_path: Path, metric: str, standard: str | None) -> None:
    """Case counts in Klaviyo: a flow of `Placed Order` does not start on `placed order`."""
    text = SMALL.replace("keep:", f"metric: {metric}\n    keep:")
    warnings = [line for line in load(written(tmp_path, text)).warnings if "events" in line]
    problem = (
        f"`{metric}` is not Klaviyo's `{standard}`, which its flows look for; write `{standard}`: case counts"
    )
    said = [f"{tmp_path}/forwarding/shop.yml:6: events: {problem}"]
    assert warnings == (said if standard else [])


def test_who_asks_nobody_or_knows_nobody_is_warned(tmp_path: Path) -> None:
    root = written(tmp_path, f"{SMALL}who: {{anonymous_id: anonymous_id}}\n")
    assert [line.split(": ")[1] for line in load(root).warnings] == ["consent", "who"]
    (root / "shop.yml").write_text(SMALL.replace("status: live", "status: draft"))
    assert load(root).warnings == ()
