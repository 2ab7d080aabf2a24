"""The store, the clock and the ids."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoints
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model import clock as clock_module
from klaviyo_sandbox.model import ids, times
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Consent, ConsentState, Event, Group, GroupKind, Membership, Profile
from klaviyo_sandbox.model.tables import Column, Key, Table
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.filters import Condition
from klaviyo_sandbox.protocol.queries import Query
from klaviyo_sandbox.sandbox import _seeder
from klaviyo_sandbox.state.pages import listing_of
from klaviyo_sandbox.state.repository import layout_of
from klaviyo_sandbox.state.store import Store
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ADA = Profile(
    id="ADA",
    email="Ada@shop.example",
    phone_number="+4512345678",
    external_id="crm-1",
    first_name="Ada",
    created=10,
    updated=20,
    last_event_date=15,
    location={"city": "Zürich"},
    properties={"nested": {"a": [1, None, True, 1.5, "é"]}},
    email_marketing=Consent(ConsentState.SUBSCRIBED, NOW),
    predictive_analytics={"total_clv": 3.5},
)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    store.add_profiles([ADA])
    yield store
    store.close()


def event(event_id: str, timestamp: int, profile_id: str | None = "ADA") -> Event:
    return Event(
        id=event_id, uuid="u", timestamp=timestamp, metric_id="M", profile_id=profile_id, properties={"a": 1}
    )


def test_a_profile_comes_back_whole_by_every_identifier(store: Store) -> None:
    found = [
        store.profile("ADA"),
        store.profile_by("email", "ADA@SHOP.EXAMPLE"),
        store.profile_by("phone_number", "+4512345678"),
        store.profile_by("external_id", "crm-1"),
    ]
    assert found == [ADA] * 4
    assert store.profile_by("external_id", "CRM-1") is None


def test_identifiers_are_unique_and_a_failed_insert_leaves_nothing(store: Store) -> None:
    twins = [
        Profile(id="BEE", created=1, updated=1),
        Profile(id="EVE", email="ada@shop.example", created=1, updated=1),
    ]
    with pytest.raises(sqlite3.IntegrityError):
        store.add_profiles(twins)
    assert store.count("profiles") == 1


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def half() -> None:
        with store.transaction():
            store.touch_profiles(["ADA"], 99)
            store.add_profiles([ADA])

    with pytest.raises(sqlite3.IntegrityError):
        half()
    assert store.profile("ADA") == ADA


def test_events_move_the_last_event_date_and_when_received_updated(store: Store) -> None:
    store.add_events([event("E1", 12), event("E2", 30), event("E3", 25)])
    seeded = store.profile("ADA")
    assert seeded
    assert (seeded.last_event_date, seeded.updated) == (30, 20)
    store.add_events([event("E4", 28)], received_at=40)
    received = store.profile("ADA")
    assert received
    assert (received.last_event_date, received.updated) == (30, 40)


def test_late_events_are_nowhere_until_their_time(store: Store) -> None:
    store.add_events([event("E1", 30)], visible_at=50)
    store.add_events([event("E2", 31)], visible_at=60)
    assert (store.count("events"), store.profile("ADA")) == (0, ADA)
    assert [store.release_events(at) for at in (49, 50, 50)] == [0, 1, 0]
    assert store.read("select id from events") == [("E1",)]
    assert store.release_events() == 1
    late = store.profile("ADA")
    assert late
    assert late.last_event_date == 31


def test_withheld_events_come_back_as_they_were(store: Store) -> None:
    store.add_events([event("E1", 30), event("E2", 31, None)])
    before = store.read("select * from events order by id")
    store.withhold_events(["E1", "E2", "none"], visible_at=99)
    assert store.count("events") == 0
    store.release_events(99)
    assert store.read("select * from events order by id") == before


def test_seeding_builds_the_same_indexes(store: Store) -> None:
    indexes = "select name, sql from sqlite_master where type = 'index' order by name"
    before = store.read(indexes)
    with store.seeding():
        store.add_events([event("E1", 1)])
        assert store.read(indexes) != before
    assert store.read(indexes) == before


def test_who_joins_again_keeps_the_first_time(store: Store) -> None:
    store.put(Group(id="L", kind=GroupKind.LIST, name="VIP", created=1, updated=1))
    store.add_members([Membership("L", "ADA", 5), Membership("L", "ADA", 9)])
    assert store.read("select joined from members") == [(5,)]
    assert store.members_of("L") == [ADA]
    store.remove_members("L", ["ADA"])
    assert store.members_of("L") == []


def test_a_group_is_found_by_its_kind_only(store: Store) -> None:
    store.put(Group(id="S", kind=GroupKind.SEGMENT, name="VIP", created=1, updated=1))
    assert store.group("S") == store.group("S", GroupKind.SEGMENT) == store.group_named("VIP", GroupKind.SEGMENT)
    assert store.group("S", GroupKind.LIST) is None
    assert store.group_named("VIP", GroupKind.LIST) is None


# the clock


def test_the_clock_runs_jumps_and_stands() -> None:
    readings = iter([NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)])
    clock = Clock(lambda: next(readings))
    assert clock.now() == NOW
    clock.advance(60)
    assert clock.now() == NOW + timedelta(seconds=61)
    clock.freeze()
    assert clock.now() == clock.now() == NOW + timedelta(seconds=62)
    clock.advance(0.5)
    assert clock.now() == NOW + timedelta(seconds=62.5)
    clock.freeze(NOW)
    assert (clock.now(), clock.seconds()) == (NOW, int(NOW.timestamp()))


def test_the_clock_follows_no_jump_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now, passed = [NOW], [100.0]
    monkeypatch.setattr(clock_module, "datetime", SimpleNamespace(now=lambda _zone: now[0]))
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    clock = Clock()
    for jump in (-3_600, 3_600, 86_400):
        now[0] += timedelta(seconds=jump)
        passed[0] += 1
    assert clock.now() == NOW + timedelta(seconds=3)


# ids and times


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_profile_ids_sort_by_time(first: int, second: int) -> None:
    rng = Random(1)  # noqa: S311
    one, other = ids.ulid(rng, first), ids.ulid(rng, second)
    assert len(one) == 26
    if first != second:
        assert (one < other) == (first < second)


@given(st.integers(0, 4_000_000_000), st.integers())
def test_an_event_uuid_holds_the_time_of_occurrence(timestamp: int, seed: int) -> None:
    found = uuid.UUID(ids.event_uuid(Random(seed), timestamp))  # noqa: S311
    assert found.version == 1
    assert (found.time - 0x01B21DD213814000) // 10_000_000 == timestamp


def test_ids_have_klaviyos_lengths_and_rarely_repeat() -> None:
    rng = Random(1)  # noqa: S311
    events, groups = [{make(rng) for _ in range(2_000)} for make in (ids.event, ids.short)]
    assert {len(each) for each in events} == {11}
    assert {len(each) for each in groups} == {6}
    assert (len(events), len(groups)) == (2_000, 2_000)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_written_as_klaviyo_writes_them(moment: datetime) -> None:
    written = times.micros(moment)
    assert (len(written), times.parse(written)) == (32, moment)
    assert times.parse(times.seconds(int(moment.timestamp()))) == moment.replace(microsecond=0)


# declarations


class Shelf(Struct, frozen=True, kw_only=True):
    """A record that the sandbox does not have, with a column of every type."""

    table: ClassVar = Table("shelves", derived={"shouted": lambda shelf: shelf.name.upper()}, indexes=("name",))

    id: Key[str]
    name: Column[str]
    default: Column[bool] = False
    items: Column[int] = 0
    weight: Column[float | None] = None
    kind: Column[GroupKind] = GroupKind.LIST
    opened_at: Column[datetime | None] = None
    labels: list[str] = field(default_factory=list)


class Load(Struct, frozen=True):
    """A record of columns only."""

    table: ClassVar = Table("loads")

    shelf_id: Key[str]
    item_id: Key[str]
    at: Column[datetime]
    full: Column[bool] = False
    kind: Column[GroupKind | None] = None


SHELF = Shelf(
    id="A",
    name="top",
    default=True,
    items=2**53 + 1,
    weight=1.5,
    kind=GroupKind.SEGMENT,
    opened_at=NOW,
    labels=["x"],
)


@pytest.fixture
def shelves(store: Store) -> Store:
    for kind in (Shelf, Load):
        store._connection.executescript(layout_of(kind).schema)
    return store


def test_a_declared_record_has_a_table_and_comes_back_whole(shelves: Store) -> None:
    shelves.put(SHELF)
    shelves.put(Shelf(id="B", name="low"))
    assert shelves.get(Shelf, "A") == SHELF
    assert shelves.read('select id, name, "default", items, weight, kind, opened_at, shouted from shelves') == [
        ("A", "top", 1, 2**53 + 1, 1.5, "segment", "2026-11-02T09:30:00.000000+00:00", "TOP"),
        ("B", "low", 0, 0, None, "list", None, "LOW"),
    ]
    shelves.put(msgspec.structs.replace(SHELF, items=1))
    assert [each.items for each in shelves.find(Shelf, "true order by name")] == [0, 1]
    shelves.delete(Shelf, "A")
    assert shelves.get(Shelf, "A") is None


def test_a_record_of_columns_only_is_kept_once_by_all_of_its_keys(shelves: Store) -> None:
    loads = [Load("A", "1", NOW, full=True, kind=GroupKind.LIST), Load("A", "2", NOW + timedelta(microseconds=1))]
    assert shelves.add(loads) == 2
    assert shelves.add([Load("A", "1", NOW)], clash="ignore") == 0
    assert shelves.find(Load, "true order by at") == loads
    assert [each[1] for each in shelves.read("pragma table_info(loads)")] == [
        "shelf_id",
        "item_id",
        "at",
        "full",
        "kind",
    ]


def test_every_column_of_a_declared_record_filters_and_sorts(shelves: Store) -> None:
    shelves.put(SHELF)
    shelves.put(Shelf(id="B", name="low"))
    listing = listing_of(Shelf)

    def found(field: str, operator: Operator, value: str | int | datetime) -> list[str]:
        page = listing.page(shelves, Query(conditions=[Condition(operator, field, (value,))]))
        return [each.id for each in listing.records(page)]

    assert found("items", Operator.GREATER_THAN, 2**53) == ["A"]
    assert found("default", Operator.EQUALS, True) == ["A"]  # noqa: FBT003
    assert found("opened_at", Operator.GREATER_OR_EQUAL, NOW) == ["A"]
    assert found("kind", Operator.EQUALS, "list") == ["B"]
    for name in ("id", "name", "default", "items", "weight", "kind", "opened_at"):
        assert len(listing.page(shelves, Query(sort=name, size=2)).rows) == 2


def test_what_cannot_be_a_column_is_refused() -> None:
    class Odd(Struct):
        table: ClassVar = Table("odd")
        things: Column[list[str]]

    with pytest.raises(TypeError, match=r"Odd\.things cannot be a column"):
        layout_of(Odd)


def test_an_operation_is_registered_once_and_has_an_entry() -> None:
    def get_nothing(_: object) -> Answer:
        raise NotImplementedError

    def get_tags(_: object) -> Answer:
        raise NotImplementedError

    with pytest.raises(LookupError, match=r"get_nothing is no operation"):
        operation(get_nothing)
    with pytest.raises(LookupError, match=r"get_tags has two handlers"):
        operation(get_tags)


def test_an_install_without_a_seed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = SimpleNamespace(entry_points=EntryPoints(()))
    monkeypatch.setattr("klaviyo_sandbox.sandbox.distribution", lambda _: empty)
    monkeypatch.setattr("klaviyo_sandbox.sandbox._seeder", _seeder.__wrapped__)
    with pytest.raises(RuntimeError, match="make setup"):
        Sandbox(profiles=0, events=0)
