"""Units are read at once and come in order; what fails, fails at its turn; nothing waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_klaviyo_engagement.extraction import concurrent_reader
from tap_klaviyo_engagement.extraction.concurrent_reader import ConcurrentReader, Divided, End

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which something waits for ever."""


@dataclass(frozen=True)
class Page:
    name: str
    size: int = 1


@dataclass(frozen=True)
class Node:
    """A unit: read in pages of these sizes, or divided."""

    name: str
    sizes: tuple[int, ...] = ()
    parts: tuple[Node, ...] | None = None
    fails: bool = False
    alone: bool = False

    def leaves(self) -> Iterator[Node]:
        if self.parts is None:
            yield self
        for part in self.parts or ():
            yield from part.leaves()

    def pages(self) -> list[Page]:
        return [Page(f"{self.name}/{position}", size) for position, size in enumerate(self.sizes)]


def _read(node: Node) -> Iterator[Page]:
    if node.parts is not None:
        raise Divided(node.parts)
    yield from node.pages()
    if node.fails:
        raise LookupError(node.name)


def _expected(nodes: Sequence[Node]) -> list[tuple[str, Page | End]]:
    found: list[tuple[str, Page | End]] = []
    for node in nodes:
        if node.parts is None:
            found += [*((node.name, page) for page in node.pages()), (node.name, End.COMPLETE)]
        else:
            found += [(node.name, End.DIVIDED), *_expected(node.parts)]
    return found


def _within(seconds: float, work: Callable[[], T]) -> T:
    """What some work gives, in its own thread; fails if it waits for ever."""
    result: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it waits for ever"
    if raised:
        raise raised[0]
    return result[0]


def _all(reader: ConcurrentReader[Node, Page], nodes: Sequence[Node]) -> list[tuple[str, Page | End]]:
    return _within(PATIENCE, lambda: [(unit.name, page) for unit, page in reader.pages(nodes)])


@contextmanager
def _threads_end() -> Iterator[None]:
    """Every thread that was started within has ended."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
        assert not thread.is_alive()


# Order


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)))
def test_pages_come_in_the_order_of_the_units_whichever_is_read_first(order: list[int]) -> None:
    turns = [threading.Event() for _ in order]
    following = dict(zip(order, [*order[1:], None], strict=True))

    def read(unit: int) -> Iterator[Page]:
        assert turns[unit].wait(PATIENCE)
        yield Page(f"{unit}")
        if (after := following[unit]) is not None:
            turns[after].set()

    turns[order[0]].set()
    reader: ConcurrentReader[int, Page] = ConcurrentReader(read, workers=6)
    found = _within(PATIENCE, lambda: list(reader.pages(range(6))))
    assert found == [(unit, page) for unit in range(6) for page in (Page(f"{unit}"), End.COMPLETE)]


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_as_many_units_are_read_at_once_as_there_are_workers_and_no_more(workers: int) -> None:
    together = threading.Barrier(workers)
    lock, under_way, most = threading.Lock(), 0, 0

    def read(unit: int) -> Iterator[Page]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(PATIENCE)  # passes only if all of them are here
        yield Page(f"{unit}")
        with lock:
            under_way -= 1

    reader: ConcurrentReader[int, Page] = ConcurrentReader(read, workers=workers)
    assert len(_within(PATIENCE, lambda: list(reader.pages(range(3 * workers))))) == 6 * workers
    assert most == workers


def test_a_unit_is_taken_from_the_iterable_only_when_a_worker_may_soon_want_it() -> None:
    taken: list[int] = []

    def units() -> Iterator[int]:
        for unit in range(1_000):
            taken.append(unit)
            yield unit

    reader: ConcurrentReader[int, Page] = ConcurrentReader(
        lambda unit: iter([Page(f"{unit}", concurrent_reader.AHEAD)]), workers=3
    )
    pages = reader.pages(units())
    with _threads_end():
        assert next(pages) == (0, Page("0", concurrent_reader.AHEAD))
        pages.close()  # type: ignore[attr-defined]  # a generator
    assert len(taken) <= 3 * 3


def test_without_units_there_is_nothing() -> None:
    with _threads_end():
        assert _all(ConcurrentReader(_read, workers=4), []) == []


# Out of order


@pytest.mark.parametrize("early", [0, 1, 5, 99])
def test_pages_that_need_no_turn_come_while_the_first_unit_is_read_and_ends_in_order(
    monkeypatch: pytest.MonkeyPatch, early: int
) -> None:
    monkeypatch.setattr(concurrent_reader, "EARLY", early)
    go_on = threading.Event()

    def read(unit: int) -> Iterator[Page]:
        if unit == 0:
            assert go_on.wait(PATIENCE)
        for number in range(10):
            yield Page(f"{unit}/{number}")

    def work() -> list[tuple[int, Page | End]]:
        pages = reader.pages(range(3))
        found = [next(pages) for _ in range(min(early, 20))]
        assert 0 not in {unit for unit, _ in found}
        go_on.set()
        return found + list(pages)

    reader: ConcurrentReader[int, Page] = ConcurrentReader(read, workers=3, in_order=False)
    with _threads_end():
        found = _within(PATIENCE, work)
    assert [(unit, end) for unit, end in found if isinstance(end, End)] == [
        (unit, End.COMPLETE) for unit in range(3)
    ]
    for unit in range(3):
        of_unit = [page for each, page in found if each == unit]
        assert of_unit == [*(Page(f"{unit}/{number}") for number in range(10)), End.COMPLETE]


# Division

A, B, C = Node("a", (1, 1)), Node("b", (1,)), Node("c")
X = Node("x", parts=(Node("x1", (1,)), Node("x2"), Node("x3", (1, 1, 1))))
NESTED = Node("n", parts=(Node("n1", parts=(Node("n11", (1,)), X)), Node("n2", (1,)), X))


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize(
    "nodes",
    [[X], [X, A, B], [A, X, B], [A, B, C, X], [X, X, X], [NESTED, A], [A, NESTED, B], [A, NESTED]],
    ids=["only", "head", "middle", "last", "all", "nested head", "nested middle", "nested last"],
)
def test_the_parts_of_a_unit_take_its_place(nodes: list[Node], workers: int) -> None:
    with _threads_end():
        assert _all(ConcurrentReader(_read, workers=workers), nodes) == _expected(nodes)


def test_a_unit_divided_after_those_behind_it_were_read_still_comes_first() -> None:
    behind = threading.Event()

    def read(node: Node) -> Iterator[Page]:
        if node.parts is not None:
            assert behind.wait(PATIENCE)
        yield from _read(node)
        if node.name == "b":
            behind.set()

    assert _all(ConcurrentReader(read, workers=2), [X, A, B]) == _expected([X, A, B])


def test_whether_half_of_the_workers_have_nothing_to_read() -> None:
    """What is left of a unit is then divided, and they read it too."""
    long, others = Node("long"), [Node(f"other {number}", (1,)) for number in range(3)]
    last = [Node(f"part {number}") for number in range(4)]
    busy, all_read = threading.Barrier(4), threading.Barrier(4)
    told: list[bool] = []

    def read(node: Node) -> Iterator[Page]:
        if node in last:
            all_read.wait(PATIENCE)  # passes only if all of them are read at once
            return
        busy.wait(PATIENCE)
        if node == long:
            told.append(reader.has_idle_workers())
            busy.wait(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while not reader.has_idle_workers() and time.monotonic() < deadline:
                time.sleep(0.001)
            yield Page("long/0")
            raise Divided(last)
        busy.wait(PATIENCE)
        yield from node.pages()

    reader: ConcurrentReader[Node, Page] = ConcurrentReader(read, workers=4)
    with _threads_end():
        found = _all(reader, [long, *others])
    assert told == [False]
    assert found == [
        ("long", Page("long/0")),
        ("long", End.DIVIDED),
        *((part.name, End.COMPLETE) for part in last),
        *_expected(others),
    ]


# Failure


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_failure_comes_at_its_turn_and_all_before_it_is_complete(place: int, workers: int) -> None:
    nodes = [Node(f"{position}", (1, 1), fails=position == place) for position in range(6)]
    emitted: list[tuple[str, Page | End]] = []

    def work() -> None:
        emitted.extend((unit.name, page) for unit, page in ConcurrentReader(_read, workers=workers).pages(nodes))

    with _threads_end(), pytest.raises(LookupError, match=f"^'?{place}'?$"):
        _within(PATIENCE, work)
    assert emitted[: 3 * place] == _expected(nodes)[: 3 * place]
    assert (f"{place}", End.COMPLETE) not in emitted
    assert {name for name, _ in emitted} <= {f"{position}" for position in range(place + 1)}


def test_of_two_failures_the_earlier_unit_s_is_told_though_it_came_later() -> None:
    second_failed = threading.Event()

    def read(unit: int) -> Iterator[Page]:
        if unit == 0:
            assert second_failed.wait(PATIENCE)
        yield Page(f"{unit}")
        if unit == 1:
            second_failed.set()
        raise LookupError(unit)

    reader: ConcurrentReader[int, Page] = ConcurrentReader(read, workers=2)
    with pytest.raises(LookupError) as failure:
        _within(PATIENCE, lambda: list(reader.pages(range(2))))
    assert failure.value.args == (0,)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("after", [0, 1, 3, 30])
def test_a_failure_of_the_units_themselves_is_not_taken_for_their_end(after: int, workers: int) -> None:
    emitted: list[Any] = []

    def units() -> Iterator[Node]:
        for position in range(after):
            yield Node(f"{position}", (1,))
        raise LookupError

    def work() -> None:
        emitted.extend((unit.name, page) for unit, page in ConcurrentReader(_read, workers=workers).pages(units()))

    with _threads_end(), pytest.raises(LookupError):
        _within(PATIENCE, work)
    assert emitted == _expected([Node(f"{position}", (1,)) for position in range(after)])[: len(emitted)]


# Alone


@settings(max_examples=60, deadline=None)
@given(
    alone=st.lists(st.booleans(), min_size=1, max_size=12),
    divided=st.sets(st.integers(0, 11)),
    workers=st.integers(1, 6),
)
def test_a_unit_alone_begins_when_all_before_it_are_read(
    alone: list[bool], divided: set[int], workers: int
) -> None:
    nodes = [
        Node(f"{position}", parts=(Node(f"{position}a", (1,)), Node(f"{position}b", (1, 1), alone=each)))
        if position in divided
        else Node(f"{position}", (1,), alone=each)
        for position, each in enumerate(alone)
    ]
    order = [leaf.name for node in nodes for leaf in node.leaves()]
    finished: set[str] = set()
    too_soon: list[str] = []

    def read(node: Node) -> Iterator[Page]:
        if node.alone and not finished.issuperset(order[: order.index(node.name)]):
            too_soon.append(node.name)
        if node.parts is not None:
            raise Divided(node.parts)
        yield from node.pages()
        finished.add(node.name)

    reader: ConcurrentReader[Node, Page] = ConcurrentReader(read, workers=workers, alone=lambda node: node.alone)
    assert _all(reader, nodes) == _expected(nodes)
    assert too_soon == []


def test_units_behind_one_that_is_alone_are_begun_before_it() -> None:
    """Only that one waits."""
    begun = threading.Event()

    def read(node: Node) -> Iterator[Page]:
        if node.name == "a":
            assert begun.wait(PATIENCE)
        if node.name == "b":
            begun.set()
        yield from _read(node)

    nodes = [A, Node("last of a", alone=True), B]
    assert _all(ConcurrentReader(read, workers=2, alone=lambda node: node.alone), nodes) == _expected(nodes)


# The bound, and that nothing waits for ever

BOUND = 100
MOST_EARLY = 4
LEAVES = st.builds(
    Node,
    name=st.uuids().map(str),
    sizes=st.lists(st.sampled_from([0, 1, 10, 99, 100, 101, 250]), max_size=6).map(tuple),
    alone=st.booleans(),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Node,
        name=st.uuids().map(str),
        parts=st.lists(inner, min_size=1, max_size=5).map(tuple),
        alone=st.booleans(),
    ),
    max_leaves=12,
)


def _by_unit(found: Sequence[tuple[str, Page | End]]) -> dict[str, list[Page | End]]:
    units: dict[str, list[Page | End]] = {}
    for unit, each in found:
        units.setdefault(unit, []).append(each)
    return units


def _most_early(found: Sequence[tuple[str, Page | End]]) -> int:
    """How many pages were handed over before their turn, at most at a time: of units behind the next to end."""
    ends = [unit for unit, each in found if isinstance(each, End)]
    waiting: list[str] = []
    most = 0
    for unit, each in found:
        if isinstance(each, End):
            ends.pop(0)
        elif unit != ends[0]:
            waiting.append(unit)
        waiting = [unit for unit in waiting if unit != ends[0]] if ends else []
        most = max(most, len(waiting))
    return most


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "as they come"])
@settings(max_examples=120, deadline=None)
@given(
    nodes=st.lists(NODES, max_size=12),
    workers=st.integers(1, 16),
    slow=st.sets(st.integers(0, 40)),
)
def test_what_waits_is_bounded_and_nothing_waits_for_ever(
    nodes: list[Node], workers: int, slow: set[int], *, in_order: bool
) -> None:
    lock = threading.Lock()
    produced, consumed, most = 0, 0, 0

    def read(node: Node) -> Iterator[Page]:
        nonlocal produced, most
        if node.parts is not None:
            raise Divided(node.parts)
        for page in node.pages():
            yield page  # once it goes on, the page was taken in
            with lock:
                produced += page.size
                most = max(most, produced - consumed)

    def work() -> list[tuple[str, Page | End]]:
        nonlocal consumed
        found = []
        reader: ConcurrentReader[Node, Page] = ConcurrentReader(
            read, workers=workers, alone=lambda node: node.alone, in_order=in_order
        )
        for position, (unit, page) in enumerate(reader.pages(nodes)):
            found.append((unit.name, page))
            if position in slow:
                time.sleep(0.001)  # let the workers run ahead
            with lock:
                consumed += page.size if isinstance(page, Page) else 0
        return found

    with pytest.MonkeyPatch.context() as patch, _threads_end():
        patch.setattr(concurrent_reader, "AHEAD" if in_order else "READY", BOUND)
        patch.setattr(concurrent_reader, "EARLY", MOST_EARLY)
        found, expected = _within(PATIENCE, work), _expected(nodes)
    if in_order:
        assert found == expected
    else:
        assert _by_unit(found) == _by_unit(expected)
        assert [each for each in found if isinstance(each[1], End)] == [
            each for each in expected if isinstance(each[1], End)
        ]
        assert _most_early(found) <= MOST_EARLY
    # Less than the bound, then one page beyond it; one of the unit whose turn it is; and the one being consumed.
    assert most < BOUND + 3 * 250


def test_while_the_first_unit_is_slow_the_others_go_on_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrent_reader, "AHEAD", 20)
    given = [0] * 4
    together = threading.Barrier(4)

    def read(unit: int) -> Iterator[Page]:
        if unit == 0:
            together.wait(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while sum(given) < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)  # for those who go on beyond the bound
            assert 20 <= sum(given) <= 20 + 3, "each of the others holds a page that finds no room"
        for number in range(100):
            given[unit] += 1
            yield Page(f"{unit}/{number}")
            if unit and number == 0:
                together.wait(PATIENCE)

    def work() -> list[str]:
        reader: ConcurrentReader[int, Page] = ConcurrentReader(read, workers=4)
        return [page.name for _, page in reader.pages(range(4)) if isinstance(page, Page)]

    with _threads_end():
        found = _within(PATIENCE, work)
    assert found == [f"{unit}/{number}" for unit in range(4) for number in range(100)]


# Abandoning


@pytest.mark.parametrize("how", ["closed", "dropped", "raised in"])
def test_workers_end_when_nobody_wants_the_pages(how: str) -> None:
    read: list[int] = []
    opened, closed = [], []

    def endless(unit: int) -> Iterator[Page]:
        opened.append(unit)
        try:
            while True:
                read.append(unit)
                yield Page(f"{unit}", concurrent_reader.AHEAD // 3)
        finally:
            closed.append(unit)

    reader: ConcurrentReader[int, Page] = ConcurrentReader(endless, workers=4)
    with _threads_end():
        pages = reader.pages(range(10))
        next(pages)
        if how == "closed":
            pages.close()  # type: ignore[attr-defined]  # a generator
        elif how == "dropped":
            del pages
        else:
            with pytest.raises(ZeroDivisionError):
                pages.throw(ZeroDivisionError)  # type: ignore[attr-defined]
    assert sorted(opened) == sorted(closed), "the reading of a unit is ended as well: it may hold a connection"
    assert len(read) < 20
