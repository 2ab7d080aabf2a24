"""The filter grammar: whatever the client's builder writes is read back, and nothing else passes."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klaviyo_sandbox.model.errors import Refusal
from klaviyo_sandbox.protocol.filters import Condition, parse
from klaviyo_wire.endpoints import Filter, Value
from klaviyo_wire.filters import Operator, all_of

FILTERS = (
    Filter("name", frozenset({Operator.EQUALS, Operator.ANY, Operator.CONTAINS}), Value.STRING),
    Filter("messages.channel", frozenset({Operator.EQUALS}), Value.STRING),
    Filter("_kx", frozenset({Operator.EQUALS}), Value.STRING),
    Filter("at", frozenset({Operator.GREATER_THAN, Operator.LESS_OR_EQUAL}), Value.DATETIME),
    Filter("size", frozenset({Operator.GREATER_THAN, Operator.ANY}), Value.NUMBER),
    Filter("stars", frozenset({Operator.EQUALS}), Value.INTEGER),
    Filter("active", frozenset({Operator.EQUALS, Operator.ANY}), Value.BOOLEAN),
    Filter("owner", frozenset({Operator.HAS}), Value.NOTHING),
)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))]))
written = st.one_of(
    st.tuples(st.sampled_from([Operator.EQUALS, Operator.CONTAINS]), st.just("name"), texts),
    st.tuples(st.just(Operator.ANY), st.just("name"), st.lists(texts, min_size=1)),
    st.tuples(st.sampled_from([Operator.GREATER_THAN, Operator.LESS_OR_EQUAL]), st.just("at"), moments),
    st.tuples(st.just(Operator.GREATER_THAN), st.just("size"), st.integers()),
    st.tuples(st.just(Operator.EQUALS), st.just("active"), st.booleans()),
    st.tuples(st.just(Operator.HAS), st.just("owner"), st.none()),
)


@given(st.lists(written, min_size=1, max_size=5))
@example([(Operator.GREATER_THAN, "size", 2**53 + 1)])  # the first whole number that a float cannot hold
@example([(Operator.GREATER_THAN, "size", -(10**400))])  # larger than any float
def test_what_the_builder_writes_is_read_back(
    expressions: list[tuple[Operator, str, str | bool | int | datetime | list[str] | None]],
) -> None:
    text = all_of(*(operator(field, value) for operator, field, value in expressions))
    for whole in (text, f"and({text})"):
        found = parse(whole, FILTERS)
        assert [(each.operator, each.field) for each in found] == [(one, field) for one, field, _ in expressions]
        for each, (_, _, value) in zip(found, expressions, strict=True):
            if isinstance(value, list):
                assert list(each.values) == value
            else:
                assert list(each.values) == ([] if value is None else [value])


@given(st.text("()[],\"'\\ abequalsnmty01-T:Z", max_size=40))
def test_any_other_text_is_refused_and_never_breaks(text: str) -> None:
    with contextlib.suppress(Refusal):
        assert all(isinstance(each, Condition) for each in parse(text, FILTERS))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("equals(name,'single')", ["single"]),
        (r"equals(name,'it\'s')", ["it's"]),
        (r'equals(name,"a \"b\" \\ c")', ['a "b" \\ c']),
        ('equals(name,"with, (all) [of] it")', ["with, (all) [of] it"]),
        ('any(name, ["a", "b"])', ["a", "b"]),
        ("any(size,[1,-2,3.5])", [1.0, -2.0, 3.5]),
        ("any(active,[true,false])", [True, False]),
        ("greater-than(at,2026-01-02T03:04:05Z)", [MOMENT]),
        ("greater-than(at,2026-01-02T04:04:05+01:00)", [MOMENT]),
        ("greater-than(at,2026-01-02T03:04:05.500Z)", [MOMENT + timedelta(milliseconds=500)]),
        ("greater-than(at,2026-01-02T03:04Z)", [MOMENT.replace(second=0)]),
    ],
)
def test_values(text: str, values: list[object]) -> None:
    (condition,) = parse(text, FILTERS)
    assert list(condition.values) == values


def test_a_whole_number_is_an_int_and_a_decimal_a_float() -> None:
    (condition,) = parse("any(size,[9007199254740993,9007199254740993.0])", FILTERS)
    assert [(type(each), each) for each in condition.values] == [(int, 2**53 + 1), (float, 2.0**53)]


def test_a_number_of_too_many_digits_is_refused() -> None:
    with pytest.raises(Refusal, match="is not a valid number value for size"):
        parse(f"greater-than(size,{'9' * 5_000})", FILTERS)


def test_a_whole_number_has_no_fraction() -> None:
    (condition,) = parse("equals(stars,5)", FILTERS)
    assert condition.values == (5,)
    with pytest.raises(Refusal, match=r"'5\.0' is not a valid integer value for stars"):
        parse("equals(stars,5.0)", FILTERS)


def test_conjunctions_nest_and_mix() -> None:
    text = 'and(has(owner),and(equals(_kx,"k"),equals(active,true))),equals(messages.channel,"sms")'
    assert parse(text, FILTERS) == [
        Condition(Operator.HAS, "owner", ()),
        Condition(Operator.EQUALS, "_kx", ("k",)),
        Condition(Operator.EQUALS, "active", (True,)),
        Condition(Operator.EQUALS, "messages.channel", ("sms",)),
    ]


def test_a_wrong_operator_names_the_allowed_ones() -> None:
    with pytest.raises(Refusal) as caught:
        parse('starts-with(name,"x")', FILTERS)
    assert caught.value.problems[0].detail == (
        "'starts-with' is not an allowed filter operator for name.  Allowed operators are any,contains,equals"
    )
