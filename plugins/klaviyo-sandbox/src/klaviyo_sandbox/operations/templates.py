"""Templates: storing, rendering, copying."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Json, Template
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import TemplateClone, TemplateCreate, TemplateRender, TemplateUpdate
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, TemplateError
from klaviyo_sandbox.state.pages import listing_of

MOST_TEMPLATES = 1_000

_EDITORS = ("CODE", "USER_DRAGGABLE")
_TEMPLATES = listing_of(Template, where="reusable")
_HTML = re.compile(r"<html[\s>]", re.IGNORECASE)
_HEAD = re.compile(r"<head[\s>]", re.IGNORECASE)
_BODY = re.compile(r"<body[\s>]", re.IGNORECASE)


@operation
def get_templates(call: Call) -> Answer:
    """A page of templates; the copies that belong to campaign messages are not listed."""
    page = _TEMPLATES.page(call.store, call.query)
    found = _TEMPLATES.records(page)
    return call.many(
        [_with_definition(call, call.resources.template(each, _names(call))) for each in found], page=page
    )


@operation
def get_template(call: Call) -> Answer:
    """One template."""
    template = found(call, call.path["id"])
    return call.one(_with_definition(call, call.resources.template(template, _names(call))))


@operation
def create_template(call: Call) -> Answer:
    """A new template; names are not unique."""
    attributes = call.read(TemplateCreate).attributes
    if attributes.editor_type not in _EDITORS or attributes.definition is not UNSET:
        refuse(
            f"The sandbox stores templates of the editor types {' and '.join(_EDITORS)} only.",
            pointer="/data/attributes/editor_type",
        )
    if attributes.html is None:
        refuse("'html' is a required field for the resource 'template'.", pointer="/data/attributes/html")
    template = _new(
        call,
        name=attributes.name,
        editor_type=attributes.editor_type,
        html=normalised(attributes.html),
        text=attributes.text,
        amp=attributes.amp,
    )
    return _written(call, template, 201)


@operation
def update_template(call: Call) -> Answer:
    """Change a template."""
    data = call.read(TemplateUpdate)
    call.same_id(data.id)
    template = found(call, data.id)
    given = data.attributes
    if given.definition is not UNSET:
        refuse("The template has no definition.", pointer="/data/attributes/definition")
    for name in ("name", "html"):
        if getattr(given, name) is None:
            refuse(f"'{name}' may not be null.", pointer=f"/data/attributes/{name}")
    changes = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET}
    if "html" in changes:
        changes["html"] = normalised(changes["html"])
    template = msgspec.structs.replace(template, **changes, updated=call.account.clock.seconds())
    call.store.put(template)
    return _written(call, template, 200)


@operation
def delete_template(call: Call) -> Answer:
    """Remove a template; 200 and no body (recorded; documented is 204)."""
    call.store.delete(Template, found(call, call.path["id"]).id)
    return Answer(200)


@operation
def render_template(call: Call) -> Answer:
    """A stored template, rendered with the context sent."""
    data = call.read(TemplateRender)
    template, now = found(call, data.id), call.account.clock.now()
    try:
        rendered = msgspec.structs.replace(
            template,
            html=_rendered(template.html, data.attributes.context, now),
            text=template.text and _rendered(template.text, data.attributes.context, now),
            amp=template.amp and _rendered(template.amp, data.attributes.context, now),
        )
    except TemplateError as error:
        refuse(str(error), pointer="/data/attributes/context")
    return call.one(call.resources.template(rendered, call.fields("template")))


@operation
def clone_template(call: Call) -> Answer:
    """A copy of a template; 200 (recorded; documented is 201)."""
    data = call.read(TemplateClone)
    original = found(call, data.id)
    copy = _new(
        call,
        name=data.attributes.name or f"Clone of {original.name}",
        editor_type=original.editor_type,
        html=original.html,
        text=original.text,
        amp=original.amp,
    )
    return _written(call, copy, 200)


def found(call: Call, template_id: str) -> Template:
    """The template of this id.

    Raises:
        Refusal: there is none.
    """
    template = call.store.get(Template, template_id)
    if template is None:
        refuse_unknown(f"Template with id '{template_id}' does not exist")
    return template


def normalised(html: str) -> str:
    """HTML as Klaviyo stores it: a whole document, whatever was sent (recorded: `<h1>x</h1>` is wrapped)."""
    html = html.replace("\r\n", "\n").strip()
    if not _HTML.search(html):
        html = f"<html>{html if _BODY.search(html) else f'<body>{html}</body>'}</html>"
    if (
        not _HEAD.search(html)
        and (opening := _HTML.search(html))
        and (end := html.find(">", opening.start())) >= 0
    ):
        html = f"{html[: end + 1]}<head></head>{html[end + 1 :]}"
    return html


def _new(call: Call, **attributes: Any) -> Template:  # noqa: ANN401 - those of `Template`
    if call.store.count("templates") >= MOST_TEMPLATES:
        refuse(f"The account has reached the limit of {MOST_TEMPLATES:,} templates.")
    now = call.account.clock.seconds()
    template = Template(id=ids.short(call.account.rng), created=now, updated=now, **attributes)
    call.store.put(template)
    return template


def _rendered(source: str, context: Json, now: datetime) -> str:
    # Django marks its output as safe by a subclass of text, which is not for JSON.
    return "".join([CompiledTemplate(source).render(context, now)])


def _written(call: Call, template: Template, status: int) -> Answer:
    resource = call.written(call.account.clock.now()).template(template, _names(call))
    return call.one(_with_definition(call, resource), status=status)


def _names(call: Call) -> frozenset[str] | None:
    return call.fields("template")


def _with_definition(call: Call, resource: Json) -> Json:
    """Only drag-and-drop templates made in Klaviyo's editor have a definition; none is held."""
    if "definition" in call.query.additional.get("template", ()):
        resource["attributes"]["definition"] = None
    return resource
