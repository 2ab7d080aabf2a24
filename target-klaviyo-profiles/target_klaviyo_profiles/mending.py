"""Which rows of a refused request are to blame: the ones the answer points to, else the halves that fail.

Pure: it says what to send next and is told what became of it. Good rows all land, bad ones are named, and the
number of requests is bounded: with pointers one more than there are answers with pointers; without, about
2·k·log2(n) for k bad rows of n; and log2(n) + 20 where the fault is not in the rows at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem

_WHOLE_AGAIN = 3
"""Times that what is left of a part is sent again in one piece. Where each answer names few of many bad rows,
halves from then on bring the good ones home without sending all of them each time."""
_ENOUGH = 20
"""Rows from all over the batch that are refused alone, and none taken: then the fault is not in the rows. If it
were, in half of them, that would happen once in a million batches."""


class Mending:
    """The parts of a batch that are to be sent, each a list of row numbers.

    Args:
        count: Rows of the batch.
        position: The row of a request that a JSON pointer names, counted from 0; None when it names none.
    """

    def __init__(self, count: int, position: Callable[[str | None], int | None]) -> None:
        self._position = position
        self._parts = [(list(range(count)), 0)]
        self._sent: tuple[list[int], int] = ([], 0)
        self._taken = False
        self._alone = 0
        """Rows refused alone while none was ever taken."""

    def part(self) -> list[int] | None:
        """The rows to send now, in one request; None when all is done."""
        if not self._parts:
            return None
        self._sent = self._parts.pop()
        return self._sent[0]

    def taken(self) -> None:
        """Klaviyo took the part: so the fault of others is in their rows."""
        self._taken = True

    def refused(self, problems: Sequence[Problem]) -> Mapping[int, Problem | None] | None:
        """Klaviyo refused the part.

        Returns:
            The rows that are to blame and what Klaviyo says of each, which may be none yet; None when the fault
            is that of the request: no row is taken even alone, here and there, and none ever was.
        """
        rows, repeats = self._sent
        blamed = self._blamed(rows, problems)
        if blamed:
            rest = [row for row in rows if row not in blamed]
            if repeats < _WHOLE_AGAIN:
                self._again(rest, repeats + 1)
            else:
                self._halves(rest, repeats)
            return blamed
        if len(rows) > 1:
            self._halves(rows, repeats)
            return {}
        if not self._taken and self._is_the_request():
            return None
        return {rows[0]: next(iter(problems), None)}

    def _blamed(self, rows: Sequence[int], problems: Sequence[Problem]) -> dict[int, Problem | None]:
        named: dict[int, Problem | None] = {}
        for problem in problems:
            position = self._position(problem.pointer)
            if position is not None and position < len(rows):
                named.setdefault(rows[position], problem)
        return named

    def _is_the_request(self) -> bool:
        """Whether enough rows were refused alone; after the first, rows from all over the batch are sent alone."""
        self._alone += 1
        if self._alone == 1:
            others = sorted(row for rows, _ in self._parts for row in rows)
            step = max(1, len(others) // (_ENOUGH - 1))
            probes = others[::step][: _ENOUGH - 1]
            apart = set(probes)
            kept = [([row for row in rows if row not in apart], repeats) for rows, repeats in self._parts]
            self._parts = [part for part in kept if part[0]] + [([row], 0) for row in reversed(probes)]
        return self._alone == _ENOUGH

    def _halves(self, rows: list[int], repeats: int) -> None:
        middle = len(rows) // 2
        self._again(rows[middle:], repeats)
        self._again(rows[:middle], repeats)

    def _again(self, rows: list[int], repeats: int) -> None:
        if rows:
            self._parts.append((rows, repeats))
