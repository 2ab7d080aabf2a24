"""Pages: every row once, in order, whatever the ties; and what a keyset cursor does while rows move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typing_extensions import override

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import Event, GroupKind, Metric, Profile
from klaviyo_sandbox.protocol.filters import Condition
from klaviyo_sandbox.protocol.queries import Position, Query
from klaviyo_sandbox.state.pages import Column, Listing
from klaviyo_sandbox.state.store import Store
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from klaviyo_sandbox.state.database import Row

T0 = 1_780_000_000


def walk(api: requests.Session, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
    """The data of every page."""
    response = api.get(path, params=query)
    while True:
        assert response.ok, response.text
        document = response.json()
        yield document["data"]
        assert document["links"]["prev"] is None
        if document["links"]["next"] is None:
            return
        response = api.get(document["links"]["next"])


def events(timestamps: list[int], seed: int = 7) -> list[Event]:
    rng = Random(seed)  # noqa: S311
    return [
        Event(
            id=ids.event(rng),
            uuid=ids.event_uuid(rng, at),
            timestamp=at,
            metric_id="SECOND",
            profile_id=None,
            properties={},
        )
        for at in timestamps
    ]


@settings(max_examples=60, deadline=None)
@given(
    timestamps=st.lists(st.integers(T0, T0 + 3), max_size=40),
    size=st.integers(1, 9),
    descending=st.booleans(),
)
def test_every_row_comes_once_and_in_order_whatever_the_ties(
    timestamps: list[int], size: int, *, descending: bool
) -> None:
    store = Store()
    store.add_events(events(timestamps))
    listing = Listing(source="events", columns="id", id="id", sorts={"datetime": "timestamp"})
    rows, after = [], None
    while True:
        query = Query(sort="datetime", descending=descending, size=size, after=after)
        page = listing.page(store, query)
        assert len(page.rows) <= size
        rows += [(row[-2], row[-1]) for row in page.rows]
        if not page.more:
            break
        after = Position(rows[-1][0], rows[-1][1], 0)
    assert rows == sorted(rows, reverse=descending)
    assert {row[1] for row in rows} == {each.id for each in events(timestamps)}
    assert len(rows) == len(timestamps)
    store.close()


def test_one_second_over_many_pages(sandbox: Sandbox, api: requests.Session) -> None:
    made = events([T0] * 25)
    sandbox.store.add_events(made)
    pages = list(
        walk(api, "/api/events", filter='equals(metric_id,"SECOND")', sort="datetime", **{"page[size]": "4"})
    )
    assert [len(page) for page in pages] == [4, 4, 4, 4, 4, 4, 1]
    assert [row["id"] for page in pages for row in page] == sorted(each.id for each in made)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 10**400])
def test_a_whole_number_may_be_larger_than_a_column_holds(api: requests.Session, number: int) -> None:
    for operator, sign, everything in (
        ("greater-than", "", False),
        ("greater-than", "-", True),
        ("less-than", "", True),
        ("less-than", "-", False),
    ):
        found = api.get("/api/events", params={"filter": f"{operator}(timestamp,{sign}{number})"})
        assert found.ok, found.text
        assert bool(found.json()["data"]) is everything


def test_a_full_last_page_has_no_next(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.add_events(events([T0, T0 + 1]))
    query = {"filter": 'equals(metric_id,"SECOND")', "page[size]": "2"}
    assert [len(page) for page in walk(api, "/api/events", **query)] == [2]


def test_links_are_whole_encoded_addresses_of_this_sandbox(sandbox: Sandbox, api: requests.Session) -> None:
    query = {
        "fields[event]": "datetime",
        "filter": "greater-than(datetime,2020-01-01T00:00:00+00:00),has(profile)",
        "page[size]": "3",
    }
    links = api.get("/api/events", params=query).json()["links"]
    own = (
        f"{sandbox.url}/api/events?fields%5Bevent%5D=datetime"
        "&filter=greater-than%28datetime%2C2020-01-01T00%3A00%3A00%2B00%3A00%29%2Chas%28profile%29&page%5Bsize%5D=3"
    )
    assert links["self"] == own
    assert links["next"].startswith(f"{own}&page%5Bcursor%5D=")


@pytest.mark.parametrize("change", [{"page[size]": "4"}, {"sort": "-datetime"}, {"filter": "has(metric)"}])
def test_a_cursor_belongs_to_its_parameters(api: requests.Session, change: dict[str, str]) -> None:
    query = {"page[size]": "3", "sort": "datetime"}
    first = api.get("/api/events", params=query).json()["links"]["next"]
    cursor = first.rpartition("=")[2]
    assert api.get("/api/events", params={**query, "page[cursor]": cursor}).ok
    refused = api.get("/api/events", params={**query, **change, "page[cursor]": cursor})
    assert refused.json()["errors"][0]["source"] == {"parameter": "page_cursor"}
    other = api.get("/api/profiles", params={"page[size]": "3", "page[cursor]": cursor})
    assert other.status_code == 400


def test_rows_behind_the_cursor_are_missed_and_rows_ahead_are_found(
    sandbox: Sandbox, api: requests.Session
) -> None:
    sandbox.store.add_events(events([T0 + 10, T0 + 20, T0 + 30]))
    query = {"filter": 'equals(metric_id,"SECOND")', "sort": "datetime", "page[size]": "2"}
    pages = walk(api, "/api/events", **query)
    seen = [row["attributes"]["timestamp"] for row in next(pages)]
    sandbox.store.add_events(events([T0 + 5, T0 + 25], seed=8))
    seen += [row["attributes"]["timestamp"] for page in pages for row in page]
    assert seen == [T0 + 10, T0 + 20, T0 + 25, T0 + 30]


def test_a_profile_that_changes_while_paged_comes_twice(sandbox: Sandbox, api: requests.Session) -> None:
    pages = walk(api, "/api/profiles", sort="updated", **{"page[size]": "20"})
    first = [row["id"] for row in next(pages)]
    sandbox.store.touch_profiles(first[:1], sandbox.clock.seconds() + 1)
    rest = [row["id"] for page in pages for row in page]
    assert rest[-1] == first[0]
    assert len({*first, *rest}) == 60


@pytest.mark.parametrize("sort", ["created", "-created", "email", "id", "-updated"])
def test_profiles_in_every_order(sandbox: Sandbox, api: requests.Session, sort: str) -> None:
    at = sandbox.clock.seconds()
    sandbox.store.add_profiles(Profile(id=f"NOMAIL{number}", created=at, updated=at) for number in range(3))
    rows = [row for page in walk(api, "/api/profiles", sort=sort, **{"page[size]": "7"}) for row in page]
    assert len({row["id"] for row in rows}) == 63
    name = sort.removeprefix("-")
    keys = [row["id"] if name == "id" else row["attributes"][name] or "" for row in rows]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("path", ["profiles", "relationships/profiles"])
def test_all_members_come_in_the_order_they_joined(sandbox: Sandbox, api: requests.Session, path: str) -> None:
    group = sandbox.store.group_named("Demo audience", GroupKind.SEGMENT)
    assert group
    whole = f"/api/segments/{group.id}/{path}"
    found = [row["id"] for page in walk(api, whole, sort="joined_group_at", **{"page[size]": "5"}) for row in page]
    expected = sandbox.store.read(
        "select profile_id from members where group_id = ? order by joined, profile_id", [group.id]
    )
    assert found == [row[0] for row in expected]


def test_metrics_come_200_a_page(sandbox: Sandbox, api: requests.Session) -> None:
    (known,) = sandbox.store.read("select id from metrics limit 1")
    metric = sandbox.store.get(Metric, known[0])
    assert metric
    before = sandbox.store.count("metrics")
    sandbox.store.add(replace(metric, id=f"M{number:05}") for number in range(200))
    assert [len(page) for page in walk(api, "/api/metrics")] == [200, before]


# filters against a plain reading of the rows

OPERATORS = {
    Operator.LESS_THAN: int.__lt__,
    Operator.LESS_OR_EQUAL: int.__le__,
    Operator.GREATER_THAN: int.__gt__,
    Operator.GREATER_OR_EQUAL: int.__ge__,
}


@given(st.lists(st.integers(0, 9)), st.sampled_from(list(OPERATORS)), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_bounds_agree_with_python(values: list[int], operator: Operator, bound: int) -> None:
    store = Store()
    store.add_events(events(values))
    listing = Listing(
        source="events",
        columns="id",
        id="id",
        filters={"timestamp": Column("timestamp")},
        sorts={"timestamp": "timestamp"},
    )
    query = Query(conditions=[Condition(operator, "timestamp", (bound,))], sort="timestamp", size=100)
    found = [row[-2] for row in listing.page(store, query).rows]
    assert found == sorted(each for each in values if OPERATORS[operator](each, bound))
    store.close()


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.integers(0, 9), max_size=30),
    bounds=st.lists(st.tuples(st.sampled_from(list(OPERATORS)), st.integers(0, 9)), max_size=3),
    size=st.integers(1, 4),
    descending=st.booleans(),
)
def test_every_page_of_a_window_keeps_to_it(
    values: list[int], bounds: list[tuple[Operator, int]], size: int, *, descending: bool
) -> None:
    store = Store()
    store.add_events(events(values))
    listing = Listing(
        source="events",
        columns="id",
        id="id",
        filters={"timestamp": Column("timestamp")},
        sorts={"timestamp": "timestamp"},
    )
    conditions = [Condition(operator, "timestamp", (bound,)) for operator, bound in bounds]
    found: list[int] = []
    after = None
    while True:
        query = Query(conditions=conditions, sort="timestamp", descending=descending, size=size, after=after)
        page = listing.page(store, query)
        found += [row[-2] for row in page.rows]
        if not page.more:
            break
        after = Position(page.rows[-1][-2], page.rows[-1][-1], 0)
    kept = [each for each in values if all(OPERATORS[operator](each, bound) for operator, bound in bounds)]
    assert found == sorted(kept, reverse=descending)
    store.close()


class Recording(Store):
    """Remembers what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Sequence[object]]] = []

    @override
    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        self.asked.append((sql, values))
        return super().read(sql, values)


@pytest.mark.parametrize("descending", [False, True])
def test_a_page_of_a_window_begins_where_the_last_one_ended(*, descending: bool) -> None:
    """The database does not step over what earlier pages held: reading a window would cost its square."""
    store = Recording()
    listing = Listing(
        source="events",
        columns="id",
        id="id",
        filters={"timestamp": Column("timestamp")},
        sorts={"timestamp": "timestamp"},
    )
    window = [Condition(each, "timestamp", (T0,)) for each in (Operator.GREATER_OR_EQUAL, Operator.LESS_THAN)]
    after = Position(T0 + 1, "A", 0)
    listing.page(store, Query(conditions=window, sort="timestamp", descending=descending, size=3, after=after))
    ((sql, values),) = store.asked
    ((*_, plan),) = store.read(f"explain query plan {sql}", values)
    assert f"(timestamp,id){'<' if descending else '>'}(?,?)" in plan
    store.close()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("greater-than(updated,{t})", ["c"]),
        ("less-than(updated,{t})", ["a"]),
        ('any(id,["a","c"])', ["a", "c"]),
        ("equals(email,'B@Shop.Example')", ["b"]),
        ('equals(phone_number,"+4511111111")', ["a"]),
        ('any(external_id,["x3","x9"])', ["c"]),
        ('equals(_kx,"abc")', []),
        ('and(any(id,["a","b"]),greater-than(updated,{before}))', ["a", "b"]),
        ('any(id,["a","b"]),less-than(updated,{t})', ["a"]),
    ],
)
def test_profile_filters(sandbox: Sandbox, api: requests.Session, expression: str, expected: list[str]) -> None:
    at = 1_000_000_000
    sandbox.store.add_profiles(
        [
            Profile(id="a", created=at, updated=at - 1, phone_number="+4511111111"),
            Profile(id="b", created=at, updated=at, email="b@shop.example"),
            Profile(id="c", created=at, updated=at + 1, external_id="x3"),
        ]
    )
    query = expression.format(t="2001-09-09T01:46:40Z", before="2001-09-09T00:46:40+00:00")
    rows = api.get("/api/profiles", params={"filter": query, "page[size]": "100"}).json()["data"]
    assert [row["id"] for row in rows if len(row["id"]) == 1] == expected
