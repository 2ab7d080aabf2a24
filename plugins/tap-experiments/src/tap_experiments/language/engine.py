"""Django's template engine with what Klaviyo adds to it: the language that Klaviyo documents.

What only Klaviyo can know (a coupon, a catalog) renders as its own name, so that two renderings can be compared.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings  # type: ignore[import-untyped]
from django.template import Context, Engine, Library, Node, Template  # type: ignore[import-untyped]
from django.template.base import FilterExpression, Parser, Token  # type: ignore[import-untyped]
from django.template.defaulttags import ForNode, LoremNode, RegroupNode  # type: ignore[import-untyped]

from tap_experiments.language import limits, template_tags

if TYPE_CHECKING:
    from tap_experiments.language.limits import Budget

# Django's number and date filters read its global settings. No project's settings are ever loaded here.
if not settings.configured:
    settings.configure(USE_I18N=False, USE_TZ=False)

_DJANGO = Engine()
_INSIDE = frozenset({"elif", "else", "empty"})
"""What Django reads as a part of a block."""


class RenderError(ValueError):
    """A template cannot be rendered; the message says why.

    Attributes:
        line: Of the template, from 1; 0 if it is not known.
        is_limit: Whether it asks for more than `limits` allows.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(limits.reason(error))
        self.is_limit = limits.is_limit(error)
        self.line: int = getattr(error, "line", 0) or getattr(getattr(error, "token", None), "lineno", None) or 0


class _Stub(Node):  # type: ignore[misc]
    """A tag that only Klaviyo can render."""

    def __init__(self, source: str, inside: Any = None) -> None:  # noqa: ANN401  Django is untyped
        self._source, self.nodelist = source, inside
        self.child_nodelists = ("nodelist",) if inside else ()

    def render(self, context: Context) -> str:
        return f"[{self._source}{self.nodelist.render(context) if self.nodelist else ''}]"


def _stub(name: str, *, is_block: bool) -> Any:  # noqa: ANN401
    def compile_tag(parser: Parser, token: Token) -> _Stub:
        if not is_block:
            return _Stub(token.contents)
        inside = parser.parse((f"end{name}",))
        parser.delete_first_token()
        return _Stub(token.contents, inside)

    return compile_tag


def lookup(value: object, key: object) -> object:
    """`value|lookup:'key'`: a key of an object or a position in a list; empty when there is none."""
    found: object = None
    if isinstance(value, Mapping):
        found = value.get(key)
    elif isinstance(value, list) and str(key).isdecimal() and int(str(key)) < len(value):
        found = value[int(str(key))]
    return "" if found is None else found


def _same(value: object, argument: object = "") -> object:  # noqa: ARG001
    """A filter that only Klaviyo knows."""
    return value


class Compiled:
    """A template that has been read once and can be rendered for many, within the bounds of `limits`.

    Raises:
        RenderError: it is not in the language.
    """

    def __init__(self, source: str) -> None:
        engine = Engine()
        engine.template_builtins = [*engine.template_builtins, _library(source)]
        try:
            self._template = Template(source, engine=engine)
            for node in self._template.nodelist.get_nodes_by_type(Node):
                _meter(node)
        except Exception as error:
            raise RenderError(error) from error

    def render(self, context: Mapping[str, Any]) -> str:
        """The text for one profile.

        Raises:
            RenderError: a filter fails on a value, or the text takes too much.
        """
        with limits.budget() as budget:
            # Numbers as Python writes them: Klaviyo shows 1200, not 1,200.
            own = Context(dict(context), use_l10n=False, use_tz=False)
            own.budget = budget
            try:
                return str(self._template.render(own))
            except Exception as error:
                raise RenderError(error) from error


def _meter(node: Node) -> None:
    """Let a node take what it renders, and a loop each round, from the budget of the rendering."""
    render = node.render_annotated

    def metered(context: Context) -> Any:  # noqa: ANN401
        budget: Budget = context.budget
        if node.token:
            budget.line = node.token.lineno
        budget.spend(1)
        text = render(context)
        budget.spend(0, len(text))
        return text

    node.render_annotated = metered
    if isinstance(node, ForNode):
        node.sequence = _Metered(node.sequence)
    elif isinstance(node, RegroupNode):
        node.target = _Metered(node.target)
    elif isinstance(node, LoremNode):
        node.count = _Metered(node.count)


class _Metered:
    """What a tag goes over or counts to: each item is a step."""

    def __init__(self, expression: FilterExpression) -> None:
        self._expression = expression

    def resolve(self, context: Context, ignore_failures: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        value = self._expression.resolve(context, ignore_failures)
        is_count = isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal())
        budget: Budget = context.budget
        budget.spend(min(int(value), limits.MAX_STEPS + 1) if is_count else limits.size(value))
        return value


def _library(source: str) -> Any:  # noqa: ANN401
    """What the template uses and Django does not know."""
    names = {tag.name for tag in template_tags.active(source)}
    library = Library()
    library.filter("lookup", lookup)
    tags = {name for each in _DJANGO.template_builtins for name in each.tags}
    for name in names - tags - _INSIDE:
        if name and not name.startswith("end"):
            library.tag(name, _stub(name, is_block=f"end{name}" in names))
    filters = {name: each for known in _DJANGO.template_builtins for name, each in known.filters.items()}
    for name, each in filters.items():
        library.filters[name] = _bounded(name, each)
    for name in template_tags.filters(source) - filters.keys() - {"lookup"}:
        library.filter(name, _same)
    return library


def _bounded(name: str, function: Any) -> Any:  # noqa: ANN401
    """A filter of Django's with values of sensible size; what Django has noted of it stays."""

    @functools.wraps(function)
    def bounded(*values: Any, **named: Any) -> Any:  # noqa: ANN401
        return limits.bounded(name, function, *values, **named)

    return bounded
