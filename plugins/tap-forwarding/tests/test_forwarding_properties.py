"""Whatever somebody writes: what is sound loads, and editors accept it; what is not is told in lines."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from forwarding_files import EVERY_KEY, complaints, refused, written

from singer_program.definitions.yaml_values import Document
from tap_forwarding.definitions.model import Identifier, Older, Outcome, Personal, ValueType
from tap_forwarding.definitions.paths import (
    OF_AN_ITEM,
    read_unique_id,
    unique_id_text,
)
from tap_forwarding.definitions.presets import event_presets
from tap_forwarding.project import load

KEYS = st.sampled_from(["a", "orderId", "$value", "first name", "e-mail", "_1", "größe"])
NAMES = st.sampled_from(
    [
        "a",
        "NO",
        "1",
        "1e3",
        "null",
        "~",
        "2026-01-01",
        "a: b",
        "# c",
        "'q'",
        "{x}",
        "Ünï 💚",
        "x" * 100,
        "- y",
        "true",
    ]
)
PATHS = st.one_of(
    st.sampled_from(["user_id", "anonymous_id", "message_id", "event"]),
    st.tuples(st.sampled_from(["properties", "context"]), st.lists(KEYS, min_size=1, max_size=4)).map(
        lambda way: ".".join((way[0], *way[1]))
    ),
)
ITEM_PATHS = st.lists(KEYS, max_size=2).map(lambda keys: ".".join(("item", *keys)))
CONSTANTS = st.one_of(NAMES, st.integers(-999, 999), st.booleans())


def origins(paths: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Every form of a value without `each`."""
    products = st.tuples(paths, paths).map(" * ".join)
    several = st.lists(paths | products, min_size=1, max_size=3)
    return st.one_of(
        paths,
        several,
        st.fixed_dictionaries({"constant": CONSTANTS}),
        st.fixed_dictionaries({"from": several}, optional={"type": st.sampled_from([*map(str, ValueType)])}),
        st.fixed_dictionaries({"from": paths, "personal": st.sampled_from([*map(str, Personal)])}),
    )


LISTS = st.fixed_dictionaries(
    {
        "from": PATHS,
        "type": st.just("list"),
        "each": ITEM_PATHS | st.dictionaries(NAMES, origins(ITEM_PATHS), min_size=1, max_size=3),
    }
)
RULES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"event": NAMES, "properties": st.dictionaries(NAMES, origins(PATHS) | LISTS, min_size=1, max_size=4)},
    optional={
        "metric": NAMES,
        "value": PATHS | st.just("properties.a * properties.b"),
        "unique_id": PATHS.map("{{{}}}".format),
    },
)
DEFINITIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.just("shop"),
        "status": st.sampled_from(["draft", "live"]),
        "description": NAMES,
        "from": st.just({"preset": "inbox"}),
        "events": st.lists(RULES, min_size=1, max_size=4, unique_by=lambda rule: str(rule["event"])),
        "consent": st.just("not_asked")
        | st.fixed_dictionaries(
            {"checks": st.just([{"scheme": "segment", "categories": ["a"]}])},
            optional={"missing": st.sampled_from([*map(str, Outcome)])},
        ),
    },
    optional={
        "presets": st.lists(st.sampled_from(event_presets()), min_size=1, unique=True),
        "who": st.dictionaries(st.sampled_from([*map(str, Identifier)]), PATHS, min_size=1),
        "age": st.fixed_dictionaries(
            {"hours": st.integers(1, 8760), "older": st.sampled_from([*map(str, Older)])}
        ),
    },
)

LINES = (EVERY_KEY / "shop.yml").read_text().split("\n")


@settings(max_examples=20)
@given(DEFINITIONS)
def test_what_is_sound_loads_and_editors_accept_it(definition: dict[str, Any]) -> None:
    text = yaml.safe_dump(definition, allow_unicode=True)
    with tempfile.TemporaryDirectory() as folder:
        assert complaints(text) == []
        (read,) = load(written(Path(folder), text)).definitions
    own = [rule for rule in read.rules if rule.preset is None]
    assert [(rule.event, rule.metric) for rule in own] == [
        (rule["event"], rule.get("metric", rule["event"])) for rule in definition["events"]
    ]
    assert [[*rule.properties] for rule in own] == [[*sorted(rule["properties"])] for rule in definition["events"]]
    said = {rule.source for rule in own}
    assert not said & {rule.source for rule in read.rules if rule.preset}
    assert {*read.precedence} == {*read.identifiers}


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from((EVERY_KEY / "shop.yml").read_text().split("\n")), max_size=25), st.text(max_size=30)
)
def test_what_is_not_sound_is_told_in_lines(lines: list[str], more: str) -> None:
    """Lines in any order, and anything behind: sound, or refused without a traceback, each fault in a line."""
    with tempfile.TemporaryDirectory() as folder:
        root = written(Path(folder), "")
        (root / "shop.yml").write_text("\n".join([*lines, more]), encoding="utf-8", errors="surrogatepass")
        for line in refused(root):
            assert line.startswith("shop.yml")
            assert line.isprintable()
            assert "; " in line


@settings(max_examples=50)
@given(
    st.lists(st.one_of(KEYS, PATHS.map("{{{}}}".format), ITEM_PATHS.map("{{{}}}".format)), min_size=1, max_size=5)
)
def test_a_unique_id_is_what_is_written(parts: list[str]) -> None:
    text = "".join(parts)
    document = Document("shop.yml")
    value = document.root(yaml.safe_dump({"unique_id": text})).entries()["unique_id"]
    read = read_unique_id(value, OF_AN_ITEM)
    assert unique_id_text(read) == text
    assert bool(document.faults) == all("{" not in part for part in parts)
