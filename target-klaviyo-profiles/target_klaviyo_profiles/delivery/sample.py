"""A payload as it may be shown: its form, with everything in it masked that may be about a person."""

from __future__ import annotations

import json
from typing import Any

_PLAIN = frozenset({"type", "id", "name", "template_name", "editor_type", "unset"})
"""Members that name what Klaviyo or the project made: never a person."""
_FREE = frozenset({"properties", "location"})
"""Members whose own members have any name, so that a name says nothing."""
_ASSIGNMENTS = "lf_assignments"
_MASK = "…"
_LONGEST = 1_000


def sample(payload: bytes) -> str:
    """A payload in one line, masked, and cut where it is long.

    Klaviyo's own ids, names of fields, and the arms that a profile is assigned are shown; so are the names of
    templates and metrics. Any other value is masked: texts, numbers, and truth values.
    """
    text = json.dumps(_masked(json.loads(payload)), ensure_ascii=False, separators=(", ", ": "))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}{_MASK}"


def _masked(value: Any, *, plain: bool = False, free: bool = False) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, dict):
        return {name: _member(name, each, plain=plain, free=free) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, plain=plain, free=free) for each in value]
    return value if plain or value is None else _MASK


def _member(name: str, value: Any, *, plain: bool, free: bool) -> Any:  # noqa: ANN401
    shown = plain or name == _ASSIGNMENTS or (not free and name in _PLAIN)
    return _masked(value, plain=shown, free=free or name in _FREE)
