"""What the recipients of each arm saw: subject line, message and text, as the definition has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_report.safe_markup import BOX, document
from lift_report.template_branches import conditions, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lift_report.results import Definition, Slot
    from lift_report.tables import DefinedArm

LARGEST = 102_400
"""Characters of a message that is shown whole. Mail programs cut longer ones; of those a part is shown."""
_LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What the recipients of an arm saw.

    Attributes:
        subject: The line, if the experiment has one of its own.
        frame: A document for a sandboxed frame; none of a channel that knows only text.
        is_whole: Whether the frame has the whole message, not only the part that is tested.
        text: The message as text: of an e-mail, its text part.
    """

    arm: str
    is_control: bool
    subject: str | None
    frame: str | None
    is_whole: bool
    text: str | None


def previews(slot: Slot) -> tuple[Preview, ...]:
    """What each arm of a slot showed, the control first; none where that is not at hand.

    Of other slots of the experiment, what their controls show stands in the message.
    """
    definition = slot.definition
    if definition is None:
        return ()
    arms = [arm for arm in definition.arms if arm.slot_key == slot.name]
    asked = conditions(definition.key, ((arm.slot_key, arm.arm_key) for arm in definition.arms))
    controls = {arm.slot_key: arm.arm_key for arm in definition.arms if arm.is_control}
    found = (_preview(definition, arm, asked, {**controls, slot.name: arm.arm_key}) for arm in arms)
    return tuple(preview for preview in found if preview is not None)


def notes(shown: Sequence[Preview]) -> str:
    """What to know of previews; empty if nothing."""
    told = []
    messages = [
        (preview.frame or "").partition("</style>")[2] for preview in shown
    ]  # behind the frame's own style
    if any("[" in part for part in (*messages, *(f"{row.subject or ''}{row.text or ''}" for row in shown))):
        told.append("What stands in square brackets is filled in for each person.")
    if any(BOX in preview.frame for preview in shown if preview.frame):
        told.append("Pictures that lie on a server are boxes here.")
    if any(preview.frame and not preview.is_whole for preview in shown):
        told.append("A message that is too long for this page is shown by its tested part.")
    return " ".join(told)


def _preview(
    definition: Definition, arm: DefinedArm, asked: Mapping[str, tuple[str, str]], held: Mapping[str, str]
) -> Preview | None:
    template = definition.template
    whole = None if template is None else template.html
    text = (template and template.text) or arm.text
    subject = (template and template.subject) or arm.subject
    markup = None
    if whole is not None and len(seen := shown(whole, asked, held, tested=arm.slot_key)) <= LARGEST:
        markup = document(seen)
    is_whole = markup is not None
    if markup is None and arm.html is not None and len(arm.html) <= LARGEST:
        markup = document(shown(arm.html, asked, held), is_part=True)
    told = None if text is None else shown(text, asked, held, is_html=False).strip()
    if told and len(told) > _LONGEST_TEXT:
        told = f"{told[:_LONGEST_TEXT]} \N{HORIZONTAL ELLIPSIS}"
    line = None if subject is None else " ".join(shown(subject, asked, held, is_html=False).split())
    if not (markup or told or line):
        return None
    return Preview(arm.arm_key, bool(arm.is_control), line or None, markup, is_whole, told or None)
