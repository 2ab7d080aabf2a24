"""Is a group told apart from the control only where something is, whatever overlaps, and whenever somebody looks?

People are drawn one by one, because a group is counted from them. `make truth` simulates 1,000 experiments.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from transform_engines import Numbers
from transform_project import NOW, READ_AT, Warehouse, arms, experiment
from transform_truth import ALPHA, EXPERIMENTS, WHOLE, most

ON_ENGINES = ["duckdb"]
"""The statistics are compared on all engines elsewhere."""

DIMENSIONS = {
    "country": (0.35, 0.25, 0.15, 0.1, 0.08, 0.05, 0.02),
    "property:plan": (0.6, 0.25, 0.15),
    "device": (0.4, 0.3, 0.3),
}
"""The parts of the levels of each. The last country is too small for a row of its own."""
BETTER = 2
"""The country in which the arm works, if it works anywhere: 15 % of the people."""
MODELS = ("int_dimension_levels", "fct_experiment_dimensions")


@dataclass(frozen=True)
class Audience:
    """Experiments of two equal arms, of which one brings `gain` more clicks than 20 % in one country."""

    decision: str
    looks: int
    people: int = 4000
    gain: float = 0.0


AUDIENCES = {
    "nowhere_one_look": Audience("fixed", 1),
    "nowhere_many_looks": Audience("always", 6),
    "somewhere_one_look": Audience("fixed", 1, gain=0.2),
    "somewhere_always": Audience("always", 1, 6000, gain=0.2),
}
SAMPLE = ("nowhere_one_look", "somewhere_always")
QUESTION = f"""
    with

    said as (
        select
            split_part(experiment_key, '_', 1) as experiment,
            bool_or(is_told_apart) as is_any,
            bool_or(is_told_apart and dimension = 'country' and level <> '{BETTER}') as is_elsewhere,
            bool_or(is_told_apart and dimension = 'country' and level = '{BETTER}') as is_there
        from marts.fct_experiment_dimensions
        group by split_part(experiment_key, '_', 1)
    )

    select count(*), count_if(is_any), count_if(is_elsewhere), count_if(is_there)
    from said
"""  # noqa: S608  a number of our own


def told_apart(empty: Warehouse, name: str, audience: Audience, experiments: int) -> tuple[int, int, int, int]:
    """Of how many experiments at any look a group, a country without effect, and the one with it is told apart."""
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    size = (experiments, audience.people)
    levels = {dimension: chance.choice(len(parts), size=size, p=parts) for dimension, parts in DIMENSIONS.items()}
    is_bold = chance.random(size) < 0.5
    rates = 0.2 + audience.gain * (is_bold & (levels["country"] == BETTER))
    clicked = chance.random(size) < rates
    shares = np.geomspace(0.2, 1, audience.looks) if audience.looks > 1 else np.ones(1)
    ends = np.round(audience.people * shares).astype(np.int64)
    number, unit = np.indices(size)
    seen = [(look, unit < end) for look, end in enumerate(ends)]

    def of_looks(values: Numbers, *, only: Numbers | None = None) -> Numbers:
        every = np.ones(size, bool) if only is None else only
        return np.concatenate([values[is_seen & every] for _, is_seen in seen])

    def look_of(only: Numbers | None = None) -> Numbers:
        every = np.ones(size, bool) if only is None else only
        return np.concatenate([np.full((is_seen & every).sum(), look) for look, is_seen in seen])

    key, profile = "many.experiment || '_' || many.look", "'p' || many.unit"
    names = {"experiment_key": key, "profile_id": profile}
    rows = {"experiment": of_looks(number), "look": look_of(), "unit": of_looks(unit), "bold": of_looks(is_bold)}
    warehouse = empty.copy()
    version = {"experiment_version": 1}
    cell = "case when many.bold then 'bold' else 'plain' end"
    unread = version | {"has_received": False, "has_opened": False}
    warehouse.land_many("int_units", unread, rows, names | {"cell": cell}, schema="intermediate")
    places = {
        name: np.tile(values, len(DIMENSIONS))
        for name, values in rows.items()
        if name in {"experiment", "look", "unit"}
    }
    places["dimension_number"] = np.repeat(np.arange(len(DIMENSIONS)), len(rows["unit"]))
    places["level_number"] = np.concatenate([of_looks(values) for values in levels.values()])
    warehouse.land_many(
        "int_unit_dimensions",
        version | {"recorded_at": NOW},
        places,
        names | {
            "dimension": f"list_extract({list(DIMENSIONS)}, many.dimension_number + 1)",
            "level": "cast(many.level_number as varchar)",
        },
        schema="intermediate",
    )  # fmt: skip
    warehouse.land_many(
        "int_outcomes",
        version | {"metric": "clicked", "attribution": "assigned_window", "value": 1.0, "uncapped_value": 1.0},
        {
            "experiment": of_looks(number, only=clicked),
            "look": look_of(clicked),
            "unit": of_looks(unit, only=clicked),
        },
        names,
        schema="intermediate",
    )
    experiment_number, look = (np.ascontiguousarray(a).ravel() for a in np.indices((experiments, audience.looks)))
    once = {"experiment": experiment_number, "look": look}
    dimensions = [
        {
            "dimension": dimension,
            "kind": dimension.split(":")[0],
            "name": dimension.partition(":")[2],
            "position": place,
        }
        for place, dimension in enumerate(DIMENSIONS)
    ]
    defined = experiment("", decision=audience.decision, planned_stop="2026-01-01", dimensions=dimensions)
    warehouse.land("definition_snapshots", [{"name": "experiments", "defined_at": READ_AT}])
    warehouse.land_many("experiments", defined, once, {"experiment_key": key})
    two = {name: np.repeat(values, 2) for name, values in once.items()}
    two["place"] = np.tile(np.arange(2), len(experiment_number))
    (row,) = arms("", "hero", {"plain": 5000})
    arm = {
        "experiment_key": key, "arm_key": "list_extract(['plain', 'bold'], many.place + 1)",
        "position": "many.place", "is_control": "many.place = 0",
    }  # fmt: skip
    warehouse.land_many("experiment_arms", row, two, arm)
    cells = {"experiment_key": key, "arm_key": arm["arm_key"], "cell": arm["arm_key"]}
    warehouse.land_many("int_cells", version | {"slot_key": "hero"}, two, cells, schema="intermediate")
    warehouse.dbt("run", "--select", *MODELS)
    ((count, *found),) = warehouse.query(QUESTION)
    assert count == experiments
    return count, found[0], found[1], found[2]


@pytest.mark.parametrize("name", [name for name in AUDIENCES if WHOLE or name in SAMPLE])
def test_a_group_is_told_apart_only_where_something_is(
    first_run: Warehouse, record_property: Callable[[str, object], None], name: str
) -> None:
    """At whichever look. Of an effect in one country the other dimensions have a part: they are not counted."""
    audience, begun = AUDIENCES[name], time.process_time()
    count, anywhere, elsewhere, there = told_apart(
        first_run, name, audience, max(EXPERIMENTS // (2 * audience.looks), 100)
    )
    wrong = elsewhere if audience.gain else anywhere
    seconds = time.process_time() - begun
    record_property("truth", [name, "group told apart without effect", count, wrong, ALPHA, seconds])
    assert wrong <= most(count, ALPHA)
    if audience.gain:
        record_property("truth", [name, "group with effect not told apart", count, count - there, 0.2, seconds])
        assert count - there <= most(count, 0.2)
