"""Which declarations there are at an API revision, where several of one name are of different ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from klaviyo_wire import auth
from klaviyo_wire.errors import ConfigurationError

T = TypeVar("T")


def newest(
    declared: Iterable[T], revision: str, *, name: Callable[[T], str], since: Callable[[T], str]
) -> tuple[T, ...]:
    """Of the declarations with one name the newest that is not newer than a revision, in the order given.

    Args:
        declared: All of them.
        revision: The setting `revision`.
        name: What a declaration is called.
        since: The revision that it is written for; empty if it makes no request, and so is of all of them.

    Raises:
        ConfigurationError: the revision is none, or older than every declaration.
    """
    auth.check(revision)
    every = tuple(declared)
    oldest = min(filter(None, map(since, every)))
    if revision < oldest:
        msg = f"the setting `revision` is {revision!r}: the oldest one supported is {oldest}"
        raise ConfigurationError(msg)
    usable = sorted((each for each in every if since(each) <= revision), key=since)
    kept = {name(each): each for each in usable}
    return tuple(each for each in every if kept.get(name(each)) is each)
