"""Whole runs of the tap against the sandbox: what is read, what is remembered, what a failure leaves behind."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from msgspec.structs import replace

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import (
    AnyFault,
    ExpiredCursor,
    Missing,
    Page,
    Reset,
    Status,
    Throttle,
    TouchProfiles,
    Truncate,
)
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Campaign, Event, GroupKind
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.emission import emitter
from tap_klaviyo_engagement.extraction import windows
from tap_klaviyo_engagement.extraction.concurrent_reader import ConcurrentReader
from tap_klaviyo_engagement.run_context import MARGIN
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.stream_kinds.relationship_stream import RelationshipStream
from tap_klaviyo_engagement.streams import SWITCHED, streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import iso

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
STREAMS = [
    stream for stream in streams_for(DEFAULT_REVISION) if stream.selected_by_default and stream not in SWITCHED
]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=120, events=600, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def empty() -> Iterator[Sandbox]:
    """An account with people but no events."""
    with Sandbox(profiles=10, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def extents(monkeypatch: pytest.MonkeyPatch) -> list[windows.Extent]:
    """How far each listing within a window was read."""
    found: list[windows.Extent] = []

    class Watched(windows.Extent):
        def __init__(self) -> None:
            super().__init__()
            found.append(self)

    monkeypatch.setattr(windows, "Extent", Watched)
    return found


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return _config(sandbox)


def _config(sandbox: Sandbox, **settings: object) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url, **settings}


def _now() -> datetime:
    return NOW


def _later(hours: float = 1) -> Callable[[], datetime]:
    return lambda: NOW + timedelta(hours=hours)


def _add_events(
    sandbox: Sandbox,
    moments: Mapping[str, datetime],
    metric: str | None = None,
    properties: Json | None = None,
) -> None:
    sandbox.store.add_events(
        Event(
            id=key,
            uuid=f"uuid-{key}",
            timestamp=int(at.timestamp()),
            metric_id=metric or sandbox.store.read("select id from metrics order by id limit 1")[0][0],
            profile_id=sandbox.store.read("select id from profiles limit 1")[0][0],
            properties=properties or {},
        )
        for key, at in moments.items()
    )


def _ids(records: list[Json]) -> list[str]:
    return sorted(record["id"] for record in records)


# What is read


def test_every_row_of_every_stream_is_read_once(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, [stream.name for stream in STREAMS], now=_now)
    counts = {stream: len(records) for stream, records in extract.records.items()}
    held = sandbox.control.counts()
    told = [each.name for each in STREAMS if issubclass(each, ListedStream) and each.tells_ids]
    whole = [each.name for each in STREAMS if issubclass(each, RelationshipStream)]
    snapshots = held["lists"] + held["segments"] + len(told) + len(whole)
    held |= {"membership_snapshots": snapshots, "profile_import_jobs": 0}
    held["resource_ids"] = sum(held[name] for name in told)
    assert counts == {name: held[name] for name in counts}
    assert set(counts) == {stream.name for stream in STREAMS}
    for stream in STREAMS:
        keys = [tuple(record[key] for key in stream.primary_keys) for record in extract.records[stream.name]]
        assert len(set(keys)) == len(keys), stream.name


def test_records_agree_with_the_schemas_that_were_written(config: Json, run_tap: RunTap) -> None:
    settings = {"include_subscriptions": True, "include_predictive_analytics": True}
    extract = run_tap(config | settings, now=_now)
    for stream, schema in extract.schemas.items():
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        for record in extract.records[stream]:
            validator.validate(record)
            assert record.keys() == schema["properties"].keys()


def test_campaigns_come_from_all_channels_archived_or_not(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    records = run_tap(config, ["campaigns"], now=_now).records["campaigns"]
    kinds = {(record["channel"], record["archived"]) for record in records}
    held = sandbox.store.read("select distinct channel, archived from campaigns")
    assert kinds == {(channel, bool(archived)) for channel, archived in held}
    assert {("email", True), ("email", False)} < kinds


def test_events_that_share_a_second_across_pages_are_all_read(empty: Sandbox, run_tap: RunTap) -> None:
    at = NOW - timedelta(days=1)
    _add_events(empty, {f"e{number:05d}": at for number in range(2_500)})
    extract = run_tap(_config(empty), ["events"], now=_now)
    assert _ids(extract.records["events"]) == [f"e{number:05d}" for number in range(2_500)]
    again = run_tap(_config(empty, event_lookback=0), ["events"], state=extract.state, now=_later())
    assert again.records["events"] == [], "the whole second is listed again, and none of it is new"


def test_only_selected_columns_are_asked_for_and_emitted(config: Json, run_tap: RunTap) -> None:
    columns = {"profiles": ["email"], "events": ["profile_id"], "campaign_messages": ["channel"]}
    extract = run_tap(config, columns, now=_now)
    assert extract.records["profiles"][0].keys() == {"id", "email", "updated"}
    assert extract.records["events"][0].keys() == {"id", "datetime", "profile_id"}
    assert extract.records["events"][0]["profile_id"]
    assert extract.schemas["campaign_messages"]["properties"].keys() == {"id", "updated_at", "channel"}
    assert {record["channel"] for record in extract.records["campaign_messages"]} >= {"email", "sms"}


def test_a_start_date_bounds_events_and_profiles_and_nothing_they_refer_to(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    start = NOW - timedelta(days=20)
    extract = run_tap(config | {"start_date": iso(start)}, now=_now)
    for stream, cursor, table in (("events", "timestamp", "events"), ("profiles", "updated", "profiles")):
        held = sandbox.store.read(f"select id from {table} where {cursor} >= ?", [int(start.timestamp())])  # noqa: S608
        assert _ids(extract.records[stream]) == sorted(row[0] for row in held)
        assert 0 < len(held) < sandbox.store.count(table)
    for stream in ("metrics", "lists", "segments", "templates", "campaigns", "campaign_messages"):
        assert len(extract.records[stream]) == sandbox.control.counts()[stream]


def test_metrics_are_kept_by_id_through_a_rename_and_by_name(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    metric = sandbox.store.metric_named("Opened Email", "klaviyo")
    assert metric is not None
    held = sorted(row[0] for row in sandbox.store.read("select id from events where metric_id = ?", [metric.id]))
    assert held
    by_name = run_tap(config | {"metrics": ["Opened Email"]}, ["events"], now=_now)
    assert _ids(by_name.records["events"]) == held
    sandbox.store.write("update metrics set name = 'Read Email' where id = ?", [[metric.id]])
    by_id = run_tap(config | {"metrics": [metric.id]}, ["events"], now=_now)
    assert _ids(by_id.records["events"]) == held


@pytest.mark.parametrize(
    "case",
    [
        ("metrics", "events", "Opened Email"),
        ("lists", "list_memberships", "Newsletter"),
        ("segments", "segment_memberships", "Demo audience"),
    ],
    ids=lambda case: case[0],
)
def test_a_name_that_does_not_exist_stops_its_stream_and_tells_what_does(
    case: tuple[str, str, str], config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    setting, stream, there = case
    extract = run_tap(config | {setting: ["Nobody"]}, [stream, "templates"], now=_now)
    assert extract.failed == [stream]
    assert extract.records["templates"]
    (line,) = _errors(caplog)
    assert f"the setting `{setting}` names 'Nobody', which does not exist" in line
    assert there in line


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_awkward_values_pass_as_they_are(empty: Sandbox, run_tap: RunTap) -> None:
    awkward = {
        "beyond 64 bits": 2**80,
        "tiny": 5e-324,
        "nested": {"a": [1, "1", None, {"b": []}]},
        "": "empty key",
        "emoji": "👩‍👩‍👧‍👦",
        "lines": "one\ntwo\x00\x1f",
    }
    _add_events(empty, {"e1": NOW - timedelta(days=1)}, properties=awkward)
    (profile,) = empty.store.profiles([empty.store.read("select id from profiles limit 1")[0][0]])
    empty.store.put_profile(replace(profile, location={"latitude": "59.9", "longitude": 10.75}))
    extract = run_tap(_config(empty) | {"nul_characters": "keep"}, ["events", "profiles"], now=_now)
    assert extract.records["events"][0]["event_properties"] == awkward
    (mended,) = run_tap(_config(empty), ["events"], now=_now).records["events"]
    assert mended["event_properties"] == awkward | {"lines": "one\ntwo\ufffd\x1f"}
    (record,) = (each for each in extract.records["profiles"] if each["id"] == profile.id)
    assert record["location"]["latitude"] == "59.9"
    assert record["location"]["longitude"] == 10.75


# What is remembered


def test_a_second_run_with_nothing_new_is_cheap(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, now=_now)
    before = Counter(sandbox.requests)
    second = run_tap(config | {"event_lookback": 0}, state=first.state, now=_later())
    asked = sandbox.requests - before
    assert asked["get_profiles 200"] <= 2
    assert asked["get_events 200"] <= 3
    assert asked["get_templates 200"] == 2, "what changed, and which there are"
    assert asked["get_messages_for_campaign 200"] <= 3, "drafts, and the newest"
    for stream in STREAMS:
        if stream.replication_key:
            assert len(second.records[stream.name]) < 10, stream.name
            assert second.bookmark(stream.name) == first.bookmark(stream.name)
    assert second.records["events"] == []


def test_bookmarks_are_what_was_emitted_and_never_within_the_margin(config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, now=_now)
    for stream in STREAMS:
        bookmark = extract.bookmark(stream.name)
        if stream.replication_key is None:
            assert bookmark is None
        else:
            told = {record[stream.replication_key] for record in extract.records[stream.name]}
            if told:
                assert bookmark is not None
                assert bookmark <= iso(NOW - MARGIN)
                # The bookmark of flows' messages follows what these are part of.
                assert bookmark in told or stream.name == "flow_messages"


def test_an_event_dated_ahead_is_emitted_and_moves_no_bookmark(empty: Sandbox, run_tap: RunTap) -> None:
    usual = NOW - timedelta(days=2)
    _add_events(empty, {"usual": usual, "ahead": NOW + timedelta(days=60)})
    first = run_tap(_config(empty), ["events"], now=_now)
    assert _ids(first.records["events"]) == ["ahead", "usual"]
    assert first.bookmark("events") == iso(usual)
    _add_events(empty, {"next": NOW + timedelta(minutes=30)})
    second = run_tap(_config(empty), ["events"], state=first.state, now=_later())
    assert "next" in _ids(second.records["events"])
    assert second.bookmark("events") == iso(NOW + timedelta(minutes=30))


def test_an_event_that_arrives_late_is_found_within_the_lookback(empty: Sandbox, run_tap: RunTap) -> None:
    _add_events(empty, {"newest": NOW - timedelta(days=1)})
    state = run_tap(_config(empty), ["events"], now=_now).state
    _add_events(empty, {"late": NOW - timedelta(days=7), "too late": NOW - timedelta(days=9)})
    found = run_tap(_config(empty), ["events"], state=state, now=_later()).records["events"]
    assert _ids(found) == ["late"]
    found = run_tap(_config(empty, event_lookback=30), ["events"], state=state, now=_later()).records["events"]
    assert _ids(found) == ["late"], "the state knows what was emitted within the lookback of the run before"


def test_an_event_that_appears_within_the_margin_is_found_by_a_run_right_after(
    empty: Sandbox, run_tap: RunTap
) -> None:
    """Two runs within the margin: no upper bound that Klaviyo takes lies behind what the first one read."""
    _add_events(empty, {f"e{second}": NOW - timedelta(seconds=second) for second in (0, 20, 40, 600)})
    first = run_tap(_config(empty), ["events"], now=_now)
    late = {"late 0": NOW, "late 10": NOW - timedelta(seconds=10), "late 700": NOW - timedelta(seconds=700)}
    _add_events(empty, late)
    second = run_tap(_config(empty), ["events"], state=first.state, now=_now)
    assert _ids(second.records["events"]) == sorted(late)
    assert run_tap(_config(empty), ["events"], state=second.state, now=_now).records["events"] == []


@pytest.mark.parametrize("behind", ["the bookmark's second", "the margin"])
def test_a_row_that_becomes_readable_late_is_not_lost(
    behind: str, sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    """Profiles have no lookback and no inclusive filter: the bound one second back and the margin save them."""
    (new, old, *others) = (row[0] for row in sandbox.store.read("select id from profiles order by id"))
    sandbox.store.touch_profiles(others, int((NOW - timedelta(days=2)).timestamp()))
    sandbox.store.touch_profiles([new], int((NOW - timedelta(seconds=30)).timestamp()))
    first = run_tap(config, ["profiles"], now=_now)
    assert first.bookmark("profiles") == iso(NOW - timedelta(days=2))
    at = NOW - (timedelta(days=2) if behind == "the bookmark's second" else timedelta(minutes=3))
    sandbox.store.touch_profiles([old], int(at.timestamp()))
    sandbox.clock.advance(3_600)
    second = run_tap(config, ["profiles"], state=first.state, now=_later())
    assert {new, old} <= {record["id"] for record in second.records["profiles"]}


def test_a_profile_that_changes_while_it_is_read_comes_again(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    """The row read before the change must not stand for the one after it."""
    sandbox.faults.add(TouchProfiles(operation="get_profiles", nth=2, times=6, count=5))
    first = run_tap(config, ["profiles"], now=_now)
    sandbox.faults.clear()
    sandbox.clock.advance(3_600)
    second = run_tap(config, ["profiles"], state=first.state, now=_later())
    latest = {record["id"]: record["updated"] for record in first.records["profiles"] + second.records["profiles"]}
    held = sandbox.store.read("select id, updated from profiles")
    assert latest == {key: iso(datetime.fromtimestamp(at, UTC)) for key, at in held}


def test_full_table_replication_reads_everything_and_moves_no_bookmark(empty: Sandbox, run_tap: RunTap) -> None:
    _add_events(empty, {"old": NOW - timedelta(days=90)})
    state = run_tap(_config(empty), ["events"], now=_now).state
    _add_events(empty, {"new": NOW - timedelta(days=1)})
    catalog = TapKlaviyoEngagement(config=_config(empty)).catalog_dict
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == "events")
    entry["replication_method"] = "FULL_TABLE"
    catalog["streams"] = [entry]
    extract = run_tap(_config(empty, event_lookback=0), catalog, state=state, now=_later())
    assert _ids(extract.records["events"]) == ["new", "old"]
    assert extract.state == state


def test_a_catalog_that_replicates_by_another_column_is_refused(config: Json, run_tap: RunTap) -> None:
    catalog = TapKlaviyoEngagement(config=config).catalog_dict
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == "events":
            entry["replication_key"] = "timestamp"
    with pytest.raises(ConfigurationError, match="`events` by `timestamp`: only `datetime`"):
        run_tap(config, catalog)


# Campaign messages and their templates


def test_a_template_assigned_to_a_draft_is_seen_though_no_time_moved(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    first = run_tap(config, ["campaign_messages"], now=_now)
    (draft, *_) = sandbox.store.read("select id from campaigns where status = 'Draft'")[0]
    (message, *_) = sandbox.store.messages_of(draft)
    sandbox.store.put(replace(message, template_id="TNEW00"))
    second = run_tap(config, ["campaign_messages"], state=first.state, now=_later())
    latest = {record["id"]: record["template_id"] for record in second.records["campaign_messages"]}
    assert latest[message.id] == "TNEW00"
    assert len(latest) < len(first.records["campaign_messages"]) / 2


def test_a_campaign_sent_since_the_bookmark_is_asked_for_its_template_again(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    first = run_tap(config, ["campaign_messages"], now=_now)
    (draft, *_) = sandbox.store.read("select id from campaigns where status = 'Draft'")[0]
    campaign, (message, *_) = sandbox.store.get(Campaign, draft), sandbox.store.messages_of(draft)
    assert campaign is not None
    sandbox.store.put(replace(message, template_id="TNEW00"))
    sandbox.store.put(replace(campaign, status="Sent", send_time=NOW))
    second = run_tap(config, ["campaign_messages"], state=first.state, now=_later())
    latest = {record["id"]: record["template_id"] for record in second.records["campaign_messages"]}
    assert latest[message.id] == "TNEW00"


def test_without_template_ids_no_campaign_is_asked_for_its_messages(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    columns = ["campaign_id", "channel", "label", "definition", "send_times", "created_at"]
    plain = run_tap(config, {"campaign_messages": columns}, now=_now).records["campaign_messages"]
    assert "get_messages_for_campaign 200" not in sandbox.requests
    whole = run_tap(config, ["campaign_messages"], now=_now).records["campaign_messages"]
    for record in whole:
        del record["template_id"]
    assert sorted(plain, key=lambda record: str(record["id"])) == sorted(
        whole, key=lambda record: str(record["id"])
    )


# Memberships


def test_joins_and_leaves_follow_from_two_snapshots(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter is not None
    first = run_tap(config | {"lists": ["Newsletter"]}, now=_now)
    leaver, *stayers = (profile.id for profile in sandbox.store.members_of(newsletter.id))
    sandbox.store.remove_members(newsletter.id, [leaver])
    second = run_tap(config | {"lists": ["Newsletter"]}, now=_later())
    rows = _upserted("list_memberships", ("list_id", "profile_id"), first, second)
    (snapshot,) = (
        row
        for row in _upserted("membership_snapshots", ("group_type", "group_id"), first, second)
        if row["group_type"] == "list"
    )
    assert snapshot == {
        "group_type": "list",
        "group_id": newsletter.id,
        "snapshot_at": iso(_later()()),
        "member_count": len(stayers),
    }
    current = [row["profile_id"] for row in rows if row["snapshot_at"] >= snapshot["snapshot_at"]]
    assert sorted(current) == stayers
    assert len(rows) == len(stayers) + 1


def _upserted(stream: str, keys: tuple[str, ...], *extracts: Any) -> list[Json]:  # noqa: ANN401
    """What a loader holds after these runs."""
    rows = {tuple(record[key] for key in keys): record for each in extracts for record in each.records[stream]}
    return list(rows.values())


def test_an_emptied_group_is_a_snapshot_of_nobody(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    group = sandbox.store.group_named("Waiting list", GroupKind.LIST)
    assert group is not None
    snapshots = run_tap(config, ["list_memberships", "membership_snapshots"], now=_now).records[
        "membership_snapshots"
    ]
    assert {each["group_id"]: each["member_count"] for each in snapshots}[group.id] == 0


def test_a_group_that_was_not_read_to_the_end_is_no_snapshot(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group is not None
    broken = f"/api/lists/{group.id}/profiles"
    sandbox.faults.add(Status(path=broken, status=500, times=None))
    extract = run_tap(config, now=_now)
    assert extract.failed == ["list_memberships"]
    snapshots = extract.records["membership_snapshots"]
    assert group.id not in {each["group_id"] for each in snapshots}
    assert {each["group_type"] for each in snapshots} >= {"segment"}


def test_a_group_deleted_while_groups_are_read_is_left_out(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    groups = [row[0] for row in sandbox.store.read("select id from groups where kind = 'segment'")]
    deleted: list[str] = []

    def deleting() -> datetime:
        """The groups are listed before the first is begun; then one of them goes."""
        if sandbox.requests["get_segments 200"] and not deleted:
            deleted.append(groups[-1])
            sandbox.store.write("delete from groups where id = ?", [deleted])
        return NOW

    extract = run_tap(config, ["segment_memberships", "membership_snapshots"], now=deleting)
    assert extract.failed == []
    read = {each["group_id"] for each in extract.records["membership_snapshots"]}
    assert read == set(groups) - set(deleted)
    assert f"The segment {deleted[0]} was deleted while it was read" in caplog.text


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
def test_who_left_has_left_also_where_the_clock_was_set_back(
    hours: float, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows of a later reading are later, whatever the machine's clock said in the one before."""
    streams = ["list_memberships", "profile_ids", "membership_snapshots"]
    first = run_tap(config, streams, now=_later(hours))
    latest = {each["group_id"]: each["snapshot_at"] for each in first.records["membership_snapshots"]}
    second = run_tap(config, streams, state=first.state, now=_now)
    third = run_tap(config, streams, state=second.state, now=_now)
    for extract in (second, third):
        snapshots = {each["group_id"]: each["snapshot_at"] for each in extract.records["membership_snapshots"]}
        assert all(snapshots[group] > before for group, before in latest.items())
        assert all(
            each["snapshot_at"] == snapshots[each["list_id"]] for each in extract.records["list_memberships"]
        )
        assert {each["swept_at"] for each in extract.records["profile_ids"]} == {snapshots["profiles"]}
        latest = snapshots
    assert "this machine's clock is or was wrong" in caplog.text


def test_a_list_of_the_setting_that_was_deleted_keeps_no_other_from_being_read(
    sandbox: Sandbox, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    """The run says so by its status, run after run, until somebody corrects the setting."""
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group is not None
    config = _config(sandbox, lists=["Deleted last week", "Newsletter"])
    extract = run_tap(config, ["list_memberships", "membership_snapshots"], now=_now)
    assert extract.failed == ["list_memberships"]
    assert {each["list_id"] for each in extract.records["list_memberships"]} == {group.id}
    assert [each["group_id"] for each in extract.records["membership_snapshots"]] == [group.id]
    assert "the setting `lists` names 'Deleted last week', which does not exist" in _errors(caplog)[0]


@pytest.mark.parametrize("nth", [1, 2])
def test_a_campaign_deleted_while_campaigns_are_read_is_left_out(
    nth: int, sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    streams = ["campaigns", "campaign_messages"]
    whole = run_tap(config, streams, now=_now)
    sandbox.faults.add(Missing(operation="get_messages_for_campaign", nth=nth))
    extract = run_tap(config, streams, now=_now)
    assert extract.failed == []
    assert extract.records["campaigns"] == whole.records["campaigns"]
    messages = [record["id"] for record in extract.records["campaign_messages"]]
    assert 0 < len(messages) < len(whole.records["campaign_messages"])
    assert "was deleted while it was read" in caplog.text


# What a failure leaves behind


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(nth=2, times=3), id="503"),
        pytest.param(Page(nth=2, times=2), id="HTML, 502"),
        pytest.param(Page(nth=2, times=2, status=200), id="HTML, 200"),
        pytest.param(Reset(nth=2, times=2), id="reset"),
        pytest.param(Truncate(nth=2, times=2), id="cut body"),
        pytest.param(Throttle(nth=2, times=3), id="429"),
        pytest.param(ExpiredCursor(), id="expired cursor"),
        pytest.param(Status(times=None, probability=0.4, status=500), id="500 now and then"),
    ],
)
def test_faults_that_pass_cost_no_row_and_repeat_none(
    fault: AnyFault, sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    streams = ["lists", "segments", "profiles", "events", "segment_memberships", "membership_snapshots"]
    sandbox.faults.add(fault)
    extract = run_tap(config, streams, now=_now)
    assert extract.failed == []
    counts = sandbox.control.counts() | {"membership_snapshots": sandbox.control.counts()["segments"]}
    for stream in streams:
        assert len(extract.records[stream]) == counts[stream], stream
    (report,) = sandbox.faults.report()
    assert report["struck"], "the fault never struck"


def test_a_cursor_that_always_expires_ends_its_stream(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults.add(ExpiredCursor(operation="get_profiles_for_segment", times=None))
    extract = run_tap(config, ["segment_memberships", "lists"], now=_now)
    assert extract.failed == ["segment_memberships"]
    assert "expired 3 times" in _errors(caplog)[0]


def test_a_stream_that_cannot_finish_keeps_its_bookmark_and_the_others_go_on(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    state = {
        "bookmarks": {
            "profiles": {"replication_key": "updated", "replication_key_value": "2026-01-01T00:00:00+00:00"}
        }
    }
    sandbox.faults.add(Status(operation="get_profiles", times=None))
    extract = run_tap(config, state=state, now=_now)
    assert extract.failed == ["profiles"]
    assert extract.bookmark("profiles") == "2026-01-01T00:00:00+00:00"
    assert len(extract.records["events"]) == sandbox.store.count("events")
    assert _errors(caplog) == ["profiles stopped and keeps its bookmark: GET /api/profiles answered 503"]


def test_windows_before_the_failure_are_kept(
    empty: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PAGES_WANTED", 1)
    moments = {f"e{number:04d}": NOW - timedelta(hours=number) for number in range(1, 5_001)}
    _add_events(empty, moments)
    empty.faults.add(Status(operation="get_events", nth=5, times=None))
    extract = run_tap(_config(empty, concurrency=1), ["events"], now=_now)
    assert extract.failed == ["events"]
    read = {record["id"]: record["datetime"] for record in extract.records["events"]}
    bookmark = extract.bookmark("events")
    assert bookmark is not None
    assert bookmark in read.values(), "at least a window was complete"
    assert {key for key, at in moments.items() if iso(at) <= bookmark} <= read.keys()
    empty.faults.clear()
    again = run_tap(_config(empty), ["events"], state=extract.state, now=_now).records["events"]
    assert read.keys() | set(_ids(again)) == moments.keys()
    assert len(again) < len(moments), "it went on from there"


def test_a_window_that_gets_denser_is_divided_on_the_way(
    empty: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet year, and then a send: its first page says nothing of it, and runs that are cut must get on."""
    monkeypatch.setattr(windows, "PAGES_WANTED", 1)
    monkeypatch.setattr(windows, "FIRST_CUT", 2)
    monkeypatch.setattr(emitter, "STATE_RECORDS", 1)
    send = NOW - timedelta(days=1)
    moments = {f"quiet {day}": NOW - timedelta(days=day) for day in range(2, 1_300)}
    moments |= {f"send {number}": send + timedelta(seconds=number // 4) for number in range(12_000)}
    _add_events(empty, moments)
    ids: list[str] = []
    state: Json = {}
    for _ in range(12):
        cut = run_tap(_config(empty, concurrency=2), ["events"], state=state, now=_now, breaks_after=6_500)
        ids += [record["id"] for record in cut.records["events"]]
        state = cut.state or state
        if not cut.killed:
            break
    assert not cut.killed, "every run began where the one before had"
    assert set(ids) == moments.keys()
    whole = run_tap(_config(empty), ["events"], now=_now)
    assert _ids(whole.records["events"]) == sorted(moments), "each once, though parts are read again"


def test_a_send_at_the_beginning_is_not_taken_for_the_density_of_all_that_follows(
    empty: Sandbox, run_tap: RunTap
) -> None:
    """Its page would divide the rest into windows of minutes: each costs a request, also if it has no row."""
    begin = NOW - timedelta(days=100)
    moments = {f"send {number}": begin + timedelta(seconds=number // 100) for number in range(1_100)}
    moments |= {f"later {number}": begin + timedelta(minutes=10 * number) for number in range(1, 11_000)}
    _add_events(empty, moments)
    extract = run_tap(_config(empty), ["events"], now=_now)
    assert _ids(extract.records["events"]) == sorted(moments)
    assert empty.requests["get_events 200"] < 2 * 13 + 16


def test_what_is_left_of_a_window_that_gets_denser_is_read_by_others(
    empty: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, extents: list[windows.Extent]
) -> None:
    """A shop that grows: a window as long as the first ones has many times their rows, read page by page."""
    monkeypatch.setattr(windows, "PAGES_WANTED", 2)
    moments = {
        f"event {number}": NOW - timedelta(days=1_000) * 0.9997**number + timedelta(milliseconds=number)
        for number in range(30_000)
    }
    _add_events(empty, moments)
    extract = run_tap(_config(empty), ["events"], now=_now)
    assert _ids(extract.records["events"]) == sorted(moments)
    assert max(extent.pages for extent in extents) <= 6
    assert empty.requests["get_events 200"] < 60


def test_what_is_shared_with_idle_workers_is_read_once(
    empty: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, extents: list[windows.Extent]
) -> None:
    """As if others had nothing to read all the time: every part is divided, in the midst of seconds too."""
    monkeypatch.setattr(windows, "LEAST_PARTS", 2)
    monkeypatch.setattr(windows, "PAGES_WANTED", 5)
    monkeypatch.setattr(windows, "PAGES_SHARED", 1)
    moments = {f"event {number}": NOW - timedelta(seconds=3_000 - number // 5) for number in range(12_000)}
    moments |= {f"tie {number}": NOW - timedelta(seconds=1_500) for number in range(1_700)}
    _add_events(empty, moments)
    most = []
    for idle in (False, True):
        monkeypatch.setattr(ConcurrentReader, "has_idle_workers", lambda _, idle=idle: idle)
        extents.clear()
        extract = run_tap(_config(empty), ["events"], now=_now)
        assert _ids(extract.records["events"]) == sorted(moments)
        assert extract.bookmark("events") == max(record["datetime"] for record in extract.records["events"])
        most.append(max(extent.pages for extent in extents))
    assert most[1] < most[0]


def test_a_group_read_in_several_windows_is_one_snapshot_and_none_if_cut(
    run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PAGES_WANTED", 1)
    streams = ["segment_memberships", "membership_snapshots"]
    with Sandbox(profiles=2_500, events=0, everybody=True, clock=Clock(lambda: NOW)) as account:
        config = _config(account, segments=["Everybody"], concurrency=4)
        whole = run_tap(config, streams, now=_now).records
        assert len({record["profile_id"] for record in whole["segment_memberships"]}) == 2_500
        (snapshot,) = whole["membership_snapshots"]
        assert snapshot["member_count"] == 2_500
        assert sum(account.requests.values()) > 26, "in several windows"
        account.faults.add(Status(operation="get_profiles_for_segment", nth=20, times=None))
        cut = run_tap(config, streams, now=_now)
        assert cut.failed == ["segment_memberships"]
        assert cut.records["membership_snapshots"] == []


def test_a_missing_scope_stops_its_stream_alone_and_is_named(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    scopes = {scope for stream in STREAMS if stream.operation for scope in ENDPOINTS[stream.operation].scopes}
    key = sandbox.key(scopes - {"templates:read"})
    extract = run_tap(config | {"api_key": key}, [stream.name for stream in STREAMS], now=_now)
    assert extract.failed == ["templates", "universal_content"]
    lines = _errors(caplog)
    assert len(lines) == 2
    assert all("`templates:read`" in line for line in lines)
    told = {stream for stream, records in extract.records.items() if records}
    assert {stream.name for stream in STREAMS} - told == {*extract.failed, "profile_import_jobs"}, (
        "nothing was imported"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key": "pk_wrong_0123456789"}, "api_key"),
        ({"api_url": "http://127.0.0.1:9"}, "api_url"),
    ],
)
def test_what_no_stream_survives_is_told_once(
    wrong: Json, said: str, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as end:
        run_tap(config | wrong, now=_now)
    assert end.value.code == 1
    (line,) = _errors(caplog)
    assert f"`{said}`" in line


def test_a_state_that_is_none_stops_its_stream(
    config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    state = {"bookmarks": {"events": {"replication_key": "datetime", "replication_key_value": "yesterday"}}}
    extract = run_tap(config, ["events"], state=state, now=_now)
    assert extract.failed == ["events"]
    assert "'yesterday' as its bookmark" in _errors(caplog)[0]


def test_a_bookmark_of_another_column_or_in_another_form_is_no_surprise(config: Json, run_tap: RunTap) -> None:
    other = {"bookmarks": {"events": {"replication_key": "timestamp", "replication_key_value": 1}}}
    everything = len(run_tap(config, ["events"], state=other, now=_now).records["events"])
    spaced = {
        "bookmarks": {"events": {"replication_key": "datetime", "replication_key_value": "2026-09-01 00:00:00Z"}}
    }
    some = len(run_tap(config, ["events"], state=spaced, now=_now).records["events"])
    assert 0 < some < everything


def test_a_bookmark_in_the_future_heals(empty: Sandbox, run_tap: RunTap) -> None:
    _add_events(empty, {"new": NOW - timedelta(minutes=1)})
    state = {
        "bookmarks": {"events": {"replication_key": "datetime", "replication_key_value": "2027-01-01T00:00:00Z"}}
    }
    extract = run_tap(_config(empty), ["events"], state=state, now=_now)
    assert _ids(extract.records["events"]) == ["new"]
    assert extract.bookmark("events") <= iso(NOW - MARGIN)
