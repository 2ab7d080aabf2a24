"""Reads `audience`: the list, segment or flow whose profiles take part, and conditions on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from singer_program.definitions.keys import MEMBER, read_mapping
from singer_program.definitions.yaml_values import did_you_mean
from tap_experiments.definitions import schema
from tap_experiments.definitions.model import AudienceType, Condition, Operator

if TYPE_CHECKING:
    from singer_program.definitions.yaml_values import Value

TEXTS = ("email", "phone_number", "external_id", "first_name", "last_name", "title", "organization", "locale")
DATES = ("created", "updated", "last_event_date")
_LOCATION_TEXTS = ("address1", "address2", "city", "country", "region", "zip", "timezone", "ip")
_COORDINATES = ("latitude", "longitude")

_MEMBERSHIP = (Operator.IN, Operator.NOT_IN)
_ORDER = (Operator.AT_LEAST, Operator.AT_MOST, Operator.MORE_THAN, Operator.LESS_THAN)
_TIME = (Operator.SINCE, Operator.BEFORE)
_OPERATORS = {
    **dict.fromkeys(TEXTS, _MEMBERSHIP),
    **dict.fromkeys(DATES, _TIME),
    **{f"location.{key}": _MEMBERSHIP for key in _LOCATION_TEXTS},
    **{f"location.{key}": _ORDER for key in _COORDINATES},
}
"""What each field of Klaviyo's own may be compared by, beside `exists`; a property by everything."""

# Every warehouse can look these up in a JSON object without quoting.
_PROPERTY = re.compile(rf"(properties|attrs)\.{MEMBER}")
ATTRS = "attrs."
"""Begins a field that the flow sends with its request."""


def read_audience(value: Value) -> tuple[AudienceType, str, tuple[Condition, ...]]:
    """The kind of group, its id or name, and the conditions."""
    fields = read_mapping(value, schema.AUDIENCE)
    given = [kind for kind in AudienceType if fields[kind].given]
    if value.given and len(given) != 1:
        value.fault(
            "names no single group", "write `{segment: name or id}`, `{list: name or id}` or `{flow: name}`"
        )
    kind = given[0] if given else AudienceType.LIST
    conditions = tuple(_condition(item) for item in fields["where"].sequence())
    asked = [condition.field for condition in conditions if condition.field.startswith(ATTRS)]
    if asked and kind is not AudienceType.FLOW:
        fields["where"].fault(f"`{asked[0]}` is sent by no {kind}", "name a `flow`, or a field of the profile")
    return kind, fields[kind].text(), conditions


def _condition(value: Value) -> Condition:
    fields = read_mapping(value, schema.CONDITION)
    field = _field(fields["field"])
    given = [operator for operator in Operator if fields[operator].given]
    if fields["field"].given and len(given) != 1:
        names = ", ".join(f"`{operator}`" for operator in Operator)
        value.fault(f"has {len(given)} operators", f"give one of {names}; several conditions hold together")
        return Condition(field, Operator.EXISTS, ())
    operator = given[0] if given else Operator.EXISTS
    allowed = [*_OPERATORS.get(field, tuple(Operator)), Operator.EXISTS]
    if operator not in allowed:
        names = ", ".join(f"`{name}`" for name in allowed)
        fields[operator].fault(f"does not compare `{field}`", f"use one of {names}")
    return Condition(field, operator, _values(fields[operator], operator))


def _field(value: Value) -> str:
    field = value.text()
    if not field.strip() or field in _OPERATORS:
        return field
    if not field.startswith(("properties.", ATTRS)):
        known = [*_OPERATORS, "properties.<key>", f"{ATTRS}<key>"]
        value.fault(f"`{field}` is no field of a profile", did_you_mean(field, known))
    elif not _PROPERTY.fullmatch(field):
        begin = field.partition(".")[0]
        value.fault(
            f"`{field}` names no property that can be looked up",
            f"use letters, digits, spaces, `_`, `-` and `$` behind `{begin}.`; nested values are out of reach",
        )
    return field


def _values(value: Value, operator: Operator) -> tuple[str, ...]:
    """What a field is compared with, as text."""
    if operator in _MEMBERSHIP:
        items = value.sequence()
        if value.is_list and not items:
            value.fault("is an empty list", "name at least one value")
        return tuple(item.word() for item in items)
    if operator in _ORDER:
        return (value.number(),)
    if operator in _TIME:
        day = value.day()
        return (day.isoformat() if day else "",)
    return ("true" if value.boolean() else "false",)
