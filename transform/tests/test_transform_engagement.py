"""Campaigns and flows by day: what a run makes anew is what a build from nothing would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_project import Row, Warehouse, World

RUN = ("run", "--selector", "engagement")
DAYS = "select * from intermediate.int_engagement_days order by message_id, occurred_on"


def order_of(world: World) -> Row:
    return next(row for row in world.events if row["metric_id"] == "MetOrd")


def test_a_run_makes_anew_the_days_that_are_others_now(warehouse: Warehouse, world: World) -> None:
    """A click that comes late earns the order that followed it; a day without any event has no row."""
    before = warehouse.query(DAYS)
    order = order_of(world)
    click = {"$message": "MsgFlow", "$flow": "FlowOne", "URL": "https://shop.example"}
    clicked_at = order["datetime"].replace(hour=0)
    late = order | {"id": "late", "metric_id": "MetClk", "datetime": clicked_at, "event_properties": click}
    warehouse.land("events", [*world.events, late])
    warehouse.dbt(*RUN)
    found = warehouse.query("select flow_id, message_id, occurred_on, clicked, orders from marts.fct_flow_daily")
    orders = [
        row for row in world.events if row["metric_id"] == "MetOrd" and row["profile_id"] == order["profile_id"]
    ]
    assert found == [("FlowOne", "MsgFlow", clicked_at.date(), 1, len(orders))]
    renewed = warehouse.query(DAYS)
    assert [row for row in renewed if row[0] != "MsgFlow"] == before
    warehouse.dbt(*RUN, "--full-refresh")
    assert warehouse.query(DAYS) == renewed

    world.land(warehouse)
    warehouse.dbt(*RUN)
    assert warehouse.query(DAYS) == before


def test_what_klaviyo_credits_is_told_of_days_of_which_it_was_read(warehouse: Warehouse, world: World) -> None:
    told = "select occurred_on, klaviyo_orders, klaviyo_revenue > 0 from marts.fct_campaign_daily"
    assert {row[1] for row in warehouse.query(told)} == {None}
    order = order_of(world)
    credited = order | {
        "attributions": [{"id": "A1", "campaign_message_id": "MsgSpring", "flow_message_id": None}]
    }
    warehouse.land("events", [credited if row is order else row for row in world.events])
    warehouse.dbt(*RUN)
    rows = {day: (orders, earned) for day, orders, earned in warehouse.query(told)}
    assert rows.pop(order["datetime"].date()) == (1, True)
    assert set(rows.values()) == {(None, None)}
