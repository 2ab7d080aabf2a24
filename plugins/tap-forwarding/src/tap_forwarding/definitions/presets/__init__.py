"""Presets: names of events and columns that are common, each a file in the language of definitions.

`events/<name>.yml` holds `description` and `events`, as a definition has them. `sources/<name>.yml` holds
`description`, `columns` and `who`, beside them `event` and `type`, and `table` if it is one of the receiver's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_SUFFIX = ".yml"


def _folder(kind: str) -> Traversable:
    return files(__name__) / kind


def _names(kind: str) -> tuple[str, ...]:
    return tuple(
        sorted(file.name.removesuffix(_SUFFIX) for file in _folder(kind).iterdir() if file.name.endswith(_SUFFIX))
    )


@cache
def event_presets() -> tuple[str, ...]:
    """Their names."""
    return _names("events")


@cache
def source_presets() -> tuple[str, ...]:
    """Their names."""
    return _names("sources")


@cache
def text_of(kind: str, name: str) -> str:
    """The text of a preset's file; `kind` is `events` or `sources`."""
    return (_folder(kind) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
