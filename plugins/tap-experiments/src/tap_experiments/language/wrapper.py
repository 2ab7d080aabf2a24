"""Takes apart the file that an author gives as a template: the text around the slots, and which slot stands where.

It is Jinja under delimiters of its own: `[[ slot("hero") ]]`, `[% if %]` and `[# comment #]` are read here, while
`{{ }}` and `{% %}` are Klaviyo's and stay.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from typing_extensions import override

from singer_program.definitions.yaml_values import did_you_mean
from tap_experiments.language import limits
from tap_experiments.language.limits import LimitError

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_program.definitions.files import Source

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

    environment = _Bounded(
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
    environment.globals = {
        "slot": slot,
        "range": environment.globals["range"],
    }  # nothing that differs from run to run
    del environment.filters["random"]
    environment.filters = {name: _bounded(name, each) for name, each in environment.filters.items()}

    template: jinja2.Template | None = None
    try:
        lines = {
            call.args[0].value: call.lineno
            for call in environment.parse(source).find_all(nodes.Call)
            if call.args and isinstance(call.args[0], nodes.Const)
        }
        with limits.budget(), limits.processor_time(limits.RENDER_SECONDS):
            template = environment.from_string(source)
            rendered = template.render()
    except jinja2.TemplateSyntaxError as error:
        return _NOTHING, [(error.lineno, f"is not a valid template: {error.message}", "correct the syntax")]
    except Exception as error:  # noqa: BLE001  an expression of the author's can raise anything
        remedy = limits.REMEDY if limits.is_limit(error) else 'place a slot as `[[ slot("key") ]]`'
        return _NOTHING, [(_line(error), f"cannot be rendered: {limits.reason(error)}", remedy)]
    except limits.TooSlowError as error:
        # Jinja has not put its own lines into this one.
        line = template.get_corresponding_lineno(_line(error)) if template else 0
        return _NOTHING, [(line, limits.TOO_SLOW_TO_RENDER, limits.REMEDY)]

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


def _line(error: BaseException) -> int:
    """Where in the wrapper something happened, or what it came in the midst of; 0 if that is not known."""
    met: BaseException | None = error
    while met is not None:
        for frame in reversed(traceback.extract_tb(met.__traceback__)):
            if frame.filename == "<template>":
                return frame.lineno or 0
        met = met.__context__
    return 0


class _Bounded(SandboxedEnvironment):
    """Jinja with functions, methods, filters and operators that take and give values of sensible size only."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    @override
    def call(self, context: Context, obj: Any, /, *values: Any, **named: Any) -> Any:
        name = getattr(obj, "__name__", "")
        given = [obj.__self__] if isinstance(getattr(obj, "__self__", None), str) else []
        return limits.bounded(
            name, lambda *_: super(_Bounded, self).call(context, obj, *values, **named), *given, *values
        )

    @override
    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sides = [limits.size(side) if isinstance(side, str | list | tuple) else side for side in (left, right)]
        repeats = operator == "*" and sides != [left, right] and all(isinstance(side, int) for side in sides)
        if repeats and sides[0] * sides[1] > limits.MAX_VALUE:
            problem = f"`*` gives more than {limits.MAX_VALUE:,} characters"
            raise LimitError(problem)
        return limits.bounded(operator, partial(super().call_binop, context, operator), left, right)


def _bounded(name: str, function: Any) -> Any:  # noqa: ANN401
    """A filter that is bounded; what Jinja has noted of it stays. What it passes beside the values is no value."""

    @wraps(function)
    def bounded(*values: Any, **named: Any) -> Any:  # noqa: ANN401
        plain = [
            value for value in values if not isinstance(value, Context | nodes.EvalContext | SandboxedEnvironment)
        ]
        return limits.bounded(name, lambda *_, **__: function(*values, **named), *plain, **named)

    return bounded


def _text_only(value: object) -> str:
    """What an expression prints must be a text: the look of other objects may differ from run to run."""
    if isinstance(value, str | jinja2.Undefined):
        return str(value)  # of an undefined name: raises
    message = f"`[[ ]]` holds {type(value).__name__}, not text"
    raise TypeError(message)
