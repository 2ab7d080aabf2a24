"""Whatever a template holds is answered soon, within bounds, and as a template that cannot be rendered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.model.records import Profile
from klaviyo_sandbox.operations.templates import normalised
from klaviyo_sandbox.simulation import rendered_messages
from klaviyo_sandbox.simulation.rendered_messages import MessageRenderer, read_message
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, TemplateError

if TYPE_CHECKING:
    import requests

DEEP: dict[str, Any] = {}
for _ in range(2_000):
    DEEP = {"a": DEEP}
CONTEXT = {
    "items": list(range(100_000)),
    "text": "x" * 90_000,
    "huge": "x" * 4_000_000,
    "breaks": "\n" * 90_000,
    "deep": DEEP,
    "digits": 10**4_000,
}
TOO_MUCH = {
    "loops in loops": (
        "{% for a in items %}{% for b in items %}{% for c in items %}.{% endfor %}{% endfor %}{% endfor %}",
        "steps",
    ),
    "loops around nothing": ("{% for a in items %}{% for b in items %}{% endfor %}{% endfor %}", "steps"),
    "many small loops": ("{% for a in 'abcdefghij' %}" * 9 + "x" + "{% endfor %}" * 9, "steps"),
    "a width": ('{{ "x"|rjust:99999999 }}', "number above"),
    "a width as text": ('{{ "x"|ljust:"-99999999" }}', "number above"),
    "a width in a format": ('{{ 1|stringformat:"099999999d" }}', "number above"),
    "digits": ("{{ 1.5|floatformat:99999999 }}", "number above"),
    "a text in another": ("{{ items|join:text }}", "is given more than"),
    "a result": ("{{ breaks|linebreaksbr }}", "gives more than"),
    "doubled again and again": (
        "{% with b=text|slice:':9'|add:text|add:text %}{{ b }}{% endwith %}",
        "more than",
    ),
    "filters without end": ("{{ text" + "|slugify" * 20_000 + " }}", "seconds of processor time"),
    "an amount of text": ("{{ huge }}{{ huge }}", "characters"),
    "many tags": ("{{ a }}" * 600_000, "tags"),
    "long tags": ("{{ 'a'" + "|upper" * 200_000 + " }}", "characters"),
    "openings": ("{% " * 9_000 + "x" * 4_000_000, "nothing closes"),
    "blocks in blocks": ("{% if 1 %}" * 3_000 + "{% endif %}" * 3_000, "nested too deeply"),
    "a deep value": ("{{ deep }}", "nested too deeply"),
    "a pattern": ("{% today huge %}", "more than"),
    "a tag of Django's": ("{% lorem 99999999 w %}", "lorem"),
}


@pytest.mark.parametrize(("source", "says"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_template_that_asks_for_too_much_is_refused_soon(source: str, says: str) -> None:
    began = time.thread_time()
    with pytest.raises(TemplateError, match=says):
        CompiledTemplate(source).render(CONTEXT)
    assert time.thread_time() - began < 8


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in text|slice:':900' %}{% for b in 'abcdefghij' %}{{ b|upper }}{% endfor %}{% endfor %}",
        '{{ "x"|rjust:9000 }}',
        "{{ digits|floatformat:2 }}",
        '{{ "1e999999999"|floatformat }}',
        "{{ text }}" * 50,
        "{% if deep|length > 0 %}yes{% endif %}",
    ],
)
def test_what_messages_need_is_rendered(source: str) -> None:
    assert CompiledTemplate(source).render(CONTEXT)


@pytest.mark.parametrize("part", ["html", "text"])
def test_klaviyo_s_own_answer_tells_of_it(part: str, api: requests.Session) -> None:
    hostile = TOO_MUCH["a width"][0]
    attributes = {"name": part, "editor_type": "CODE", "html": "<p></p>", part: hostile}
    created = api.post("/api/templates", json={"data": {"type": "template", "attributes": attributes}})
    body = {"type": "template", "id": created.json()["data"]["id"], "attributes": {"context": {}}}
    answer = api.post("/api/template-render", json={"data": body})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["source"] == {"pointer": "/data/attributes/context"}
    assert "'rjust'" in error["detail"]


@pytest.mark.parametrize("html", ["<a " * 1_600_000, "<a " + 'href="http://' * 300_000, "<html " * 800_000])
def test_what_no_bracket_closes_is_read_in_one_go(html: str) -> None:
    began = time.thread_time()
    assert read_message(html).links == ()
    normalised(html)
    assert time.thread_time() - began < 4


def test_a_send_whose_every_message_takes_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_messages, "_FREE_SECONDS", 0.05)
    monkeypatch.setattr(rendered_messages, "_SECONDS_A_MESSAGE", 0.0005)
    slow = "{{ email }}{% for a in person.items %}{{ a }}{% endfor %}"
    quick = MessageRenderer("{{ email }}", datetime(2026, 3, 9, tzinfo=UTC))
    renderer = MessageRenderer(slow, datetime(2026, 3, 9, tzinfo=UTC))
    now = int(datetime(2026, 3, 9, tzinfo=UTC).timestamp())

    def profile(number: int) -> Profile:
        return Profile(
            id=f"P{number}",
            email=f"p{number}@shop.example",
            properties={"items": list(range(9_000))},
            created=now,
            updated=now,
        )

    for number in range(200):
        quick.render(profile(number))
    profiles = map(profile, range(200))
    with pytest.raises(TemplateError, match="takes too long"):
        list(map(renderer.render, profiles))
