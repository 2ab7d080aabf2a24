"""E-mail templates, created or rewritten by name."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import Retriable
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.sinks.base import (
    ONE,
    Field,
    Group,
    Kind,
    Line,
    Reason,
    Rejected,
    Resource,
    Route,
    Row,
    Unsettled,
)
from target_klaviyo_profiles.sinks.single import RecordSink, record_call

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

STREAM = "templates"
CODE = "CODE"
_LOOKS = (0.0, 2.0, 8.0)
"""Seconds before each look for a template by its name, after a creation whose answer was lost."""
_MARKER = re.compile(r"<!-- lf:[0-9a-f]{64} -->")
# What Klaviyo wraps around stored html (recorded): tags without attributes.
_WRAPPER = re.compile(r"\s*</?(?:html|head|body)>\s*", re.IGNORECASE)
WRITE = Route("create_template", ONE)
_REMEDY = "Correct what the detail names."
_FULL = f"{_REMEDY} An account holds at most 1,000 templates: delete some if it is full."


class Templates(RecordSink):
    """Creates the template of a name, or rewrites it where its content differs."""

    stream: ClassVar[str] = STREAM
    routes: ClassVar[tuple[Route, ...]] = (WRITE,)
    reads: ClassVar[tuple[str, ...]] = ("update_template", "get_templates")
    fields: ClassVar[tuple[Field, ...]] = (
        Field("name", Kind.TEXT, "The template's name, by which it is found again", required=True),
        Field("html", Kind.TEXT, "Its html", required=True),
        Field("text", Kind.TEXT, "Its plain text; absent leaves what is there"),
    )

    @override
    def identify(self, record: Json) -> Key:
        return Key("name", record.get("name", "").strip())

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        attributes = {"name": key.value, "html": record["html"]}
        if "text" in record:
            attributes["text"] = record["text"]
        return Resource({"type": "template", "attributes": attributes}, Group(WRITE))

    @override
    def envelope_size(self, group: Group) -> int:
        return len(b'{"data":}') + len(b',"editor_type":"CODE"')

    @override
    def write(self, row: Row, line: Line) -> bool:
        return _written(msgspec.json.decode(row.payload)["attributes"], line)


def creation(wanted: Json) -> Json:
    """The request that creates a template with these attributes."""
    return {"data": {"type": "template", "attributes": {**wanted, "editor_type": CODE}}}


def change(template_id: str, wanted: Json) -> Json:
    """The request that rewrites a template; its editor type cannot change."""
    return {"data": {"type": "template", "id": template_id, "attributes": wanted}}


def same_content(one: Json, other: Json) -> bool:
    """Whether two templates say the same, both as Klaviyo stores them."""
    return _bare(one.get("html") or "") == _bare(other.get("html") or "") and (
        _lines(one.get("text") or "") == _lines(other.get("text") or "")
    )


def unchanged(wanted: Json, held: Json) -> bool:
    """Whether a stored template already says what is wanted, within what can be known.

    Klaviyo normalises html when it stores it: so html is compared without the wrapper it adds, and a marker
    comment `<!-- lf:<sha256 of the rest> -->` that is still there says that the rest is, too.
    """
    return _same_html(wanted["html"], held.get("html") or "") and (
        "text" not in wanted or _lines(wanted["text"]) == _lines(held.get("text") or "")
    )


def _same_html(wanted: str, held: str) -> bool:
    markers = _MARKER.findall(wanted)
    return (bool(markers) and markers == _MARKER.findall(held)) or _bare(wanted) == _bare(held)


def _bare(html: str) -> str:
    return _WRAPPER.sub("", html.replace("\r\n", "\n")).strip()


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _written(wanted: Json, line: Line) -> bool:
    """Make Klaviyo hold the template; False when it did already.

    Raises:
        Rejected: Klaviyo does not take it, or it is not clear which template is meant.
        Unsettled: it may have been created.
    """
    held = template_named(wanted["name"], line)
    if held is None:
        return _create(wanted, line)
    if (editor := held["attributes"]["editor_type"]) != CODE:
        detail = f"template {held['id']} of this name was made in Klaviyo's editor ({editor})"
        raise Rejected(Reason("not_html", detail, "Rename one of the two: a designer's work is not overwritten."))
    known = line.ledger.recall(STREAM, Key("name", wanted["name"]))
    if unchanged(wanted, held["attributes"]) or known == _pair(wanted, held["attributes"]):
        return False
    path, body = {"id": held["id"]}, change(held["id"], wanted)
    _remember(wanted, record_call("update_template", line, body, path=path, remedy=_REMEDY), line)
    return True


def _remember(wanted: Json, answer: Json, line: Line) -> None:
    """Keep what was sent and what Klaviyo made of it, so that the next run sees that neither has changed."""
    for stored in jsonapi.resources(answer):
        line.ledger.remember(STREAM, [Key("name", wanted["name"])], _pair(wanted, stored["attributes"]))


def _pair(wanted: Json, held: Json) -> str:
    """A digest of a template's content as wanted and as held."""
    held_text = held.get("text") if "text" in wanted else None
    content = [wanted["html"], wanted.get("text"), held.get("html"), held_text]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def template_named(name: str, line: Line) -> Json | None:
    """The template of that name, as Klaviyo holds it; None when there is none.

    Raises:
        Rejected: there are several.
    """
    params = {"filter": Operator.EQUALS("name", name), "fields[template]": "name,editor_type,html,text"}
    found = [
        resource
        for page in line.client.pages("get_templates", params=params)
        for resource in jsonapi.resources(page)
        if resource["attributes"]["name"] == name  # Klaviyo does not apply every filter it accepts
    ]
    if len(found) > 1:
        ids = ", ".join(resource["id"] for resource in found)
        remedy = "Rename or delete all but one of them in Klaviyo."
        raise Rejected(Reason("ambiguous_name", f"{len(found)} templates have this name: {ids}", remedy))
    return found[0] if found else None


def _create(wanted: Json, line: Line) -> bool:
    """A creation happens at most once: names are not unique, so a repeated one would make a second template."""
    try:
        answer = record_call("create_template", line, creation(wanted), repeatable=False, remedy=_FULL)
    except Retriable:
        # It may have happened, and may show up late: if it does not, the next run looks again.
        if not any(_appeared(wanted["name"], line, pause) for pause in _LOOKS):
            msg = "the answer to the creation of a template was lost, and the template is not there (yet)"
            raise Unsettled(msg) from None
    else:
        _remember(wanted, answer, line)
    return True


def _appeared(name: str, line: Line, pause: float) -> bool:
    line.sleep(pause)
    return template_named(name, line) is not None
