"""Notices a listing that never ends: which of its pages were asked for, and that one is named again."""

from __future__ import annotations

from collections.abc import Mapping

REMEMBERED = 10_000
"""Pages: a longer cycle is found later."""


class PagesAsked:
    """The pages of one listing, in bounded memory.

    A cycle of at most `REMEMBERED` pages is found when its first page is named again. A longer one is found by
    marks that are left at the first, second, fourth, eighth … page (Brent 1980), within three times its length.
    """

    def __init__(self) -> None:
        self._recent: dict[int, None] = {}
        self._mark: int | None = None
        self._count = 0

    def again(self, params: Mapping[str, str]) -> bool:
        """Whether the page of these query parameters was asked for before; from now on it was."""
        page = hash(frozenset(params.items()))
        if page in self._recent or page == self._mark:
            return True
        self._recent[page] = None
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._mark = page
        return False
