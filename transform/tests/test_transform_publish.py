"""What is written to Klaviyo: all of what differs, nothing else, run after run."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from transform_project import (
    ASSIGN,
    NOW,
    READ_AT,
    Row,
    Selects,
    Warehouse,
    World,
    arms,
    experiment,
    small_world,
    template,
)

LEDGER = """
select experiment_key, slot_key, profile_id, arm_key, bucket, assigned_at, rule_id from marts.fct_assignments
"""


class Klaviyo:
    """An account that is read and written: `publish` lands it, says what the project publishes, and takes that."""

    def __init__(self, warehouse: Warehouse, world: World, selects: Selects) -> None:
        self.warehouse = warehouse
        self.world = world
        self.selects = selects

    def publish(self) -> list[Row]:
        self.world.land(self.warehouse)
        return self.take(self.warehouse.rows(f"{self.selects['pub_klaviyo_profiles']} order by id"))

    def assign(self) -> list[Row]:
        """The same by a run of dbt, which assigns first."""
        self.world.land(self.warehouse)
        self.warehouse.dbt(*ASSIGN, "path:models/publish")
        return self.take(self.warehouse.rows("select * from publish.pub_klaviyo_profiles order by id"))

    def take(self, published: list[Row]) -> list[Row]:
        self.world.take(published)
        return published

    def held(self) -> dict[str, dict[str, Any]]:
        return {profile["id"]: profile["properties"] for profile in self.world.profiles}

    def ledger(self) -> set[tuple[Any, ...]]:
        return set(self.warehouse.query(LEDGER))

    def tokens(self) -> dict[str, list[str]]:
        """Sorted tokens of each profile, from the ledger."""
        found: dict[str, list[str]] = {}
        for experiment_key, slot, profile, arm, *_ in sorted(self.ledger()):
            found.setdefault(profile, []).append(f"{experiment_key}:{slot}:{arm}")
        return found

    def join(self, profile: str) -> None:
        """Add a profile to the segment `Everybody`."""
        self.world.profiles.append({**self.world.profiles[0], "id": profile, "properties": {}})
        self.world.segment_memberships.append({**self.world.segment_memberships[0], "profile_id": profile})


@pytest.fixture(scope="module")
def settled(built: Warehouse, selects: Selects) -> tuple[Warehouse, list[Row]]:
    """Klaviyo holds what was published first, beside properties of its own, and dbt has looked again."""
    klaviyo = Klaviyo(built.copy(), small_world(), selects)
    klaviyo.take(built.rows("select * from publish.pub_klaviyo_profiles"))
    klaviyo.assign()
    return klaviyo.warehouse, klaviyo.world.profiles


@pytest.fixture
def klaviyo(settled: tuple[Warehouse, list[Row]], selects: Selects) -> Klaviyo:
    """A settled account of one's own."""
    world = small_world()
    for profile, kept in zip(world.profiles, settled[1], strict=True):
        profile["properties"] = json.loads(json.dumps(kept["properties"]))
    return Klaviyo(settled[0].copy(), world, selects)


def test_the_first_publish_writes_everybodys_tokens(built: Warehouse, klaviyo: Klaviyo) -> None:
    rows = built.rows("select * from publish.pub_klaviyo_profiles order by id")
    expected = klaviyo.tokens()
    assert [row["id"] for row in rows] == sorted(profile["id"] for profile in small_world().profiles)
    for row in rows:
        assert json.loads(row["properties"]) == {"lf_assignments": expected[row["id"]]}
        assert row["unset"] is None


def test_a_second_publish_writes_nothing(settled: tuple[Warehouse, list[Row]]) -> None:
    """Although Klaviyo hands the lists back in another order and has properties of its own."""
    assert settled[0].query("select * from publish.pub_klaviyo_profiles") == []


def test_exactly_what_was_changed_by_hand_is_repaired(klaviyo: Klaviyo) -> None:
    profiles = klaviyo.world.profiles
    wrong: dict[int, Any] = {
        3: ["spring:hero:somebody_elses"],
        4: "spring:hero:bold",
        5: None,
        6: 7,
        7: {"spring.hero": "bold"},
        8: [],
        9: [["spring:hero:bold"]],
    }
    for number, value in wrong.items():
        profiles[number]["properties"]["lf_assignments"] = value
    del profiles[10]["properties"]["lf_assignments"]
    profiles[11]["properties"] = {}
    harmless = profiles[12]["properties"]
    harmless["lf_assignments"] = [*harmless["lf_assignments"][::-1], harmless["lf_assignments"][0]]
    harmless["company_id"] = "another"
    rows = klaviyo.publish()
    assert [row["id"] for row in rows] == [profiles[number]["id"] for number in range(3, 12)]
    expected = klaviyo.tokens()
    for row in rows:
        assert json.loads(row["properties"]) == {"lf_assignments": expected[row["id"]]}
        assert row["unset"] is None
    assert klaviyo.publish() == []


def test_nothing_is_published_for_a_profile_that_is_gone(klaviyo: Klaviyo) -> None:
    del klaviyo.world.profiles[3]
    assert klaviyo.publish() == []


def test_tokens_go_when_their_experiment_ends_or_its_definition_is_deleted(klaviyo: Klaviyo) -> None:
    in_autumn = {row[2] for row in klaviyo.ledger() if row[0] == "autumn"}
    assert in_autumn
    klaviyo.world.experiments[0]["status"] = "ended"
    rows = klaviyo.publish()
    assert {row["id"] for row in rows} == set(klaviyo.held())
    for row in rows:
        if row["id"] in in_autumn:
            (token,) = json.loads(row["properties"])["lf_assignments"]
            assert token.startswith("autumn:hero:")
            assert row["unset"] is None
        else:
            assert row["properties"] is None
            assert json.loads(row["unset"]) == ["lf_assignments"]

    # The folder is read again, and `autumn` is not in it.
    klaviyo.world.definition_snapshots[0]["defined_at"] = NOW
    klaviyo.world.experiments[0]["defined_at"] = NOW
    rows = klaviyo.publish()
    assert {row["id"] for row in rows} == in_autumn
    assert {row["unset"] for row in rows} == {'["lf_assignments"]'}
    assert {frozenset(properties) for properties in klaviyo.held().values()} == {
        frozenset({"company_id", "lf_shoe_size", "näme"})
    }
    assert klaviyo.publish() == []


@pytest.mark.parametrize("property_format", ["list", "object", "flat"])
def test_tokens_stay_with_a_winner_until_they_are_cleaned_up(klaviyo: Klaviyo, property_format: str) -> None:
    """Told, those of that experiment go and no others; untold, all are as before. The ledger loses nothing."""
    spring = klaviyo.world.experiments[0]
    for row in klaviyo.world.experiments:
        row["property_format"] = property_format
    klaviyo.publish()
    before, ledger = json.loads(json.dumps(klaviyo.held())), klaviyo.ledger()
    in_autumn = {row[2] for row in ledger if row[0] == "autumn"}

    spring |= {"status": "ended", "is_shipped": True, "is_cleaned_up": False}
    assert klaviyo.publish() == []

    spring["is_cleaned_up"] = True
    assert {row["id"] for row in klaviyo.publish()} == set(before)
    for profile, properties in klaviyo.held().items():
        ours = json.dumps({name: value for name, value in properties.items() if name != "company_id"})
        assert "spring" not in ours
        assert ("autumn" in ours) == (profile in in_autumn)
        assert properties["lf_shoe_size"] == 42
    assert klaviyo.publish() == []

    draft = {"status": "draft", "version": 2, "is_shipped": False, "is_cleaned_up": False}
    shipped = dict(spring)
    spring |= draft
    assert klaviyo.publish() == []
    spring |= shipped | {"is_cleaned_up": False}
    assert len(klaviyo.publish()) == len(before)
    assert {profile: in_order(held) for profile, held in klaviyo.held().items()} == {
        profile: in_order(held) for profile, held in before.items()
    }
    assert klaviyo.publish() == []
    assert klaviyo.ledger() == ledger

    # The next version begins as a draft, without the winner: nothing changes before it is live.
    spring |= draft
    assert klaviyo.publish() == []
    assert klaviyo.ledger() == ledger


def in_order(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties with lists sorted: Klaviyo keeps an order of its own."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in properties.items()}


def test_nothing_is_removed_while_the_definitions_are_unknown(klaviyo: Klaviyo) -> None:
    """A new warehouse beside an account that holds tokens: the definitions may simply not have been read yet."""
    klaviyo.world.definition_snapshots = []
    assert klaviyo.publish() == []


def test_each_format_replaces_the_one_before(klaviyo: Klaviyo) -> None:
    """From list to flat to object to list: nothing is left of the one before, and a second publish is empty."""
    stranger = klaviyo.world.profiles[3]["properties"]
    stranger["lf_spring_banner"] = "somebody else's, though it looks like ours"
    klaviyo.world.profiles[5]["properties"]["lf_spring_hero"] = None  # holds nothing
    member = klaviyo.world.profiles[0]["id"]
    pairs = [token.split(":") for token in klaviyo.tokens()[member]]
    expected: dict[str, dict[str, Any]] = {
        "flat": {f"lf_{key}_{slot}": arm for key, slot, arm in pairs},
        "object": {"lf_assignments": {f"{key}.{slot}": arm for key, slot, arm in pairs}},
        "list": {"lf_assignments": [":".join(pair) for pair in pairs][::-1]},
    }
    for property_format, properties in expected.items():
        for row in klaviyo.world.experiments:
            row["property_format"] = property_format
        assert len(klaviyo.publish()) == len(klaviyo.world.profiles)
        ours = {name: value for name, value in klaviyo.held()[member].items() if name.startswith("lf_")}
        assert ours == {"lf_shoe_size": 42, **properties}
        assert klaviyo.publish() == []
    assert stranger["lf_spring_banner"] == "somebody else's, though it looks like ours"


def test_publish_assigns_nobody(klaviyo: Klaviyo) -> None:
    klaviyo.join("newcomer")
    assert klaviyo.publish() == []
    assert [row["id"] for row in klaviyo.assign()] == ["newcomer"]


def test_assignments_outlive_what_they_came_from(klaviyo: Klaviyo) -> None:
    """The ledger keeps every arm when weights, traffic and audience change; newcomers follow the change."""
    world = klaviyo.world
    before = klaviyo.ledger()
    klaviyo.warehouse.as_of = NOW + timedelta(days=1)

    # The weights are turned round, the ramp goes from 30 % to everybody, and a newcomer joins.
    world.experiment_arms = [
        *arms("spring", "hero", {"control": 1000, "bold": 9000}),
        *arms("spring", "footer", {"control": 8000, "short": 1000, "long": 1000}),
        *arms("autumn", "hero", {"control": 5000, "zebra": 5000}),
    ]
    world.experiments[1]["traffic_bp"] = 10_000
    klaviyo.join("newcomer")
    klaviyo.assign()
    after = klaviyo.ledger()
    assert before < after
    assert {row[5] for row in after - before} == {klaviyo.warehouse.as_of}
    assert {row[2] for row in after - before if row[0] == "spring"} == {"newcomer"}
    assert len({row[2] for row in after if row[0] == "autumn"}) == 40

    # A reading that was cut off moves some members' snapshot, and nobody is gone.
    members = "select count(*) from intermediate.int_group_members where group_type = 'segment'"
    for member in world.segment_memberships[:50]:
        member["snapshot_at"] = READ_AT + timedelta(hours=1)
    world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(members) == [(241,)]

    # The segment is emptied and its members keep their arms; a new version assigns the list anew.
    world.membership_snapshots[0] |= {"snapshot_at": READ_AT + timedelta(hours=2), "member_count": 0}
    world.experiments[1]["version"] = 2
    klaviyo.assign()
    assert klaviyo.warehouse.query(members) == [(0,)]
    versions = "select experiment_key, experiment_version, count(*) from marts.fct_assignments group by 1, 2"
    assert set(klaviyo.warehouse.query(versions)) == {("autumn", 1, 40), ("autumn", 2, 40), ("spring", 1, 482)}
    assert after < klaviyo.ledger()
    assert klaviyo.publish() == []


def test_a_full_refresh_leaves_the_ledger(klaviyo: Klaviyo) -> None:
    klaviyo.world.segment_memberships = []
    klaviyo.world.list_memberships = []
    klaviyo.world.land(klaviyo.warehouse)
    before = klaviyo.ledger()
    klaviyo.warehouse.dbt("run", "--full-refresh", "--select", "fct_assignments")
    assert len(before) > 400
    assert klaviyo.ledger() == before


def test_templates_are_written_until_klaviyo_has_them(klaviyo: Klaviyo) -> None:
    published = f"select name from ({klaviyo.selects['pub_klaviyo_templates']}) as published order by name"  # noqa: S608
    assert klaviyo.warehouse.query(published) == [("lf_autumn",), ("lf_spring",)]
    klaviyo.world.templates = [
        {"id": "TplOne", "name": "lf_spring", "html": template("spring", "aa")["html"]},
        {"id": "TplTwo", "name": "lf_autumn", "html": template("autumn", "b0")["html"]},
    ]
    klaviyo.world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(published) == [("lf_autumn",)]


def test_a_template_deleted_in_klaviyo_is_made_again(klaviyo: Klaviyo) -> None:
    """A reading that the loader lost a part of deletes nothing."""
    published = f"select name from ({klaviyo.selects['pub_klaviyo_templates']}) as published order by name"  # noqa: S608
    world = klaviyo.world
    world.templates = [
        {"id": "TplOne", "name": "lf_spring", "html": template("spring", "aa")["html"]},
        {"id": "TplTwo", "name": "lf_autumn", "html": template("autumn", "bb")["html"]},
    ]
    world.read_whole("templates", ["TplOne", "TplTwo"], READ_AT)
    world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(published) == []
    world.read_whole("templates", ["TplTwo"], READ_AT + timedelta(minutes=1))
    world.membership_snapshots[-1]["member_count"] = 2
    world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(published) == []
    world.membership_snapshots[-1]["member_count"] = 1
    world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(published) == [("lf_spring",)]
    world.templates.append({"id": "TplNew", "name": "lf_spring", "html": template("spring", "aa")["html"]})
    world.read_whole("templates", ["TplTwo", "TplNew"], READ_AT + timedelta(minutes=2))
    world.land(klaviyo.warehouse)
    assert klaviyo.warehouse.query(published) == []


def test_who_is_deleted_or_merged_is_written_no_more(klaviyo: Klaviyo) -> None:
    world = klaviyo.world
    ids = [profile["id"] for profile in world.profiles]
    del world.profiles[3]["properties"]["lf_assignments"]
    del world.profiles[4]["properties"]["lf_assignments"]
    world.read_whole("profiles", ids, READ_AT)
    world.read_whole("profiles", [each for each in ids if each != ids[3]], READ_AT + timedelta(days=1))
    assert [row["id"] for row in klaviyo.publish()] == [ids[4]]
    assert klaviyo.publish() == []
    world.read_whole("profiles", [], READ_AT + timedelta(days=2))  # nobody is left
    del world.profiles[5]["properties"]["lf_assignments"]
    assert klaviyo.publish() == []


def test_a_segment_deleted_and_made_anew_under_its_name_is_the_audience(klaviyo: Klaviyo) -> None:
    world = klaviyo.world
    resolution = (
        "select resolution, group_id from intermediate.int_experiment_audiences where experiment_key = 'spring'"
    )
    later = READ_AT + timedelta(hours=1)
    world.read_whole("segments", ["SegAll"], READ_AT)
    world.segments.append({"id": "SegNew", "name": "Everybody"})
    world.profiles.append({**world.profiles[0], "id": "newcomer", "properties": {}})
    world.segment_memberships.append(
        {"segment_id": "SegNew", "profile_id": "newcomer", "joined_group_at": later, "snapshot_at": later}
    )
    world.membership_snapshots.append(
        {"group_type": "segment", "group_id": "SegNew", "snapshot_at": later, "member_count": 1}
    )
    assert klaviyo.assign() == []
    assert klaviyo.warehouse.query(resolution) == [("ambiguous", None)]
    world.read_whole("segments", ["SegNew"], later)
    assert [row["id"] for row in klaviyo.assign()] == ["newcomer"]
    assert klaviyo.warehouse.query(resolution) == [("found", "SegNew")]
    world.read_whole("segments", [], later + timedelta(hours=1))  # deleted: its members are nobody's audience
    klaviyo.join("too_late")
    world.segment_memberships[-1] |= {"segment_id": "SegNew", "snapshot_at": later}
    assert klaviyo.assign() == []
    assert klaviyo.warehouse.query(resolution) == [("not_found", None)]


def test_an_audience_that_is_not_found_is_named(klaviyo: Klaviyo) -> None:
    world = klaviyo.world
    world.experiments += [
        experiment("typo", audience="Everybdoy"),
        experiment("twins", audience="Twins"),
        experiment("unread", audience="Unread"),
        experiment("drafted", audience="Nobody", status="draft"),
    ]
    world.segments += [{"id": f"Seg{name}", "name": name.rstrip("12")} for name in ("Twins1", "Twins2", "Unread")]
    world.land(klaviyo.warehouse)
    outcome = klaviyo.warehouse.dbt("test", "--select", "assert_audience_found")
    warned = "\n".join(sorted(text for text in outcome.warnings if "Experiment " in text))
    assert warned.count("Experiment ") == 3
    assert 'Experiment typo: no segment has the id or name "Everybdoy".' in warned
    assert 'Experiment twins: several segments are called "Twins". Give the id instead of the name.' in warned
    assert 'Experiment unread: the members of segment "Unread" have never been read completely.' in warned


def test_a_misspelt_audience_fails_no_data_test_and_corrected_it_is_assigned(klaviyo: Klaviyo) -> None:
    """A rule without its audience was appended once, and failed in this run and in every later one."""
    world = klaviyo.world
    assign = ("build", *ASSIGN[1:], "assert_audience_found", "--exclude-resource-type", "unit_test")
    world.experiment_arms += arms("typo", "hero", {"control": 5000, "bold": 5000})
    rules = "select count(*) from marts.fct_assignment_rules where experiment_key = 'typo'"
    found = []
    for audience in ("Everybdoy", "Everybody"):
        world.experiments = [*world.experiments[:2], experiment("typo", audience=audience)]
        world.land(klaviyo.warehouse)
        outcome = klaviyo.warehouse.dbt(*assign)
        named = any("Experiment typo: " in warning for warning in outcome.warnings)
        assigned = sum(row[0] == "typo" for row in klaviyo.ledger())
        found.append((named, klaviyo.warehouse.query(rules) != [(0,)], assigned))
    assert found == [(True, False, 0), (False, True, len(world.profiles))]


def test_an_arm_that_is_no_longer_defined_is_named(klaviyo: Klaviyo) -> None:
    """Its profiles see the control from then on: that spoils the comparison unless the version is raised."""
    world = klaviyo.world
    world.experiment_arms = [row for row in world.experiment_arms if row["arm_key"] != "short"]
    rows = klaviyo.publish()
    assert {row["id"] for row in rows} == {row[2] for row in klaviyo.ledger() if row[3] == "short"}
    outcome = klaviyo.warehouse.dbt("test", "--select", "assert_arms_still_defined")
    (warned,) = [text for text in outcome.warnings if "Experiment " in text]
    assert "Experiment spring: profiles are assigned to footer.short, which version 1 no longer defines" in warned
