"""What a generated template shows to the recipients of an arm, without rendering it.

`tap-experiments` writes a slot as `{% if %}` with a branch for each arm; only these conditions are understood.
Everything else of Klaviyo's language becomes what is known without a profile: defaults, placeholders.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TESTED = "<!--lf:tested-->"
"""Stands in HTML where the part begins that differs."""
_TAG = re.compile(r"{%-?\s*(?P<tag>.*?)\s*-?%}|{{-?\s*(?P<value>.*?)\s*-?}}|{#.*?#}", re.DOTALL)
_DEFAULT = re.compile(r"""\|\s*default:\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")""")
_LOOKUP = re.compile(r"""lookup:\s*['"](?P<name>[^'"]+)['"]""")
_QUOTED = re.compile(r"""['"](?P<text>[^'"]+)['"]""")
_LINKS = {
    "unsubscribe": "Unsubscribe",
    "manage_preferences": "Manage preferences",
    "web_view": "View in browser",
    "view_in_browser": "View in browser",
}
"""Tags that Klaviyo replaces by a link, with its text."""


def conditions(experiment: str, arms: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The slot and arm that a condition of a generated template asks for, in each of the three property formats.

    Args:
        experiment: Its key.
        arms: Slot and arm of each of its arms.
    """
    found = {}
    for slot, arm in arms:
        found[f"'{experiment}:{slot}:{arm}' in person|lookup:'lf_assignments'"] = slot, arm
        found[f"person|lookup:'lf_assignments'|lookup:'{experiment}.{slot}' == '{arm}'"] = slot, arm
        found[f"person|lookup:'lf_{experiment}_{slot}' == '{arm}'"] = slot, arm
    return found


@dataclass(slots=True)
class _Block:
    """A tag that is open: whether its current branch is shown, and whether one of its branches was."""

    is_shown: bool
    is_settled: bool


def shown(
    source: str,
    asked: Mapping[str, tuple[str, str]],
    held: Mapping[str, str],
    *,
    tested: str = "",
    is_html: bool = True,
) -> str:
    """A part of a template as those see it who hold an arm of each slot.

    Args:
        source: The HTML, the text or the subject line.
        asked: What its conditions ask for, see `conditions`. Of any other condition the first branch is shown.
        held: The arm of each slot.
        tested: The slot whose beginning is marked with `TESTED`; none in a text.
        is_html: Whether placeholders are to be escaped.
    """
    pieces: list[str] = []
    blocks: list[_Block] = []
    is_marked = not (tested and is_html)
    end = 0
    for match in _TAG.finditer(source):
        if _all_shown(blocks):
            pieces.append(source[end : match.start()])
        end = match.end()
        if match["value"] is not None and _all_shown(blocks):
            pieces.append(_value(match["value"], is_html=is_html))
        word, _, condition = (match["tag"] or "").partition(" ")
        slot, arm = asked.get(condition.strip(), ("", ""))
        _follow(blocks, word, holds=not slot or held.get(slot) == arm)
        if word in _LINKS and _all_shown(blocks):
            pieces.append(_link(word, condition, is_html=is_html))
        if slot == tested and not is_marked and _all_shown(blocks):
            pieces.append(TESTED)
            is_marked = True
    if _all_shown(blocks):
        pieces.append(source[end:])
    return "".join(pieces)


def _follow(blocks: list[_Block], word: str, *, holds: bool) -> None:
    """Open, turn or close a block. A condition that is not ours holds, unless a branch before it did."""
    match word:
        case "if":
            blocks.append(_Block(holds, holds))
        case "elif" if blocks:
            holds = holds and not blocks[-1].is_settled
            blocks[-1] = _Block(holds, blocks[-1].is_settled or holds)
        case "else" if blocks:
            blocks[-1] = _Block(not blocks[-1].is_settled, is_settled=True)
        case "endif" | "endcomment" if blocks:
            blocks.pop()
        case "comment":
            blocks.append(_Block(is_shown=False, is_settled=True))


def _all_shown(blocks: Iterable[_Block]) -> bool:
    return all(block.is_shown for block in blocks)


def _value(expression: str, *, is_html: bool) -> str:
    """What stands for a value of the profile: its default, else its name in brackets."""
    if default := _DEFAULT.search(expression):
        # A default is markup already: Klaviyo shows it as it is.
        return default["single"] if default["single"] is not None else default["double"]
    named = _LOOKUP.search(expression)
    name = named["name"] if named else expression.partition("|")[0].strip().rpartition(".")[2]
    told = f"[{name.replace('_', ' ')}]"
    return html.escape(told) if is_html else told


def _link(word: str, arguments: str, *, is_html: bool) -> str:
    given = _QUOTED.search(arguments)
    text = given["text"] if given else _LINKS[word]
    return f"<a>{html.escape(text)}</a>" if is_html else text
