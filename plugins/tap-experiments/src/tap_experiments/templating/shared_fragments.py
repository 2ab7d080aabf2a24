"""Takes the contents of a slot's arms apart into what all share, shown once, and what differs, shown in branches.

A content is cut only where a tag of Klaviyo's may stand between its parts without changing them: outside Klaviyo's
tags and blocks and, in HTML, between complete tags, never directly in a table, whose text an HTML parser moves.
What a branch opens is closed in it: an HTML parser reads the branches one after the other.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from tap_experiments.language import template_tags
from tap_experiments.language.links import nesting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Path = tuple[int, ...]
"""The HTML elements that are open at a place, by where they begin."""
Match = tuple[int, ...]
"""A piece that all contents share: its number in each of them."""

_MOST_PIECES = 2_000
"""Of all contents together: beyond it only their beginnings and ends are compared, in linear time."""

_LINE = re.compile(r"\n")
_WORD = re.compile(r"\s+")
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr", "colgroup", "select"})
_RAW = frozenset({"script", "style", "textarea", "title", "xmp"})


@dataclass(frozen=True, slots=True)
class Pieces:
    """A content in pieces that can be shown one after the other.

    Attributes:
        texts: The pieces; joined they are the content.
        paths: What is open before each piece, and after the last.
    """

    texts: list[str]
    paths: list[Path]


@dataclass(frozen=True, slots=True)
class _Text:
    """A stretch of an HTML text between two tags."""

    start: int
    end: int
    element: str
    path: Path


def html_pieces(content: str) -> Pieces:
    """An HTML fragment, cut at line breaks and tags."""
    places, forbidden, texts = {match.end() for match in _LINE.finditer(content)}, [], [*_texts(content)]
    for before, after in pairwise([_Text(0, 0, "", ()), *texts]):
        forbidden.append((before.end, after.start))
        if after.element in _TABLE | _RAW:
            forbidden.append((after.start - 1, after.end + 1))
        places |= {after.start, after.end}
    bounds, pieces = _cut(content, places, forbidden)
    starts = [text.start for text in texts]
    return Pieces(pieces, [texts[bisect_right(starts, bound) - 1].path for bound in bounds])


def _texts(content: str) -> Iterator[_Text]:
    start = 0
    for markup, stack in nesting(content):
        end = markup.start if markup else len(content)
        yield _Text(start, end, stack[-1][0] if stack else "", tuple(place for _, place in stack))
        start = markup.end if markup else end


def moves_text(html: str) -> str:
    """The table, or part of one, that is open at the end of an HTML text: a parser moves text out of it."""
    *_, last = _texts(html)
    return last.element if last.element in _TABLE else ""


def text_pieces(content: str) -> Pieces:
    """A plain text in lines."""
    return _flat(content, _LINE)


def line_pieces(content: str) -> Pieces:
    """A line in words."""
    return _flat(content, _WORD)


def _flat(content: str, separator: re.Pattern[str]) -> Pieces:
    bounds, pieces = _cut(content, {match.end() for match in separator.finditer(content)}, [])
    return Pieces(pieces, [()] * len(bounds))


def _cut(content: str, places: Iterable[int], forbidden: list[tuple[int, int]]) -> tuple[list[int], list[str]]:
    """The content cut at the places that lie in no forbidden stretch, nor inside a tag or block of Klaviyo's."""
    closed = bytearray(len(content) + 1)
    for start, end in [*forbidden, *template_tags.stretches(content)]:
        first, last = start + 1, min(end, len(closed))
        closed[first:last] = b"\1" * max(last - first, 0)
    cuts = sorted(place for place in places if 0 < place < len(content) and not closed[place])
    # A brace beside a generated tag would change where the tag begins.
    cuts = [cut for cut in cuts if content[cut - 1] != "{" and content[cut] not in "{}%#"]
    bounds = [0, *cuts, len(content)]
    return bounds, [content[a:b] for a, b in pairwise(bounds)]


def common_parts(
    contents: Sequence[str], pieces_of: Callable[[str], Pieces], branching: int
) -> list[tuple[str, ...]]:
    """Take contents apart into what all share and what differs.

    Args:
        contents: At least two.
        pieces_of: Cuts a content where it may be cut.
        branching: Characters that one more set of branches costs; nothing is shared that saves less.

    Returns:
        Tuples of one text, for all, or of a text for each content; joined they give back every content.
    """
    lists = [pieces_of(content) for content in contents]
    matches = _balanced(lists, _matches([pieces.texts for pieces in lists]))
    while True:
        cheap = _too_cheap(lists, matches, branching)
        if not cheap:
            return _parts(lists, matches)
        matches = _balanced(lists, [match for match in matches if match not in cheap])


def _matches(lists: Sequence[list[str]]) -> list[Match]:
    """Pieces that occur in all lists in the same order."""
    shortest = min(map(len, lists))
    head = next((i for i in range(shortest) if len({texts[i] for texts in lists}) > 1), shortest)
    rest = shortest - head
    tail = next((i for i in range(rest) if len({texts[-1 - i] for texts in lists}) > 1), rest)
    ends = [len(texts) - tail for texts in lists]
    found = [(place,) * len(lists) for place in range(head)]
    middles = [texts[head:end] for texts, end in zip(lists, ends, strict=True)]
    if sum(map(len, middles)) <= _MOST_PIECES:
        shared = middles[0]
        for texts in middles[1:]:
            blocks = SequenceMatcher(a=shared, b=texts, autojunk=False).get_matching_blocks()
            shared = [text for block in blocks for text in shared[block.a : block.a + block.size]]
        done = (head - 1,) * len(lists)
        for text in shared:
            done = tuple(texts.index(text, place + 1) for texts, place in zip(lists, done, strict=True))
            found.append(done)
    return [*found, *(tuple(end + place for end in ends) for place in range(tail))]


def _gaps(lists: Sequence[Pieces], matches: list[Match]) -> list[list[tuple[int, int]]]:
    """What lies before, between and behind the matches: for each content the numbers of the pieces."""
    first, last = (-1,) * len(lists), tuple(len(pieces.texts) for pieces in lists)
    return [
        [(a + 1, b) for a, b in zip(before, after, strict=True)]
        for before, after in pairwise([first, *matches, last])
    ]


def _balanced(lists: Sequence[Pieces], matches: list[Match]) -> list[Match]:
    """The matches without those that would leave a branch with an element opened or closed in it only."""
    while True:
        dropped: set[int] = set()
        for number, gap in enumerate(_gaps(lists, matches)):
            if all(a == b for a, b in gap):
                continue
            for pieces, (a, b) in zip(lists, gap, strict=True):
                before, after = pieces.paths[a], pieces.paths[b]
                shared = next(
                    (i for i, (x, y) in enumerate(zip(before, after, strict=False)) if x != y),
                    min(len(before), len(after)),
                )
                dropped |= {number - 1} if len(before) > shared else set()
                dropped |= {number} if len(after) > shared else set()
        kept = [match for number, match in enumerate(matches) if number not in dropped]
        if len(kept) == len(matches):
            return matches
        matches = kept


def _too_cheap(lists: Sequence[Pieces], matches: list[Match], branching: int) -> set[Match]:
    """Matches between two sets of branches that are shorter than what the second set costs."""
    gaps = [any(a != b for a, b in gap) for gap in _gaps(lists, matches)]
    groups: dict[int, list[Match]] = {}
    for behind, match in zip(accumulate(gaps), matches, strict=False):
        groups.setdefault(behind, []).append(match)
    return {
        match
        for group in [members for key, members in groups.items() if 0 < key < sum(gaps)]
        if sum(len(lists[0].texts[match[0]]) for match in group) * (len(lists) - 1) <= branching
        for match in group
    }


def _parts(lists: Sequence[Pieces], matches: list[Match]) -> list[tuple[str, ...]]:
    parts: list[tuple[str, ...]] = []
    for gap, match in zip(_gaps(lists, matches), [*matches, None], strict=True):
        if any(a != b for a, b in gap):
            parts.append(tuple("".join(pieces.texts[a:b]) for pieces, (a, b) in zip(lists, gap, strict=True)))
        if match:
            text = lists[0].texts[match[0]]
            if parts and len(parts[-1]) == 1:
                parts[-1] = (parts[-1][0] + text,)
            else:
                parts.append((text,))
    return parts
