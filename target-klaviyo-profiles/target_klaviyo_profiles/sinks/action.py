"""The field `_action` of records that either add something or remove it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.rows import Reason, Rejected

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

ACTION = "_action"


class Action(StrEnum):
    """What to do with what the record names."""

    ADD = "add"
    REMOVE = "remove"


def action_field(description: str) -> Field:
    """The field's declaration; the description says what the two do in this stream."""
    return Field(ACTION, Kind.TEXT, description, required=True, choices=tuple(Action))


def action_of(record: Json) -> Action:
    """The record's action.

    Raises:
        Rejected: there is no such action.
    """
    try:
        return Action(record[ACTION].strip().lower())
    except ValueError:
        known = " or ".join(f"`{each}`" for each in Action)
        remedy = f"Give {known}."
        raise Rejected(Reason("invalid_value", f"`{ACTION}` is neither {known}", remedy, f"/{ACTION}")) from None
