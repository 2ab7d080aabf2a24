"""Runs that renew what changed leave the tables that a whole build leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from transform_engines import chosen_among
from transform_project import NOW, SENT_AT, Row, Warehouse, World, small_world

pytestmark = pytest.mark.long
ON_ENGINES = chosen_among("duckdb", "postgres")
"""Spark builds whole."""
KEPT = (
    "int_message_days",
    "int_messages_received",
    "int_outcome_days",
    "int_units",
    "int_outcomes",
    "int_primary_days",
    "int_arms_rendered",
)
"""What is kept by changes."""
BESIDE = (
    "int_metric_roles",
    "int_changes",
    "int_experiment_arms",
    "int_experiment_messages",
    "int_value_caps",
    "int_covariates",
)
COMPARED = ("int_events_classified", *KEPT)
MEASURED = (*BESIDE, *COMPARED)
MESSAGE = {"$message": "MsgSpring"}


def measure(warehouse: Warehouse, *options: str, **variables: object) -> None:
    warehouse.dbt("run", "--select", *MEASURED, *options, **variables)


def event(metric: str, profile: str, hours: float, **properties: object) -> Row:
    """An event of so many hours after the send."""
    return {
        "id": f"{profile}/{metric}/{hours}",
        "profile_id": profile,
        "metric_id": metric,
        "datetime": SENT_AT + timedelta(hours=hours),
        "event_properties": properties,
    }


def ids(world: World) -> list[str]:
    return [profile["id"] for profile in world.profiles]


def content(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every table, without the last digits of sums, in which the order of their parts shows."""

    def written(value: object) -> str:
        return f"{value + 0.0:.9g}" if isinstance(value, float) else str(value)

    return {
        table: sorted(
            str({name: written(value) for name, value in row.items()})
            for row in warehouse.rows(f"select * from intermediate.{table}")  # noqa: S608
        )
        for table in COMPARED
    }


def rests_on(warehouse: Warehouse) -> dict[str, str]:
    """Of each table that is kept by changes, what has not changed since it was built whole."""
    noted = warehouse.query("select model_name, rests_on from intermediate.int_changes_applied")
    return {model: rested for model, rested in noted if model != "int_events_classified"}


def whole(warehouse: Warehouse) -> Warehouse:
    """The same raw rows, measured from nothing, day by day; but for what is looked up once."""
    again = warehouse.copy()
    measure(again, "--exclude", "int_covariates", "--full-refresh", events_per_piece=1)
    return again


@pytest.fixture(scope="module")
def measured(first_run: Warehouse) -> Warehouse:
    """Assigned and measured: the first run of the day, which builds whole. To be copied."""
    warehouse = first_run.copy()
    small_world(60).land(warehouse)
    warehouse.dbt("run", "--selector", "assign")
    measure(warehouse)
    return warehouse


@pytest.fixture
def kept(measured: Warehouse) -> Warehouse:
    return measured.copy()


def an_hour_more(world: World) -> None:
    """Receipts, opens, clicks and orders, of a shopper who did nothing before and of one who ordered twice."""
    shopper, buyer = ids(world)[1], ids(world)[20]
    link = "https://shop.example/?lf_cid=spring.hero.bold"
    world.events += [
        event("MetOpn", shopper, 100, **MESSAGE),
        event("MetClk", shopper, 100.1, **MESSAGE, URL=link),
        event("MetOrd", shopper, 101, **{"$value": 25, "OrderId": "A1"}),
        event("MetOrd", buyer, 100, **{"$value": 5}),
        event("MetUns", ids(world)[2], 100, **MESSAGE),
    ]


def events_that_are_late(world: World) -> None:
    """On days that were classified: a click before an order, an earlier receipt, an order, a scanner's click."""
    first, second = ids(world)[40], ids(world)[3]
    link = "https://shop.example/?lf_cid=spring.footer.long"
    world.events += [
        event("MetClk", first, 119, **MESSAGE, URL=link),
        event("MetRcv", second, -5, **MESSAGE),
        event("MetOrd", second, -4, **{"$value": 12}),
        event("MetClk", ids(world)[5], 0.001, **MESSAGE, URL=link),
        {**event("MetOrd", ids(world)[9], 3), "profile_id": None},
    ]


def a_day_that_was_deleted(world: World) -> None:
    """The day of all orders."""
    day = (SENT_AT + timedelta(days=5)).date()
    world.events = [each for each in world.events if each["datetime"].date() != day]


def a_day_that_was_read_again(world: World) -> None:
    """Fewer events of it, others, and one that belongs to somebody else now."""
    day = SENT_AT.date()
    kept = [each for number, each in enumerate(world.events) if each["datetime"].date() != day or number % 3]
    moved = next(each for each in kept if each["metric_id"] == "MetOpn")
    kept[kept.index(moved)] = {**moved, "profile_id": ids(world)[11]}
    world.events = [*kept, event("MetOpn", ids(world)[7], 2, **MESSAGE)]


def a_metric_that_plays_another_part(world: World) -> None:
    """The shop's view of a product is called an order from now on."""
    seen = next(metric for metric in world.metrics if metric["id"] == "MetSee")
    seen["name"], seen["integration"] = "Placed Order", {"key": "shopify"}


def a_definition_that_changed(world: World) -> None:
    """A longer window, in which the orders of the last day count."""
    world.experiments[0]["attribution_window_days"] = 6


def a_message_that_is_named(world: World) -> None:
    """A second one, by the definition; and an event of it."""
    world.experiments[0]["campaign_message_ids"] = ["MsgSecond"]
    world.events.append(event("MetRcv", ids(world)[4], 50, **{"$message": "MsgSecond"}))


def a_version_that_was_raised(world: World) -> None:
    """Of which nothing was sent yet."""
    world.experiments[0]["version"] = 2


@pytest.mark.parametrize(
    "changes",
    [
        (an_hour_more, events_that_are_late),
        (a_day_that_was_deleted, a_day_that_was_read_again),
        (a_metric_that_plays_another_part,),
    ],
)
def test_what_changed_is_renewed(kept: Warehouse, changes: tuple[Callable[[World], None], ...]) -> None:
    """As a whole build finds it."""
    world = small_world(60)
    before, rested_on = content(kept), rests_on(kept)
    for change in changes:
        change(world)
        world.land(kept)
        measure(kept)
        after = content(kept)
        assert after != before
        before = after
    assert after == content(whole(kept))
    assert rests_on(kept) == rested_on  # no table was built whole


def land_at(world: World, warehouse: Warehouse, moment: datetime) -> None:
    """As a loader does that writes down when: what it landed before keeps its moment."""
    for each in world.events:
        each.setdefault("_sdc_batched_at", moment)
    world.land(warehouse)


def belongs_to(world: World, number: int, moment: datetime) -> None:
    """An open that is read again, and is of another profile: a day has as many events as before."""
    opened = next(each for each in world.events if each["metric_id"] == "MetOpn")
    opened.update(profile_id=ids(world)[number], _sdc_batched_at=moment)


def test_what_landed_is_classified(kept: Warehouse) -> None:
    """By the moment at which it landed; what is gone, by the first run of the next day."""
    world, before = small_world(60), NOW - timedelta(hours=3)
    land_at(world, kept, before)
    measure(kept)
    # A file has one writer at a time; elsewhere a row may be of a moment before one that could be read already.
    late = 120 if kept.project.engine.name == "duckdb" else 1
    for number, minutes in ((11, 60), (12, late)):
        held = content(kept)
        belongs_to(world, number, before + timedelta(minutes=minutes))
        world.events.append(event("MetOrd", ids(world)[number], number, **{"$value": 25}))
        land_at(world, kept, before + timedelta(minutes=60 + number))
        measure(kept)
        assert held != content(kept) == content(whole(kept))

    world.events = [each for each in world.events if each["datetime"].date() != SENT_AT.date()]
    world.land(kept)
    held = content(kept)
    measure(kept)
    assert content(kept) == held
    kept.as_of = NOW + timedelta(days=1)
    measure(kept)
    assert held != content(kept) == content(whole(kept))


def test_a_loader_that_does_not_say_when(kept: Warehouse) -> None:
    """Beside one that does: its rows are found by counting."""
    world = small_world(60)
    land_at(world, kept, NOW - timedelta(hours=3))
    measure(kept)
    an_hour_more(world)
    world.land(kept)
    held = content(kept)
    measure(kept)
    assert held != content(kept) == content(whole(kept))


def test_what_concerns_everybody_builds_whole(kept: Warehouse) -> None:
    """And what did not change leaves everything as it is."""
    world = small_world(60)
    before, rested_on = content(kept), rests_on(kept)
    measure(kept)
    assert (content(kept), rests_on(kept)) == (before, rested_on)
    for change in (a_definition_that_changed, a_message_that_is_named, a_version_that_was_raised):
        change(world)
        world.land(kept)
        measure(kept)
        after = content(kept)
        assert after != before
        assert rests_on(kept) != rested_on
        before, rested_on = after, rests_on(kept)
    assert after == content(whole(kept))


def test_changed_profiles_alone_are_renewed(kept: Warehouse) -> None:
    """Until the first run of the next day."""
    world = small_world(60)
    mark = "update intermediate.int_messages_received set has_opened = true where has_opened = false"
    marked = "select count(*) from intermediate.int_messages_received where not has_opened"
    quiet = kept.query(marked)
    kept.query(mark)
    an_hour_more(world)
    world.land(kept)
    measure(kept)
    assert kept.query(marked) == [(1,)]  # whose open was a machine's; the other two had opened, or do now
    kept.as_of = NOW + timedelta(days=1)
    measure(kept)
    assert kept.query(marked) == [(quiet[0][0] - 1,)]


def test_a_run_that_broke_off_is_made_up_for(kept: Warehouse) -> None:
    """After the events, or between two of the tables; also by a run of another part."""
    world = small_world(60)
    an_hour_more(world)
    world.land(kept)
    done = ("int_events_classified", "int_message_days", "int_arms_rendered", "int_outcomes")
    kept.dbt("run", "--select", *BESIDE, *done)
    events_that_are_late(world)
    world.land(kept)
    kept.dbt("run", "--select", *BESIDE, "int_events_classified", "int_messages_received")
    measure(kept)
    assert content(kept) == content(whole(kept))


def test_what_is_over_is_left_alone(measured: Warehouse) -> None:
    """From a week after its window on; the next whole build looks at it once more."""
    warehouse = measured.copy()
    world = small_world(60)
    world.experiments[0]["status"] = "ended"
    world.land(warehouse)
    ended = {"experiment_key": "spring", "experiment_version": 1, "slot_key": "hero"}
    soon, now = ({**ended, "ended_at": NOW - timedelta(days=days)} for days in (12, 13))
    warehouse.land("fct_experiment_verdicts", [soon], schema="marts")
    measure(warehouse)
    before = content(warehouse)
    events_that_are_late(world)
    world.land(warehouse)
    measure(warehouse)
    assert content(warehouse)["int_outcomes"] != before["int_outcomes"]

    warehouse.land("fct_experiment_verdicts", [now], schema="marts")
    before = content(warehouse)
    an_hour_more(world)
    world.land(warehouse)
    measure(warehouse)
    after = content(warehouse)
    assert after["int_events_classified"] != before["int_events_classified"]
    assert {table: after[table] for table in KEPT[1:]} == {table: before[table] for table in KEPT[1:]}
    assert content(whole(warehouse))["int_outcomes"] != before["int_outcomes"]


def test_the_ledger_is_followed(kept: Warehouse) -> None:
    """Somebody who clicked is assigned afterwards, and then taken out of the ledger by hand."""
    world = small_world(60)
    link = "https://shop.example/?lf_cid=spring.hero.bold"
    world.events.append(event("MetClk", "stranger", 3, **MESSAGE, URL=link))
    world.land(kept)
    measure(kept)
    rendered = "select count(*) from intermediate.int_arms_rendered where profile_id = 'stranger'"
    assert kept.query(rendered) == [(0,)]

    columns = list(kept.rows("select * from marts.fct_assignments")[0])
    later = {"profile_id": "'stranger'", "assigned_at": "assigned_at + interval '1 hour'"}
    kept.query(
        f"""
        insert into marts.fct_assignments ({", ".join(columns)})
        select {", ".join(later.get(name, name) for name in columns)}
        from marts.fct_assignments
        where experiment_key = 'spring' and profile_id = '{ids(world)[0]}'
        """  # noqa: S608
    )
    measure(kept)
    assert kept.query(rendered) == [(1,)]
    assert content(kept) == content(whole(kept))

    kept.delete("marts.fct_assignments", "profile_id = 'stranger'")
    measure(kept)
    assert kept.query(rendered) == [(0,)]
