"""Generates an experiment's template for Klaviyo: where a slot stands, an `if` with a branch for each arm.

    {% if 'spring:hero:bold' in person|lookup:'lf_assignments' %}bold{% elif … %}plain{% else %}plain{% endif %}

So Klaviyo renders it from the profile alone. Every link in a branch says which branch it stands in: a click proves
what was rendered, not what was planned.

Once a winner is named, it stands in the slot alone, as it was written: nothing is asked of a profile, and no link
counts for the experiment, which has ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singer_program.definitions.faults import Fault
from singer_program.definitions.files import sha256
from tap_experiments.definitions.model import FALLBACK, HASH_MARK, PropertyFormat
from tap_experiments.language.links import PARAMETER, Decorated, decorate_html, decorate_text
from tap_experiments.language.template_tags import active
from tap_experiments.templating.shared_fragments import Pieces, common_parts, html_pieces, line_pieces, text_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_program.definitions.files import Source
    from tap_experiments.definitions.model import Arm, Experiment, Slot
    from tap_experiments.language.wrapper import Layout

MAX_TEMPLATE_BYTES = 4_500_000
"""Klaviyo takes requests up to 5 MB; JSON makes a template somewhat longer."""

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """A generated template.

    Attributes:
        name: Under which it is kept in Klaviyo.
        html: With the hash in a comment at the end of the body, so that it is known again when read back; none if
            the channel knows only text.
        text: The plain text part, if the experiment has one; the body of an SMS or a push.
        subject: The subject line, if the experiment has one.
        sha256: Of `html` without the comment, a NUL, and `text`.
        content_sha256: Of all three parts.
        warnings: What the author should know.
        faults: Why the template must not be used.
    """

    name: str
    html: str | None
    text: str | None
    subject: str | None
    sha256: str
    content_sha256: str
    warnings: tuple[Fault, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part: how links are marked in it, and where it may be cut."""

    key: str
    """Of the definition, under `template`."""
    layout: Callable[[Experiment], Layout | None]
    source: Callable[[Arm], Source]
    decorate: Callable[[str, str], Decorated]
    pieces: Callable[[str], Pieces]


def _plain(content: str, lf_cid: str) -> Decorated:  # noqa: ARG001  a subject line has no links
    return Decorated(content, 0, ())


HTML = Kind("html", lambda experiment: experiment.html, lambda arm: arm.content, decorate_html, html_pieces)
TEXT = Kind(
    "text", lambda experiment: experiment.text, lambda arm: arm.text or arm.content, decorate_text, text_pieces
)
SUBJECT = Kind(
    "subject", lambda experiment: experiment.subject, lambda arm: arm.subject or arm.content, _plain, line_pieces
)
KINDS = (HTML, TEXT, SUBJECT)


def generate(experiment: Experiment, property_format: PropertyFormat) -> Template:
    """The template of an experiment: the same bytes for the same definition."""
    html, text, subject = (_part(experiment, kind, property_format) for kind in KINDS)
    parts = [part for part in (html, text, subject) if part]
    warnings = [warning for part in parts for warning in part.warnings]
    is_proven = any(part.links for part in parts[:1]) or experiment.campaign_message_ids
    if not is_proven and not experiment.is_shipped:
        problem = f"no arm holds a link that can carry {PARAMETER}"
        remedy = "name `campaign_message_ids`, or the results cannot tell which message showed the experiment"
        warnings.append(experiment.fault("slots", problem, remedy))
    digest = sha256(f"{html.source if html else ''}\0{text.source if text else ''}")
    marked = _marked(html.source, digest) if html else None
    faults = [fault for part in parts for fault in part.faults]
    size = len((marked or "").encode()) + len(text.source.encode() if text else b"")
    if size > MAX_TEMPLATE_BYTES:
        problem = f"gives a template of {size:,} bytes, more than {MAX_TEMPLATE_BYTES:,}"
        faults.append(experiment.fault("template", problem, "shorten the contents"))
    return Template(
        experiment.template_name,
        marked,
        text.source if text else None,
        subject.source if subject else None,
        digest,
        sha256("\0".join(part.source if part else "" for part in (html, text, subject))),
        tuple(warnings),
        tuple(faults),
    )


def _marked(html: str, digest: str) -> str:
    """The HTML with its hash before the end of the body, else at the end."""
    *_, end = [len(html), *(match.start() for match in _BODY_END.finditer(html))]
    return f"{html[:end]}{HASH_MARK}{digest} -->{html[end:]}"


@dataclass(frozen=True, slots=True)
class _Part:
    """The HTML, the text or the subject of a template."""

    source: str
    links: int
    warnings: list[Fault]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Branch:
    """What a slot shows to the profiles of an arm, or, without an arm, to those that hold none."""

    arm: str
    """As links say it."""
    condition: str
    """Empty: of all others."""
    source: Source
    decorated: Decorated


def branches(experiment: Experiment, slot: Slot, kind: Kind, property_format: PropertyFormat) -> list[Branch]:
    """The branches of a slot in their order, the fallback last; of a slot that has a winner, that one for all.

    An arm whose name begins another's comes after it: were a list held as a text, it would be found in the other's
    token too.
    """
    for arm in slot.arms:
        if arm.key == slot.winner:
            source = kind.source(arm)
            return [Branch(arm.key, "", source, Decorated(source.text, 0, ()))]
    keys = [arm.key for arm in slot.arms]
    arms = sorted(slot.arms, key=lambda arm: (sum(key.startswith(arm.key) for key in keys), arm.is_control))
    shown = [(arm, arm.key, _condition(experiment.key, slot.key, arm.key, property_format)) for arm in arms]
    return [
        Branch(
            name,
            condition,
            kind.source(arm),
            kind.decorate(kind.source(arm).text, f"{experiment.key}.{slot.key}.{name}"),
        )
        for arm, name, condition in [*shown, (slot.control, FALLBACK, "")]
    ]


def _part(experiment: Experiment, kind: Kind, property_format: PropertyFormat) -> _Part | None:
    layout = kind.layout(experiment)
    if layout is None:
        return None
    slots = {slot.key: slot for slot in experiment.slots}
    pieces, whole, links, warnings = [layout.texts[0]], [layout.texts[0]], 0, []
    for key, following in zip(layout.slots, layout.texts[1:], strict=True):
        found = branches(experiment, slots[key], kind, property_format)
        pieces += [*_shared(found, kind), following]
        whole += [*_branched([branch.decorated.content for branch in found], found), following]
        links += sum(branch.decorated.links for branch in found)
        warnings += [
            Fault(
                branch.source.file,
                branch.source.line(max(branch.source.text.find(address), 0)),
                "",
                f"`{address}` carries no {PARAMETER}",
                "its address is known only when a message is rendered",
            )
            for branch in found[:-1]
            for address in branch.decorated.left
        ]
    if _reads_as_written(pieces):
        return _Part("".join(pieces), links, warnings, [])
    faults = []
    if not _reads_as_written(whole):
        problem = "gives a template whose branches Klaviyo would not read as branches"
        remedy = "place no slot in {% verbatim %} or {% comment %}, and end no text beside a slot with a brace"
        faults.append(experiment.fault("template", problem, remedy))
    return _Part("".join(whole), links, warnings, faults)


def _shared(found: list[Branch], kind: Kind) -> list[str]:
    """The branches of a slot, with what all of them show outside of them."""
    contents = [branch.decorated.content for branch in found]
    if len(found) == 1:
        return contents
    cost = sum(map(len, _branched([""] * len(found), found)))
    parts = common_parts(contents, kind.pieces, cost)
    return [piece for part in parts for piece in (part if len(part) == 1 else _branched(part, found))]


def _branched(contents: Sequence[str], found: list[Branch]) -> list[str]:
    if len(found) == 1:
        return [*contents]
    words = ["if", *["elif"] * (len(found) - 2), "else"]
    pieces = []
    for word, content, branch in zip(words, contents, found, strict=True):
        pieces += [f"{{% {word} {branch.condition}{' ' if branch.condition else ''}%}}", content]
    return [*pieces, "{% endif %}"]


def _reads_as_written(pieces: list[str]) -> bool:
    """Whether joining makes and unmakes no tag, as a text would that ends in `{`, or {% verbatim %} around all."""
    return [tag.source for piece in pieces for tag in active(piece)] == [
        tag.source for tag in active("".join(pieces))
    ]


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
