from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.model.records import Json, Profile
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, TemplateError, names_read, person_context

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


def render(source: str, **context: Any) -> str:  # noqa: ANN401 - any JSON
    return CompiledTemplate(source).render(context, NOW)


PERSON: Json = {
    "lf_assignments": ["spring:hero:bold", "spring:cta:calm"],
    "Prop With Space": "spaced",
    "nested": {"list": [{"a b": 7}], "0": "key"},
    "points": 200,
    "text": "200",
    "nothing": None,
    "markup": '<b>"&"</b>',
    "VIP": True,
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ person.points }}", "200"),
        ("{{ person|lookup:'Prop With Space' }}", "spaced"),
        ('{{ person | lookup:"Prop With Space" }}', "spaced"),
        ("{{ person|lookup:'nested'|lookup:'list'|lookup:'0'|lookup:'a b' }}", "7"),
        ("{{ person.nested.list.0 }}", "{&#x27;a b&#x27;: 7}"),
        ("{{ person|lookup:'nested'|lookup:'0' }}", "key"),
        ("{{ person|lookup:'nested'|lookup:'list'|lookup:'9' }}", ""),
        ("{{ person|lookup:'prop with space' }}", ""),
        ("{{ person|lookup:'nothing' }}{{ person|lookup:'points'|lookup:'x' }}", ""),
        ("{{ first_name|default:'there' }}", "there"),
        ("{{ nobody.at.all }}{{ event.extra.items.0 }}", ""),
        ("{{ person.lf_assignments.size }}", ""),
        ("{{ person.lf_assignments|length }}", "2"),
        ("{{ person.markup }}", "&lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;"),
        ("{{ person.markup|safe }}", '<b>"&"</b>'),
        ("{% autoescape off %}{{ person.markup }}{% endautoescape %}", '<b>"&"</b>'),
        ("{% if 'spring:hero:bold' in person|lookup:'lf_assignments' %}bold{% else %}control{% endif %}", "bold"),
        ("{% if 'spring:hero' in person|lookup:'lf_assignments' %}bold{% else %}control{% endif %}", "control"),
        ("{% if 'a' in person|lookup:'missing' %}a{% elif person.points > 150 %}b{% endif %}", "b"),
        ("{% if person|lookup:'nested'|lookup:'0' == 'key' and person.VIP == 1 %}yes{% endif %}", "yes"),
        ("{% if person.text > 150 %}number{% else %}text{% endif %}", "text"),
        ("{% if person.text|multiply:'1' > 150 %}number{% endif %}", "number"),
        ("{{ '10'|multiply:'2' }} {{ 'x'|multiply:2 }}", "20.0 0.0"),
        ("{{ '10'|divide:'4' }} {{ 1|divide:0 }}", "2.5 0.0"),
        ("{% for x in person.lf_assignments %}{{ forloop.counter }}{{ x }} {% empty %}none{% endfor %}",
         "1spring:hero:bold 2spring:cta:calm "),
        ("{% for x in person.missing %}{{ x }}{% empty %}none{% endfor %}", "none"),
        ("{% with n=person.points %}{{ n }}{% endwith %}", "200"),
        ("{% verbatim %}{{ person.points }}{% endverbatim %}{# gone #}", "{{ person.points }}"),
        ('{% today "%Y-%m-%d" as today %}{{ today }}', "2026-03-09"),
        ("{{ 12345.678|floatformat:2 }} {{ 12345 }}", "12345.68 12345"),
    ],
)  # fmt: skip
def test_the_documented_language(source: str, text: str) -> None:
    assert render(source, person=PERSON) == text


@pytest.mark.parametrize(
    "source",
    [
        "{% assign x = 1 %}",
        "{% set x = 1 %}",
        "{% if person.a %}{% elsif person.b %}{% endif %}",
        "{% capture x %}{% endcapture %}",
        "{{ first_name|default: 'there' }}",
        "{{ person|lookup: 'Name' }}",
        "{{ person|lookup:'nested'.list }}",
        "{{ person['Name'] }}",
        "{{ first_name|nope }}",
        "{% if person.a %}",
        "{% load static %}",
        "{% include 'other.html' %}",
        "{% extends 'other.html' %}",
        "{% now 'Y' %}",
        "{{ _now }}",
        "{{ person.lf_assignments|random }}",
    ],
)
def test_what_klaviyo_does_not_know_is_an_error(source: str) -> None:
    with pytest.raises(TemplateError):
        CompiledTemplate(source)


def test_a_filter_that_fails_on_a_value_is_an_error_at_render() -> None:
    template = CompiledTemplate("{{ person.points|divisibleby:person.by }}")

    assert template.render({"person": {"points": 4, "by": 2}}) == "True"
    with pytest.raises(TemplateError, match="zero"):
        template.render({"person": {"points": 4, "by": 0}})


def test_links_of_hosted_pages() -> None:
    link = render("{% unsubscribe_link %}")

    assert link.startswith("https://")
    assert render("{% unsubscribe %}") == f'<a href="{link}">Unsubscribe</a>'
    assert render("{% unsubscribe 'Leave us' %}") == f'<a href="{link}">Leave us</a>'
    assert render("{% unsubscribe words %}", words="<b>") == f'<a href="{link}">&lt;b&gt;</a>'
    assert render("{% manage_preferences_link %} {% web_view_link %}").count("https://") == 2


ADA = Profile(
    id="01KADA",
    email="ada@mail.example.net",
    external_id="cust-1",
    first_name="Ada",
    created=0,
    updated=0,
    location={"city": "Oslo", "zip": None, "latitude": "59.9"},
    properties={"plan": "pro", "email": "property of that name", "gone": None},
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ first_name }} {{ full_name }} {{ email }}", "Ada Ada ada@mail.example.net"),
        ("{{ last_name|default:'?' }} {{ person.phone_number|default:'?' }}", "? ?"),
        ("{{ person.plan }} {{ person|lookup:'gone'|default:'?' }}", "pro ?"),
        ("{{ person.email }} {{ person.first_name }}", "ada@mail.example.net Ada"),
        ("{{ person.KlaviyoID }} {{ person.id }}", "01KADA cust-1"),
        ("{{ person.City }} {{ person|lookup:'$latitude' }} {{ person.Zipcode|default:'?' }}", "Oslo 59.9 ?"),
        ("{{ event.extra.checkout_url }}{{ organization.name }}", ""),
    ],
)
def test_the_context_of_a_recipient(source: str, text: str) -> None:
    assert CompiledTemplate(source).render(person_context(ADA)) == text


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("Dear person, no tags", set()),
        ("{{ first_name }}{{ person.plan }}{{ person|lookup:'a b' }}", {"first_name", "plan", "a b"}),
        ('{% if "x" in person | lookup:"list" %}{% endif %}', {"list"}),
        ("{{ person.nested.deeper }}", {"nested"}),
        ("{% for key in person %}{{ key }}{% endfor %}", None),
        ("{% with p=person %}{{ p.plan }}{% endwith %}", None),
        ("{{ person|lookup:person.key }}", None),
        ("{{ person.items }}", None),
        ("{{ x|default:'person' }}", None),
    ],
)
def test_what_a_template_reads(source: str, names: set[str] | None) -> None:
    read = names_read(source)

    assert read == names if names is None else read is not None and names <= read


TEMPLATES = (
    "{{ first_name }}{{ person.plan }}",
    "{% if 'a:b:c' in person|lookup:'lf_assignments' %}1{% elif person.plan %}{{ full_name }}{% endif %}",
    "{% with x=person.plan %}{{ x.deep }}{{ person|lookup:'a b' }}{{ email }}{% endwith %}",
    "{% for x in person.lf_assignments %}{{ x }}{% endfor %}{{ person.id }}{{ person.City }}",
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a:b:c", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["deep", "0"]), inner, max_size=2),
    max_leaves=4,
)
people = st.dictionaries(
    st.sampled_from(["plan", "lf_assignments", "a b", "email", "first_name", "full_name", "id", "City", "other"]),
    values,
)


def outcome(template: CompiledTemplate, person: Json) -> str:
    try:
        return template.render({**person, "person": person})
    except TemplateError as error:
        return f"refused: {error}"


@given(source=st.sampled_from(TEMPLATES), one=people, other=people)
def test_what_a_template_does_not_read_does_not_matter(source: str, one: Json, other: Json) -> None:
    names = names_read(source)
    assert names is not None
    mixed = {key: value for key, value in other.items() if key not in names}
    mixed |= {key: value for key, value in one.items() if key in names}

    template = CompiledTemplate(source)

    assert outcome(template, mixed) == outcome(template, one)
