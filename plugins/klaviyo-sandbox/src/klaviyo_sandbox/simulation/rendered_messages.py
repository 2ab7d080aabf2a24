"""What a recipient of a message gets to see: the rendered mail, its links, and the arms they carry."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from klaviyo_sandbox.simulation.rendering import HOSTED_PAGES, CompiledTemplate, names_read, person_context

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Profile

_REMEMBERED = 10_000  # messages
_ANCHOR = re.compile(r"<[aA]\s[^>]*>")
_HREF = re.compile(r"""(?<![-\w])href\s*=\s*(?:"\s*(https?://[^"]*)"|'\s*(https?://[^']*)')""", re.IGNORECASE)


class RenderedMessageError(ValueError):
    """A rendered mail that cannot be counted."""


class RenderedMessage(Struct, frozen=True):
    """The links on which a click counts, and the arm shown in each slot (`experiment.slot`)."""

    links: tuple[str, ...]
    arms: dict[str, str]


def read_message(html: str) -> RenderedMessage:
    """Find the links and arms in a rendered mail.

    Raises:
        RenderedMessageError: one slot shows two arms.
    """
    anchors = " ".join(_ANCHOR.findall(html))
    found = (unescape(double or single).strip() for double, single in _HREF.findall(anchors))
    links = tuple(dict.fromkeys(link for link in found if not link.startswith(HOSTED_PAGES)))
    arms: dict[str, str] = {}
    for link in links:
        for value in parse_qs(urlsplit(link).query).get("lf_cid", ()):
            slot, _, arm = value.rpartition(".")
            if arms.setdefault(slot, arm) != arm:
                msg = f"one mail shows two arms of slot {slot}: {arms[slot]} and {arm}"
                raise RenderedMessageError(msg)
    return RenderedMessage(links, arms)


class MessageRenderer:
    """Renders the messages of one send. Recipients who agree on everything the template reads are rendered once.

    Args:
        html: the template.
        today: the day of the send, for `{% today %}`.

    Raises:
        TemplateError: the template is not in Klaviyo's language.
    """

    def __init__(self, html: str, today: datetime) -> None:
        self._template = CompiledTemplate(html)
        self._names = names_read(html)
        self._today = today
        self._known: dict[str, RenderedMessage] = {}

    def render(self, profile: Profile) -> RenderedMessage:
        """The message as one recipient sees it.

        Raises:
            TemplateError: a filter fails on the profile's values.
            RenderedMessageError: one slot shows two arms.
        """
        context = person_context(profile)
        person = context["person"]
        key = repr(person if self._names is None else [person.get(name) for name in self._names])
        message = self._known.get(key)
        if message is None:
            message = read_message(self._template.render(context, self._today))
            if len(self._known) < _REMEMBERED:
                self._known[key] = message
        return message
