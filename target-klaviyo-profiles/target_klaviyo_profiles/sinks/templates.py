"""E-mail templates, created or rewritten by name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import Retriable
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import ONE_RECORD, Group, Reason, Rejected, Resource, Route, Row, Unsettled
from target_klaviyo_profiles.sinks.record_sink import RecordSink, record_call
from target_klaviyo_profiles.sinks.stored_templates import content_told, template_named, unchanged

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

STREAM = "templates"
CODE = "CODE"
_LOOKUP_DELAYS = (0.0, 2.0, 8.0)
"""Seconds before each search for a template by its name, after a creation whose answer was lost."""
_BEING_CREATED, _NOT_CREATED = "being created", "not created"
"""What the ledger remembers of a template whose creation has left, and of one that Klaviyo refused."""
WRITE = Route("create_template", ONE_RECORD)
_REMEDY = "Correct what the detail names."
_CREATE_REMEDY = f"{_REMEDY} An account holds at most 1,000 templates: delete some if it is full."


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
    def write(self, row: Row, context: SinkContext) -> bool:
        return _write(msgspec.json.decode(row.payload)["attributes"], context)


def creation(wanted: Json) -> Json:
    """The request that creates a template with these attributes."""
    return {"data": {"type": "template", "attributes": {**wanted, "editor_type": CODE}}}


def change(template_id: str, wanted: Json) -> Json:
    """The request that rewrites a template; its editor type cannot change."""
    return {"data": {"type": "template", "id": template_id, "attributes": wanted}}


def _write(wanted: Json, context: SinkContext) -> bool:
    """Make Klaviyo hold the template; False when it did already.

    Raises:
        Rejected: Klaviyo does not take it, or it is not clear which template is meant.
        Unsettled: it may have been created, or Klaviyo does not tell what it holds.
    """
    held = template_named(wanted["name"], context)
    if held is None and context.ledger.recall(STREAM, Key("name", wanted["name"])) == _BEING_CREATED:
        held = _late(wanted["name"], context)
    if held is None:
        return _create(wanted, context)
    if (editor := held["attributes"]["editor_type"]) != CODE:
        detail = f"template {held['id']} of this name was made in Klaviyo's editor ({editor})"
        raise Rejected(Reason("not_html", detail, "Rename one of the two: a designer's work is not overwritten."))
    known = context.ledger.recall(STREAM, Key("name", wanted["name"]))
    if unchanged(wanted, held["attributes"]) or known == _digest(wanted, held["attributes"]):
        return False
    path, body = {"id": held["id"]}, change(held["id"], wanted)
    _remember(wanted, record_call("update_template", context, body, path=path, remedy=_REMEDY), context)
    return True


def _remember(wanted: Json, answer: Json, context: SinkContext) -> None:
    """Keep a digest of what was sent and of what Klaviyo stored: the next run sees whether one has changed."""
    for stored in jsonapi.resources(answer):
        try:
            held = content_told(stored, "a template")
        except Unsettled:  # it is written: without a digest the next run compares the whole
            continue
        context.ledger.remember(STREAM, [Key("name", wanted["name"])], _digest(wanted, held))


def _digest(wanted: Json, held: Json) -> str:
    """A digest of a template's content as wanted and as held."""
    held_text = held.get("text") if "text" in wanted else None
    content = [wanted["html"], wanted.get("text"), held.get("html"), held_text]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _create(wanted: Json, context: SinkContext) -> bool:
    """Create a template, at most once: names are not unique, so a repeated request would make a second one."""
    # Before it leaves: a run that is killed meanwhile cannot say that it may be there soon.
    key = Key("name", wanted["name"])
    context.ledger.remember(STREAM, [key], _BEING_CREATED)
    try:
        answer = record_call("create_template", context, creation(wanted), repeatable=False, remedy=_CREATE_REMEDY)
    except Rejected:
        context.ledger.remember(STREAM, [key], _NOT_CREATED)
        raise
    except Retriable:
        # The template may have been created and show up late. If it does not, the next run looks again.
        if _late(wanted["name"], context) is None:
            msg = "the answer to the creation of a template was lost, and the template is not there (yet)"
            raise Unsettled(msg) from None
    else:
        _remember(wanted, answer, context)
    return True


def _late(name: str, context: SinkContext) -> Json | None:
    """The template of a creation that was not answered, if it shows up within a while."""
    for pause in _LOOKUP_DELAYS:
        context.sleep(pause)
        if (found := template_named(name, context)) is not None:
            return found
    return None
