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

_REMEMBERED = 10_000  # letters
_ANCHOR = re.compile(r"<[aA]\s[^>]*>")
_HREF = re.compile(r"""(?<![-\w])href\s*=\s*(?:"\s*(https?://[^"]*)"|'\s*(https?://[^']*)')""", re.IGNORECASE)


class LetterError(ValueError):
    """A rendered mail that cannot be counted."""


class Letter(Struct, frozen=True):
    """The links on which a click counts, and the arm shown in each slot (`experiment.slot`)."""

    links: tuple[str, ...]
    arms: dict[str, str]


def read_letter(html: str) -> Letter:
    """Find the links and arms in a rendered mail.

    Raises:
        LetterError: one slot shows two arms.
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
                raise LetterError(msg)
    return Letter(links, arms)


class Press:
    """Prints the letters of one send. Recipients who agree on everything the template reads are rendered once.

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
        self._known: dict[str, Letter] = {}

    def letter(self, profile: Profile) -> Letter:
        """The letter of one recipient.

        Raises:
            TemplateError: a filter fails on the profile's values.
            LetterError: one slot shows two arms.
        """
        context = person_context(profile)
        person = context["person"]
        key = repr(person if self._names is None else [person.get(name) for name in self._names])
        letter = self._known.get(key)
        if letter is None:
            letter = read_letter(self._template.render(context, self._today))
            if len(self._known) < _REMEMBERED:
                self._known[key] = letter
        return letter
