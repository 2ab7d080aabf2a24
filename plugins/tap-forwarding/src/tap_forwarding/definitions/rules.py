"""Reads `events`: what becomes of the events of each name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_program.definitions.keys import read_mapping
from tap_forwarding.definitions import schema
from tap_forwarding.definitions.model import EventType, Rule
from tap_forwarding.definitions.origins import read_amount, read_origins
from tap_forwarding.definitions.paths import (
    OF_AN_EVENT,
    OF_AN_ITEM,
    Part,
    Path,
    Root,
    read_path,
    read_unique_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_program.definitions.yaml_values import Value

BY_MESSAGE = (Part(paths=(Path(Root.MESSAGE_ID),)),)
"""What makes an event one where a rule says nothing else."""


def read_rules(value: Value, preset: str | None = None) -> tuple[Rule, ...]:
    """The rules in the order of the file; no two of the same events and metric."""
    values = value.sequence()
    if value.is_list and not values:
        value.fault("is an empty list", "name the events that shall be sent, or remove the key")
    rules: dict[tuple[EventType, str | None, str], Rule] = {}
    for each in values:
        rule = _rule(each, preset)
        of = (*rule.source, rule.metric)
        if of in rules:
            what = f"`{rule.event}`" if rule.event else f"any `{rule.type}`"
            problem = f"says again, after line {rules[of].line}, what of {what} becomes `{rule.metric}`"
            each.fault(problem, "make one of both")
        rules[of] = rule
    return tuple(rules.values())


def names(value: Value) -> tuple[str, ...]:
    """A list of names, each once."""
    found: list[str] = []
    for each in value.sequence():
        name = each.text()
        if name and name in found:
            each.fault(f"names `{name}` again", "remove it")
        found.append(name)
    if value.is_list and not found:
        value.fault("is an empty list", "name something, or remove the key")
    return tuple(found)


def _rule(value: Value, preset: str | None) -> Rule:
    fields = read_mapping(value, schema.EVENT)
    kind = fields["type"].choice(EventType) if fields["type"].given else EventType.TRACK
    event = fields["event"].text() if fields["event"].given else None
    if value.is_mapping and not fields["event"].given:
        _check_nameless(fields, kind)
    roots = OF_AN_ITEM if fields["per"].given else OF_AN_EVENT
    keeps_all, keep, without = _kept(fields)
    properties = read_origins(fields["properties"], roots)
    if len(properties) + len(keep) > schema.MAX_PROPERTIES:
        fields["properties"].fault(f"are more than Klaviyo's {schema.MAX_PROPERTIES}", "send fewer")
    for name in keep:
        if name in properties:
            fields["keep"].fault(f"keeps `{name}`, which `properties` makes anew", "remove one")
    value_of, currency = read_amount(fields["value"], roots), read_amount(fields["currency"], roots)
    if currency and not value_of:
        fields["currency"].fault("is of no `value`", "add `value`, or send it under `properties`")
    return Rule(
        event=event,
        type=kind,
        metric=_metric(fields, event),
        per=read_path(fields["per"]) if fields["per"].given else None,
        keeps_all=keeps_all,
        keep=keep,
        without=without,
        properties=properties,
        value=value_of,
        currency=currency,
        unique_id=_unique_id(fields, roots),
        preset=preset,
        line=value.line,
    )


def _check_nameless(fields: Mapping[str, Value], kind: EventType) -> None:
    """Report a rule for events of any name that must not be one."""
    if kind is EventType.TRACK:
        fields["event"].fault("is missing", "name the event: of `track`, only what is named is sent")
    elif not fields["metric"].given:
        fields["metric"].fault("is missing", f"say what a `{kind}` of any name is called in Klaviyo")


def _metric(fields: Mapping[str, Value], event: str | None) -> str:
    given = fields["metric"] if fields["metric"].given else fields["event"]
    metric = given.text() if fields["metric"].given else event or ""
    if len(metric) > schema.MAX_METRIC:
        given.fault(f"makes a metric of more than {schema.MAX_METRIC} characters", "give a shorter `metric`")
    if metric != metric.strip():
        given.fault(
            "makes a metric that begins or ends with a space", "give a `metric` without: flows look for it"
        )
    return metric


def _unique_id(fields: Mapping[str, Value], roots: Sequence[Root]) -> tuple[Part, ...]:
    """What makes an event one; of items it must tell them apart, each time in the same way."""
    value = fields["unique_id"]
    parts = read_unique_id(value, roots) if value.given else ()
    if fields["per"].given and not any(path.root is Root.ITEM for part in parts for path in part.paths):
        if value.given:
            remedy = "add a path of the item, such as `{item.sku}`"
            value.fault("is the same for all items, of which Klaviyo would keep one", remedy)
        else:
            remedy = "say it, such as `{properties.order_id}:{item.sku}`: sent again, it must not be a new event"
            value.fault("is missing beside `per`", remedy)
    return parts or BY_MESSAGE


def _kept(fields: Mapping[str, Value]) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """Whether all properties are sent, else which, and of all which are not."""
    keeps_all = fields["keep"].is_word(schema.ALL)
    keep = names(fields["keep"]) if fields["keep"].given and not keeps_all else ()
    without = names(fields["without"]) if fields["without"].given else ()
    if without and not keeps_all:
        fields["without"].fault("has no place without `keep: all`", "remove it: what is not kept is not sent")
    return keeps_all, keep, without
