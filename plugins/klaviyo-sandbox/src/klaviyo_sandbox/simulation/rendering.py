"""Klaviyo's template language: Django's engine with the documented tags and filters, and nothing else.

What is not documented (Liquid's `assign`, `elsif` and `set`, Django's `load`, `include`, `now`, ...) is an error
when a template is compiled, which Klaviyo reports at render with 400. `catalog`, `coupon_code` and
`currency_format` need data the sandbox lacks and are errors as well.

Sources: Klaviyo's guides "Use conditionals in messages", "Message personalization reference", "Glossary of
variable filters", "How to add an unsubscribe link".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings  # type: ignore[import-untyped]
from django.template import Context, Engine, Library, Template  # type: ignore[import-untyped]
from django.template.defaultfilters import register as django_filters  # type: ignore[import-untyped]
from django.template.defaulttags import register as django_tags  # type: ignore[import-untyped]
from django.utils.html import format_html  # type: ignore[import-untyped]

from klaviyo_sandbox.simulation.render_limits import bounded, budget, check_source, meter

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json, Profile

# Django's number and date filters read its global settings. No project's settings are ever loaded here.
if not settings.configured:
    settings.configure(USE_I18N=False, USE_TZ=False)

# Pages that Klaviyo hosts. Their links are the same for everyone here, and clicks on them are not engagement:
# "that click will not count towards your email's click rate" (How to unsubscribe).
HOSTED_PAGES = "https://pages.klaviyo-sandbox.example/"

_DJANGO_TAGS = (
    "autoescape", "comment", "cycle", "firstof", "for", "if", "ifchanged", "spaceless", "templatetag", "verbatim",
    "widthratio", "with",
)  # fmt: skip
_TOP_LEVEL = ("email", "first_name", "last_name", "full_name", "phone_number")  # usable without `person.`
_LINKS = {
    "unsubscribe": "Unsubscribe",
    "manage_preferences": "Manage preferences",
    "web_view": "View in browser",
}


_LONGEST_PATTERN = 1_000
"""Characters of what `today` is written by."""


class TemplateError(ValueError):
    """The template is not in Klaviyo's language, asks for too much, or a filter failed on a value; says which."""

    @classmethod
    def of(cls, error: Exception) -> TemplateError:
        """What is told of an error of Django's, of a filter or of `render_limits`."""
        kinds = {
            RecursionError: "The template, or a value of its context, is nested too deeply.",
            MemoryError: "The template needs too much memory.",
        }
        return cls(kinds.get(type(error), str(error)))


def lookup(value: object, key: object) -> object:
    """`value|lookup:'key'`: a key of an object or a position in a list; empty when there is none."""
    found: object = None
    if isinstance(value, Mapping):
        found = value.get(key)
    elif isinstance(value, list) and str(key).isdecimal() and int(str(key)) < len(value):
        found = value[int(str(key))]
    return "" if found is None else found


def multiply(value: object, factor: object) -> float:
    """`value|multiply:factor`; `multiply:"1"` makes a number of text. Text that is no number counts as 0."""
    return _number(value) * _number(factor)


def divide(value: object, divisor: object) -> float:
    """`value|divide:divisor`; 0 when the divisor is 0 or no number."""
    return _number(value) / _number(divisor) if _number(divisor) else 0.0


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _today(context: Mapping[str, Any], pattern: str) -> str:
    """`{% today "%Y-%m-%d" as today %}`. Names with a leading underscore are out of a template's reach."""
    now: datetime = context["_now"]
    if len(str(pattern)) > _LONGEST_PATTERN:
        msg = f"The tag 'today' is given more than {_LONGEST_PATTERN:,} characters."
        raise ValueError(msg)
    return now.strftime(pattern)


def _language() -> Any:  # noqa: ANN401 - Django is untyped
    language = Library()
    language.tags.update({name: django_tags.tags[name] for name in _DJANGO_TAGS})
    # Without `random`, so that the same values always render the same.
    filters = {name: each for name, each in django_filters.filters.items() if name != "random"}
    filters |= {each.__name__: each for each in (multiply, divide)}
    language.filters.update({name: bounded(name, each) for name, each in filters.items()})
    language.filter("lookup", lookup)  # gives what is there, and is done at once whatever its size
    for name, words in _LINKS.items():
        language.simple_tag(_link(name, words), name=name)
        language.simple_tag(_address(name), name=f"{name}_link")
    language.simple_tag(_today, takes_context=True, name="today")
    return language


def _link(page: str, words: str) -> Any:  # noqa: ANN401 - Django is untyped
    def tag(text: str = words) -> object:
        return format_html('<a href="{}{}">{}</a>', HOSTED_PAGES, page, text)

    return tag


def _address(page: str) -> Any:  # noqa: ANN401 - Django is untyped
    def tag() -> str:
        return HOSTED_PAGES + page

    return tag


_ENGINE = Engine(autoescape=True)
_ENGINE.template_builtins = [_language()]


_TOKEN = re.compile(r"{[{%].*?[}%]}")  # as Django's own: a tag does not span lines
_PERSON = re.compile(r"\bperson\b")
_PERSON_READ = re.compile(r"""\bperson(?:\.(\w+)|\s*\|\s*lookup:'([^'\\]*)'|\s*\|\s*lookup:"([^"\\]*)")""")


def names_read(source: str) -> frozenset[str] | None:
    """The entries of `person` that decide how a campaign's template renders; None when all of them may.

    Two profiles that agree on these get the same text. A use of `person` other than `person.name` and
    `person|lookup:'name'`, such as a loop over it, hides what is read.
    """
    code = " ".join(_TOKEN.findall(source))
    reads = {"".join(groups) for groups in _PERSON_READ.findall(code)}
    if len(_PERSON.findall(code)) != len(_PERSON_READ.findall(code)) or any(hasattr(dict, each) for each in reads):
        return None
    return frozenset(reads) | {name for name in _TOP_LEVEL if name in code}


class CompiledTemplate:
    """A template that has been read once and can be rendered for many.

    Raises:
        TemplateError: the source uses what Klaviyo does not know, is malformed, or asks for too much.
    """

    def __init__(self, source: str) -> None:
        try:
            check_source(source)
            self._template = Template(source, engine=_ENGINE)
            meter(self._template.nodelist)
        except Exception as error:
            raise TemplateError.of(error) from error

    def render(self, context: Mapping[str, Any], now: datetime | None = None) -> str:
        """The text for one context, a flat dictionary of variables; what is missing in it is empty.

        Args:
            context: variables; `person` is simply one of them.
            now: what `{% today %}` says; the present moment by default.

        Raises:
            TemplateError: a filter failed on a value, or the rendering takes too much.
        """
        variables = {**context, "_now": now or datetime.now(UTC)}
        # Numbers as Python writes them: Klaviyo shows 1200, not 1,200.
        own = Context(variables, use_l10n=False, use_tz=False)
        try:
            with budget():
                return str(self._template.render(own))
        except Exception as error:
            raise TemplateError.of(error) from error


def person_context(profile: Profile) -> Json:
    """The variables a campaign sees for one profile.

    `person` holds the custom properties, and the standard fields under the names that Klaviyo's personalization
    reference gives them; the standard ones win. Unset is missing, not null, so that it renders as nothing. There
    is no `event` in a campaign.
    """
    place = profile.location
    name = " ".join(part for part in (profile.first_name, profile.last_name) if part)
    person = {
        **profile.properties,
        "KlaviyoID": profile.id,
        "id": profile.external_id,
        "email": profile.email,
        "phone_number": profile.phone_number,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "full_name": name or None,
        "organization": profile.organization,
        "title": profile.title,
        "City": place.get("city"),
        "Region": place.get("region"),
        "Country": place.get("country"),
        "Zipcode": place.get("zip"),
        "$address1": place.get("address1"),
        "$address2": place.get("address2"),
        "$latitude": place.get("latitude"),
        "$longitude": place.get("longitude"),
        "$timezone": place.get("timezone"),
    }
    person = {key: value for key, value in person.items() if value is not None}
    return {key: person[key] for key in _TOP_LEVEL if key in person} | {"person": person}
