"""Does the measurement tell the truth when something breaks between the assignment and the events?"""

from __future__ import annotations

from transform_project import ASSIGN, Row, Warehouse, bucket, small_world

ON_ENGINES = ["duckdb"]
"""What is joined and counted is compared on all engines elsewhere."""
PRIMARY = """
    select arm_key, metric, units, total
    from marts.fct_experiment_results
    where
        experiment_key = 'spring' and slot_key = 'hero' and analysis = 'assigned'
        and metric in ('opened', 'opened_all', 'clicked', 'ordered', 'revenue') and attribution = 'assigned_window'
    order by arm_key, metric
"""


def arm_of(profile: str) -> str:
    return "control" if bucket("split-spring-1-hero", profile) < 5000 else "bold"


RESULTS = ("path:models/intermediate/measurement", "fct_experiment_results")
VERDICTS = (
    *RESULTS,
    "path:models/intermediate/verdicts",
    *(f"fct_experiment_{mart}" for mart in ("srm", "guardrails", "verdicts")),
)


def measure(warehouse: Warehouse, models: tuple[str, ...]) -> None:
    """What of the job a test looks at; staging is views, which are there."""
    warehouse.dbt("run", "--select", *models)


def verdict(warehouse: Warehouse) -> Row:
    (row,) = warehouse.rows(
        "select * from marts.fct_experiment_verdicts where experiment_key = 'spring' and slot_key = 'hero'"
    )
    return row


def test_machine_opens_do_not_move_the_primary_metric(warehouse: Warehouse) -> None:
    """Every profile of one arm reads its mail on a device that opens everything."""
    before = {row[:2]: row[2:] for row in warehouse.query(PRIMARY)}
    world = small_world()
    opened = [
        {**event, "id": event["id"] + "/machine", "metric_id": "MetOpn"}
        for event in world.events
        if event["metric_id"] == "MetRcv" and arm_of(event["profile_id"]) == "bold"
    ]
    for event in opened:
        event["event_properties"] = {**event["event_properties"], "machine_open": True}
    warehouse.land("events", [*world.events, *opened])
    measure(warehouse, RESULTS)
    after = {row[:2]: row[2:] for row in warehouse.query(PRIMARY)}
    assert after.pop(("bold", "opened_all")) == (len(opened), len(opened))
    del before["bold", "opened_all"]
    assert after == before


def test_late_events_count_as_if_they_had_been_on_time(built: Warehouse, first_run: Warehouse) -> None:
    """Every third event is read a run later than the others, also of days that were measured before."""
    warehouse, world = first_run.copy(), small_world()
    late = world.events[::3]
    everything, world.events = world.events, [event for event in world.events if event not in late]
    world.land(warehouse)
    warehouse.dbt(*ASSIGN)
    measure(warehouse, RESULTS)
    assert warehouse.query(PRIMARY) != built.query(PRIMARY)
    warehouse.land("events", everything)
    measure(warehouse, RESULTS)
    assert warehouse.query(PRIMARY) == built.query(PRIMARY)


def test_a_template_with_a_wrong_branch_is_caught(warehouse: Warehouse) -> None:
    """Its branch for one arm shows the content of the control, links included."""
    world = small_world()
    link = {"$message": "MsgSpring", "URL": "https://shop.example/?lf_cid=spring.hero.control"}
    clicks = [
        {**event, "id": event["id"] + "/click", "metric_id": "MetClk", "event_properties": link}
        for event in world.events
        if event["metric_id"] == "MetOpn"
    ]
    warehouse.land("events", [*world.events, *clicks])
    measure(warehouse, VERDICTS)
    assert verdict(warehouse)["verdict"] == "invalid_crossover"
    assert verdict(warehouse)["rule"] == "crossover_above_limit"


def test_a_lossy_writeback_is_caught_before_the_send(warehouse: Warehouse) -> None:
    """Of one arm, half the tokens never reached Klaviyo; nobody has received anything yet."""
    world = small_world()
    for number, profile in enumerate(world.profiles):
        arm = arm_of(profile["id"])
        if arm == "control" or number % 2:
            profile["properties"]["lf_assignments"] = [f"spring:hero:{arm}"]
    warehouse.land("profiles", world.profiles)
    warehouse.land("events", [])
    measure(warehouse, VERDICTS)
    alarms = warehouse.query(
        "select stage from marts.fct_experiment_srm"
        " where is_alarm and experiment_key = 'spring' and slot_key = 'hero'"
    )
    assert alarms == [("written",)]
    assert verdict(warehouse)["verdict"] == "invalid_srm"
    assert verdict(warehouse)["srm_stage"] == "written"
