"""Late events are emitted once and only they; what the state remembers for it is bounded and never misleads."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Missing
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint, Page
from tap_klaviyo_engagement.state.emitted_ids import EXACT, EmittedIds, Sketch, digest
from tap_klaviyo_engagement.stream_kinds import listed_stream
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]

WHOLE = int(os.environ.get("CHAOS_KILLS", "25")) >= 25
"""Whether as many accounts are tried as by `make chaos`; `make test` takes a sample, the same each time."""
DIGESTS = st.integers(0, 2**64 - 1)
TOLD = 2_500
"""Differences that a table always tells."""


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """What never ends, fails."""

    def fail(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail("it does not end")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, 30, 5)  # again and again: a property is tried again when it fails
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def _random(seed: int, count: int) -> list[int]:
    random = Random(seed)  # noqa: S311 - ids
    return [random.getrandbits(64) for _ in range(count)]


# A day's sketch


@settings(deadline=None)
@given(added=st.lists(st.lists(DIGESTS, max_size=30), max_size=5), listed=st.sets(DIGESTS, max_size=30))
def test_a_small_set_is_exact(added: list[list[int]], listed: set[int]) -> None:
    sketch = Sketch()
    for some in added:
        sketch.add(some)
    emitted = {each for some in added for each in some}
    asked = listed | set(list(emitted)[::2])
    assert sketch.unseen(asked) == asked - emitted
    assert sketch.ids() == emitted


def test_the_largest_exact_set_tells_any_difference() -> None:
    emitted, new = _random(0, EXACT), _random(1, 100_000)
    sketch = Sketch(emitted)
    assert sketch.unseen(emitted[::2] + new) == set(new)
    assert sketch.ids() == set(emitted)
    sketch.add(new[:1])
    with pytest.raises(ValueError, match="table"):
        sketch.ids()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("added", "removed"),
    [(TOLD, 0), (0, TOLD), (TOLD // 2, TOLD // 2), (TOLD - 100, 100), (100, 100), (1, 0), (0, 0)],
)
def test_a_table_tells_additions_and_removals(added: int, removed: int, seed: int) -> None:
    emitted, new = _random(seed, 3 * EXACT), _random(~seed, added)
    sketch = Sketch(emitted)
    assert sketch.unseen(emitted[removed:] + new) == set(new)
    assert sketch.unseen(emitted[removed:] + new) == set(new), "asking changes nothing"


@pytest.mark.parametrize("seed", range(25))
def test_a_table_that_cannot_tell_says_so(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    differences, removed = random.randrange(TOLD, 9_000), random.choice([0, 0.1, 0.5, 0.9, 1])
    gone = min(int(differences * removed), EXACT)
    emitted, new = _random(seed, EXACT + 1), _random(~seed, differences - gone)
    assert Sketch(emitted).unseen(emitted[gone:] + new) in (None, set(new))


def test_a_table_made_bit_by_bit_is_the_same() -> None:
    emitted = _random(2, EXACT + 3_000)
    bit_by_bit = Sketch()
    for position in range(0, len(emitted), 500):
        bit_by_bit.add(emitted[position : position + 500])
    assert bit_by_bit.dump() == Sketch(emitted).dump() == Sketch(reversed(emitted)).dump()


@pytest.mark.parametrize("count", [0, 1, 100, EXACT, EXACT + 1, 20_000])
def test_a_sketch_survives_its_text(count: int) -> None:
    emitted, new = _random(3, count), _random(4, 50)
    loaded = Sketch.load(json.loads(json.dumps(Sketch(emitted).dump())))
    assert loaded.unseen(emitted + new) == set(new)
    loaded.add(new)
    assert loaded.dump() == Sketch(emitted + new).dump()
    assert loaded.unseen(emitted + new) == set()


GARBAGE = st.one_of(
    st.text(max_size=50),
    st.text("et", min_size=1, max_size=1).flatmap(lambda kind: st.text(max_size=50).map(lambda rest: kind + rest)),
    st.text("etx", min_size=1, max_size=1).flatmap(
        lambda kind: st.text("ABCDwxyz0189+/=", max_size=50).map(lambda rest: kind + rest)
    ),
)


@given(text=GARBAGE)
def test_what_is_no_sketch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is what matters
        Sketch.load(text)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.sampled_from([5, EXACT + 1]))
def test_a_damaged_sketch_is_refused(data: st.DataObject, count: int) -> None:
    text = Sketch(_random(5, count)).dump()
    at = data.draw(st.integers(0, len(text) - 2))
    damaged = data.draw(
        st.sampled_from(
            [text[:at], text[: at + 1] + text[at + 2 :], text[:at] + "!" + text[at + 1 :], text.swapcase()]
        )
    )
    with pytest.raises(ValueError):  # noqa: PT011
        Sketch.load(damaged)


# The emitted ids


@pytest.mark.parametrize(("count", "most"), [(10, 150), (10_000, 64_000), (1_000_000, 64_000)])
def test_a_day_takes_bounded_space_in_the_state(count: int, most: int) -> None:
    emitted_ids = EmittedIds(through="2026-09-04T00:00:00+00:00")
    empty = len(json.dumps(emitted_ids.dump()))
    for day in ("2026-09-01", "2026-09-02"):
        emitted_ids.of_day(day).add(_random(count, count) if day.endswith("1") else ())
    assert len(json.dumps(emitted_ids.dump())) - empty <= most + 100


def test_what_is_dated_ahead_takes_bounded_space_in_the_state() -> None:
    emitted_ids = EmittedIds(through="2026-09-04T00:00:00+00:00")
    emitted_ids.remember_ahead(_random(6, 100_000))
    assert len(emitted_ids.ahead) == EXACT
    loaded = EmittedIds.load(json.loads(json.dumps(emitted_ids.dump())))
    assert loaded
    assert loaded.ahead == emitted_ids.ahead
    assert len(emitted_ids.dump()["ahead"]) < 66_000


def test_emitted_ids_survive_the_state() -> None:
    emitted_ids = EmittedIds(
        since="2026-08-01T00:00:00+00:00",
        through="2026-09-04T00:00:00+00:00",
        bookmark="2026-09-03T23:00:00+00:00",
    )
    emitted_ids.of_day("2026-09-01").add(_random(7, 10))
    emitted_ids.of_day("2026-09-02").add(_random(8, EXACT + 1))
    emitted_ids.remember_ahead(_random(9, 3))
    loaded = EmittedIds.load(json.loads(json.dumps(emitted_ids.dump())))
    assert loaded
    assert loaded.dump() == emitted_ids.dump()
    assert loaded.of_day("2026-09-01").unseen(_random(7, 11)) == set(_random(7, 11)[10:])
    loaded.forget("2026-09-02T00:00:00+00:00")
    assert list(loaded.days) == ["2026-09-02"], "a day that ended before is forgotten, one that did not is not"


GOOD = EmittedIds(
    since="2026-08-01T00:00:00+00:00",
    through="2026-09-04T00:00:00+00:00",
    bookmark="2026-09-03T23:00:00+00:00",
    days={"2026-09-01": Sketch([1])},
    ahead={2},
).dump()
DAMAGED: dict[str, object] = {
    "nothing": None,
    "a list": [],
    "a number": 7,
    "text": "text",
    "empty": {},
    "no days": {name: value for name, value in GOOD.items() if name != "days"},
    "through: empty": GOOD | {"through": ""},
    "through: no time": GOOD | {"through": "soon"},
    "through: before all time": GOOD | {"through": "0001-01-01T00:00:00+23:00"},
    "through: null": GOOD | {"through": None},
    "since: no time": GOOD | {"since": "once"},
    "since: null": GOOD | {"since": None},
    "bookmark: null": GOOD | {"bookmark": None},
    "days: a list": GOOD | {"days": []},
    "a day: cut": GOOD | {"days": {"2026-09-01": "e"}},
    "a day: empty": GOOD | {"days": {"2026-09-01": ""}},
    "a day: damaged": GOOD | {"days": {"2026-09-01": "eAAAA"}},
    "a day: null": GOOD | {"days": {"2026-09-01": None}},
    "a day: a number": GOOD | {"days": {"2026-09-01": 5}},
    "a day: a list": GOOD | {"days": {"2026-09-01": ["e"]}},
    "ahead: cut": GOOD | {"ahead": "t"},
    "ahead: a table": GOOD | {"ahead": Sketch(range(EXACT + 1)).dump()},
    "ahead: an object": GOOD | {"ahead": {}},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_emitted_ids_are_none(damage: str) -> None:
    assert EmittedIds.load(GOOD) is not None
    assert EmittedIds.load(DAMAGED[damage]) is None


@settings(deadline=None)
@given(
    dumped=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(list(GOOD.values())),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GOOD, "2026-09-01"]), inner, max_size=5)
        ),
    )
)
def test_no_form_of_emitted_ids_is_an_error(dumped: object) -> None:
    loaded = EmittedIds.load(dumped)
    assert loaded is None or EmittedIds.load(loaded.dump()) is not None


# Through the tap

BEGIN = datetime(2026, 9, 1, 12, tzinfo=UTC)
DAY = 86_400


class Time:
    """The time of both the account and the tap."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


class Account:
    """An account whose events are the test's to choose, and what the runs of the tap emitted of them."""

    def __init__(self, sandbox: Sandbox, time: Time, run_tap: RunTap) -> None:
        self.sandbox, self.time = sandbox, time
        self._run_tap = run_tap
        self.keys = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        whole: Json = TapKlaviyoEngagement(config=self.keys).catalog_dict
        self.catalog = {"streams": [entry for entry in whole["streams"] if entry["tap_stream_id"] == "events"]}
        self.metrics = [row[0] for row in sandbox.store.read("select id from metrics order by id")]

    def reset(self) -> None:
        self.sandbox.store.write("delete from events", [[]])
        self.time.now = BEGIN
        self.emitted: Counter[str] = Counter()
        self.state: Json = {}

    def add(self, events: Mapping[str, float], metric: int = 0) -> None:
        """Events by name: seconds from now at which they happened."""
        self.sandbox.store.add_events(
            Event(
                id=name,
                uuid=name,
                timestamp=int(self.time.now.timestamp() + offset),
                metric_id=self.metrics[metric],
                profile_id=None,
                properties={},
            )
            for name, offset in events.items()
        )

    def run(self, *, hours: float = 0, ahead: float = 0, jumps: float = 0, **config: Any) -> list[str]:  # noqa: ANN401 - settings
        """Names of what a run emitted, `hours` later, that it read to the end.

        The tap's clock is so many hours `ahead` of Klaviyo's, and `jumps` once it has begun.
        """
        self.time.now += timedelta(hours=hours)
        looks = count()

        def now() -> datetime:
            return self.time.now + timedelta(hours=ahead + (jumps if next(looks) else 0))

        extract = self._run_tap(self.keys | config, self.catalog, state=self.state, now=now)
        assert extract.failed == []
        names = sorted(record["id"] for record in extract.records["events"])
        self.emitted.update(names)
        self.state = json.loads(json.dumps(extract.state))
        return names

    def events(self) -> set[str]:
        return {row[0] for row in self.sandbox.store.read("select id from events")}


@pytest.fixture(scope="module")
def shared_account(run_tap: RunTap) -> Iterator[Account]:
    time = Time()
    with Sandbox(profiles=3, events=0, seed=1, clock=Clock(time)) as sandbox:
        yield Account(sandbox, time, run_tap)


@pytest.fixture
def account(shared_account: Account) -> Account:
    shared_account.reset()
    return shared_account


@pytest.fixture
def small_pages() -> Iterator[None]:
    """Pages of three rows, so that a few rows are many pages."""

    def smaller(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, page=Page(3, 3)) if endpoint.page and endpoint.page.maximum else endpoint

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            listed_stream, "ENDPOINTS", {name: smaller(endpoint) for name, endpoint in ENDPOINTS.items()}
        )
        yield


# Offsets from now, in seconds: few for many events, so that seconds are shared.
NEAR = [-3_600, -3_601, -301, -300, -299, -60, -1, 0, 1, 300, 3_600, 20 * DAY]
BEHIND = {0: NEAR, 1: [-DAY, 1 - DAY, *NEAR], 7: [-7 * DAY, -6 * DAY, -2 * DAY, -DAY, 1 - DAY, *NEAR]}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("lookback", [0, 1, 7])
@settings(max_examples=12 if WHOLE else 4, derandomize=not WHOLE, deadline=None)
@given(data=st.data())
def test_every_event_is_emitted_exactly_once_however_late(
    lookback: int, data: st.DataObject, shared_account: Account
) -> None:
    account = shared_account
    account.reset()
    account.add({"first": -20 * DAY, "newest": -400})  # so that there is a bookmark
    account.run(event_lookback=lookback)
    offsets = st.lists(st.sampled_from(BEHIND[lookback][lookback == 0 :]), max_size=20)
    hours = st.sampled_from([0.0, 0.01, 1.0]) if lookback == 0 else st.sampled_from([0.0, 0.01, 1.0, 30.0, 240.0])
    for step, some in enumerate(data.draw(st.lists(st.tuples(hours, offsets), max_size=5))):
        account.time.now += timedelta(hours=some[0])
        account.add({f"{step}-{position}": offset for position, offset in enumerate(some[1])})
        account.run(event_lookback=lookback)
    account.run(hours=1, event_lookback=lookback)
    assert account.emitted == Counter(account.events())
    assert account.run(hours=1, event_lookback=lookback) == []


@pytest.mark.parametrize(
    ("offset", "lookback"),
    [
        pytest.param(-400, 0, id="in the second of the bookmark"),
        pytest.param(-401, 0, id="in the second before it"),
        pytest.param(-399, 0, id="in the second after it"),
        pytest.param(-12 * 3_600, 0, id="at the start of its day"),
        pytest.param(-36 * 3_600, 1, id="at the start of the day of the lookback"),
        pytest.param(-3 * DAY, 7, id="on a day without any event before"),
        pytest.param(-200, 0, id="within the margin of the first run"),
        pytest.param(-1, 0, id="in the last second before the first run"),
    ],
)
def test_a_late_event_is_emitted_once_and_nothing_else(offset: int, lookback: int, account: Account) -> None:
    account.add({"old": -20 * DAY, "newest": -400, **{f"tie {place}": -400 for place in range(5)}})
    account.add({"yesterday": -DAY})
    assert len(account.run(event_lookback=lookback)) == 8
    account.add({"late": offset, "late too": offset})
    assert account.run(hours=1, event_lookback=lookback) == ["late", "late too"]
    assert account.run(hours=1, event_lookback=lookback) == []


@pytest.mark.parametrize(("offset", "lookback"), [(-12 * 3_600 - 1, 0), (-36 * 3_600 - 1, 1)])
def test_what_is_later_than_the_lookback_is_not_found(offset: int, lookback: int, account: Account) -> None:
    account.add({"newest": -400})
    account.run(event_lookback=lookback)
    account.add({"too late": offset})
    assert account.run(hours=1, event_lookback=lookback) == []


def test_an_event_dated_ahead_is_not_emitted_again_when_it_is_due(account: Account) -> None:
    account.add({"newest": -400} | {f"ahead {day}": day * DAY for day in range(1, 20)})
    assert len(account.run()) == 20
    assert [account.run(hours=hours) for hours in (1, 24, 24, 24 * 10)] == [[]] * 4
    account.add({"late": -400, "tie": -7 * DAY})
    assert account.run(hours=1) == ["late", "tie"]
    assert account.run(hours=24 * 30) == []


@pytest.mark.parametrize("late", [2_000, 7_000], ids=["as many as a table tells", "more than it tells"])
def test_many_late_events_on_a_day_of_many(late: int, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.add({"newest": -400} | {f"e{number:05d}": -2 * DAY + number // 3 for number in range(EXACT + 500)})
    account.add({f"next day {number}": -DAY for number in range(10)})
    account.run()
    account.add({f"late {number:05d}": -2 * DAY - number // 5 for number in range(late)})
    found = account.run(hours=1)
    assert set(account.emitted) == account.events()
    whole = late > TOLD
    assert len(found) == late + (EXACT + 500 if whole else 0)
    assert ("differ too much" in caplog.text) == whole
    assert account.run(hours=1) == []
    account.add({"later": -2 * DAY})
    assert account.run(hours=1) == ["later"], "the day is known again"


def test_events_that_vanish_hide_no_late_one(account: Account) -> None:
    """People are deleted, and their events with them."""
    account.add({"newest": -400} | {f"e{number:05d}": -2 * DAY + number // 3 for number in range(EXACT + 500)})
    account.run()
    account.sandbox.store.write("delete from events where id < ?", [["e01000"]])
    account.add({f"late {number:05d}": -2 * DAY for number in range(1_000)})
    assert account.run(hours=1) == [f"late {number:05d}" for number in range(1_000)]


def test_no_row_that_only_the_survey_saw_counts_as_emitted(account: Account) -> None:
    """It is listed, not there when it is to be read, and there again: as where several replicas answer."""
    account.add({"newest": -400, "old": -2 * DAY})
    account.run()
    account.add({"late": -2 * DAY, "late too": -2 * DAY + 1})
    store, requests = account.sandbox.store, account.sandbox.requests
    read, surveyed = store.read, requests["get_events 200"] + 1

    def reading(sql: str, values: Sequence[object] = ()) -> list[Any]:
        hidden = b"late too" if requests["get_events 200"] == surveyed else None
        return [row for row in read(sql, values) if hidden is None or hidden not in row]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", reading)
        assert account.run(hours=1) == ["late"]
    assert account.run(hours=1) == ["late too"]


# The settings, and states that others wrote


def test_a_metric_added_to_the_setting_gets_its_history_once(account: Account) -> None:
    one, two, three = account.metrics[:3]
    for metric in range(3):
        account.add({f"{metric} old": -300 * DAY, f"{metric}": -2 * DAY, f"{metric} new": -400}, metric=metric)
    assert account.run(metrics=[one]) == ["0", "0 new", "0 old"]
    assert account.run(hours=1, metrics=[one, two]) == ["1", "1 new", "1 old"]
    account.add({"0 late": -2 * DAY}, metric=0)
    account.add({"1 late": -2 * DAY}, metric=1)
    assert account.run(hours=1, metrics=[two, one]) == ["0 late", "1 late"]
    assert account.run(hours=1) == ["2", "2 new", "2 old"], "all metrics, when none is named"
    assert account.run(hours=1, metrics=[three]) == []


def test_a_start_date_bounds_the_history_of_an_added_metric(account: Account) -> None:
    start: Json = {"start_date": (BEGIN - timedelta(days=10)).isoformat()}
    for metric in range(2):
        account.add({f"{metric} older": -11 * DAY, f"{metric} old": -9 * DAY, f"{metric}": -400}, metric=metric)
    assert account.run(metrics=account.metrics[:1], **start) == ["0", "0 old"]
    assert account.run(hours=1, metrics=account.metrics[:2], **start) == ["1", "1 old"]


@pytest.mark.parametrize("fraction", ["", ".500000", ".999999"])
def test_a_start_date_within_a_second_loses_nothing_at_the_edges_of_months(
    fraction: str, account: Account
) -> None:
    """Several metrics are read month by month from the start date on."""
    start = BEGIN - timedelta(days=95)
    for metric in range(2):
        edges = {
            f"{metric} {day} {second}": (day - 95) * DAY + second for day in (30, 60, 90) for second in (0, 1)
        }
        account.add(edges, metric=metric)
    found = account.run(metrics=account.metrics[:2], start_date=f"{start:%Y-%m-%dT%H:%M:%S}{fraction}+00:00")
    assert len(found) == 12


def test_a_renamed_metric_is_still_read(account: Account) -> None:
    store = account.sandbox.store
    (name,) = store.read("select name from metrics where id = ?", [account.metrics[0]])[0]
    account.add({"before": -2 * DAY})
    try:
        assert account.run(metrics=[name]) == ["before"]
        store.write("update metrics set name = 'Another name' where id = ?", [[account.metrics[0]]])
        account.add({"after": -600, "late": -DAY})
        assert account.run(hours=1, metrics=[name]) == ["after", "late"]
    finally:
        store.write("update metrics set name = ? where id = ?", [[name, account.metrics[0]]])


def test_a_metric_removed_from_the_setting_and_named_again_loses_nothing(account: Account) -> None:
    one, two = account.metrics[:2]
    account.add({"0": -2 * DAY}, metric=0)
    account.add({"1": -2 * DAY}, metric=1)
    account.run(metrics=[one, two])
    account.time.now += timedelta(hours=20)
    account.add({"1 meanwhile": -3_600, "1 late": -2 * DAY}, metric=1)
    assert account.run(metrics=[one]) == []
    account.add({"0 new": 1_800}, metric=0)
    account.run(hours=1, metrics=[one, two])
    account.run(hours=1, metrics=[one, two])
    assert set(account.emitted) == account.events()
    assert account.emitted["0"] == account.emitted["0 new"] == 1
    assert account.run(hours=1, metrics=[one, two]) == []


def test_the_state_of_an_older_tap_reads_the_lookback_again_and_then_no_more(account: Account) -> None:
    account.add({"old": -8 * DAY, "lookback": -6 * DAY, "newest": -400})
    account.run()
    (events,) = account.state["bookmarks"].values()
    account.state = {
        "bookmarks": {"events": {name: events[name] for name in ("replication_key", "replication_key_value")}}
    }
    account.add({"late": -5 * DAY})
    assert account.run(hours=1) == ["late", "lookback", "newest"]
    account.add({"later": -5 * DAY})
    assert account.run(hours=1) == ["later"]


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_emitted_ids_lose_nothing(damage: str, account: Account) -> None:
    account.add({"old": -8 * DAY, "lookback": -6 * DAY, "newest": -400})
    account.run()
    emitted, damaged = account.state["bookmarks"]["events"]["emitted"], DAMAGED[damage]
    if isinstance(damaged, dict):  # what is not damaged agrees with the rest of the state
        damaged = {name: emitted[name] if value == GOOD[name] else value for name, value in damaged.items()}
    account.state["bookmarks"]["events"]["emitted"] = damaged
    account.add({"late": -5 * DAY})
    assert set(account.run(hours=1)) >= {"late"}
    account.add({"later": -5 * DAY})
    assert account.run(hours=1) == ["later"]


def test_emitted_ids_of_a_clock_that_was_ahead_lose_nothing(account: Account) -> None:
    account.add({"old": -8 * DAY, "newest": -400})
    account.run()
    account.state["bookmarks"]["events"]["emitted"]["through"] = "2027-01-01T00:00:00+00:00"
    account.add({"late": -5 * DAY, "new": 600})
    assert set(account.run(hours=1)) >= {"late", "new"}


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param([-1, 0, 0], id="an hour behind, then right"),
        pytest.param([0, -1, 0], id="set back an hour"),
        pytest.param([0, 24, 0], id="a day ahead once"),
        pytest.param([24, 24, 0], id="a day ahead, then right"),
        pytest.param([0, 24 * 60, 0], id="two months ahead once"),
        pytest.param([0, -24 * 365 * 50, 0], id="a clock that lost its battery"),
        pytest.param([24, -24, 24], id="back and forth"),
    ],
)
def test_a_clock_that_jumps_between_runs_loses_no_event(account: Account, ahead: list[float]) -> None:
    """How many hours the tap's clock is ahead of Klaviyo's, run by run; some events are dated ahead."""
    account.add({"old": -8 * DAY, "newest": -400, "ahead": 5 * DAY, "far ahead": 40 * DAY})
    for number, hours in enumerate(ahead):
        account.add({f"{number} late": -3 * DAY, f"{number} new": -600, f"{number} ahead": 2 * DAY})
        account.run(ahead=hours)
        account.time.now += timedelta(hours=6)
    account.run()
    assert set(account.emitted) == account.events()
    account.run(hours=1)
    assert account.run(hours=1) == [], "and it comes to rest"


def test_a_clock_that_jumps_amid_a_run_loses_no_event(account: Account) -> None:
    for number, hours in enumerate((24, -1, -24)):
        account.add({f"{number} late": -3 * DAY, f"{number} new": -600, f"{number} ahead": DAY})
        account.run(hours=6, jumps=hours)
    account.run(hours=1)
    assert set(account.emitted) == account.events()


def test_a_metric_that_is_deleted_is_still_read_and_the_others_too(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    """Its events may still come, late ones too; it is named so that somebody takes it out of the setting."""
    store = account.sandbox.store
    gone, other = store.read("select id, name from metrics where id in (?, ?)", account.metrics[:2])
    record = store.read("select * from metrics where id = ?", [gone[0]])
    chosen = [gone[1], other[1]]
    account.add({"0 before": -2 * DAY}, metric=account.metrics.index(gone[0]))
    account.run(metrics=chosen)
    store.write("delete from metrics where id = ?", [[gone[0]]])
    try:
        account.add({"0 late": -DAY, "0 after": -600}, metric=account.metrics.index(gone[0]))
        account.add({"1 after": -600}, metric=account.metrics.index(other[0]))
        assert account.run(hours=1, metrics=chosen) == ["0 after", "0 late", "1 after"]
        assert f"metric {gone[0]}, chosen as {gone[1]!r}, is no longer in Klaviyo" in caplog.text
        assert account.run(hours=1, metrics=chosen) == []
        account.sandbox.faults.add(Missing(operation="get_events", nth=1))
        account.add({"1 later": -600}, metric=account.metrics.index(other[0]))
        assert account.run(hours=1, metrics=chosen) == ["1 later"]
        assert "Klaviyo lists its events no more" in caplog.text
        account.sandbox.faults.clear()
    finally:
        store.write(f"insert into metrics values ({','.join('?' * len(record[0]))})", record)  # noqa: S608


def test_another_lookback_than_before_emits_nothing_again(account: Account) -> None:
    """A longer one reaches no further than it is known what was emitted; it does later on."""
    account.add({"newest": -400} | {f"{day}": -day * DAY for day in range(1, 10)})
    account.run(event_lookback=1)
    account.add({"late": -DAY, "later": -5 * DAY})
    assert account.run(hours=1, event_lookback=7) == ["late"]
    assert account.run(hours=1, event_lookback=0) == []
    assert account.run(hours=1, event_lookback=7) == []


def test_a_bookmark_that_somebody_set_back_reads_everything_from_there_again(account: Account) -> None:
    account.add({"newest": -400, "middle": -4 * DAY, "old": -8 * DAY})
    account.run(event_lookback=0)
    account.state["bookmarks"]["events"]["replication_key_value"] = (BEGIN - timedelta(days=5)).isoformat()
    assert account.run(hours=1, event_lookback=0) == ["middle", "newest"]
    assert account.run(hours=1, event_lookback=0) == []


def test_digests_are_those_that_states_hold() -> None:
    """A state is read by later versions: these must not change."""
    assert digest("01HXYZ") == 0x4BB2E3BED8DDD63D
