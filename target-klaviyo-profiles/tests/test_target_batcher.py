"""Duplicates, full batches and keys in flight, against a dispatcher that only remembers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from target_klaviyo_profiles.delivery.batcher import Batcher
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.recovered_rows import RecoveredRows, hashed_key
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Batch, Group, Outcome, Reason, Rejected, Resource, Route
from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
ENVELOPE = 7
LIMITS = BulkLimits(items=4, request_bytes=90, item_bytes=60)
NOTES = Route("bulk_import_profiles", LIMITS)
Sent = list[tuple[str | None, list[tuple[str, bytes]]]]


class Notes(Sink):
    """A sink of small requests."""

    stream: ClassVar[str] = "notes"
    routes: ClassVar[tuple[Route, ...]] = (NOTES,)
    fields: ClassVar[tuple[Field, ...]] = tuple(Field(name, Kind.TEXT, name) for name in ("key", "group", "text"))

    @override
    def identify(self, record: Json) -> Key:
        if "key" not in record:
            raise Rejected(Reason("no_key", "", ""))
        return Key("key", record["key"])

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        group = Group(NOTES, tuple(filter(None, [record.get("group")])))
        return Resource({"t": record["text"]}, group) if "text" in record else None

    @override
    def envelope_size(self, group: Group) -> int:
        return ENVELOPE


class LoneNotes(Notes):
    """Notes of which no two can be one."""

    @override
    def combined(self, earlier: bytes, later: bytes) -> bytes | None:
        return None


class Memory:
    """Keeps batches in flight until `collect` completes the one that `choose` picks; no key may be in two."""

    def __init__(
        self,
        choose: Callable[[int], int] = lambda _: 0,
        outcome: Outcome | None = None,
        sink: Sink | None = None,
        recovered: RecoveredRows | None = None,
    ) -> None:
        self.epoch = 0
        self.now = 0.0
        self.in_flight: list[Batch] = []
        self.sent: Sent = []
        self.rejected: list[tuple[Key | None, str, int | None]] = []
        self.outcome = outcome or Outcome()
        self.batcher = Batcher(sink or Notes(), self, recovered)
        self._choose = choose

    def dispatch(self, batcher: Batcher, batch: Batch) -> None:  # noqa: ARG002
        in_flight = {key for other in self.in_flight for key in other.keys}
        assert in_flight.isdisjoint(batch.keys)
        assert len(set(batch.keys)) == len(batch.keys)
        self.sent.append(
            (
                str(batch.group) or None,
                [(key.value, row) for key, row in zip(batch.keys, batch.payloads, strict=True)],
            )
        )
        self.in_flight.append(batch)

    def collect(self) -> None:
        batch = self.in_flight.pop(self._choose(len(self.in_flight)))
        self.batcher.completed(batch, self.outcome)

    def reject(
        self,
        stream: str,  # noqa: ARG002
        key: Key | None,
        reason: Reason,
        *,
        record: int | None = None,
        given: Mapping[str, object] | None = None,  # noqa: ARG002
    ) -> None:
        self.batcher.tally.reject(reason, key)
        self.rejected.append((key, reason.code, record))

    def clock(self) -> float:
        return self.now

    def settle(self) -> None:
        """Every round sends something, or books what was sent: how long it takes is bounded."""
        for _ in range(2 * self.batcher.tally.received + 2):
            if self.batcher.empty:
                break
            self.batcher.flush()
            if self.in_flight:
                self.collect()
        assert self.batcher.empty

    def size(self, rows: list[tuple[str, bytes]]) -> int:
        return ENVELOPE + sum(len(row) for _, row in rows) + len(rows) - 1


def _texts(batches: Sent) -> list[tuple[str, str | None, bytes]]:
    return [(key, group, row) for group, rows in batches for key, row in rows]


def _payload(text: str) -> bytes:
    return b'{"t":"%b"}' % text.encode()


@given(sizes=st.lists(st.integers(0, 52), max_size=60))
def test_distinct_rows_keep_their_order_and_travel_in_batches_as_full_as_the_limits_allow(
    sizes: list[int],
) -> None:
    memory = Memory()
    for number, size in enumerate(sizes):
        memory.batcher.put({"key": str(number), "text": "x" * size})
    memory.settle()
    assert _texts(memory.sent) == [(str(number), None, _payload("x" * size)) for number, size in enumerate(sizes)]
    batches = [rows for _, rows in memory.sent]
    for rows, following in zip(batches, [*batches, None][1:], strict=True):
        assert len(rows) <= LIMITS.items
        assert memory.size(rows) <= LIMITS.request_bytes
        if following:
            full = memory.size([*rows, following[0]]) > LIMITS.request_bytes
            assert full or len(rows) == LIMITS.items
    assert memory.batcher.tally.accepted == len(sizes)


STEPS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from([None, "g", "h"]), st.integers(0, 30))
    | st.just("complete"),
    max_size=60,
)


def _record(number: int, step: tuple[str, str | None, int]) -> Json:
    key, group, size = step
    return {"key": key, "group": group, "text": f"{number}:{'x' * size}"}


def _put(memory: Memory, steps: list[Any]) -> list[tuple[str, str | None, bytes]]:
    """Put records and let batches be completed; gives the rows that were put."""
    rows: list[tuple[str, str | None, bytes]] = []
    for number, step in enumerate(steps):
        if step == "complete":
            if memory.in_flight:
                memory.collect()
            continue
        record = _record(number, step)
        rows.append((record["key"], record["group"], _payload(record["text"])))
        memory.batcher.put(record)
    memory.settle()
    return rows


@given(steps=STEPS, data=st.data())
def test_rows_that_cannot_be_combined_are_sent_one_after_the_other(steps: list[Any], data: st.DataObject) -> None:
    memory = Memory(choose=lambda count: data.draw(st.integers(0, count - 1)), sink=LoneNotes())
    rows, sent = _put(memory, steps), _texts(memory.sent)
    assert sorted(sent, key=str) == sorted(rows, key=str)
    for key in "abcde":
        assert [each for each in sent if each[0] == key] == [each for each in rows if each[0] == key]
    assert memory.batcher.tally.combined == 0


@given(steps=STEPS, data=st.data())
def test_whatever_repeats_and_whenever_batches_are_completed_the_last_record_wins(
    steps: list[Any], data: st.DataObject
) -> None:
    """Per key and group the last is sent last; between groups the order of the records is kept."""
    memory = Memory(choose=lambda count: data.draw(st.integers(0, count - 1)))
    rows, sent = _put(memory, steps), _texts(memory.sent)
    assert set(sent) <= set(rows)
    assert len(set(sent)) == len(sent)
    for key in "abcde":
        of_key = [each for each in rows if each[0] == key]
        assert [each for each in of_key if each in sent] == [each for each in sent if each[0] == key]
        for group in (None, "g", "h"):
            assert [e for e in sent if e[:2] == (key, group)][-1:] == [e for e in of_key if e[1] == group][-1:]
    tally = memory.batcher.tally
    assert (tally.accepted, tally.combined) == (len(sent), len(rows) - len(sent))


def test_a_record_replaces_an_earlier_one_that_was_not_sent() -> None:
    memory = Memory()
    for text in ("first", "second"):
        memory.batcher.put({"key": "a", "text": text})
    memory.settle()
    assert _texts(memory.sent) == [("a", None, _payload("second"))]


def test_a_record_waits_for_the_batch_that_has_its_key() -> None:
    memory = Memory()
    for key in ("a", "b", "c", "d"):
        memory.batcher.put({"key": key, "text": "old"})
    assert len(memory.in_flight) == 1
    for text in ("new", "newer"):
        memory.batcher.put({"key": "a", "text": text})
    memory.batcher.flush()
    assert len(memory.sent) == 1
    memory.collect()
    memory.batcher.flush()
    assert _texts(memory.sent[1:]) == [("a", None, _payload("newer"))]


def test_what_waits_is_bounded() -> None:
    """With every key in flight and new records for them coming, the batcher waits for batches to be completed."""
    memory = Memory()
    for round_ in range(50):
        for key in ("a", "b", "c", "d"):
            memory.batcher.put({"key": key, "text": f"{round_}{'x' * 40}"})
    assert memory.batcher._deferred_bytes <= LIMITS.request_bytes
    assert len(memory.sent) > 10


def test_half_full_batches_of_many_groups_are_bounded() -> None:
    memory = Memory()
    for number in range(200):
        memory.batcher.put({"key": str(number), "group": str(number), "text": "x" * 20})
        assert memory.batcher._buffered_bytes <= 5 * LIMITS.request_bytes
    memory.settle()
    assert memory.batcher._buffered_bytes == 0
    assert len(_texts(memory.sent)) == 200


def test_refused_and_empty_records_are_counted_and_not_sent() -> None:
    memory = Memory()
    memory.batcher.put({"text": "no key"})
    memory.batcher.put({"key": "a"})
    memory.settle()
    assert memory.sent == []
    assert memory.rejected == [(None, "no_key", 1)]
    assert (memory.batcher.tally.received, memory.batcher.tally.unchanged) == (2, 1)


def test_after_a_job_of_unknown_fate_its_keys_are_not_sent_again() -> None:
    """Klaviyo may still write the old record: a newer one would race with it."""
    memory = Memory(outcome=Outcome(unsettled={Key("key", "a"): "stuck"}))
    for key in ("a", "b", "c", "d", "a"):
        memory.batcher.put({"key": key, "text": "x"})
    memory.settle()
    memory.batcher.put({"key": "a", "text": "y"})
    memory.settle()
    assert [key for key, *_ in _texts(memory.sent)] == ["a", "b", "c", "d"]
    tally = memory.batcher.tally
    assert (tally.received, tally.accepted, tally.unsettled) == (6, 3, {"stuck": 3})


def test_a_stream_that_cannot_be_written_counts_everything_as_unsettled() -> None:
    memory = Memory()
    for key in ("a", "b", "c", "d", "a", "e"):
        memory.batcher.put({"key": key, "text": "x"})
    memory.batcher.failed(memory.in_flight.pop(), "no scope")
    memory.batcher.put({"key": "f", "text": "x"})
    memory.settle()
    tally = memory.batcher.tally
    assert (tally.received, tally.accepted, tally.unsettled) == (7, 0, {"no scope": 7})
    assert memory.batcher.empty


def test_every_fate_is_counted_once() -> None:
    keys = [Key("key", each) for each in "abcd"]
    reason = Reason("invalid", "", "")
    outcome = Outcome(
        rejected={keys[0]: reason}, unnamed=[reason], unsettled={keys[1]: "stuck"}, unchanged={keys[2]}, jobs=1
    )
    memory = Memory(outcome=outcome)
    for key in keys:
        memory.batcher.put({"key": key.value, "text": "x"})
    memory.settle()
    tally = memory.batcher.tally
    assert tally.rejected == {"invalid": 2}
    assert (tally.accepted, tally.unchanged, tally.unsettled, tally.jobs) == (0, 1, {"stuck": 1}, 1)


class Ledgers(Notes):
    """Notes that are combined by saying both, so that every row tells which records are in it."""

    @override
    def combined(self, earlier: bytes, later: bytes) -> bytes | None:
        together = b'{"t":"%b,%b"}' % (_text(earlier), _text(later))
        return together if len(together) <= 60 else None


def _text(payload: bytes) -> bytes:
    return payload[len(b'{"t":"') : -len(b'"}')]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from([None, "g", "h"]))
        | st.sampled_from(["complete", "state", "older", "all"]),
        max_size=80,
    ),
    data=st.data(),
)
def test_the_first_unsettled_record_is_always_known(steps: list[Any], data: st.DataObject) -> None:
    """STATE hangs on it: too early loses records, too late keeps it waiting."""
    memory = Memory(choose=lambda count: data.draw(st.integers(0, count - 1)), sink=Ledgers())
    unsettled: dict[int, int] = {}
    for number, step in enumerate(steps):
        in_flight = list(memory.in_flight)
        if isinstance(step, tuple):
            unsettled[number] = memory.epoch
        _take(memory, number, step)
        completed = [batch for batch in in_flight if not any(batch is each for each in memory.in_flight)]
        for payload in (payload for batch in completed for payload in batch.payloads):
            for each in _text(payload).split(b","):
                del unsettled[int(each)]
        assert memory.batcher.unsettled_from() == min(unsettled.values(), default=math.inf)
    memory.settle()
    assert memory.batcher.unsettled_from() == math.inf


def _take(memory: Memory, number: int, step: Any) -> None:  # noqa: ANN401 - a word, or a key and its group
    match step:
        case "complete" if memory.in_flight:
            memory.collect()
        case "state":
            memory.epoch += 1
        case "older":
            memory.batcher.flush_older(memory.epoch, memory.now)
        case "all":
            memory.batcher.flush()
        case (key, group):
            memory.now += 1
            memory.batcher.put({"key": key, "group": group, "text": str(number)})


def test_what_keeps_a_state_waiting_is_sent_after_a_while_and_nothing_else() -> None:
    memory = Memory()
    memory.batcher.put({"key": "a", "group": "g", "text": "x"})
    memory.epoch, memory.now = 1, 50.0
    memory.batcher.put({"key": "b", "group": "h", "text": "x"})
    memory.batcher.flush_older(0, opened_by=-1.0)
    assert memory.sent == []
    memory.batcher.flush_older(0, opened_by=50.0)
    assert [group for group, _ in memory.sent] == ["g"]


def test_a_batch_of_unknown_fate_holds_every_later_state() -> None:
    memory = Memory(outcome=Outcome(unsettled={Key("key", "a"): "stuck"}))
    memory.epoch = 3
    memory.batcher.put({"key": "a", "text": "x"})
    memory.epoch = 4
    memory.settle()
    memory.batcher.put({"key": "a", "text": "y"})
    assert memory.batcher.unsettled_from() == 3


@given(steps=STEPS, data=st.data())
def test_whenever_a_run_is_killed_the_next_one_ends_and_the_last_record_wins(
    steps: list[Any], data: st.DataObject
) -> None:
    """What was sent has landed by then; of some nobody knows. The next run gets the same records, and more."""
    ledger = Ledger(None, "pk_0123456789", lambda: datetime(2026, 11, 1, tzinfo=UTC))
    killed = Memory(choose=lambda count: data.draw(st.integers(0, count - 1)))
    alive = data.draw(st.integers(0, len(steps)))
    for number, step in enumerate(steps[:alive]):
        if step != "complete":
            killed.batcher.put(_record(number, step))
        elif killed.in_flight:
            killed.collect()
    if data.draw(st.booleans()):  # killed while the end of the input was worked
        killed.batcher.flush()

    recovered = RecoveredRows(ledger, lambda _: None)
    for group, sent in killed.sent:
        shared = tuple(filter(None, [group]))
        ledger.sent("notes", Group(NOTES, shared), [Key("key", key) for key, _ in sent], [row for _, row in sent])
        entry = ledger.entries("notes")[-1]
        lost = data.draw(st.booleans())
        recovered.add(entry, Outcome(unsettled={hashed_key(key): "?" for key, _ in entry.rows} if lost else {}))
    ledger.close()

    run = Memory(choose=lambda count: data.draw(st.integers(0, count - 1)), recovered=recovered)
    rows = _put(run, steps)
    held = {key: row for key, _, row in [*_texts(killed.sent), *_texts(run.sent)]}
    assert held == {key: row for key, _, row in rows}
    assert run.batcher.tally.accepted + run.batcher.tally.combined == len(rows)
