"""The generated template, rendered by Django's engine: Klaviyo's language is Django's, and the filter `lookup`."""

from __future__ import annotations

import hashlib
import itertools
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings  # type: ignore[import-untyped]
from django.template import Context, Engine, Library  # type: ignore[import-untyped]
from hypothesis import event, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import load

if TYPE_CHECKING:
    from tap_experiments.templating.generation import Template

if not settings.configured:
    settings.configure(USE_I18N=False, USE_TZ=False)


def lookup(value: object, key: str) -> object:
    """A property of an object, empty if there is none."""
    return value.get(key, "") if isinstance(value, dict) else ""


def unsubscribe() -> str:
    return "UNSUBSCRIBE"


KLAVIYO = Library()
KLAVIYO.filter("lookup", lookup)
KLAVIYO.simple_tag(unsubscribe)
ENGINE = Engine()
ENGINE.template_builtins.append(KLAVIYO)


def render(source: str, person: dict[str, Any]) -> str:
    context = Context({"person": person, "first_name": "Ada", "yes": True, "items": ["a", "b"]})
    return str(ENGINE.from_string(source).render(context))


def define(
    root: Path,
    slots: dict[str, dict[str, str]],
    *,
    template: str | None = None,
    texts: dict[str, dict[str, str]] | None = None,
) -> None:
    """Write the experiment `spring`: slot → arm → content, the first arm of each slot its control."""
    folder = root / "spring"
    folder.mkdir()
    wrapper = template or "".join(f'<{slot}>[[ slot("{slot}") ]]</{slot}>' for slot in slots) + "{% unsubscribe %}"
    (folder / "template.html").write_text(wrapper)
    lines = [
        "{key: spring, version: 1, status: draft, description: Test, channel: email, audience: {list: L},",
        "primary_metric: clicked, attribution_window_days: 5,",
        f"template: {{name: lf_spring, html: template.html{', text: template.txt' if texts else ''}}}, slots: {{",
    ]
    if texts:
        (folder / "template.txt").write_text("".join(f'{slot}=[[ slot("{slot}") ]]\n' for slot in texts))
    for slot, arms in slots.items():
        lines.append(f"{slot}: {{allocation: equal, arms: {{")
        for arm, content in arms.items():
            (folder / f"{slot}.{arm}.html").write_text(content)
            text = ""
            if texts and slot in texts:
                (folder / f"{slot}.{arm}.txt").write_text(texts[slot][arm])
                text = f", text: {slot}.{arm}.txt"
            control = ", control: true" if arm == next(iter(arms)) else ""
            lines.append(f"{arm}: {{content: {slot}.{arm}.html{text}{control}}},")
        lines.append("}},")
    (folder / "experiment.yml").write_text("\n".join([*lines, "}}"]))


def template_of(root: Path, property_format: PropertyFormat = PropertyFormat.LIST) -> Template:
    [(_, template)] = load(root, property_format).pairs
    return template


def html_of(template: Template) -> str:
    assert template.html is not None
    return template.html


def person(property_format: PropertyFormat, arms: dict[str, str]) -> dict[str, Any]:
    """A profile's properties that hold these arms, beside what else it may hold."""
    others = {"lf_assignments": ["autumn:hero:a", "spring:hero2:a"]}
    match property_format:
        case PropertyFormat.LIST:
            return {
                "lf_assignments": others["lf_assignments"] + [f"spring:{slot}:{arm}" for slot, arm in arms.items()]
            }
        case PropertyFormat.OBJECT:
            return {
                "lf_assignments": {"autumn.hero": "a", **{f"spring.{slot}": arm for slot, arm in arms.items()}}
            }
        case PropertyFormat.FLAT:
            return {"lf_autumn_hero": "a", **{f"lf_spring_{slot}": arm for slot, arm in arms.items()}}


HOSTILE = {
    "plain": "<a href=\"https://x.io/a\">Größe: 42 — “quoted” 'single' & <b></a>",
    "emoji": "🌸🌷 <a href=\"https://x.io/b?q=1#f\">{{ first_name|default:'there' }}</a>",
    "verbatim": '{% verbatim %}50 %} off {{ literally }} {% if %}{% endverbatim %}<a href="https://x.io/c">',
    "blocks": "{% if yes %}{% for i in items %}{{ i }}{% endfor %}{% else %}no{% endif %}<a href='https://x.io/d'>",
    "comment": '{# a #}{% comment %}{% if %}{% endcomment %}\u202e<a href="https://x.io/e?s={{ first_name }}">',
    "style": '<style>@media print{#a{color:#fff}}</style>\n<a href="https://x.io/f">',
}
SLOTS = {
    "hero": HOSTILE,
    "cta": {"small": '<a href="https://x.io/small">s</a>', "large": '<a href="https://x.io/large">l</a>'},
    "foot": {
        "a": "no link in {{ first_name }}",
        "b": 'two <a href="http://x.io/1"></a><a href="http://x.io/2"></a>',
    },
}


def expected(content: str, lf_cid: str) -> str:
    """What a content looks like in a rendered message: decorated by hand, then rendered alone."""
    for address, rest in re.findall(r"""href=["']([^"'?#]+)(\?)?""", content):
        query = f"?lf_cid={lf_cid}{'&amp;' if rest else ''}"
        content = re.sub(rf"{re.escape(address)}(\?|(?=[\"'#]))", f"{address}{query}", content, count=1)
    return render(content, {})


@pytest.mark.parametrize("property_format", PropertyFormat)
def test_every_combination_of_arms_shows_its_contents_and_says_so(
    tmp_path: Path, property_format: PropertyFormat
) -> None:
    define(tmp_path, SLOTS)
    template = template_of(tmp_path, property_format)
    for arms in itertools.product(*SLOTS.values()):
        chosen = dict(zip(SLOTS, arms, strict=True))
        message = render(html_of(template), person(property_format, chosen))
        for slot, arm in chosen.items():
            inside = message.partition(f"<{slot}>")[2].partition(f"</{slot}>")[0]
            assert inside == expected(SLOTS[slot][arm], f"spring.{slot}.{arm}")
    assert message.count("UNSUBSCRIBE") == 1


@pytest.mark.parametrize("property_format", PropertyFormat)
@pytest.mark.parametrize("held", ["nothing", "others", "text", "unknown arm"])
def test_a_profile_without_the_assignment_gets_the_control_marked_as_fallback(
    tmp_path: Path, property_format: PropertyFormat, held: str
) -> None:
    define(tmp_path, SLOTS)
    profile = {
        "nothing": {},
        "others": person(property_format, {}),
        "text": {"lf_assignments": "", "lf_spring_hero": ""},
        "unknown arm": person(property_format, dict.fromkeys(SLOTS, "gone")),
    }[held]
    message = render(html_of(template_of(tmp_path, property_format)), profile)
    for slot, arms in SLOTS.items():
        inside = message.partition(f"<{slot}>")[2].partition(f"</{slot}>")[0]
        assert inside == expected(next(iter(arms.values())), f"spring.{slot}.fb")


def test_the_list_format_reads_as_agreed(tmp_path: Path) -> None:
    define(
        tmp_path,
        {"hero": {"x": "X", "y": "Y", "z": "Z"}},
        template='a[[ slot("hero") ]]b{% unsubscribe %}</body >c',
    )
    template = template_of(tmp_path)
    without_hash = (
        "a{% if 'spring:hero:y' in person|lookup:'lf_assignments' %}Y"
        "{% elif 'spring:hero:z' in person|lookup:'lf_assignments' %}Z"
        "{% elif 'spring:hero:x' in person|lookup:'lf_assignments' %}X"
        "{% else %}X{% endif %}b{% unsubscribe %}</body >c"
    )
    digest = hashlib.sha256(f"{without_hash}\0".encode()).hexdigest()
    assert template.sha256 == digest
    assert html_of(template) == without_hash.replace("</body", f"<!-- lf:{digest} --></body")
    assert template.text is None


@pytest.mark.parametrize(
    ("property_format", "condition"),
    [
        (PropertyFormat.OBJECT, "{% if person|lookup:'lf_assignments'|lookup:'spring.hero' == 'y' %}"),
        (PropertyFormat.FLAT, "{% if person|lookup:'lf_spring_hero' == 'y' %}"),
    ],
)
def test_the_other_formats_read_as_agreed(tmp_path: Path, property_format: PropertyFormat, condition: str) -> None:
    define(tmp_path, {"hero": {"x": "X", "y": "Y"}})
    assert condition in html_of(template_of(tmp_path, property_format))


def test_links_outside_the_slots_carry_nothing(tmp_path: Path) -> None:
    wrapper = '<a href="https://x.io/w">[[ slot("hero") ]]{% unsubscribe %}'
    define(tmp_path, {"hero": {"x": "X", "y": "Y"}}, template=wrapper)
    template = template_of(tmp_path)
    assert "lf_cid" not in html_of(template)
    assert any("no arm holds a link that can carry lf_cid" in str(warning) for warning in template.warnings)


def test_a_link_that_cannot_be_decorated_is_named(tmp_path: Path) -> None:
    define(tmp_path, {"hero": {"x": '<a href="https://x.io">', "y": '<a href="{{ event.url }}">'}})
    [warning] = template_of(tmp_path).warnings
    assert str(warning).endswith(
        "hero.y.html:1: `{{ event.url }}` carries no lf_cid; its address is known only when a message is rendered"
    )


def test_the_text_part_shows_the_same_arm(tmp_path: Path) -> None:
    slots = {"hero": {"x": "X", "y": "Y"}, "foot": {"a": "A", "b": "B"}}
    define(tmp_path, slots, texts={"hero": {"x": "x: https://x.io/x?a=1.", "y": "y: https://x.io/y"}})
    template = template_of(tmp_path)
    assert template.text
    for arm, shown in [
        ("x", "https://x.io/x?lf_cid=spring.hero.x&a=1."),
        ("y", "https://x.io/y?lf_cid=spring.hero.y"),
    ]:
        message = render(template.text, {"lf_assignments": [f"spring:hero:{arm}"]})
        assert message == f"hero={arm}: {shown}\n"
    assert render(template.text, {}) == "hero=x: https://x.io/x?lf_cid=spring.hero.fb&a=1.\n"
    assert template.sha256 in html_of(template)


def test_a_changed_text_is_a_changed_template(tmp_path: Path) -> None:
    slots = {"hero": {"x": "X", "y": "Y"}}
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    define(tmp_path / "1", slots, texts={"hero": {"x": "x", "y": "y"}})
    define(tmp_path / "2", slots, texts={"hero": {"x": "x", "y": "y!"}})
    assert template_of(tmp_path / "1").sha256 != template_of(tmp_path / "2").sha256


def test_what_is_not_ours_passes_through_byte_for_byte(tmp_path: Path) -> None:
    wrapper = (
        "<!DOCTYPE html>\n<!--[if mso]><x><![endif]-->\t{{ first_name }} {% if yes %}ü{% endif %} [0] ] [ #] %]\n"
        '[# gone #]<b>[[ slot("hero") ]]</b>{% unsubscribe %}\n\n'
    )
    define(tmp_path, {"hero": {"x": "same\n", "y": "other"}}, template=wrapper)
    html = html_of(template_of(tmp_path))
    before, after = wrapper.split('[# gone #]<b>[[ slot("hero") ]]')
    assert html.startswith(before + "<b>{% if ")
    assert re.fullmatch(r"<!-- lf:[0-9a-f]{64} -->", html.partition("{% endif %}" + after)[2].strip())


BRACES = ["{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "\n", "text"]
TOKENS = [
    *("{% if yes %}", "{% elif yes %}", "{% else %}", "{% endif %}", "{% for i in items %}", "{% empty %}"),
    *(
        "{% endfor %}",
        "{% verbatim %}",
        "{% endverbatim %}",
        "{% comment %}",
        "{% endcomment %}",
        "{{ first_name }}",
    ),
    *("{% with a=yes %}", "{% endwith %}", "{{ i|default:'}' }}", "<!--", "-->"),
]
SOUND = [
    "{% if yes %}a{% else %}b{% endif %}",
    "{% verbatim %}{{ {% endverbatim %}",
    "{# #}",
    "{{ first_name }}",
    "x\n",
]


@hypothesis_settings(deadline=None)  # it loads a folder
@given(
    odd=st.lists(st.sampled_from(TOKENS + BRACES + SOUND * 6), min_size=1, max_size=6).map("".join),
    before=st.sampled_from(BRACES),
    after=st.sampled_from(BRACES),
)
@example(odd="{% if yes %}a{% else %}b{% endif %}{", before="{", after="\n")
@example(odd="{% verbatim %}{{ {% else %}{% endverbatim %}", before="}}", after="}}")
@example(odd="{% for i in items %}{{ first_name }}{% empty %}{% endfor %}", before="%}", after="#}")
def test_whatever_is_accepted_shows_in_its_arm_what_it_shows_alone(odd: str, before: str, after: str) -> None:
    """No accepted content can end, begin or swallow a branch, whatever stands beside it."""
    contents = {"control": "CONTROL {{ first_name }}", "odd": odd, "last": "LAST {{ first_name }} #} }} %}"}
    with tempfile.TemporaryDirectory() as folder:
        wrapper = f'<hero>{before}[[ slot("hero") ]]{after}</hero>{{% unsubscribe %}}'
        define(Path(folder), {"hero": contents}, template=wrapper)
        try:
            template = template_of(Path(folder))
        except DefinitionError:
            event("refused")
            return
    event("accepted")
    for arm, content in contents.items():
        message = render(html_of(template), {"lf_assignments": [f"spring:hero:{arm}"]})
        assert message.startswith(f"<hero>{before}{render(content, {})}{after}</hero>UNSUBSCRIBE")


def test_the_example_is_sound() -> None:
    experiments = Path(__file__).parents[3] / "demo" / "experiments"
    pairs = load(experiments, PropertyFormat.LIST).pairs
    assert "spring_hero" in [experiment.key for experiment, _ in pairs]
    assert [template.warnings for _, template in pairs] == [()] * len(pairs)
    for experiment, template in pairs:
        for slot in experiment.slots:
            for arm in slot.arms:
                message = render(html_of(template), {"lf_assignments": [f"{experiment.key}:{slot.key}:{arm.key}"]})
                assert f"lf_cid={experiment.key}.{slot.key}.{arm.key}" in message
                assert message.count("lf_cid=") == 1
