"""What takes dbt long and no test looks at, done quicker. A third of its own time goes into these three."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType
from typing import Any
from unittest import mock

import dbt.compilation
import jinja2
from dbt.artifacts.resources.v1.components import InjectedCTE
from dbt.compilation import inject_ctes_into_sql
from dbt_common.clients.jinja import get_environment
from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel
from dbt_common.events.event_manager import EventManager


@contextmanager
def quick_dbt() -> Iterator[None]:
    """Let dbt, inside, do without what it needs for nobody here, and nothing twice."""
    with (
        mock.patch.object(dbt.compilation, "inject_ctes_into_sql", with_ctes),
        mock.patch.object(DebugLevel, "__init__", _keep_what_it_says),
        mock.patch.object(EventManager, "fire_event", _fire_unless_for_debugging),
        mock.patch.object(jinja2.Environment, "compile", _compile_once),
    ):
        yield


def with_ctes(sql: str, ctes: list[InjectedCTE]) -> str:
    """What dbt makes of a model and a unit test's rows, without the parser that takes a fourth of their time."""
    before, _, after = sql.partition("with")
    if not ctes or before.strip() or not after[:1].isspace():
        return inject_ctes_into_sql(sql, ctes)
    rest = after.lstrip()
    return f"{before}with{after.removesuffix(rest)}{', '.join(each.sql for each in ctes)}, {rest}"


_fire, _make, _compile = EventManager.fire_event, BaseEvent.__init__, jinja2.Environment.compile
_ENVIRONMENTS = (type(get_environment()), type(get_environment(native=True)))


def _keep_what_it_says(event: DebugLevel, **fields: Any) -> None:  # noqa: ANN401
    """An event becomes a message in a fifth of dbt's time, though hardly one is listened to."""
    object.__setattr__(event, "fields", fields)


def _fire_unless_for_debugging(
    manager: EventManager,
    e: BaseEvent,
    level: EventLevel | None = None,
    *more: Any,  # noqa: ANN401
    **named: Any,  # noqa: ANN401
) -> None:
    if isinstance(e, DebugLevel):
        if level in (None, EventLevel.DEBUG):
            return
        _make(e, **object.__getattribute__(e, "fields"))
    _fire(manager, e, level, *more, **named)


def _compile_once(environment: jinja2.Environment, source: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401
    kind = type(environment)
    if kind in _ENVIRONMENTS and isinstance(source, str) and not any(more) and not any(named.values()):
        return _compiled(source, native=kind is _ENVIRONMENTS[1])
    return _compile(environment, source, *more, **named)


@cache
def _compiled(source: str, *, native: bool) -> CodeType:
    """A template's code, which is of its text and of the kind of environment alone."""
    return _compile(get_environment(native=native), source)
