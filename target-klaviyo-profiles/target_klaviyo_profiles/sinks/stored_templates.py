"""Templates as Klaviyo stores them: found by name, and compared with each other or with what is wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles.answers import told
from target_klaviyo_profiles.rows import Reason, Rejected

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

_LONGEST_NAME = 1_000
"""Bytes; it stands, three times as long, in the address of a request."""
_MARKER = re.compile(r"<!-- lf:[0-9a-f]{64} -->")
# What Klaviyo wraps around stored html (recorded): tags without attributes, and blanks around them. Those are not
# in the pattern: of a long run of blanks it would look at each for a tag behind all others.
_WRAPPER = re.compile(r"</?(?:html|head|body)>", re.IGNORECASE)


def template_named(name: str, context: SinkContext) -> Json | None:
    """The template of that name, as Klaviyo holds it; None when there is none.

    Raises:
        Rejected: there are several, or the name is too long to be looked for.
        Unsettled: Klaviyo does not tell what it holds.
    """
    if len(name.encode()) > _LONGEST_NAME:
        detail = f"the name of a template is longer than {_LONGEST_NAME:,} bytes, and cannot be looked for"
        raise Rejected(Reason("too_large", detail, "Shorten it."))
    params = {"filter": Operator.EQUALS("name", name), "fields[template]": "name,editor_type,html,text"}
    of = f"a template, asked for by the name {name!r}"
    found = [
        resource
        for page in context.client.pages("get_templates", params=params)
        for resource in jsonapi.resources(page)
        if told(resource, of, id=str, name=str)["name"] == name  # Klaviyo does not apply every filter it accepts
    ]
    if len(found) > 1:
        ids = ", ".join(resource["id"] for resource in found)
        remedy = "Rename or delete all but one of them in Klaviyo."
        raise Rejected(Reason("ambiguous_name", f"{len(found)} templates have this name: {ids}", remedy))
    for resource in found:
        told(resource, of, editor_type=str)
        content_told(resource, of)
    return found[0] if found else None


def content_told(template: object, of: str) -> Json:
    """The attributes of a template whose content is told; a plain text may be absent, as it was recorded.

    Raises:
        Unsettled: it is not told.
    """
    held = told(template, of, html=str | None)
    return told(template, of, text=str | None) if "text" in held else held


def same_content(one: Json, other: Json) -> bool:
    """Whether two templates say the same, both as Klaviyo stores them."""
    return _unwrapped(one.get("html") or "") == _unwrapped(other.get("html") or "") and (
        _lines(one.get("text") or "") == _lines(other.get("text") or "")
    )


def unchanged(wanted: Json, held: Json) -> bool:
    """Whether a stored template already says what is wanted, within what can be known.

    Klaviyo normalises html when it stores it: so html is compared without the wrapper that Klaviyo adds. A marker
    comment `<!-- lf:<sha256 of the rest> -->` that both have says that the rest is the same, too.
    """
    return _same_html(wanted["html"], held.get("html") or "") and (
        "text" not in wanted or _lines(wanted["text"]) == _lines(held.get("text") or "")
    )


def _same_html(wanted: str, held: str) -> bool:
    markers = _MARKER.findall(wanted)
    return (bool(markers) and markers == _MARKER.findall(held)) or _unwrapped(wanted) == _unwrapped(held)


def _unwrapped(html: str) -> str:
    return "".join(part.strip() for part in _WRAPPER.split(html.replace("\r\n", "\n")))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
