"""What a recipient of a message gets to see: the rendered mail, its links, and the arms they carry."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from klaviyo_sandbox.simulation.rendering import (
    HOSTED_PAGES,
    CompiledTemplate,
    TemplateError,
    names_read,
    person_context,
)

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Profile

_REMEMBERED = 10_000  # messages
_ANCHOR = re.compile(r"<[aA]\s")
_LONGEST_ANCHOR = 5_000
"""Characters of a tag; what is longer links to nothing that opens."""
_FREE_SECONDS = 5.0
_SECONDS_A_MESSAGE = 0.02
"""Processor time that a send may take: this much at once, and so much for each message that is rendered."""
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
    anchors = " ".join(_anchors(html))
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


def _anchors(html: str) -> Iterator[str]:
    """The opening tags of links. By hand: a pattern would look for the end of each to the end of the mail."""
    end = -1
    while found := _ANCHOR.search(html, end + 1):
        end = html.find(">", found.end())
        if end < 0:
            return
        if end - found.start() < _LONGEST_ANCHOR:
            yield html[found.start() : end + 1]


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
        self._rendered = 0
        self._seconds = 0.0

    def render(self, profile: Profile) -> RenderedMessage:
        """The message as one recipient sees it.

        Raises:
            TemplateError: a filter fails on the profile's values, or the send takes too long.
            RenderedMessageError: one slot shows two arms.
        """
        context = person_context(profile)
        person = context["person"]
        key = repr(person if self._names is None else [person.get(name) for name in self._names])
        message = self._known.get(key)
        if message is None:
            message = self._timed(context)
            if len(self._known) < _REMEMBERED:
                self._known[key] = message
        return message

    def _timed(self, context: Mapping[str, Any]) -> RenderedMessage:
        """Render for one recipient; all of them together may take as long as is usual."""
        began = time.thread_time()
        message = read_message(self._template.render(context, self._today))
        self._seconds += time.thread_time() - began
        self._rendered += 1
        if self._seconds > _FREE_SECONDS + _SECONDS_A_MESSAGE * self._rendered:
            msg = f"The template takes too long: {self._seconds:.1f} seconds for {self._rendered:,} messages."
            raise TemplateError(msg)
        return message
