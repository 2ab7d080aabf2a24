"""Reads many units of work at once, in threads, and hands over their pages in order, or as they come.

It knows neither Klaviyo nor Singer: it is given a function that reads a unit page by page, and that raises
`Divided` where a unit is better read in parts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

AHEAD = 80_000_000
"""Bytes of pages that may wait for their turn.

A window is read page by page, so what is fetched meanwhile has to wait: at 100 ms an answer, 400,000 events of
1.3 kB took 33 s with 24 MB of them, 16 s with 64, 12 s with these; the process had 145, 208 and 233 MB at most.
They wait as they are. Compressing them took more of the processor than everything else that is done with a page.
"""

READY = 8_000_000
"""The same where pages need not wait for their turn: they wait for whoever takes them, and no more helps."""

EARLY = 500
"""Pages that may be handed over before their turn: where a run is ended amid it, the next one has them again.

Enough for every worker to read a unit, and a long one too, while the first unit is still read.
"""


class Sized(Protocol):
    """A page."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...


Unit = TypeVar("Unit")
Page = TypeVar("Page", bound=Sized)


class Divided(Exception, Generic[Unit]):  # noqa: N818 - not an error: an answer
    """Raised by a unit's reading: whatever it did not give is better read as these."""

    def __init__(self, units: Sequence[Unit]) -> None:
        super().__init__()
        self.units = units


class End(Enum):
    """What comes after the last page of a unit, when everything before it was handed over as well."""

    COMPLETE = auto()
    DIVIDED = auto()
    """What it did not give its parts give, which come next."""


@dataclass(eq=False)
class _Slot(Generic[Unit, Page]):
    """A unit on its way: waiting, being read, or read and waiting for its turn."""

    unit: Unit
    pages: deque[Page] = field(default_factory=deque)
    begun: bool = False
    finished: bool = False
    divided: bool = False
    early: int = 0
    """How many of its pages were handed over before its turn."""
    failure: BaseException | None = None


class ConcurrentReader(Generic[Unit, Page]):
    """Reads units concurrently.

    Args:
        read: The pages of a unit; may raise `Divided` instead of giving the next one. Called in another thread.
        workers: How many units are read at once.
        alone: Whether a unit may only be begun when all before it are read.
        in_order: Whether pages wait for their turn. If not, only the ends of units do.
    """

    def __init__(
        self,
        read: Callable[[Unit], Iterator[Page]],
        *,
        workers: int,
        alone: Callable[[Unit], bool] = lambda _: False,
        in_order: bool = True,
    ) -> None:
        self._read = read
        self._workers = workers
        self._alone = alone
        self._most_early, self._most_held = (0, AHEAD) if in_order else (EARLY, READY)
        self._changed = threading.Condition()
        self._slots: deque[_Slot[Unit, Page]] = deque()
        self._upcoming: Iterator[Unit] = iter(())
        self._held = self._early = self._idle = 0
        self._stopped = False
        self._ended = False
        self._failure: BaseException | None = None

    def pages(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, Page | End]]:
        """The pages of every unit; after the last page of each unit its end. Ends come in the order of the units.

        Raises:
            BaseException: whatever `read` raised, when it is the turn of its unit; those before it are complete.
        """
        self._upcoming = iter(units)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        try:
            with self._changed:
                self._refill()
            for thread in threads:
                thread.start()
            while (turn := self._next()) is not None:
                yield turn
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()

    def has_idle_workers(self) -> bool:
        """Whether half of the workers have nothing to read, so that units had better be divided for them.

        Fewer are no loss. Any thread may ask; what it is told may be over the next moment.
        """
        return self._idle >= max(self._workers // 2, 1)

    def _next(self) -> tuple[Unit, Page | End] | None:
        """What comes next; None at the end."""
        with self._changed:
            while self._slots:
                head = self._slots[0]
                if (slot := self._with_a_page()) is not None:
                    page = slot.pages.popleft()
                    self._held -= page.size
                    if slot is not head:
                        slot.early, self._early = slot.early + 1, self._early + 1
                    self._changed.notify_all()
                    return slot.unit, page
                if head.failure is not None:
                    raise head.failure
                if head.divided or head.finished:
                    self._slots.popleft()
                    self._early -= head.early
                    self._refill()
                    self._changed.notify_all()
                    return head.unit, End.DIVIDED if head.divided else End.COMPLETE
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            return None

    def _with_a_page(self) -> _Slot[Unit, Page] | None:
        """The unit whose page comes next: the first one's, else, while that is still read, any other's."""
        head = self._slots[0]
        ended = head.divided or head.finished or head.failure is not None
        if head.pages or ended or self._early >= self._most_early:
            return head if head.pages else None
        return next((slot for slot in self._slots if slot.pages), None)

    def _refill(self) -> None:
        """Keep a unit waiting for every worker."""
        waiting = sum(1 for slot in self._slots if not slot.begun)
        while waiting < self._workers and not self._ended:
            try:
                self._slots.append(_Slot(next(self._upcoming)))
            except StopIteration:
                self._ended = True
            except BaseException as error:  # noqa: BLE001 - raised when it is the turn of what comes next
                self._ended, self._failure = True, error
            waiting += 1

    def _take(self) -> _Slot[Unit, Page] | None:
        """The first unit that may be begun; None when there is nothing left to do."""
        with self._changed:
            while not self._stopped:
                self._refill()
                read_before = True
                for slot in self._slots:
                    if not slot.begun and (read_before or not self._alone(slot.unit)):
                        slot.begun = True
                        return slot
                    read_before = read_before and (slot.finished or slot.divided)
                if not self._slots:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return None

    def _work(self) -> None:
        while (slot := self._take()) is not None:
            try:
                for page in self._read(slot.unit):
                    if not self._put(slot, page):
                        return
            except Divided as divided:
                self._replace(slot, divided.units)
                continue
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
                slot.failure = error
            with self._changed:
                slot.finished = slot.failure is None
                self._changed.notify_all()

    def _put(self, slot: _Slot[Unit, Page], page: Page) -> bool:
        """Hand over a page, once there is room for it; False when nobody wants it any more.

        The unit whose turn it is always has room for one page, so it never waits for the others.
        """
        with self._changed:
            while not (self._stopped or self._room(slot)):
                self._changed.wait()
            if self._stopped:
                return False
            slot.pages.append(page)
            self._held += page.size
            self._changed.notify_all()
            return True

    def _room(self, slot: _Slot[Unit, Page]) -> bool:
        return self._held < self._most_held or (slot is self._slots[0] and not slot.pages)

    def _replace(self, slot: _Slot[Unit, Page], units: Sequence[Unit]) -> None:
        with self._changed:
            at = self._slots.index(slot)
            slot.divided = True
            for offset, unit in enumerate(units, start=1):
                self._slots.insert(at + offset, _Slot(unit))
            self._changed.notify_all()
