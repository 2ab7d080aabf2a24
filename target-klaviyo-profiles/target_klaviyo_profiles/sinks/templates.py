"""E-mail templates, created or rewritten by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.errors import Refused, Retriable
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.sinks.base import Batch, Field, Kind, Line, Outcome, Reason, Rejected, Resource, Sink

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

CODE = "CODE"
_LOOKS = (0.0, 2.0, 8.0)
"""Seconds before each look for a template by its name, after a creation whose answer was lost."""
_MARKER = re.compile(r"<!-- lf:[0-9a-f]{64} -->")
# What Klaviyo wraps around stored html (recorded): tags without attributes.
_WRAPPER = re.compile(r"\s*</?(?:html|head|body)>\s*", re.IGNORECASE)
_UNWRITABLE = frozenset({400, 409, 413, 422})


class Templates(Sink):
    """Creates the template of a name, or rewrites it where its content differs."""

    stream: ClassVar[str] = "templates"
    operations: ClassVar[tuple[str, ...]] = ("create_template", "update_template", "get_templates")
    limits: ClassVar[BulkLimits] = BulkLimits(items=1)
    fields: ClassVar[tuple[Field, ...]] = (
        Field("name", Kind.TEXT, "The template's name, by which it is found again; required"),
        Field("html", Kind.TEXT, "Its html; required"),
        Field("text", Kind.TEXT, "Its plain text; absent leaves what is there"),
    )

    @override
    def identify(self, record: Json) -> Key:
        name = record.get("name", "").strip()
        if not name:
            raise Rejected(Reason("no_name", "the record has no `name`", "Give the template's name.", "/name"))
        return Key("name", name)

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        if not record.get("html", "").strip():
            raise Rejected(Reason("no_html", "the record has no `html`", "Give the template's html.", "/html"))
        attributes = {"name": key.value, "html": record["html"]}
        if "text" in record:
            attributes["text"] = record["text"]
        return Resource({"type": "template", "attributes": attributes})

    @override
    def envelope_size(self, group: str | None) -> int:
        return len(b'{"data":}') + len(b',"editor_type":"CODE"')

    @override
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        outcome = Outcome()
        for key, payload in zip(batch.keys, batch.payloads, strict=True):
            try:
                if not _written(msgspec.json.decode(payload)["attributes"], line):
                    outcome.unchanged.add(key)
            except Rejected as rejected:
                outcome.rejected[key] = rejected.reason
            except _Lost as lost:
                outcome.unsettled[key] = str(lost)
        return outcome


class _Lost(Exception):  # noqa: N818 - it says what happened to the answer
    """It is not known whether the template was created."""


def creation(wanted: Json) -> Json:
    """The request that creates a template with these attributes."""
    return {"data": {"type": "template", "attributes": {**wanted, "editor_type": CODE}}}


def change(template_id: str, wanted: Json) -> Json:
    """The request that rewrites a template; its editor type cannot change."""
    return {"data": {"type": "template", "id": template_id, "attributes": wanted}}


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
        _Lost: it may have been created.
    """
    held = _find(wanted["name"], line)
    if held is None:
        return _create(wanted, line)
    if unchanged(wanted, held["attributes"]):
        return False
    _call("update_template", line, change(held["id"], wanted), path={"id": held["id"]})
    return True


def _find(name: str, line: Line) -> Json | None:
    """The template of that name, as Klaviyo holds it; None when there is none.

    Raises:
        Rejected: there are several, or it is not a template whose html may be replaced.
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
    if found and (editor := found[0]["attributes"]["editor_type"]) != CODE:
        detail = f"template {found[0]['id']} of this name was made in Klaviyo's editor ({editor})"
        raise Rejected(Reason("not_html", detail, "Rename one of the two: a designer's work is not overwritten."))
    return found[0] if found else None


def _create(wanted: Json, line: Line) -> bool:
    """A creation happens at most once: names are not unique, so a repeated one would make a second template."""
    try:
        _call("create_template", line, creation(wanted), repeatable=False)
    except Retriable:
        # It may have happened, and may show up late: if it does not, the next run looks again.
        if not any(_appeared(wanted["name"], line, pause) for pause in _LOOKS):
            msg = "the answer to the creation of a template was lost, and the template is not there (yet)"
            raise _Lost(msg) from None
    return True


def _appeared(name: str, line: Line, pause: float) -> bool:
    line.sleep(pause)
    return _find(name, line) is not None


def _call(operation: str, line: Line, body: Json, **options: Any) -> None:  # noqa: ANN401 - the client's own
    try:
        line.client.call(operation, body=body, **options)
    except Refused as refusal:
        if refusal.status not in _UNWRITABLE:
            raise
        problem = next(iter(refusal.problems), None)
        code, pointer = (problem.code, problem.pointer) if problem else ("refused", None)
        remedy = "Correct what the detail names."
        if operation == "create_template":
            remedy += " An account holds at most 1,000 templates: delete some if it is full."
        raise Rejected(Reason(code, str(refusal), remedy, pointer)) from None
