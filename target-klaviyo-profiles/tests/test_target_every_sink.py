"""What must hold for every sink, with records made from what it declares: a new sink needs no line here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sink_examples import WRONG, Examples, examples, furnish, named

from target_klaviyo_profiles.fields import Kind
from target_klaviyo_profiles.rows import Reason, Rejected, Row
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
Load = Callable[..., Any]
README = Path(__file__).parent.parent / "README.md"
every_sink = pytest.mark.parametrize("sink", SINKS, ids=named)


def _refusal(sink: Sink, record: Json) -> Rejected:
    with pytest.raises(Rejected) as caught:
        sink.row(record)
    return caught.value


def _spoilt(made: Examples) -> Iterator[tuple[Json, str, str | None]]:
    """Records that are wrong in one way, the code that each is refused with, and the pointer where one is sure."""
    good = made.record(0)
    for field in made.sink.fields:
        pointer = f"/{field.name}"
        yield {**good, field.name: WRONG[field.kind]}, "invalid_value", pointer
        if field.required:
            yield {**good, field.name: None}, "missing_field", pointer
            yield {name: value for name, value in good.items() if name != field.name}, "missing_field", pointer
        if field.required and field.kind is Kind.TEXT:
            yield {**good, field.name: " "}, "missing_field", pointer
        if field.choices:
            yield {**good, field.name: "neither"}, "invalid_value", pointer
        if field.kind is Kind.NUMBER:
            yield {**good, field.name: float("nan")}, "invalid_value", pointer
        if field.kind is Kind.OBJECT:
            yield {**good, field.name: {"a": [float("inf")]}}, "invalid_value", pointer
    yield {**good, "not_a_field": 1}, "unknown_field", "/not_a_field"


@every_sink
def test_a_record_that_is_wrong_is_refused_with_a_reason_and_the_others_are_sent(
    sink: type[Sink], load: Load, messages: Callable[..., list[Json]]
) -> None:
    made = examples(sink)
    spoilt = list(_spoilt(made))
    for record, code, pointer in spoilt:
        reason = _refusal(made.sink, record).reason
        assert (reason.code, reason.pointer) == (code, pointer), record
        assert reason.detail
        assert reason.remedy
    lines = messages([made.record(1), *(record for record, _, _ in spoilt), made.record(2)], stream=sink.stream)
    del lines[0]["schema"]["properties"]["not_a_field"]  # in the schema it ends the run
    run = load(lines, dry_run=True, allow_deletions=True, revision=sink.revision())
    assert run.error is None
    assert [each["code"] for each in run.rejects] == [code for _, code, _ in spoilt]
    assert [each["record"] for each in run.rejects] == list(range(2, 2 + len(spoilt)))
    assert run.tallies[sink.stream].accepted == 2


@every_sink
def test_choices_are_taken_in_upper_and_lower_case(sink: type[Sink]) -> None:
    made = examples(sink)
    for record in made.variants():
        for field in (each for each in made.sink.fields if each.choices and each.name in record):
            for text in (str(record[field.name]).upper(), f" {str(record[field.name]).lower()} "):
                assert made.sink.row({**record, field.name: text}) == made.sink.row(record)


@every_sink
def test_what_says_nothing_changes_nothing(sink: type[Sink]) -> None:
    """Nulls in fields that are not to be cleared, and metadata columns."""
    plain = sink(Options(allow_deletions=True))
    good = examples(sink).record(0)
    nulls = {each.name: None for each in sink.fields}
    assert plain.row({**nulls, "_sdc_extracted_at": "2026-11-01T00:00:00Z", "_sdc_batched_at": None, **good}) == (
        plain.row(good)
    )


def _outcome(sink: Sink, record: Json) -> Row | Reason | None:
    try:
        return sink.row(record)
    except Rejected as rejected:
        return rejected.reason


@every_sink
def test_whole_numbers_are_taken_as_text(sink: type[Sink]) -> None:
    made = examples(sink)
    for field in (each for each in sink.fields if each.kind is Kind.TEXT):
        good = made.record(0)
        as_text = _outcome(made.sink, {**good, field.name: "12345"})
        assert _outcome(made.sink, {**good, field.name: 12345}) == as_text


@every_sink
def test_half_of_a_surrogate_pair_is_refused_wherever_it_would_be_sent(sink: type[Sink]) -> None:
    made = examples(sink)
    refused = 0
    for record in made.variants():
        for field in (each for each in sink.fields if each.kind is Kind.TEXT and each.name in record):
            outcome = _outcome(made.sink, {**record, field.name: "a\ud800"})
            if isinstance(outcome, Row):  # the field says nothing of what is sent
                assert "\ud800" not in "".join(filter(None, outcome.group.shared))
            refused += isinstance(outcome, Reason)
    assert refused


@every_sink
def test_what_is_nested_without_end_is_refused(sink: type[Sink]) -> None:
    made = examples(sink)
    deep: Json = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = {}
        inner = inner["a"]
    for field in (each for each in sink.fields if each.kind is Kind.OBJECT):
        assert _refusal(made.sink, {**made.record(0), field.name: deep}).reason.code == "invalid_value"


@every_sink
def test_a_tap_that_repeats_itself_is_settled_to_its_last_state(
    sink: type[Sink], sandbox: Sandbox, load: Load, messages: Callable[..., list[Json]]
) -> None:
    """Records again and again, amid STATE, schemas that come anew, versions, and another stream."""
    made = examples(sink, furnish(sandbox))
    first, second, third = (
        messages([made.record(number) for number in numbers], stream=sink.stream, state=state)
        for numbers, state in (([0, 1], 1), ([0, 1, 1, 2], 2), ([2, 0], 3))
    )
    other = messages([{"external_id": "somebody", "title": "Dr"}], state="other")
    version = {"type": "ACTIVATE_VERSION", "stream": sink.stream, "version": 1}
    lines = [*first, *second[:2], version, *other[:-1], *second[2:], *third, version]
    run = load(lines, allow_deletions=True, revision=sink.revision())
    assert run.error is None, f"does the sandbox serve {sink.operations()}?"
    assert run.rejects == []
    assert run.states[-1] == {"at": 3}
    tally = run.tallies[sink.stream]
    mine = 8 + (sink.stream == "profiles")
    assert tally.received == tally.accepted + tally.unchanged + tally.combined == mine
    assert tally.accepted + tally.unchanged >= 3
    sandbox.settle()
    assert not any(sandbox.imports.stats.values())
    assert sandbox.event_ingest.stats.total() == sandbox.event_ingest.dropped.total() == 0
    assert sandbox.consents.stats["opt_outs_lifted"] == 0


SHOWN = dict(
    re.findall(r"^### `(\w+)`\n+```json\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
)
"""By stream: the records that the README shows of it."""


def test_the_readme_shows_records() -> None:
    assert {sink.stream for sink in SINKS} <= SHOWN.keys()


@pytest.mark.parametrize("stream", SHOWN)
def test_the_records_that_the_readme_shows_are_accepted(stream: str) -> None:
    made = [sink(Options(allow_deletions=True)) for sink in SINKS if sink.stream == stream]
    for line in SHOWN[stream].splitlines():
        assert any(_is_accepted(sink, json.loads(line)) for sink in made), line
    assert all(_is_accepted(sink, json.loads(SHOWN[stream].splitlines()[0])) for sink in made)


def _is_accepted(sink: Sink, record: Json) -> bool:
    return isinstance(_outcome(sink, record), Row)
