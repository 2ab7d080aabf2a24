"""Writes the tag by which a content shows a property of the profile, or a default to those who lack it."""

from __future__ import annotations

import html
import re

_UNSAFE = re.compile(r"[{}%\\\r\n]")


def property_tag(name: str, otherwise: str, *, plain: bool = False) -> str:
    """The tag that shows a property of the profile, escaped by Klaviyo, and a text to those who lack it.

    Args:
        name: Of the property.
        otherwise: The text.
        plain: For a subject line or a text, which are no HTML.

    Raises:
        ValueError: A name or text that cannot be quoted.
    """
    if not name.strip() or _UNSAFE.search(name) or "'" in name:
        msg = f"`{name}` cannot be read in a template; name the property without ', braces, %, backslash"
        raise ValueError(msg)
    if _UNSAFE.search(otherwise):
        msg = "the default holds a brace, %, a backslash or a line break; put {% if %} around the property instead"
        raise ValueError(msg)
    if plain and {"'", '"'} <= set(otherwise):
        msg = "the default holds both kinds of quotes; use typographic ones"
        raise ValueError(msg)
    # What is quoted in a template is shown unescaped, so markup is escaped here.
    text = otherwise if plain else html.escape(otherwise, quote=False).replace("'", "&#39;")
    quoted = f'"{text}"' if "'" in text else f"'{text}'"
    return f"{{{{ person|lookup:'{name}'|default:{quoted} }}}}"
