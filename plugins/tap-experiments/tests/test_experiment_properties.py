"""Whatever sound definition somebody writes: it loads, its numbers hold, and editors accept it."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from singer_program.definitions.faults import DefinitionError, Fault
from tap_experiments.definitions import audience
from tap_experiments.definitions.model import Channel, Operator, PropertyFormat
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.definitions.preregistration import digest, preregistration
from tap_experiments.definitions.schema import json_schema
from tap_experiments.project import Project, load

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True).filter(lambda name: name != "fb")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30).filter(
    str.strip
)
CATALOGUE = read_catalogue()
VALIDATOR = jsonschema.Draft7Validator(json_schema(CATALOGUE))


def per_cent(basis_points: int) -> float:
    return basis_points / 100


def between(lowest: int, highest: int) -> st.SearchStrategy[float]:
    """Percentages with two decimals; the bounds are basis points."""
    return st.integers(lowest, highest).map(per_cent)


@st.composite
def shares(draw: st.DrawFn, arms: list[str]) -> dict[str, float]:
    """Shares of every arm that sum to 100."""
    cuts = sorted(draw(st.sets(st.integers(1, 9_999), min_size=len(arms) - 1, max_size=len(arms) - 1)))
    ends = [0, *cuts, 10_000]
    return {arm: per_cent(end - start) for arm, (start, end) in zip(arms, pairwise(ends), strict=True)}


@st.composite
def allocations(draw: st.DrawFn, arms: list[str]) -> object:
    match draw(st.sampled_from(["equal", "manual", "thompson", "accepted"])):
        case "equal":
            return "equal"
        case "manual":
            return {"manual": draw(shares(arms))}
        case method:
            limits = {
                "floor": draw(between(0, 10_000 // len(arms))),
                **draw(st.fixed_dictionaries({}, optional={"half_life_days": st.integers(1, 3650)})),
                **draw(st.fixed_dictionaries({}, optional={"at_most": st.integers(1, 999_999_999)})),
            }
            return {"thompson": limits, **({"accept": draw(shares(arms))} if method == "accepted" else {})}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, object]:
    """One condition that holds together."""
    days = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)
    values: dict[Operator, st.SearchStrategy[Any]] = {
        **dict.fromkeys(
            [Operator.IN, Operator.NOT_IN], st.lists(TEXTS | st.integers() | st.booleans(), min_size=1, max_size=4)
        ),
        **dict.fromkeys(
            [Operator.AT_LEAST, Operator.AT_MOST, Operator.MORE_THAN, Operator.LESS_THAN],
            st.integers(-(10**9), 10**9) | st.integers(-(10**6), 10**6).map(per_cent),
        ),
        **dict.fromkeys([Operator.SINCE, Operator.BEFORE], days),
        Operator.EXISTS: st.booleans(),
    }
    operator = draw(st.sampled_from(Operator))
    fields: dict[Operator, tuple[str, ...]] = {
        **dict.fromkeys((Operator.IN, Operator.NOT_IN), (*audience.TEXTS, "location.country", "location.zip")),
        **dict.fromkeys((Operator.SINCE, Operator.BEFORE), audience.DATES),
        Operator.EXISTS: (*audience.TEXTS, *audience.DATES, "location.city"),
    }
    field = draw(
        st.sampled_from([*fields.get(operator, ("location.latitude",)), "properties.Größe 2", "properties.$a"])
    )
    return {"field": field, operator.value: draw(values[operator])}


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """A sound definition, but for its key."""
    channel = draw(st.sampled_from(Channel))
    metrics = [metric for metric in CATALOGUE.primary if channel is not Channel.SMS or metric != "opened"]
    primary, *secondary = draw(st.lists(st.sampled_from(metrics), min_size=1, unique=True))
    suffix = "html" if channel is Channel.EMAIL else "txt"
    slots: dict[str, Any] = {}
    for slot in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        arms = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
        control = draw(st.sampled_from(arms))
        slots[slot] = {
            "arms": {
                arm: {"content": f"content.{suffix}", **({"control": True} if arm == control else {})}
                for arm in arms
            },
            "allocation": draw(allocations(arms)),
        }
    start, end = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=2)))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "traffic": between(0, 10_000),
        "layer": st.just({"name": "promo", "from": per_cent(start), "to": per_cent(end)}),
        "holdout": between(0, 9_999),
        "unit_hash": st.sampled_from(["md5", "growthbook_v2"]),
        "assignment": st.sampled_from(["hash", "quota"]),
        "balance": st.fixed_dictionaries({"tries": st.integers(2, 200)}, optional={"days": st.integers(1, 365)}),
        "secondary_metrics": st.just(secondary),
        "guardrails": st.dictionaries(st.sampled_from(CATALOGUE.guardrails), between(0, 10_000)),
        "planned_stop": st.dates().map(str),
        "decision": st.just("always"),
        "minimum_detectable_effect": between(1, 100_000),
        "dimensions": st.lists(
            st.sampled_from(["country", "device", "tenure"])
            | st.builds(lambda kind, name: {kind: name}, st.sampled_from(["segment", "list"]), TEXTS)
            | st.builds(lambda name: {"property": name}, st.sampled_from(["plan", "$source", "Föö bar-1"])),
            max_size=10,
            unique_by=json.dumps,
        ),
        "campaign_message_ids": st.just(["01ABC"]),
    }
    return {
        "version": draw(st.integers(1, 999_999_999)),
        "status": draw(st.sampled_from(["draft", "live", "ended"])),
        "description": draw(TEXTS),
        "channel": channel.value,
        "audience": {
            draw(st.sampled_from(["segment", "list", "flow"])): draw(TEXTS),
            "where": draw(st.lists(conditions(), max_size=3)),
        },
        "primary_metric": primary,
        "attribution_window_days": draw(st.integers(1, 365)),
        "slots": slots,
        "template": {suffix.replace("txt", "text"): f"template.{suffix}"},
        **draw(st.fixed_dictionaries({}, optional=optional)),
    }


def write(root: Path, key: str, definition: dict[str, Any]) -> None:
    """Write a definition, in JSON, which is YAML, and the files it names."""
    folder = root / key
    folder.mkdir(exist_ok=True)
    suffix = "html" if definition["channel"] == "email" else "txt"
    places = "".join(f'[[ slot("{slot}") ]]' for slot in definition["slots"])
    (folder / f"template.{suffix}").write_text(places + "{% unsubscribe %}")
    (folder / f"content.{suffix}").write_text("Look: https://x.io")
    whole = {"key": key, **definition, "template": {"name": f"lf_{key}", **definition["template"]}}
    (folder / "experiment.yml").write_text(json.dumps(whole, ensure_ascii=False))
    assert list(VALIDATOR.iter_errors(whole)) == []


def read(root: Path) -> Project:
    return load(root, PropertyFormat.LIST, locking=True)


def faults(root: Path) -> list[Fault]:
    try:
        read(root)
    except DefinitionError as error:
        return error.faults
    return []


@settings(max_examples=40, deadline=None)
@given(definition=definitions())
def test_a_sound_definition_loads_and_its_numbers_hold(definition: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "a", definition)
        [(experiment, _)] = read(Path(folder)).pairs
        again = read(Path(folder)).pairs[0][0]
    assert again == experiment
    event(experiment.channel)
    for slot in experiment.slots:
        given_slot = definition["slots"][slot.key]
        assert [arm.key for arm in slot.arms] == list(given_slot["arms"])
        assert sum(arm.is_control for arm in slot.arms) == 1
        weights = [arm.weight_bp for arm in slot.arms if arm.weight_bp is not None]
        assert len(weights) in {0, len(slot.arms)}
        assert sum(weights) == (10_000 if weights else 0)
        assert all(weight > 0 for weight in weights)
        assert (slot.thompson is not None) == (slot.method == "thompson")
        event(slot.method)
        wanted = given_slot["allocation"]
        said = None if wanted == "equal" else wanted.get("manual", wanted.get("accept"))
        if said:
            assert weights == [round(share * 100) for share in said.values()]
    if experiment.layer:
        assert 0 <= experiment.layer.start_bp < experiment.layer.end_bp <= 10_000
    assert experiment.traffic_bp == round(definition.get("traffic", 100) * 100)
    assert experiment.holdout_bp == round(definition.get("holdout", 0) * 100)
    assert [condition.field for condition in experiment.conditions] == [
        condition["field"] for condition in definition["audience"]["where"]
    ]
    assert all(condition.values for condition in experiment.conditions)


PROMISED = {
    "primary_metric", "secondary_metrics", "guardrails", "planned_stop", "minimum_detectable_effect",
    "attribution_window_days", "version", "decision", "dimensions",
}  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(first=definitions(), second=definitions())
def test_the_pre_registration_depends_on_what_is_promised_and_nothing_else(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    promised = {key: value for key, value in first.items() if key in PROMISED}
    others = {key: value for key, value in second.items() if key not in PROMISED}
    assume(second["channel"] != "sms" or "opened" not in json.dumps(promised))
    digests = []
    for definition in (first, {**others, **promised}, second):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), "a", definition)
            [(experiment, _)] = read(Path(folder)).pairs
        digests.append((digest(preregistration(experiment)), preregistration(experiment)))
    assert digests[0] == digests[1]
    assert (digests[1][0] == digests[2][0]) == (digests[1][1] == digests[2][1])


@settings(max_examples=40, deadline=None)
@given(
    ranges=st.lists(
        st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True).map(sorted), min_size=1, max_size=5
    )
)
def test_what_loads_shares_no_bucket_of_a_layer(ranges: list[list[int]]) -> None:
    taken = [set(range(start, end)) for start, end in ranges]
    disjoint = sum(map(len, taken)) == len(set().union(*taken))
    definition = {
        "version": 1, "status": "draft", "description": "x", "channel": "sms", "audience": {"list": "x"},
        "primary_metric": "clicked", "attribution_window_days": 1, "template": {"text": "template.txt"},
        "slots": {"s": {
            "arms": {"a": {"content": "content.txt", "control": True}, "b": {"content": "content.txt"}},
            "allocation": "equal",
        }},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for index, (start, end) in enumerate(ranges):
            layer = {"name": "promo", "from": start, "to": end}
            write(Path(folder), f"e{index}", {**definition, "layer": layer})
        found = faults(Path(folder))
    assert disjoint == (not found)
    assert all(fault.key == "layer" for fault in found)
