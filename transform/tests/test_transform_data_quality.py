"""Data that lie: orders that are told twice, refunds of before, late assignments, scanners, and one huge order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from transform_project import NOW, SENT_AT, Outcome, Row, Warehouse, World, bucket, small_world

pytestmark = pytest.mark.long
MODELS = ("int_metric_roles", "path:models/intermediate/measurement")
RESULTS = (*MODELS, "fct_experiment_results")
MARTS = ("fct_experiment_results", "fct_experiment_data_quality", "fct_double_reports")
MESSAGE = {"$message": "MsgSpring"}


def build(warehouse: Warehouse, **variables: object) -> Outcome:
    """What is measured, with its data tests and with those that warn."""
    tests = (
        "assert_assigned_before_received",
        "assert_nothing_reported_twice",
        "assert_counting_integrations_found",
        "assert_bots_alike_in_arms",
    )
    return warehouse.dbt(
        "build", "--select", *MODELS, *MARTS, *tests, "--exclude-resource-type", "unit_test", **variables
    )


def measure(warehouse: Warehouse, *models: str) -> None:
    """Those models alone, where neither a data test nor a warning is looked at; by default up to the results."""
    warehouse.dbt("run", "--select", *(models or RESULTS))


def assign(warehouse: Warehouse) -> None:
    warehouse.dbt("run", "--selector", "assign")


def of_hero(warehouse: Warehouse, metric: str, what: str = "total") -> dict[str, float]:
    return dict(
        warehouse.query(
            f"""
            select arm_key, {what} from marts.fct_experiment_results
            where
                experiment_key = 'spring' and slot_key = 'hero' and analysis = 'assigned'
                and attribution = 'assigned_window' and metric = '{metric}'
            """  # noqa: S608
        )
    )


def arm_of(profile: str) -> str:
    return "control" if bucket("split-spring-1-hero", profile) < 5000 else "bold"


def event(metric: str, profile: str, seconds: float, name: str = "", /, **properties: object) -> Row:
    """An event of so many seconds after the send."""
    return {
        "id": f"{profile}/{metric}/{seconds}/{name}",
        "profile_id": profile,
        "metric_id": metric,
        "datetime": SENT_AT + timedelta(seconds=seconds),
        "event_properties": properties,
    }


def ids(world: World) -> list[str]:
    return [profile["id"] for profile in world.profiles]


DAY = 86_400.0


# Orders that two integrations report.


@pytest.fixture
def doubled() -> World:
    """A shop whose orders the API sends as well, some minutes later and under numbers of its own."""
    world = small_world()
    world.metrics.append({"id": "MetTwo", "name": "Placed Order", "integration": {"key": "api"}})
    for number, profile in enumerate(ids(world)[:40]):
        order = {"$value": 20 + number, "OrderId": f"shop-{number}"}
        world.events.append(event("MetOrd", profile, DAY + 60 * number, **order))
        order["OrderId"] = f"api-{number}"
        world.events.append(event("MetTwo", profile, DAY + 60 * number + 300, **order))
    return world


def test_orders_that_two_integrations_report_are_warned_of(warehouse: Warehouse, doubled: World) -> None:
    doubled.land(warehouse)
    warned = build(warehouse).warnings
    [told] = [text for text in warned if "report the same events" in text]
    assert "MetOrd (shopify) and MetTwo (api) report the same events of the role ordered" in told
    assert "of the 40 of the rarer one, 40 have a twin in the other, where chance explains 0" in told
    assert "counting_integrations: {ordered: shopify}" in told
    twice = sum(of_hero(warehouse, "revenue").values())

    warned = build(warehouse, counting_integrations={"ordered": "shopify"}).warnings
    assert not [text for text in warned if "report the same events" in text or "counting_integrations" in text]
    once = sum(of_hero(warehouse, "revenue").values())
    assert twice - once == pytest.approx(sum(20 + number for number in range(40)))


def test_a_misspelt_integration_takes_no_order_away(warehouse: Warehouse) -> None:
    before = of_hero(warehouse, "revenue")
    warned = build(warehouse, counting_integrations={"ordered": "shopfy"}).warnings
    assert [text for text in warned if "the integration shopfy counts, which writes no such metric" in text]
    assert of_hero(warehouse, "revenue") == before


def test_two_shops_of_one_account_are_no_double(warehouse: Warehouse) -> None:
    """The same people buy in both, at the same prices, days apart."""
    world = small_world()
    world.metrics.append({"id": "MetTwo", "name": "Placed Order", "integration": {"key": "woocommerce"}})
    for number, profile in enumerate(ids(world)):
        world.events.append(event("MetOrd", profile, DAY + number, **{"$value": 20, "OrderId": f"a{number}"}))
        world.events.append(event("MetTwo", profile, 3 * DAY - number, **{"$value": 20, "OrderId": f"b{number}"}))
    world.land(warehouse)
    assert not [text for text in build(warehouse).warnings if "report the same events" in text]


# Refunds.


def test_a_refund_of_an_order_of_before_is_not_the_arms(warehouse: Warehouse) -> None:
    """Former buyers come back by the message and return what they bought before it."""
    world = small_world()
    world.metrics.append({"id": "MetRef", "name": "Refunded Order", "integration": {"key": "shopify"}})
    kept = [profile for profile in ids(world) if arm_of(profile) == "bold"][:30]
    for profile in kept:
        world.events.append(event("MetOrd", profile, -DAY, **{"$value": 50, "OrderId": f"old-{profile}"}))
        world.events.append(event("MetOrd", profile, DAY, **{"$value": 70, "OrderId": f"new-{profile}"}))
    before = of_hero(warehouse, "revenue")

    def refund(profile: str, value: float, number: str) -> Row:
        return event("MetRef", profile, 2 * DAY, number, **{"$value": value, "OrderId": f"{number}-{profile}"})

    world.events += [refund(profile, 50, "old") for profile in kept]
    world.events += [refund(profile, -70, "new") for profile in kept[:5]]
    world.land(warehouse)
    measure(warehouse)
    assert of_hero(warehouse, "revenue") == {**before, "bold": pytest.approx(before["bold"] + 30 * 70 - 5 * 70)}


# Assignments of after the receipt.


def test_what_the_message_did_is_not_of_before(warehouse: Warehouse) -> None:
    """This world is assigned a week after its send: its clicks lie before the one and after the other."""
    warned = build(warehouse).warnings
    [told] = [text for text in warned if "before they were assigned" in text]
    assert "Experiment spring: 240 of 240 recipients had received a message of it" in told
    clicks = warehouse.query(
        "select sum(clicked), sum(opened) from intermediate.int_covariates where experiment_key = 'spring'"
    )
    assert clicks == [(0, 0)]
    assert (
        warehouse.query(
            "select distinct estimator from marts.fct_experiment_results"
            " where metric = 'clicked' and not is_control and experiment_key = 'spring' and estimator = 'cuped'"
        )
        == []
    )
    late = warehouse.query(
        "select arm_key, received_before_assigned = units from marts.fct_experiment_data_quality"
        " where experiment_key = 'spring' and slot_key = 'hero' order by arm_key"
    )
    assert late == [("bold", True), ("control", True)]


def test_a_receipt_that_is_known_later_corrects_what_was_before(first_run: Warehouse) -> None:
    """The receipts are loaded a run after the clicks of before; then all is as if they had been there."""
    world = small_world()
    before = [event("MetClk", profile, -DAY, **{"$message": "Older"}) for profile in ids(world)[::3]]
    world.events += before

    def measured(warehouse: Warehouse) -> list[tuple[object, ...]]:
        return warehouse.query(
            """
            select slot_key, arm_key, metric, analysis, attribution, covariate_total, covariate_product, total
            from intermediate.int_moments where experiment_key = 'spring' order by 1, 2, 3, 4, 5
            """
        )

    late = first_run.copy()
    world.land(late)
    of_message = [each for each in world.events if each["event_properties"].get("$message") == "MsgSpring"]
    late.land("events", [each for each in world.events if each not in of_message])
    assign(late)
    whole = late.copy()
    whole.land("events", world.events)
    measure(whole, *MODELS)
    measure(late, *MODELS)
    assert measured(late) != measured(whole)
    late.land("events", world.events)
    measure(late, *MODELS)
    assert measured(late) == measured(whole)
    rows = late.query("select count(*) from intermediate.int_covariates where experiment_key = 'spring'")
    build(late)
    assert late.query("select count(*) from intermediate.int_covariates where experiment_key = 'spring'") == rows


# Scanners that nobody flags.


def scanned(profiles: list[str]) -> list[Row]:
    """A gateway follows three links of each one's message in the moment it comes."""
    return [
        event("MetClk", profile, second, **MESSAGE, URL=f"https://shop.example/{second}")
        for profile in profiles
        for second in (1, 2, 3)
    ]


def test_bots_that_are_not_flagged_make_no_winner(warehouse: Warehouse) -> None:
    world = small_world()
    before = {metric: of_hero(warehouse, metric) for metric in ("clicked", "clicked_all", "ordered")}
    of_bold = [profile for profile in ids(world) if arm_of(profile) == "bold"]
    quiet = [profile for profile in of_bold if ids(world).index(profile) % 5][:40]
    warehouse.land("events", [*world.events, *scanned(quiet)])
    warned = build(warehouse).warnings
    assert of_hero(warehouse, "clicked") == before["clicked"]
    assert of_hero(warehouse, "ordered") == before["ordered"]
    everybody = before["clicked_all"]
    assert of_hero(warehouse, "clicked_all") == {**everybody, "bold": everybody["bold"] + len(quiet)}
    counted = warehouse.query(
        "select arm_key, suspected_bots, suspected_clicks, has_unequal_bots from marts.fct_experiment_data_quality"
        " where experiment_key = 'spring' and slot_key = 'hero' order by arm_key"
    )
    assert counted == [("bold", len(quiet), 3 * len(quiet), True), ("control", 0, 0, True)]
    assert [text for text in warned if "suspected bots are not alike in the arms of hero: 0 to 40" in text]


def test_bots_that_are_alike_in_all_arms_are_no_alarm(warehouse: Warehouse) -> None:
    world = small_world()
    warehouse.land("events", [*world.events, *scanned(ids(world)[::3])])
    assert not [text for text in build(warehouse).warnings if "suspected bots" in text]
    unequal = "select distinct has_unequal_bots from marts.fct_experiment_data_quality"
    assert warehouse.query(unequal) == [(False,)]


def test_a_late_receipt_unmasks_a_bot(warehouse: Warehouse) -> None:
    """The receipt comes a run later than the click: the day is classified anew."""
    world = small_world()
    profile = ids(world)[1]
    receipt = next(each for each in world.events if each["id"] == f"{profile}/1")
    assert receipt["metric_id"] == "MetRcv"
    click = event("MetClk", profile, 2, **MESSAGE, URL="https://shop.example/")
    suspects = "select is_suspected_bot from intermediate.int_events_classified"
    classified = f"{suspects} where event_id = '{click['id']}'"
    models = ("int_metric_roles", "int_messages_received", "int_events_classified")
    warehouse.land("events", [*(each for each in world.events if each is not receipt), click])
    measure(warehouse, *models)
    assert warehouse.query(classified) == [(False,)]
    warehouse.land("events", [*world.events, click])
    measure(warehouse, *models)
    assert warehouse.query(classified) == [(True,)]


def test_a_table_of_an_earlier_version_says_how_to_build_it_anew(warehouse: Warehouse) -> None:
    """Beside the true one, since not every engine can take a column away."""
    [first] = warehouse.rows("select * from intermediate.int_events_classified limit 1")
    kept = ", ".join(name for name in first if name != "is_suspected_bot")
    with warehouse.without("intermediate", "int_events_classified"):
        earlier = f"select {kept} from intermediate.int_events_classified_elsewhere"  # noqa: S608
        warehouse.query(f"create table intermediate.int_events_classified as {earlier}")
        with pytest.raises(AssertionError, match="dbt run --full-refresh --select int_events_classified"):
            warehouse.dbt("run", "--select", "int_events_classified")
        warehouse.dbt("run", "--full-refresh", "--select", "int_events_classified")
        suspected = "select count(*) from intermediate.int_events_classified where is_suspected_bot"
        assert warehouse.query(suspected) == [(0,)]
        warehouse.query("drop table intermediate.int_events_classified")


# The cap of money.


@pytest.fixture
def spenders() -> World:
    """Thirty people spent 1 to 30 in the weeks before the run that assigns; then somebody orders for a million."""
    world = small_world()
    for number, profile in enumerate(ids(world)[20:50]):
        world.events.append(event("MetOrd", profile, -DAY * (1 + number), **{"$value": number + 1}))
    world.events.append(event("MetOrd", ids(world)[101], DAY, **{"$value": 1_000_000}))
    return world


CAP = "select cap, population, purchases from intermediate.int_value_caps where experiment_key = 'spring'"


def test_a_cap_is_fixed_at_the_start_and_stays(first_run: Warehouse, spenders: World) -> None:
    """The 27th of thirty, whatever is ordered later, by increments as by one build, and by a full refresh."""
    warehouse = first_run.copy()
    warehouse.as_of = SENT_AT - timedelta(hours=1)
    spenders.land(warehouse)
    later = [each for each in spenders.events if each["datetime"] > warehouse.as_of]
    warehouse.land("events", [each for each in spenders.events if each not in later])
    assign(warehouse)
    whole = warehouse.copy()
    measure(warehouse, *MODELS)
    assert warehouse.query(CAP) == []  # nobody has received anything, so nothing is measured

    warehouse.as_of = whole.as_of = NOW
    day = SENT_AT + timedelta(days=1)
    warehouse.land("events", [each for each in spenders.events if each["datetime"] < day])
    measure(warehouse, *MODELS)
    assert warehouse.query(CAP) == [(27, "audience", 30)]
    warehouse.land("events", spenders.events)
    build(warehouse)
    assert warehouse.query(CAP) == [(27, "audience", 30)]
    whole.land("events", spenders.events)
    measure(whole)
    assert whole.query(CAP) == warehouse.query(CAP)
    revenue = of_hero(warehouse, "revenue")
    assert revenue == of_hero(whole, "revenue")
    assert sum(revenue.values()) == pytest.approx(126 + 27)

    more = [event("MetOrd", profile, -DAY * 2, "late", **{"$value": 500}) for profile in ids(spenders)[:20]]
    warehouse.land("events", [*spenders.events, *more])
    measure(warehouse, *MODELS, "--full-refresh")
    assert warehouse.query(CAP) == [(27, "audience", 30)]


def test_without_buyers_of_before_nothing_is_capped(warehouse: Warehouse) -> None:
    world = small_world()
    world.events.append(event("MetOrd", ids(world)[101], DAY, **{"$value": 1_000_000}))
    world.land(warehouse)
    measure(warehouse)
    assert warehouse.query(CAP) == [(None, "none", 0)]
    assert sum(of_hero(warehouse, "revenue").values()) == pytest.approx(126 + 1_000_000)
