"""Generates the template of an experiment: a branch per arm, so that Klaviyo renders it from the profile alone.

    {% if 'spring:hero:bold' in person|lookup:'lf_assignments' %}bold{% elif … %}plain{% else %}plain{% endif %}

Every link in a branch says which branch it stands in, so a click proves what was rendered, not what was planned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_experiments.definitions import FALLBACK, HASH_MARK
from tap_experiments.files import sha256
from tap_experiments.links import PARAMETER, Decorated, decorate_html, decorate_text
from tap_experiments.model import PropertyFormat
from tap_experiments.template_tags import active

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_experiments.faults import Fault
    from tap_experiments.files import Source
    from tap_experiments.model import Arm, Experiment
    from tap_experiments.wrapper import Layout

MAX_TEMPLATE_BYTES = 4_500_000
"""Klaviyo takes requests up to 5 MB; JSON makes a template somewhat longer."""

_UNDECORATED = f"carries no {PARAMETER}: its address is known only when a message is rendered"

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """A generated template.

    Attributes:
        name: Under which it is kept in Klaviyo.
        html: With the hash in a comment at the end of the body, so that it is known again when read back; none if
            the channel knows only text.
        text: The plain text part, if the experiment has one.
        sha256: Of `html` without the comment, a NUL, and `text`.
        warnings: What the author should know; each a line.
        faults: Why the template must not be used.
    """

    name: str
    html: str | None
    text: str | None
    sha256: str
    warnings: tuple[str, ...]
    faults: tuple[Fault, ...]


def generate(experiment: Experiment, property_format: PropertyFormat) -> Template:
    """The template of an experiment: the same bytes for the same definition."""
    html = (
        _part(experiment, experiment.html, property_format, lambda arm: arm.content, decorate_html)
        if experiment.html
        else None
    )
    text = (
        _part(experiment, experiment.text, property_format, lambda arm: arm.text or arm.content, decorate_text)
        if experiment.text
        else None
    )
    parts = [part for part in (html, text) if part]
    warnings = [warning for part in parts for warning in part.warnings]
    if not any(part.links for part in parts[:1]) and not experiment.campaign_message_ids:
        warnings.append(
            f"{experiment.file}: no arm holds a link that can carry {PARAMETER}; "
            "name `campaign_message_ids`, or the results cannot tell which message showed the experiment"
        )
    digest = sha256(f"{html.source if html else ''}\0{text.source if text else ''}")
    marked = _marked(html.source, digest) if html else None
    faults = [fault for part in parts for fault in part.faults]
    size = len((marked or "").encode()) + len(text.source.encode() if text else b"")
    if size > MAX_TEMPLATE_BYTES:
        problem = f"gives a template of {size:,} bytes, more than {MAX_TEMPLATE_BYTES:,}"
        faults.append(experiment.fault("template", problem, "shorten the contents"))
    return Template(
        experiment.template_name, marked, text.source if text else None, digest, tuple(warnings), tuple(faults)
    )


def _marked(html: str, digest: str) -> str:
    """The HTML with its hash before the end of the body, else at the end."""
    *_, end = [len(html), *(match.start() for match in _BODY_END.finditer(html))]
    return f"{html[:end]}{HASH_MARK}{digest} -->{html[end:]}"


@dataclass(frozen=True, slots=True)
class _Part:
    """The HTML or the text of a template."""

    source: str
    links: int
    warnings: list[str]
    faults: list[Fault]


def _part(
    experiment: Experiment,
    layout: Layout,
    property_format: PropertyFormat,
    source_of: Callable[[Arm], Source],
    decorate: Callable[[str, str], Decorated],
) -> _Part:
    slots = {slot.key: slot for slot in experiment.slots}
    pieces, links, warnings, faults = [layout.texts[0]], 0, [], []
    for key, following in zip(layout.slots, layout.texts[1:], strict=True):
        slot = slots[key]
        branches = [(arm, arm.key) for arm in sorted(slot.arms, key=lambda arm: arm.is_control)]
        for word, (arm, name) in zip(
            ["if", *["elif"] * (len(branches) - 1), "else"], [*branches, (slot.control, FALLBACK)], strict=True
        ):
            source = source_of(arm)
            content = decorate(source.text, f"{experiment.key}.{key}.{name}")
            condition = "" if word == "else" else _condition(experiment.key, key, arm.key, property_format) + " "
            pieces += [f"{{% {word} {condition}%}}", content.content]
            links += content.links
            if word != "else":
                warnings += [f"{source.file}: `{address}` {_UNDECORATED}" for address in content.left]
        pieces += ["{% endif %}", following]
    joined = "".join(pieces)
    # Joining must not make or unmake a tag, as a text does that ends in `{`, or {% verbatim %} around a slot.
    if [tag.source for piece in pieces for tag in active(piece)] != [tag.source for tag in active(joined)]:
        problem = "gives a template whose branches Klaviyo would not read as branches"
        remedy = "place no slot in {% verbatim %} or {% comment %}, and end no text beside a slot with a brace"
        faults.append(experiment.fault("template", problem, remedy))
    return _Part(joined, links, warnings, faults)


def _condition(experiment: str, slot: str, arm: str, property_format: PropertyFormat) -> str:
    """What is true for a profile that holds this arm. The names need no quoting, see `yaml_values.KEY`."""
    match property_format:
        case PropertyFormat.LIST:
            return f"'{experiment}:{slot}:{arm}' in person|lookup:'lf_assignments'"
        case PropertyFormat.OBJECT:
            return f"person|lookup:'lf_assignments'|lookup:'{experiment}.{slot}' == '{arm}'"
        case PropertyFormat.FLAT:
            return f"person|lookup:'{flat_property(experiment, slot)}' == '{arm}'"


def flat_property(experiment: str, slot: str) -> str:
    """Name of the property that holds a slot's arm in the flat format."""
    return f"lf_{experiment}_{slot}"
