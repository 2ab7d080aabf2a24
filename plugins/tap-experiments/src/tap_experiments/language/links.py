"""Puts `lf_cid` into links and leaves every other byte as it is.

A link is decorated only where the result is provably the same address plus one query parameter: template
expressions have unknown values, so the parameter goes where no expression stands before it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_experiments.language import limits, template_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETER = "lf_cid"

# Private-use characters stand for what is not literal text: one for each character of a template tag, one for each
# further character of a character reference, whose first character stands for its value.
_TAG = "\ue000"
_REST = "\ue001"

_HTTP = re.compile(r"\s*https?://", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#x[0-9a-f]+;?|[a-z][a-z0-9]*;)", re.IGNORECASE)

# What the HTML standard's tokenizer knows, as far as links need it. Of an Outlook conditional comment only the
# opening is matched, so that the links Outlook alone will show are found.
_MARKUP = re.compile(
    rf"<!--\[if\b[^\]]*\]>|<!--(?:>|->|.*?(?:--!?>|\Z))|</?(?P<name>[a-z][^\s/>{_TAG}]*)|<[!?/][^>]*>?",
    re.IGNORECASE | re.DOTALL,
)
_SPACE = re.compile(rf"[\s/{_TAG}]*")
_NAME = re.compile(rf"=?[^\s/>={_TAG}]*")
_NO_VALUE = re.compile(r"\s*=?")
_VALUE = re.compile(r"""\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>"'][^\s>]*))""")
_RAW_TEXT = {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
_NOT_LINKS = {"base", "link"}
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})  # fmt: skip

_TEXT_URL = re.compile(r"""https?://[^\s<>"']+""", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Decorated:
    """A content with its links decorated."""

    content: str
    links: int
    """How many links carry the parameter."""
    left: tuple[str, ...]
    """Links whose address only the template knows, so that they carry none."""


def decorate_html(content: str, lf_cid: str) -> Decorated:
    """Add `lf_cid` to the `href` of every http and https link of an HTML fragment."""
    masked = template_tags.masked(content, _TAG)
    spans = [(start, _REFERENCE.sub(_decoded, masked[start:end])) for start, end in _hrefs(masked)]
    return _decorate(content, spans, lf_cid, ampersand="&amp;")


def hrefs(content: str) -> Iterator[tuple[int, str]]:
    """Where the addresses of an HTML fragment's links stand, and what they are as they stand."""
    for start, end in _hrefs(template_tags.masked(content, _TAG)):
        yield start, content[start:end]


def decorate_text(content: str, lf_cid: str) -> Decorated:
    """Add `lf_cid` to every http and https address of a plain text."""
    masked = template_tags.masked(content, _TAG)
    spans = [(start, masked[start:end]) for start, end in _text_urls(masked)]
    return _decorate(content, spans, lf_cid, ampersand="&")


def _decorate(content: str, urls: list[tuple[int, str]], lf_cid: str, *, ampersand: str) -> Decorated:
    pieces, done, links, left = [], 0, 0, []
    for start, url in urls:
        address = content[start : start + len(url)]
        is_http = _HTTP.match(url.replace(_REST, ""))
        place = _insertion(url, f"{PARAMETER}={lf_cid}", ampersand) if is_http else None
        if place:
            offset, addition = place
            pieces += [content[done : start + offset], addition]
            done = start + offset
            links += 1
        elif is_http or "{{" in address:
            left.append(address)
    return Decorated("".join([*pieces, content[done:]]), links, tuple(left))


def _decoded(reference: re.Match[str]) -> str:
    """A character reference as its value, filled up to its length."""
    return html.unescape(reference[0])[:1].ljust(len(reference[0]), _REST)


def _insertion(url: str, parameter: str, ampersand: str) -> tuple[int, str] | None:
    """Where the parameter goes in a masked address, and with which separator; none if no place is safe.

    Behind the first `?`, or, without one, at the end of the path: each only if everything before it is literal.
    """
    head = url.split("#", 1)[0].rstrip()
    literal = head.split(_TAG, 1)[0]
    if "?" in literal:
        offset = literal.index("?") + 1
        while url[offset : offset + 1] == _REST:
            offset += 1
        return offset, parameter + (ampersand if offset < len(head) else "")
    return (len(head), f"?{parameter}") if literal == head else None


@dataclass(frozen=True, slots=True)
class Markup:
    """A tag, comment or declaration of an HTML text."""

    start: int
    end: int
    name: str
    """In small letters; empty for what is no tag."""
    is_start: bool
    hrefs: tuple[tuple[int, int], ...]
    """Where the values of a link's `href` attributes stand."""


def _hrefs(masked: str) -> Iterator[tuple[int, int]]:
    """Where the values of `href` attributes stand in an HTML text."""
    for markup in _markups(masked):
        yield from markup.hrefs


def markups(content: str) -> Iterator[Markup]:
    """Every tag, comment and declaration of an HTML text, in order; none inside a style or another raw text."""
    return _markups(template_tags.masked(content, _TAG))


def nesting(content: str) -> Iterator[tuple[Markup | None, list[tuple[str, int]]]]:
    """Every tag, comment and declaration of an HTML text with the elements open before it; None is the end.

    An element is its name, empty for one that is open around the text and closed in it, and where it begins. The
    list is the same one each time, and changes.
    """
    stack: list[tuple[str, int]] = []
    for markup in markups(content):
        yield markup, stack
        if markup.is_start and markup.name not in _VOID:
            stack.append((markup.name, markup.start))
            continue
        names = [name for name, _ in stack]
        if markup.name in names:
            del stack[len(names) - 1 - names[::-1].index(markup.name) :]
        elif markup.name and not markup.is_start:
            stack.append(("", markup.start))
    yield None, stack


def problem(content: str) -> tuple[int, str, str] | None:
    """Why an HTML text is too much to look through: offset, problem and remedy."""
    for count, (markup, stack) in enumerate(nesting(content)):
        offset = markup.start if markup else len(content)
        if count > limits.MAX_MARKUPS:
            return offset, f"holds more than {limits.MAX_MARKUPS:,} HTML tags", limits.REMEDY
        if len(stack) > limits.MAX_DEPTH:
            problem = f"opens or closes more than {limits.MAX_DEPTH} HTML elements inside one another"
            return offset, problem, "close each, or " + limits.REMEDY
    return None


def _markups(masked: str) -> Iterator[Markup]:
    position = 0
    while match := _MARKUP.search(masked, position):
        position = match.end()
        name = (match["name"] or "").lower()
        if not name:
            yield Markup(match.start(), position, "", is_start=False, hrefs=())
            continue
        start_tag, found = not match[0].startswith("</"), []
        while (position := _past(_SPACE, masked, position)) < len(masked) and masked[position] != ">":
            attribute = _NAME.match(masked, position)
            position = attribute.end() if attribute else position + 1
            value = _VALUE.match(masked, position)
            if value is None:
                position = _past(_NO_VALUE, masked, position)
                continue
            position = value.end()
            if start_tag and attribute and attribute[0].lower() == "href" and name not in _NOT_LINKS:
                found.append(value.span(value.lastgroup or 0))
        yield Markup(match.start(), min(position + 1, len(masked)), name, start_tag, tuple(found))
        if start_tag and name in _RAW_TEXT:
            closing = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(masked, position)
            position = closing.start() if closing else len(masked)


def _past(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _text_urls(masked: str) -> Iterator[tuple[int, int]]:
    """Where addresses stand in a plain text, without the punctuation a sentence puts behind them."""
    for match in _TEXT_URL.finditer(masked):
        url = match[0]
        end, extra = len(url), {last: url.count(last) - url.count(first) for last, first in _BRACKETS.items()}
        while url[end - 1] in ".,;:!?" or extra.get(url[end - 1], 0) > 0:
            end -= 1
            extra[url[end]] = extra.get(url[end], 0) - 1
        yield match.start(), match.start() + end
