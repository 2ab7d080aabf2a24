"""Django's template engine with what Klaviyo adds to it: the language that Klaviyo documents.

What only Klaviyo can know (a coupon, a catalog) renders as its own name, so that two renderings can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings  # type: ignore[import-untyped]
from django.template import Context, Engine, Library, Node, Template  # type: ignore[import-untyped]
from django.template.base import Parser, Token  # type: ignore[import-untyped]

from tap_experiments.language import template_tags

# Django's number and date filters read its global settings. No project's settings are ever loaded here.
if not settings.configured:
    settings.configure(USE_I18N=False, USE_TZ=False)

_DJANGO = Engine()
_INSIDE = frozenset({"elif", "else", "empty"})
"""What Django reads as a part of a block."""


class RenderError(ValueError):
    """A template cannot be rendered; the message says why."""


class _Stub(Node):  # type: ignore[misc]
    """A tag that only Klaviyo can render."""

    def __init__(self, source: str, inside: Any = None) -> None:  # noqa: ANN401  Django is untyped
        self._source, self._inside = source, inside

    def render(self, context: Context) -> str:
        return f"[{self._source}{self._inside.render(context) if self._inside else ''}]"


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
    """A template that has been read once and can be rendered for many.

    Raises:
        RenderError: it is not in the language.
    """

    def __init__(self, source: str) -> None:
        engine = Engine()
        engine.template_builtins = [*engine.template_builtins, _library(source)]
        try:
            self._template = Template(source, engine=engine)
        except Exception as error:
            raise RenderError(str(error)) from error

    def render(self, context: Mapping[str, Any]) -> str:
        """The text for one profile.

        Raises:
            RenderError: a filter fails on a value.
        """
        try:
            # Numbers as Python writes them: Klaviyo shows 1200, not 1,200.
            return str(self._template.render(Context(dict(context), use_l10n=False, use_tz=False)))
        except Exception as error:
            raise RenderError(str(error)) from error


def _library(source: str) -> Any:  # noqa: ANN401
    """What the template uses and Django does not know."""
    names = {tag.name for tag in template_tags.active(source)}
    library = Library()
    library.filter("lookup", lookup)
    known = {name for each in _DJANGO.template_builtins for name in each.tags}
    for name in names - known - _INSIDE:
        if name and not name.startswith("end"):
            library.tag(name, _stub(name, is_block=f"end{name}" in names))
    filters = {name for each in _DJANGO.template_builtins for name in each.filters}
    for name in template_tags.filters(source) - filters - {"lookup"}:
        library.filter(name, _same)
    return library
