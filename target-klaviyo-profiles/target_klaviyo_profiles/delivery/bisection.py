"""Which rows of a refused request are to blame: those that Klaviyo's answer points to, else halves are tried.

Nothing is sent here: `Bisection` says which rows to send next and takes in what became of them. Every good row is
accepted in the end and every bad one is named. The number of requests has a bound: with pointers, one more than
there are answers with pointers; without, about 2·k·log2(n) for k bad rows of n; and log2(n) + 20 where no row is
at fault but the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem

_MAX_WHOLE_RETRIES = 3
"""Times that the rest of a part is sent again in one piece, after the rows that were named are taken out. Since an
answer may name only a few of many bad rows, the rest is then halved: a half without any is not sent once more."""
_ENOUGH_ALONE = 20
"""After so many rows, from all over the batch, were refused alone and none was ever accepted, the request is at
fault and not the rows. If half of the rows were bad, that would happen once in a million batches."""


class Bisection:
    """The parts of a batch that are to be sent, each a list of row numbers.

    Args:
        count: Rows of the batch.
        position: The row of a request that a JSON pointer names, counted from 0; None when it names none.
    """

    def __init__(self, count: int, position: Callable[[str | None], int | None]) -> None:
        self._position = position
        self._parts = [(list(range(count)), 0)]
        self._current: tuple[list[int], int] = ([], 0)
        self._any_accepted = False
        self._refused_alone = 0
        """Rows that were refused alone while none was ever accepted."""

    def next_part(self) -> list[int] | None:
        """The rows to send now, in one request; None when all is done."""
        if not self._parts:
            return None
        self._current = self._parts.pop()
        return self._current[0]

    def accepted(self) -> None:
        """Klaviyo accepted the part: so if others are refused, their rows are at fault."""
        self._any_accepted = True

    def refused(self, problems: Sequence[Problem]) -> Mapping[int, Problem | None] | None:
        """Klaviyo refused the part.

        Returns:
            The rows that are to blame and what Klaviyo says of each; there may be none yet. None when the request
            is at fault: rows from all over the batch are refused alone, and none was ever accepted.
        """
        rows, retries = self._current
        blamed = self._blamed(rows, problems)
        if blamed:
            rest = [row for row in rows if row not in blamed]
            if retries < _MAX_WHOLE_RETRIES:
                self._add(rest, retries + 1)
            else:
                self._add_halves(rest, retries)
            return blamed
        if len(rows) > 1:
            self._add_halves(rows, retries)
            return {}
        if not self._any_accepted and self._is_the_request():
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
        self._refused_alone += 1
        if self._refused_alone == 1:
            others = sorted(row for rows, _ in self._parts for row in rows)
            step = max(1, len(others) // (_ENOUGH_ALONE - 1))
            probes = others[::step][: _ENOUGH_ALONE - 1]
            apart = set(probes)
            kept = [([row for row in rows if row not in apart], retries) for rows, retries in self._parts]
            self._parts = [part for part in kept if part[0]] + [([row], 0) for row in reversed(probes)]
        return self._refused_alone == _ENOUGH_ALONE

    def _add_halves(self, rows: list[int], retries: int) -> None:
        middle = len(rows) // 2
        self._add(rows[middle:], retries)
        self._add(rows[:middle], retries)

    def _add(self, rows: list[int], retries: int) -> None:
        if rows:
            self._parts.append((rows, retries))
