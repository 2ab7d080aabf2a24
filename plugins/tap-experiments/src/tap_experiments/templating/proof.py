"""Proves a generated template: rendered for every arm, and for none, it shows what the content files hold.

It is rendered for ordinary and for odd profiles. What is expected is put together from the content files alone,
without a branch, and rendered by the same engine. So whatever differs comes from a branch: one not taken, one that
swallows its neighbour, one of another arm.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_experiments.definitions.model import FALLBACK, HASH_MARK, PropertyFormat
from tap_experiments.language.engine import Compiled, RenderError
from tap_experiments.language.sample_profiles import SAMPLE_PROFILES
from tap_experiments.templating.generation import KINDS, branches, flat_property

if TYPE_CHECKING:
    from singer_program.definitions.faults import Fault
    from tap_experiments.definitions.model import Experiment, Slot
    from tap_experiments.templating.generation import Kind, Template

Arms = Mapping[str, str]
"""The arm shown in each slot; `FALLBACK` where the profile holds none."""

_MOST_COMBINATIONS = 36
"""Beyond it, each arm is shown once beside the fallbacks and once beside the last arms of the other slots."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A profile and the arms it holds, which it must be shown unless there is a winner."""

    name: str
    arms: Arms
    context: Mapping[str, Any]


def combinations(experiment: Experiment) -> list[Arms]:
    """The arms that profiles may hold at once: all combinations, or enough of them to show each."""
    options = {slot.key: [*(arm.key for arm in slot.arms), FALLBACK] for slot in experiment.slots}
    count = 1
    for arms in options.values():
        count *= len(arms)
    if count <= _MOST_COMBINATIONS:
        return [dict(zip(options, arms, strict=True)) for arms in itertools.product(*options.values())]
    none = dict.fromkeys(options, FALLBACK)
    last = {slot: arms[-2] for slot, arms in options.items()}
    return [{**others, slot: arm} for slot, arms in options.items() for arm in arms for others in (none, last)]


def samples(experiment: Experiment, property_format: PropertyFormat) -> Iterator[Sample]:
    """Profiles of every kind with what each must be shown."""
    profiles = itertools.cycle(SAMPLE_PROFILES)
    for arms in combinations(experiment):
        held = {slot: arm for slot, arm in arms.items() if arm != FALLBACK}
        properties = held_properties(experiment.key, held, property_format)
        name = "an assigned profile" if held else "a profile without arms"
        yield Sample(name, arms, _context(next(profiles), properties))
    none = dict.fromkeys((slot.key for slot in experiment.slots), FALLBACK)
    for name, properties in hostile(experiment, property_format):
        yield Sample(name, none, _context(next(profiles), properties))


def held_properties(experiment: str, arms: Arms, property_format: PropertyFormat) -> dict[str, Any]:
    """Properties that hold these arms, beside those of other experiments."""
    match property_format:
        case PropertyFormat.LIST:
            own = [f"{experiment}:{slot}:{arm}" for slot, arm in arms.items()]
            return {"lf_assignments": [f"not_{experiment}:hero:a", *own, f"{experiment}s:hero:b"]}
        case PropertyFormat.OBJECT:
            own_arms = {f"{experiment}.{slot}": arm for slot, arm in arms.items()}
            return {"lf_assignments": {f"not_{experiment}.hero": "a", **own_arms}}
        case PropertyFormat.FLAT:
            return {flat_property(experiment, slot): arm for slot, arm in arms.items()}


def hostile(experiment: Experiment, property_format: PropertyFormat) -> Iterator[tuple[str, dict[str, Any]]]:
    """Properties that hold no arm of the experiment, though they come near it."""
    yield "an empty list", {"lf_assignments": []}
    yield "an empty text", {"lf_assignments": ""}
    yield "nothing", {"lf_assignments": None}
    known = {(slot.key, arm.key) for slot in experiment.slots for arm in slot.arms}
    names = {
        "an arm whose name begins with another's": [(slot, f"{arm}{end}") for slot, arm in known for end in "_x "],
        "an arm whose name begins another's": [(slot, arm[:-1]) for slot, arm in known],
    }
    for name, pairs in names.items():
        near = dict(sorted(set(pairs) - known))
        yield name, held_properties(experiment.key, near, property_format)
    quoted = {slot: f"'{arm}' or '{arm}' {{% endif %}}" for slot, arm in known}
    yield "an arm with quotes and braces", held_properties(experiment.key, quoted, property_format)


def shown(experiment: Experiment, arms: Arms) -> Arms:
    """What a profile with these arms must be shown: them, or the winners."""
    return {slot.key: slot.winner or arms[slot.key] for slot in experiment.slots}


def _context(profile: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    top = ("first_name", "last_name", "email")
    return {**{name: profile[name] for name in top if name in profile}, "person": {**profile, **properties}}


def expected(experiment: Experiment, kind: Kind, arms: Arms, property_format: PropertyFormat) -> str:
    """A part of the message with these arms: the wrapper and the contents, no branch."""
    layout = kind.layout(experiment)
    if layout is None:
        return ""
    slots = {slot.key: slot for slot in experiment.slots}
    shown = [content(experiment, slots[key], kind, arms[key], property_format) for key in layout.slots]
    return "".join(itertools.chain(*zip(layout.texts, [*shown, ""], strict=True)))


def content(experiment: Experiment, slot: Slot, kind: Kind, arm: str, property_format: PropertyFormat) -> str:
    """What a slot shows to an arm, links marked; to all of them the winner, once there is one."""
    return next(
        branch.decorated.content
        for branch in branches(experiment, slot, kind, property_format)
        if branch.arm == (slot.winner or arm)
    )


def prove(experiment: Experiment, template: Template, property_format: PropertyFormat) -> list[Fault]:
    """Why the template must not be used: what it shows differs from the contents, or nothing can be shown."""
    html = template.html and template.html.replace(f"{HASH_MARK}{template.sha256} -->", "")
    for kind, source in zip(KINDS, (html, template.text, template.subject), strict=True):
        if source is None:
            continue
        try:
            found = _difference(experiment, kind, Compiled(source), property_format)
        except RenderError as error:
            remedy = "correct the tag or filter: Klaviyo would refuse it as well"
            return [experiment.fault(f"template.{kind.key}", f"cannot be rendered: {error}", remedy)]
        if found:
            remedy = "send nothing with it: simplify the contents, and report this"
            return [experiment.fault(f"template.{kind.key}", found, remedy)]
    return []


def _difference(experiment: Experiment, kind: Kind, template: Compiled, property_format: PropertyFormat) -> str:
    """The first profile to whom the template shows something else than its arms; empty if there is none."""
    wanted: dict[tuple[str, ...], Compiled] = {}
    for sample in samples(experiment, property_format):
        key = tuple(sample.arms.values())
        if key not in wanted:
            wanted[key] = Compiled(expected(experiment, kind, sample.arms, property_format))
        if template.render(sample.context) != wanted[key].render(sample.context):
            arms = ", ".join(f"{slot}.{arm}" for slot, arm in shown(experiment, sample.arms).items())
            return f"does not show {arms} to {sample.name}"
    return ""
