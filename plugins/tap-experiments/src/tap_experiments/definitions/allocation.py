"""Reads `allocation`: how the arms of a slot share the profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from singer_program.definitions.keys import read_mapping
from singer_program.definitions.yaml_values import did_you_mean
from tap_experiments.definitions import schema
from tap_experiments.definitions.model import WHOLE, Method, Thompson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_program.definitions.yaml_values import Value

_FORMS = "write `equal`, `{manual: {…}}` or `{thompson: {}}`"


@dataclass(frozen=True, slots=True)
class Allocation:
    """How the arms share the profiles.

    Attributes:
        method: Who decides.
        weights: Basis points of each arm; empty if the warehouse decides.
        thompson: Its limits, with that method only.
    """

    method: Method
    weights: Mapping[str, int]
    thompson: Thompson | None = None


def equal_split(arms: int) -> list[int]:
    """Weights in basis points that differ by at most one and sum to `WHOLE`; the first arms take the remainder."""
    share, remainder = divmod(WHOLE, arms)
    return [share + (index < remainder) for index in range(arms)]


def refuse_former_key(split: Value) -> None:
    """Report the key `split`, which `allocation` has replaced, with what to write in its place."""
    said = "equal"
    if isinstance(split.node, yaml.MappingNode):
        pairs = ", ".join(f"{key.value}: {share.value}" for key, share in split.node.value)
        said = f"{{manual: {{{pairs}}}}}"
    split.fault("is called `allocation` now", f"write `allocation: {said}`")


def read_allocation(value: Value, arms: Sequence[str]) -> Allocation:
    """The allocation of a slot with these arms."""
    equal = Allocation(Method.EQUAL, dict(zip(arms, equal_split(len(arms)), strict=True)) if arms else {})
    if not value.given or value.is_word(Method.EQUAL):
        return equal
    if not isinstance(value.node, yaml.MappingNode):
        value.fault("is neither `equal` nor a mapping", _FORMS)
        return equal
    named = [key.value for key, _ in value.node.value if isinstance(key, yaml.ScalarNode)]
    if set(named) & set(arms) - {key.name for key in schema.ALLOCATION}:
        pairs = ", ".join(f"{name}: …" for name in named)
        value.fault("gives shares without saying how they are meant", f"write `{{manual: {{{pairs}}}}}`")
        return equal
    fields = read_mapping(value, schema.ALLOCATION)
    manual, thompson, accept = fields[Method.MANUAL], fields[Method.THOMPSON], fields["accept"]
    if manual.given == thompson.given:
        if manual.given or not named:
            value.fault("names no single method", _FORMS)
        elif accept.given:
            accept.fault("has no place without `thompson`", "write `{manual: {…}}` to decide the shares yourself")
        return equal
    if manual.given:
        if accept.given:
            accept.fault("has no place beside `manual`", "remove it: it accepts what `thompson` recommends")
        return Allocation(Method.MANUAL, _shares(manual, arms))
    weights = _shares(accept, arms) if accept.given else {}
    return Allocation(Method.THOMPSON, weights, _thompson(thompson, len(arms)))


def _thompson(value: Value, arms: int) -> Thompson:
    fields = read_mapping(value, schema.THOMPSON)
    floor, half_life, at_most = fields["floor"], fields["half_life_days"], fields["at_most"]
    floor_bp = (floor.basis_points() or 0) if floor.given else schema.DEFAULT_FLOOR_BP
    if floor_bp * arms > WHOLE:
        (floor if floor.given else value).fault(
            f"of {floor_bp / 100:g} per cent is more than {arms} arms can all have",
            f"give at most {WHOLE // arms / 100:g} as `floor`",
        )
    return Thompson(
        floor_bp,
        half_life.integer(1, 3650) if half_life.given else schema.DEFAULT_HALF_LIFE_DAYS,
        at_most.integer(1, 999_999_999) if at_most.given else schema.DEFAULT_AT_MOST,
    )


def _shares(value: Value, arms: Sequence[str]) -> dict[str, int]:
    """A share for every arm, together the whole."""
    shares = value.entries()
    weights: dict[str, int] = {}
    for key, share in shares.items():
        if key not in arms:
            share.fault("is no arm of this slot", did_you_mean(key, arms))
            continue
        weight = share.basis_points()
        if weight == 0:
            share.fault("is zero", "give the arm a share, or remove the arm")
        weights[key] = weight or 0
    if isinstance(value.node, yaml.MappingNode):
        for key in arms:
            if key not in shares:
                value.fault(f"gives the arm `{key}` no share", "add it, in per cent")
    if arms and all(weights.get(key) for key in arms) and sum(weights.values()) != WHOLE:
        value.fault(f"sums to {sum(weights.values()) / 100:g}, not to 100", "change the shares")
    return weights
