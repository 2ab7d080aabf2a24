"""Reads `consent`: where a person's choice stands, and what becomes of an event by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_program.definitions.keys import read_mapping
from singer_program.definitions.yaml_values import did_you_mean
from tap_forwarding.definitions import schema
from tap_forwarding.definitions.model import Channel, ConsentCheck, Outcome, Scheme
from tap_forwarding.definitions.paths import Path, Root, read_path
from tap_forwarding.definitions.rules import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_program.definitions.yaml_values import Value

_NEEDS = ("categories", "purposes", "signals", "channel")


def read_consent(value: Value) -> tuple[tuple[ConsentCheck, ...], bool, Outcome]:
    """What is asked, whether the file says that there is nothing to ask, and what becomes of what nobody told."""
    if value.is_word(schema.NO_CONSENT):
        return (), True, Outcome.ALLOW
    if value.given and not value.is_mapping:
        remedy = f"write `consent: {schema.NO_CONSENT}`, or `consent:` with `checks` below it"
        value.fault("says nothing of consent", remedy)
        return (), False, Outcome.DROP
    fields = read_mapping(value, schema.CONSENT)
    checks = tuple(_check(each) for each in fields["checks"].sequence())
    if fields["checks"].is_list and not checks:
        remedy = f"add one, or write `consent: {schema.NO_CONSENT}` if there is nothing to ask"
        fields["checks"].fault("is an empty list", remedy)
    missing = fields["missing"].choice(Outcome) if fields["missing"].given else Outcome.DROP
    return checks, False, missing


def _check(value: Value) -> ConsentCheck:
    fields = read_mapping(value, schema.CHECK)
    scheme = fields["scheme"].choice(Scheme)
    is_known = any(fields["scheme"].is_word(each) for each in Scheme)
    needed: tuple[str, ...] = ()
    if is_known:
        own = schema.NEEDED.get(scheme)
        for name in _NEEDS:
            if fields[name].given and name != own:
                remedy = f"write `{own}`" if own else "remove it: the string says it alone"
                fields[name].fault(f"has no place with `{scheme}`", remedy)
        if fields["vendor"].given and scheme is not Scheme.TCF:
            fields["vendor"].fault(f"has no place with `{scheme}`", "remove it")
        needed = _needed(scheme, fields)
    vendor = fields["vendor"].integer(1, schema.MAX_VENDOR) if fields["vendor"].given else None
    denied = Outcome.DROP
    if fields["denied"].given:
        words = [Outcome.DROP.value, Outcome.STRIP.value]
        denied = Outcome(fields["denied"].one_of(words, lambda word: did_you_mean(word, words)) or Outcome.DROP)
    return ConsentCheck(scheme, _at(scheme, fields["at"]) if is_known else None, needed, vendor, denied)


def _needed(scheme: Scheme, fields: Mapping[str, Value]) -> tuple[str, ...]:
    """What must be granted, as texts."""
    own = schema.NEEDED.get(scheme)
    if own is None:
        return ()
    value = fields[own]
    if not value.given:
        if scheme is Scheme.GOOGLE:
            return schema.DEFAULT_SIGNALS
        value.fault("is missing", f"say what must be granted: `{own}`")
        return ()
    if scheme is Scheme.KLAVIYO:
        return (value.choice(Channel).value,)
    if scheme not in _READ_EACH:
        return names(value)
    needed = tuple(_READ_EACH[scheme](each) for each in value.sequence())
    if value.is_list and not needed:
        value.fault("is an empty list", f"say what must be granted: `{own}`")
    return needed


def _purpose(value: Value) -> str:
    return str(value.integer(1, schema.PURPOSES))


def _signal(value: Value) -> str:
    return value.one_of(schema.SIGNALS, lambda word: did_you_mean(word, schema.SIGNALS))


_READ_EACH: Mapping[Scheme, Callable[[Value], str]] = {Scheme.TCF: _purpose, Scheme.GOOGLE: _signal}


def _at(scheme: Scheme, value: Value) -> Path | None:
    if scheme is Scheme.KLAVIYO:
        if value.given:
            value.fault("has no place with `klaviyo`", "remove it: it is looked up by the person")
        return None
    if value.given:
        return read_path(value, (Root.PROPERTIES, Root.CONTEXT))
    default = schema.DEFAULT_PATHS.get(scheme)
    if default is None:
        value.fault("is missing", "say where it stands, such as `context.consent.tcString`: no specification does")
        return None
    root, *keys = default.split(".")
    return Path(Root(root), tuple(keys))
