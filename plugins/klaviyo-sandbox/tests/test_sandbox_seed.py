from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from klaviyo_sandbox.model.records import (
    Campaign,
    CampaignMessage,
    ConsentState,
    Flow,
    FlowAction,
    FlowMessage,
    Form,
    Group,
    GroupKind,
    Metric,
    Profile,
    SuppressionReason,
    Template,
)
from klaviyo_sandbox.seed import world
from klaviyo_sandbox.seed.people import AWKWARD, DAY, HISTORY, people
from klaviyo_sandbox.simulation.rendering import CompiledTemplate
from klaviyo_sandbox.state.profile_store import PROFILE_COLUMNS, profile_of
from klaviyo_sandbox.state.store import Store

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json

NOW = 1_790_000_000
PROFILES, EVENTS, SEGMENTS = 3_000, 8_000, 9


def shop(profiles: int = 300, events: int = 800, segments: int = 2, seed: int = 5, now: int = NOW) -> Store:
    store = Store()
    with store.seeding():
        world.populate(store, profiles=profiles, events=events, segments=segments, seed=seed, now=now)
    return store


@pytest.fixture(scope="module")
def store() -> Store:
    return shop(PROFILES, EVENTS, SEGMENTS)


@pytest.fixture(scope="module")
def profiles(store: Store) -> list[Profile]:
    sql = f"select {PROFILE_COLUMNS} from profiles order by id"  # noqa: S608
    return [profile_of(row) for row in store.read(sql)]


class Told(msgspec.Struct):
    metric: str
    source: str
    profile_id: str
    at: int
    properties: dict[str, Any]


@pytest.fixture(scope="module")
def events(store: Store) -> list[Told]:
    rows = store.read(
        "select name, integration_key, profile_id, timestamp, attributes"
        " from events left join metrics on metrics.id = metric_id"
    )
    return [
        Told(metric, source, profile_id, at, msgspec.json.decode(attributes)["event_properties"])
        for metric, source, profile_id, at, attributes in rows
    ]


def records(store: Store, table: str, kind: type[Any]) -> list[Any]:
    return [msgspec.json.decode(row[0], type=kind) for row in store.read(f"select record from {table}")]  # noqa: S608


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    tables = (
        "profiles", "events", "members", "suppressions", "metrics", "groups", "templates", "campaigns", "messages",
        "flows", "flow_actions", "flow_messages", "tag_groups", "tags", "forms", "webhooks",
    )  # fmt: skip
    return {table: sorted(store.read(f"select * from {table}"), key=repr) for table in tables}  # noqa: S608


@pytest.mark.parametrize(
    ("people", "happenings", "segments"),
    [(0, 0, 0), (1, 1, 0), (1, 3_000, 1), (2, 0, 3), (37, 50, 1), (1_000, 1, 0)],
)
def test_there_is_exactly_what_was_asked_for(people: int, happenings: int, segments: int) -> None:
    small = shop(people, happenings, segments)

    assert small.count("profiles") == people
    assert small.count("events") == happenings
    assert len(small.read("select 1 from groups where kind = 'segment'")) == segments + 2


def test_events_need_profiles() -> None:
    with pytest.raises(ValueError, match="at least one profile"):
        shop(profiles=0, events=1)


def test_one_seed_is_one_world() -> None:
    assert contents(shop()) == contents(shop())
    assert contents(shop())["profiles"] != contents(shop(seed=6))["profiles"]


def test_people_are_the_same_on_another_day() -> None:
    """So that one seed gives the same assignments, and the same verdict of a demo, whenever it runs."""
    today, later = shop(), shop(now=NOW + 12_345_678)
    for sql in (
        "select id, email, phone_number, external_id, email_state, created - ? from profiles order by id",
        "select id, metric_id, profile_id, timestamp - ? from events order by id",
        "select group_id, profile_id, joined - ? from members order by 1, 2",
    ):
        assert today.read(sql, [NOW]) == later.read(sql, [NOW + 12_345_678])


# --- people ---


def test_ids_are_ulids_and_a_few_legacy_ones(profiles: list[Profile]) -> None:
    lengths = Counter(len(each.id) for each in profiles)

    assert set(lengths) == {26, 6}
    assert 0.02 < lengths[6] / PROFILES < 0.06


def test_addresses_are_reserved_ones_that_klaviyo_does_not_drop(profiles: list[Profile]) -> None:
    domains = {each.email.rpartition("@")[2] for each in profiles if each.email}

    assert domains
    for domain in domains:
        assert domain.split(".")[-2:] in (["example", "net"], ["example", "org"], ["example", "edu"])
    assert any("+" in each.email for each in profiles if each.email)


def test_some_have_no_address_and_everybody_can_be_identified(profiles: list[Profile]) -> None:
    no_email = [each for each in profiles if each.email is None]

    assert 0.03 < len(no_email) / PROFILES < 0.1
    assert any(each.phone_number for each in no_email)
    assert all(each.email or each.phone_number or each.external_id for each in profiles)
    assert all(msgspec.json.encode(each.phone_number).isascii() for each in profiles)


def test_awkward_values_names_and_coordinates_are_there(profiles: list[Profile]) -> None:
    held = {key for each in profiles for key in each.properties}

    assert {key for each in AWKWARD for key in each} <= held
    assert any(each.first_name and not each.first_name.isascii() for each in profiles)
    assert any(each.first_name is None for each in profiles)
    assert {type(each.location["latitude"]) for each in profiles if each.location} == {str, float}
    assert any(not each.location for each in profiles)
    assert any(each.predictive_analytics for each in profiles)


def test_many_profiles_share_a_second(profiles: list[Profile]) -> None:
    created, updated = Counter(each.created for each in profiles), Counter(each.updated for each in profiles)

    assert max(created.values()) > 100, "more than a page of profiles"
    assert max(updated.values()) > 100
    assert all(each.created <= each.updated <= NOW - 3_600 for each in profiles)


def test_changes_lie_all_over_the_past_and_thousands_in_the_second_of_the_great_import() -> None:
    changed = Counter(each.updated for each in people(50_000, Random(1), NOW))  # noqa: S311
    (_, great), (_, next_one) = changed.most_common(2)

    assert 1_500 < great < 3_000
    assert 200 < next_one < 1_000
    months = Counter((NOW - at) // (60 * DAY) for at in changed.elements())
    assert all(months[month] > 200 for month in range(15))


def test_consent_comes_in_all_states_and_agrees_with_suppressions(store: Store, profiles: list[Profile]) -> None:
    states = Counter(each.email_marketing.state for each in profiles)
    reasons = defaultdict(set)
    for each in store.suppressions([profile.id for profile in profiles]):
        reasons[each.reason].add(each.profile_id)

    assert states[ConsentState.SUBSCRIBED] > 0.5 * PROFILES
    assert 0.04 * PROFILES < states[ConsentState.UNSUBSCRIBED] < 0.12 * PROFILES
    left = {each.id for each in profiles if each.email_marketing.state is ConsentState.UNSUBSCRIBED}
    assert reasons[SuppressionReason.UNSUBSCRIBE] == left
    assert set(reasons) == set(SuppressionReason)
    for profile in profiles:
        changed = profile.email_marketing.changed_at
        assert changed is None or profile.created <= changed.timestamp() <= NOW
        assert profile.email or not changed


# --- audiences ---


def members(store: Store, kind: GroupKind, name: str) -> set[str]:
    group = store.group_named(name, kind)
    assert group is not None
    return {row[0] for row in store.read("select profile_id from members where group_id = ?", [group.id])}


def test_the_demo_audience_is_most_of_the_subscribed_and_a_few_others(
    store: Store, profiles: list[Profile]
) -> None:
    audience = members(store, GroupKind.SEGMENT, "Demo audience")
    subscribed = {each.id for each in profiles if each.email_marketing.state == "SUBSCRIBED"}

    assert 0.7 < len(audience & subscribed) / len(subscribed) < 0.8
    assert 0 < len(audience - subscribed) < 0.06 * len(audience)
    assert members(store, GroupKind.LIST, "Newsletter") == subscribed
    assert members(store, GroupKind.LIST, world.EMPTY_LIST) == set()


def test_one_segment_is_inactive_and_still_has_members(store: Store) -> None:
    groups: list[Group] = records(store, "groups", Group)
    inactive = [each.name for each in groups if not each.is_active]

    assert inactive == [world.INACTIVE_SEGMENT]
    assert members(store, GroupKind.SEGMENT, world.INACTIVE_SEGMENT)
    assert len({each.id for each in groups}) == len(groups) == SEGMENTS + 4
    assert all(bool(each.definition) == (each.kind is GroupKind.SEGMENT) for each in groups)


def test_many_joined_in_the_same_second_and_nobody_before_being_known(store: Store) -> None:
    rows = store.read("select joined, created, group_id from members join profiles on id = profile_id")

    assert all(created <= joined <= NOW for joined, created, _ in rows)
    assert max(Counter((group, joined) for joined, _, group in rows).values()) > 100


@pytest.fixture(scope="module")
def crowd() -> Store:
    """Enough people for several imports, and a list and a segment of all of them."""
    store = Store()
    world.populate(store, profiles=13_000, events=0, segments=0, seed=5, now=NOW, everybody=True)
    return store


@pytest.mark.parametrize("kind", GroupKind)
def test_everybody_is_in_a_list_and_a_segment_that_can_be_read_in_slices(crowd: Store, kind: GroupKind) -> None:
    group = crowd.group_named(world.EVERYBODY, kind)
    assert group
    rows = crowd.read("select profile_id, joined from members where group_id = ? order by joined", [group.id])

    assert {row[0] for row in rows} == {row[0] for row in crowd.read("select id from profiles")}
    joined = [row[1] for row in rows]
    ((_, most),) = Counter(joined).most_common(1)
    assert 1_500 < most < 2_500, "half of the members would be one slice that cannot be cut"
    span = (joined[-1] - joined[0]) // 10 + 1
    slices = Counter((at - joined[0]) // span for at in joined)
    assert all(slices[each] > 100 for each in range(10))


def test_everybody_changes_nothing_else() -> None:
    store = Store()
    world.populate(store, profiles=300, events=800, segments=2, seed=5, now=NOW, everybody=True)
    with_all, without = contents(store), contents(shop())
    for table in ("groups", "members"):
        added = [row for row in with_all[table] if row not in set(without[table])]
        assert len(with_all.pop(table)) == len(without.pop(table)) + len(added)
        assert len(added) in {2, 600}
    assert with_all == without


# --- metrics, campaigns, templates ---


def test_metrics_are_told_apart_by_integration_and_name(store: Store) -> None:
    metrics: list[Metric] = records(store, "metrics", Metric)
    names = Counter(each.name for each in metrics)

    assert len({(each.integration.key, each.name) for each in metrics}) == len(metrics)
    assert names["Placed Order"] == 2, "one of the API and one of an integration"
    klaviyo = {each.name for each in metrics if each.integration.key == "klaviyo"}
    assert {
        "Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Marked Email as Spam",
        "Merged Profile", "Unsubscribed from Email Marketing", "Received SMS", "Received Text Message",
        "Opened Push",
    } <= klaviyo  # fmt: skip


def test_campaigns_of_every_channel_and_state_have_a_message(store: Store) -> None:
    campaigns: list[Campaign] = records(store, "campaigns", Campaign)
    messages: list[CampaignMessage] = records(store, "messages", CampaignMessage)

    assert {each.channel for each in campaigns} == {"email", "sms", "mobile_push"}
    assert {each.status for each in campaigns} == {"Sent", "Draft", "Cancelled"}
    assert {each.archived for each in campaigns} == {True, False}
    assert Counter(each.campaign_id for each in messages) == {each.id: 1 for each in campaigns}
    sent = {each.id: each for each in campaigns if each.status == "Sent"}
    for campaign in campaigns:
        assert (campaign.send_time is not None) == (campaign.id in sent)
        assert all(
            moment <= datetime.fromtimestamp(NOW, UTC) for moment in (campaign.created_at, campaign.updated_at)
        )
    for message in messages:
        mailed = message.campaign_id in sent and message.channel == "email"
        assert (message.template_id is not None) == mailed
        if message.template_id:
            template = store.get(Template, message.template_id)
            assert template is not None
            assert not template.reusable


def test_templates_are_in_klaviyos_language(store: Store) -> None:
    for template in records(store, "templates", Template):
        assert CompiledTemplate(template.html).render({"person": {}}).startswith("<html><head></head><body>")


def test_flows_have_every_status_and_trigger_and_ids_of_their_kind(store: Store) -> None:
    flows: list[Flow] = records(store, "flows", Flow)
    actions: list[FlowAction] = records(store, "flow_actions", FlowAction)
    messages: list[FlowMessage] = records(store, "flow_messages", FlowMessage)

    assert {(each.status, each.archived) for each in flows} >= {
        ("draft", False), ("manual", False), ("live", False), ("draft", True), ("manual", True),
    }  # fmt: skip
    assert len({each.trigger_type for each in flows}) == 6
    assert {each.action_type for each in actions} == {
        "send-email", "send-sms", "send-mobile-push", "time-delay", "conditional-split", "update-profile",
    }  # fmt: skip
    assert all(each.id.isdecimal() and each.flow_id in {flow.id for flow in flows} for each in actions)
    by_id = {each.id: each for each in actions}
    sent = {(each.action_id, by_id[each.action_id].definition["data"]["message"]["id"]) for each in messages}
    assert sent == {(each.action_id, each.id) for each in messages}
    for kind in (flows, actions, messages):
        for each in kind:
            assert each.created <= each.updated <= NOW
    assert max(Counter(each.updated for each in flows).values()) > 1
    for message in messages:
        assert (message.template_id is not None) == (message.channel == "Email")
        if message.template_id:
            template = store.get(Template, message.template_id)
            assert template is not None
            assert not template.reusable


def test_forms_are_drafts_and_live_ones(store: Store) -> None:
    forms: list[Form] = records(store, "forms", Form)

    assert {each.status for each in forms} == {"draft", "live"}
    assert all(each.created_at < each.updated_at < NOW and each.version_ids for each in forms)


# --- events ---


def test_events_lie_in_the_last_180_days_and_have_a_person_and_a_metric(
    events: list[Told], profiles: list[Profile]
) -> None:
    born = {each.id: each.created for each in profiles}

    for event in events:
        assert NOW - HISTORY <= event.at < NOW
        assert event.at >= born[event.profile_id], event.metric
        assert event.source == "klaviyo" or "$message" not in event.properties


def test_profiles_know_their_last_event(store: Store, events: list[Told]) -> None:
    newest: dict[str, int] = {}
    for event in events:
        newest[event.profile_id] = max(event.at, newest.get(event.profile_id, 0))

    assert dict(store.read("select id, last_event_date from profiles where last_event_date is not null")) == newest


def test_campaign_events_name_the_message_and_flow_events_the_flow(store: Store, events: list[Told]) -> None:
    messages = {each.id for each in records(store, "messages", CampaignMessage)}
    mails = [each.properties for each in events if each.metric == "Received Email"]

    assert {told["$message"] in messages for told in mails if "$flow" not in told} == {True}
    flows: list[FlowMessage] = records(store, "flow_messages", FlowMessage)
    actions = {each.id: each.flow_id for each in records(store, "flow_actions", FlowAction)}
    told = {(each["$flow"], each["$message"]) for each in mails if "$flow" in each}
    assert len(told) == 4
    assert told < {(actions[each.action_id], each.id) for each in flows}
    assert all(told["$event_id"].startswith(told["$message"] + ":") for told in mails)


def test_history_has_what_inflates_and_what_is_renamed(events: list[Told]) -> None:
    def values(metric: str, key: str) -> set[object]:
        return {each.properties.get(key) for each in events if each.metric == metric}

    assert values("Opened Email", "machine_open") == {True, False, None}
    assert True in values("Clicked Email", "Bot Click")
    old = [each.at for each in events if each.metric == "Received SMS"]
    new = [each.at for each in events if each.metric == "Received Text Message"]
    assert old
    assert new
    assert max(old) < min(new)
    orders: list[Json] = [each.properties for each in events if each.metric == "Placed Order"]
    assert orders
    assert all(order["$value"] > 0 and order["$value_currency"] == "USD" for order in orders)


def test_klaviyos_unique_ids_are_unique_per_metric_and_profile(events: list[Told]) -> None:
    seen = Counter(
        (each.metric, each.profile_id, each.properties["$event_id"])
        for each in events
        if "$event_id" in each.properties and each.metric != "Opened Email"
    )

    assert max(seen.values()) == 1


def test_many_events_share_a_second(events: list[Told]) -> None:
    assert max(Counter(each.at for each in events).values()) > 10
