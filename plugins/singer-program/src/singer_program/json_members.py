"""Takes a JSON object apart that cannot be decoded as a whole, so that a broken part costs itself and no other.

Nothing is decoded here. Only texts and brackets are looked at: what lies between them may be anything, nested as
deep as it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

Members = Mapping[str, bytes | Sequence[bytes]]
"""The members of a JSON object: the bytes of a value, or of each element of a list."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]:,]', re.DOTALL)
_CLOSES = {b"{": b"}", b"[": b"]"}
_CLOSING = frozenset(_CLOSES.values())
_INNERMOST = 2


def members(body: bytes) -> Members:
    """The members of an object, however broken what lies in them is.

    Raises:
        ValueError: the body is no object, or was cut: its brackets and quotation marks do not match.
    """
    found: dict[str, bytes | list[bytes]] = {}
    elements: list[bytes] | None = None
    name, start = "", 0
    for depth, text, begin, end in _outline(body):
        match depth, text:
            case 1, b":":
                start = end
            case 1, b"[":
                elements, start = [], end
            case (2, b",") | (1, b"]") if elements is not None:
                elements.append(body[start:begin])
                start = end
            case (1, b",") | (0, b"}"):
                if name:
                    whole = body[start:begin]
                    found[name] = whole if elements is None else _filled(elements)
                name, elements = "", None
            case 1, _ if not name and text.startswith(b'"'):
                name = text[1:-1].decode(errors="replace")
    return found


def _filled(elements: list[bytes]) -> list[bytes]:
    """The elements of a list; none of an empty one.

    Raises:
        ValueError: there is nothing between two commas.
    """
    if len(elements) == 1 and not elements[0].strip():
        return []
    if not all(each.strip() for each in elements):
        msg = "a list with nothing between its commas"
        raise ValueError(msg)
    return elements


def _outline(body: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """The texts, brackets, colons and commas of an object and of what lies directly in its members.

    Each with its depth (0: the object's own brackets, 1: its members, 2: what lies in these) and its place.

    Raises:
        ValueError: they do not match.
    """
    expected: list[bytes] = []
    for token in _TOKEN.finditer(body):
        text = token[0]
        if text == b'"' or not (expected or text == b"{"):
            break
        if text in _CLOSING and expected.pop() != text:
            break
        if len(expected) <= _INNERMOST:
            yield len(expected), text, token.start(), token.end()
        if text in _CLOSES:
            expected.append(_CLOSES[text])
        elif not expected:
            if body[token.end() :].strip():
                break
            return
    msg = "no JSON object from its beginning to its end"
    raise ValueError(msg)
