"""Work that is accepted at once and done later, as Klaviyo does what it answers with 202."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import datetime

Identifier = tuple[str, str]
"""An identifier: its kind and its value."""

Work = Callable[[datetime], None]
"""A function that does the work; its argument is the moment at which it is done."""


class DeferredWork:
    """Does work `delay` seconds of the sandbox's clock after it was accepted, in the order it came."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self._waiting: deque[tuple[datetime, Work]] = deque()

    def add(self, now: datetime, work: Work) -> None:
        """Accept work at the moment `now`."""
        self._waiting.append((now, work))

    def advance(self, now: datetime) -> None:
        """Do the work whose delay is over at the moment `now`."""
        while self._waiting and (now - self._waiting[0][0]).total_seconds() >= self.delay:
            self._waiting.popleft()[1](now)

    def settle(self, now: datetime) -> None:
        """Do all the work that waits, whether or not its delay is over."""
        while self._waiting:
            self._waiting.popleft()[1](now)


class OpenRequests:
    """The profiles named in requests that were accepted and whose work is not done yet."""

    def __init__(self) -> None:
        self._counts: Counter[Identifier] = Counter()

    def any(self, names: Iterable[Identifier]) -> bool:
        """Whether an open request names one of these identifiers."""
        return any(each in self._counts for each in names)

    def enter(self, names: Iterable[Identifier]) -> None:
        """Note the identifiers of a request that is now open, each once."""
        self._counts.update(names)

    def leave(self, names: Iterable[Identifier]) -> None:
        """Take back the identifiers of a request whose work is done."""
        for each in names:
            self._counts[each] -= 1
            if not self._counts[each]:
                del self._counts[each]
