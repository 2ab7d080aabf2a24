"""Klaviyo's template tags in a text: where they stand, and whether they nest.

Klaviyo's language is Django's with tags of its own, so tags are found as Django's lexer finds them (a tag never
spans lines; nothing is read inside `{% verbatim %}`), and tags with unknown names are let through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_experiments.language import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = re.compile(r"\{[%{#]")
_CLOSING = {"{%": "%}", "{{": "}}", "{#": "#}"}
_UNCLOSED = re.compile(r"\{%|\{\{")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_FILTER = re.compile(r"\|\s*(\w+)")
_FILTER_CALL = re.compile(r"\|\s*\w+\(")
_FILTER_SPACE = re.compile(r"\|\s*\w+:\s")

_BLOCKS = {"autoescape", "catalog", "comment", "filter", "for", "if", "ifchanged", "spaceless", "verbatim", "with"}
_BRANCHES = {"elif": ("if",), "else": ("if", "ifchanged"), "empty": ("for",)}
# Klaviyo answers 400 when it renders one of these.
_UNSUPPORTED = {
    **dict.fromkeys(("assign", "capture", "set"), "use `{% with %}`"),
    "elsif": "write `{% elif %}`",
    "unless": "write `{% if not … %}`",
    **dict.fromkeys(("case", "when"), "use `{% if %}` and `{% elif %}`"),
    "raw": "write `{% verbatim %}`",
    "now": 'write `{% today "%Y-%m-%d" as today %}`',
    **dict.fromkeys(
        ("block", "extends", "import", "include", "load", "macro"), "write the text here: one file, one text"
    ),
    **dict.fromkeys(("csrf_token", "static", "url"), "write the address"),
}
"""Words of Liquid, Jinja and of Django's pages."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag or variable as it stands in a source text."""

    source: str
    start: int

    @property
    def end(self) -> int:
        """Offset of the first character after it."""
        return self.start + len(self.source)

    @property
    def name(self) -> str:
        """First word of a `{% tag %}`, empty for a variable."""
        words = self.source[2:-2].split() if self.source.startswith("{%") else []
        return words[0] if words else ""


def _spans(source: str) -> Iterator[tuple[int, int]]:
    """Where tags, variables and comments stand, each the shortest that closes on its line; in linear time.

    What `{%.*?%}|{{.*?}}|{#.*?#}` finds, which looks for an end from each opening anew.
    """
    position, line_end = 0, -1
    endless: set[str] = set()
    """What nothing closes any more on this line."""
    while match := _OPENING.search(source, position):
        start, opening = match.start(), match[0]
        if start > line_end:
            found = source.find("\n", start)
            line_end = found if found >= 0 else len(source)
            endless.clear()
        closing = -1 if opening in endless else source.find(_CLOSING[opening], start + 2, line_end)
        if closing < 0:
            endless.add(opening)
            position = start + 1
        else:
            position = closing + 2
            yield start, position


def _lexed(source: str) -> Iterator[Tag]:
    """Every tag, variable and comment the lexer reads, in order, including those inside `{% comment %}`."""
    verbatim_end = ""
    for start, end in _spans(source):
        tag = Tag(source[start:end], start)
        content = tag.source[2:-2].strip()
        if verbatim_end:
            if tag.source.startswith("{%") and content == verbatim_end:
                verbatim_end = ""
                yield tag
        else:
            if tag.name == "verbatim":
                verbatim_end = f"end{content}"
            yield tag


def active(source: str) -> list[Tag]:
    """The tags and variables that take effect when the text is rendered."""
    tags, in_comment = [], False
    for tag in _lexed(source):
        if in_comment:
            in_comment = tag.name != "endcomment"
            if in_comment:
                continue
        elif tag.source.startswith("{#"):
            continue
        in_comment = tag.name == "comment"
        tags.append(tag)
    return tags


def filters(source: str) -> set[str]:
    """Names of the filters that a text uses."""
    return {name for tag in active(source) for name in filters_of(tag)}


def filters_of(tag: Tag) -> list[str]:
    """Names of a tag's filters, in order."""
    return _FILTER.findall(_QUOTED.sub("''", tag.source))


def stretches(source: str) -> list[tuple[int, int]]:
    """Where tags stand, and whole blocks: what is not to be cut. The text must be sound, see `problem`."""
    tags = active(source)
    found = [(tag.start, tag.end) for tag in _lexed(source)]
    blocks = _blocks(tags)
    open_tags: list[Tag] = []
    for tag in tags:
        if tag.name.startswith("end") and open_tags:
            found.append((open_tags.pop().start, tag.end))
        elif tag.name in blocks:
            open_tags.append(tag)
    return found


def _blocks(tags: list[Tag]) -> set[str]:
    """Names of the tags that have an end: the known ones, and all for which there is one."""
    return _BLOCKS | {tag.name.removeprefix("end") for tag in tags if tag.name.startswith("end")}


def masked(source: str, mask: str) -> str:
    """The text with each character of a tag, variable or comment replaced by `mask`; offsets stay."""
    pieces, done = [], 0
    for start, end in _spans(source):
        pieces += [source[done:start], mask * (end - start)]
        done = end
    return "".join([*pieces, source[done:]])


def problem(source: str) -> tuple[int, str, str] | None:
    """The first reason why Klaviyo could not render the text inside a branch: offset, problem and remedy.

    The text must be complete in itself: what opens in it closes in it, so that no branch can end or begin another.
    """
    return _countless(source) or _unclosed(source) or _unbalanced(active(source))


def _countless(source: str) -> tuple[int, str, str] | None:
    """More tags than a message can need, or more openings that nothing closes, where most of them stand."""
    closed = 0
    for start, _ in _spans(source):
        closed += 1
        if closed > limits.MAX_TAGS:
            return start, f"holds more than {limits.MAX_TAGS:,} tags", limits.REMEDY
    lines = source.split("\n")
    openings = [sum(line.count(opening) for opening in _CLOSING) for line in lines]
    unclosed = sum(openings) - closed
    if unclosed * max(map(len, lines)) > limits.MAX_SEARCH:
        first = openings.index(max(openings))
        offset = sum(len(line) + 1 for line in lines[:first])
        return offset, f"holds {unclosed:,} openings of a tag that nothing closes on their line", limits.REMEDY
    return None


def _unclosed(source: str) -> tuple[int, str, str] | None:
    """A tag that begins and does not end on its line: it would swallow what is generated behind it."""
    end, verbatim = 0, False
    for tag in [*_lexed(source), Tag("", len(source))]:
        if not verbatim and (match := _UNCLOSED.search(source, end, tag.start)):
            return (
                match.start(),
                f"`{match[0]}` is not closed on its line",
                "close it, or put it in {% verbatim %}",
            )
        end, verbatim = tag.end, tag.name == "verbatim"
    return None


def _unbalanced(tags: list[Tag]) -> tuple[int, str, str] | None:
    """A tag that stands where it must not, or a block that is not closed."""
    blocks = _blocks(tags)
    open_tags: list[Tag] = []
    for tag in tags:
        inner = open_tags[-1].name if open_tags else ""
        if found := _misplaced(tag, inner):
            return tag.start, *found
        if tag.name.startswith("end"):
            open_tags.pop()
        elif tag.name in blocks:
            open_tags.append(tag)
        if len(open_tags) > limits.MAX_NESTING:
            return tag.start, f"`{tag.source}` stands in more than {limits.MAX_NESTING} blocks", limits.REMEDY
    if open_tags:
        last = open_tags[-1]
        return last.start, f"`{last.source}` is not closed", f"add `{{% end{last.name} %}}`"
    return None


def _misplaced(tag: Tag, inner: str) -> tuple[str, str] | None:
    """Problem and remedy of a tag inside the block `inner`."""
    unquoted = _QUOTED.sub("''", tag.source)
    block = tag.name.removeprefix("end")
    problems = [
        (tag.name in _UNSUPPORTED, "is not known to Klaviyo", _UNSUPPORTED.get(tag.name, "")),
        (not unquoted[2:-2].strip(), "is empty", "remove it"),
        (_UNCLOSED.search(unquoted, 1), "begins a tag inside a tag", "close the first before the second"),
        (
            _FILTER_SPACE.search(unquoted),
            "cannot be read by Klaviyo",
            "remove the space behind the filter's colon",
        ),
        (
            _FILTER_CALL.search(unquoted),
            "cannot be read by Klaviyo",
            "write a filter's argument behind a colon: |default:'there'",
        ),
        (inner not in _BRANCHES.get(tag.name, [inner]), "stands outside its block", "remove it"),
        (tag.name != block and (not inner or inner != block), "closes nothing", "open its block before it"),
    ]
    return next(((f"`{tag.source}` {problem}", remedy) for wrong, problem, remedy in problems if wrong), None)
