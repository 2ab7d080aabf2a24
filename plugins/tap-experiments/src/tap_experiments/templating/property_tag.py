"""Writes the tag by which a content shows a property of the profile, or a default to those who lack it."""

from __future__ import annotations

import html
import re
from enum import Enum

_UNSAFE = re.compile(r"[{}%\\\r\n]")


class Shown(Enum):
    """As what a property is shown."""

    TEXT = "text"
    """A text within HTML: Klaviyo escapes it."""
    PLAIN = "plain"
    """A text within a subject line or a text message, which are no HTML."""
    HTML = "html"
    """HTML, shown as it is: only for what your own generator alone writes, since a link of anybody is shown."""


def property_tag(name: str, otherwise: str, shown: Shown = Shown.TEXT) -> str:
    """The tag that shows a property of the profile, and something else to those who lack it.

    Args:
        name: Of the property.
        otherwise: What they are shown: of the same kind.
        shown: As what.

    Raises:
        ValueError: A name or text that cannot be quoted.
    """
    if not name.strip() or _UNSAFE.search(name) or "'" in name:
        msg = f"`{name}` cannot be read in a template; name the property without ', braces, %, backslash"
        raise ValueError(msg)
    if _UNSAFE.search(otherwise):
        msg = "the default holds a brace, %, a backslash or a line break; put {% if %} around the property instead"
        raise ValueError(msg)
    # What is quoted in a template is shown unescaped, so markup is escaped here.
    text = html.escape(otherwise, quote=False).replace("'", "&#39;") if shown is Shown.TEXT else otherwise
    if {"'", '"'} <= set(text):
        msg = "the default holds both kinds of quotes; use typographic ones, or one kind alone in HTML"
        raise ValueError(msg)
    quoted = f'"{text}"' if "'" in text else f"'{text}'"
    safe = "|safe" if shown is Shown.HTML else ""
    return f"{{{{ person|lookup:'{name}'|default:{quoted}{safe} }}}}"
