"""Takes apart the file that an author gives as a template: the text around the slots, and which slot stands where.

It is Jinja under delimiters of its own: `[[ slot("hero") ]]`, `[% if %]` and `[# comment #]` are read here, while
`{{ }}` and `{% %}` are Klaviyo's and stay.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from tap_experiments.reading.yaml_values import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_experiments.reading.files import Source

DELIMITERS = ("[[", "[%", "[#")

_PLACE = re.compile("\0([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Layout:
    """A wrapper taken apart: a text, a slot's key, a text, …, a text."""

    texts: tuple[str, ...]
    slots: tuple[str, ...]
    source: Source | None = None
    """As it was written."""


_NOTHING = Layout(("",), ())


def lay_out(
    source: str, slots: Collection[str], required: Collection[str]
) -> tuple[Layout, list[tuple[int, str, str]]]:
    """Take a wrapper apart at its slots, each of which may be placed once.

    Args:
        source: The wrapper; no NUL in it.
        slots: The keys that may be placed.
        required: Those that must be.

    Returns:
        The layout, and what is wrong with it: line (0 = unknown), problem, remedy.
    """
    unknown: list[str] = []

    def slot(key: str) -> str:
        if key not in slots:
            unknown.append(str(key))
            return ""
        return f"\0{key}\0"

    environment = SandboxedEnvironment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the output is a template, and what is placed in it is HTML
        keep_trailing_newline=True,
        finalize=_text_only,
    )
    environment.globals = {"slot": slot}  # nothing that differs from run to run
    del environment.filters["random"]

    try:
        lines = {
            call.args[0].value: call.lineno
            for call in environment.parse(source).find_all(nodes.Call)
            if call.args and isinstance(call.args[0], nodes.Const)
        }
        rendered = environment.from_string(source).render()
    except jinja2.TemplateSyntaxError as error:
        return _NOTHING, [(error.lineno, f"is not a valid template: {error.message}", "correct the syntax")]
    except Exception as error:  # noqa: BLE001  an expression of the author's can raise anything
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == "<template>"), 0)
        return _NOTHING, [(line, f"cannot be rendered: {error}", 'place a slot as `[[ slot("key") ]]`')]

    texts, placed = tuple(_PLACE.split(rendered)[::2]), tuple(_PLACE.findall(rendered))
    problems = [
        (lines.get(key, 0), f"places the unknown slot `{key}`", did_you_mean(key, slots)) for key in unknown
    ]
    for key in slots:
        if key in required and key not in placed:
            problems.append((0, f"never places the slot `{key}`", f'add `[[ slot("{key}") ]]`'))
        elif placed.count(key) > 1:
            problem = f"places the slot `{key}` {placed.count(key)} times"
            problems.append((lines.get(key, 0), problem, "place it once"))
    return Layout(texts, placed), problems


def _text_only(value: object) -> str:
    """What an expression prints must be a text: the look of other objects may differ from run to run."""
    if isinstance(value, str | jinja2.Undefined):
        return str(value)  # of an undefined name: raises
    message = f"`[[ ]]` holds {type(value).__name__}, not text"
    raise TypeError(message)
