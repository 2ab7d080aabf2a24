"""Refused requests: only bad rows are refused, every good one is accepted, and the requests are counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire.errors import Problem
from target_klaviyo_profiles.delivery.bisection import Bisection

Judge = Callable[[list[int]], list[Problem] | None]
"""What Klaviyo says to a request with these rows: its problems, or None when it accepts them."""


def _problem(pointer: str | None = None) -> Problem:
    return Problem("invalid", "Invalid input.", "not good", pointer)


def _position(pointer: str | None) -> int | None:
    return int(pointer.rsplit("/", 1)[1]) if pointer else None


def _silent(bad: set[int]) -> Judge:
    """Names no row."""
    return lambda rows: [_problem()] if bad.intersection(rows) else None


def _pointing(bad: set[int], most: int) -> Judge:
    """Names up to so many rows."""

    def judge(rows: list[int]) -> list[Problem] | None:
        named = [_problem(f"/data/{position}") for position, row in enumerate(rows) if row in bad]
        return named[:most] or None

    return judge


class Outcome:
    """What became of a batch that was bisected."""

    def __init__(self, count: int, judge: Judge) -> None:
        self.requests = self.sent = 0
        self.accepted: list[int] = []
        self.refused: list[int] = []
        self.request_at_fault = False
        bisection = Bisection(count, _position)
        while (rows := bisection.next_part()) is not None:
            self.requests += 1
            self.sent += len(rows)
            problems = judge(rows)
            if problems is None:
                bisection.accepted()
                self.accepted += rows
                continue
            blamed = bisection.refused(problems)
            if blamed is None:
                self.request_at_fault = True
                return
            self.refused += blamed


ROWS = st.integers(1, 300).flatmap(
    lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1), max_size=min(count, 12)))
)


@given(rows=ROWS, most=st.integers(1, 3))
def test_with_pointers_each_answer_that_points_costs_one_request(rows: tuple[int, set[int]], most: int) -> None:
    count, bad = rows
    outcome = Outcome(count, _pointing(bad, most))
    assert sorted(outcome.refused) == sorted(bad)
    assert sorted(outcome.accepted) == sorted(set(range(count)) - bad)
    # One more sends what is left; from the fourth on, halves may be sent that hold none of the bad.
    assert outcome.requests <= 2 * math.ceil(len(bad) / most) + 1 + math.ceil(math.log2(count + 1))


@given(rows=ROWS)
def test_without_pointers_bad_rows_cost_their_logarithm(rows: tuple[int, set[int]]) -> None:
    count, bad = rows
    outcome = Outcome(count, _silent(bad))
    if not outcome.request_at_fault:
        assert sorted(outcome.refused) == sorted(bad)
        assert sorted(outcome.accepted) == sorted(set(range(count)) - bad)
    assert outcome.requests <= 1 + 2 * len(bad) * (1 + math.ceil(math.log2(count))) + 20
    assert not outcome.request_at_fault or len(bad) >= 20


def test_one_bad_row_of_ten_thousand() -> None:
    for bad in (0, 4_999, 9_999):
        assert Outcome(10_000, _pointing({bad}, 100)).requests == 2
        assert Outcome(10_000, _silent({bad})).requests <= 1 + 2 * 14 + 20


def test_a_hundred_clustered_bad_rows_do_not_look_like_a_bad_request() -> None:
    outcome = Outcome(10_000, _silent(set(range(100))))
    assert not outcome.request_at_fault
    assert sorted(outcome.refused) == list(range(100))
    assert len(outcome.accepted) == 9_900


@pytest.mark.parametrize("count", [20, 1_000, 10_000])
def test_a_fault_that_is_not_in_the_rows_is_recognised(count: int) -> None:
    outcome = Outcome(count, lambda _: [_problem()])
    assert outcome.request_at_fault
    assert outcome.accepted == []
    assert outcome.requests <= 1 + math.ceil(math.log2(count)) + 20


def test_of_few_rows_each_is_asked_about() -> None:
    outcome = Outcome(5, lambda _: [_problem()])
    assert not outcome.request_at_fault
    assert sorted(outcome.refused) == [0, 1, 2, 3, 4]


def test_rows_that_are_refused_only_together_are_all_accepted() -> None:
    """413, or a conflict within the request: smaller ones are taken."""
    outcome = Outcome(1_000, lambda rows: [_problem()] if len(rows) > 100 else None)
    assert sorted(outcome.accepted) == list(range(1_000))
    assert outcome.refused == []
    assert outcome.requests == 31


def test_many_bad_rows_named_one_at_a_time_do_not_send_the_good_ones_each_time() -> None:
    bad = set(range(0, 1_000, 10))
    outcome = Outcome(1_000, _pointing(bad, 1))
    assert sorted(outcome.refused) == sorted(bad)
    assert len(outcome.accepted) == 900
    assert outcome.sent < 15 * 1_000  # not 100 times
    assert outcome.requests <= 2 * len(bad) + 1


@pytest.mark.parametrize("pointer", ["/data/7", "/data/999999"])
def test_a_pointer_beyond_the_rows_names_none(pointer: str) -> None:
    def judge(rows: Sequence[int]) -> list[Problem] | None:
        return [_problem(pointer)] if 3 in rows else None

    outcome = Outcome(5, judge)
    assert outcome.refused == [3]
    assert sorted(outcome.accepted) == [0, 1, 2, 4]
