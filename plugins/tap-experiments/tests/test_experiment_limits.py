"""What asks for too much is refused with file and line, soon and in little memory; what a message needs passes."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.definitions.scaffold import scaffold
from tap_experiments.language import limits, template_tags
from tap_experiments.language.engine import Compiled, RenderError
from tap_experiments.language.links import decorate_text
from tap_experiments.project import load
from tap_experiments.templating import checks
from tap_experiments.templating.generation import generate

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 15
"""Of processor time that any of these may take."""
LOOP = "{% for a in 'x'|center:999|make_list %}"

CONTENTS = {
    "elements": "<b>" * 200_000,
    "closings": "</b>" * 200_000,
    "tags": "{%" * 100_000,
    "variables": "{{" * 100_000,
    "comments": "{#" * 100_000,
    "openings in verbatim": "{% verbatim %}\n" + "{%" * 100_000 + "\n{% endverbatim %}",
    "sound tags": "{{ first_name|default:'x' }}" * 6_000,
    "blocks": "{% if first_name %}" * 60 + "x" + "{% endif %}" * 60,
    "HTML": "<br>" * 30_000,
    "conditions": "{% if " + "not " * 20_000 + "x %}a{% endif %}",
    "words": "{% lorem 99999999 w %}",
    "words of a variable": "{% with n=99999999 %}{% lorem n w %}{% endwith %}",
    "loops": LOOP * 3 + "x" + "{% endfor %}" * 3,
    "loops of nothing": LOOP * 4 + "{% endfor %}" * 4,
    "a width": "{{ 'x'|center:'999999999' }}",
    "a width as a number": "{{ 'x'|ljust:999999999 }}",
    "a format": "{{ 1|stringformat:'0999999999d' }}",
    "digits": "{{ 1|floatformat:99999999 }}",
    "a join": "{{ 'abcdefghij'|make_list|join:'" + "y" * 50_000 + "' }}",
    "doubling": "{% with a='xxxxxxxxxx' %}" + "{% with a=a|add:a %}" * 40 + "{{ a }}" + "{% endwith %}" * 41,
    "a long value": "{{ x|default:'" + "a " * 100_000 + "'|wordwrap:1 }}",
    "blocks of one tag": "{% with a=1 %}" * 3_000 + "x" + "{% endwith %}" * 3_000,
    "blocks that are not closed": "{% with a=1 %}" * 3_000,
    "tags on lines of their own": "{%\n" * 10_000 + "x" * 2_000 + "{% {% {%",
}
LINES = {"openings in verbatim": 3, "tags on lines of their own": 10_002}
"""Where it is too much, if not in line 2."""
WRAPPERS = {
    "a product": '[[ "x" * 9999999999 ]]',
    "a product, turned round": '[[ 9999999999 * "x" ]]',
    "a product of lists": "[[ [1] * 9999999999 ]]",
    "a power": "[[ 9 ** 9 ** 9 ]]",
    "a filter": '[[ "x"|center(999999999) ]]',
    "a method": '[[ "x".center(999999999) ]]',
    "a format": '[[ "%0999999999d" % 1 ]]',
    "a format's filter": '[[ "%0999999999d"|format(1) ]]',
    "doubling": '[% set a = "x" * 9999 %]' + "[% set a = a + a %]" * 40,
    "recursion": "[% macro a() %][[ a() ]][% endmacro %][[ a() ]]",
    "doubling recursion": "[% macro a(n) %][% if n %][[ a(n-1) ~ a(n-1) ]][% endif %][% endmacro %][[ a(60) ]]",
    "loops": "[% for i in range(99999) %][% for j in range(99999) %]x[% endfor %][% endfor %]",
    "a join": '[[ range(99999)|join("x" * 99999) ]]',
    "elements": "<b>" * 200_000,
    "words": "{% lorem 99999999 w %}",
}


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """Folder of a sound experiment, `demo`."""
    definition, *_ = scaffold(tmp_path, "demo", read_catalogue())
    load(tmp_path, PropertyFormat.LIST)
    return definition.parent


def refusal(folder: Path) -> str:
    began = time.process_time()
    with pytest.raises(DefinitionError) as caught:
        load(folder.parent, PropertyFormat.LIST)
    assert time.process_time() - began < SECONDS
    [fault] = caught.value.faults
    assert len(str(fault)) < 2_000
    assert fault.remedy.endswith(limits.REMEDY) or "close" in fault.remedy
    return str(fault)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_content_that_asks_for_too_much_is_named_with_its_line(draft: Path, name: str) -> None:
    file = next(path for path in sorted(draft.glob("*.html")) if path.name != "template.html")
    file.write_text(f"<p>\n</p>{CONTENTS[name]}")
    assert refusal(draft).startswith(f"{file}:{LINES.get(name, 2)}: ")


def test_of_too_many_tags_the_first_too_many_is_where_it_is_told(draft: Path) -> None:
    file = next(path for path in sorted(draft.glob("*.html")) if path.name != "template.html")
    file.write_text("{{ a|default:'' }}\n" * (limits.MAX_TAGS + 10))
    assert refusal(draft).startswith(f"{file}:{limits.MAX_TAGS + 1}: ")


@pytest.mark.parametrize("text", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapper_that_asks_for_too_much_is_named_with_its_line(
    draft: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RENDER_SECONDS", 0.5)
    file = draft / "template.html"
    before = file.read_text()
    file.write_text(f"{before}\n{text}")
    assert refusal(draft).startswith(f"{file}:{before.count(chr(10)) + 2}: ")


def test_time_that_is_up_while_another_fault_is_told_is_told_with_its_line(
    draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise limits.TooSlowError

    monkeypatch.setattr("jinja2.Environment.handle_exception", interrupted)
    file = draft / "template.html"
    before = file.read_text()
    file.write_text(f"{before}\n[[ range(99999999) ]]")
    assert refusal(draft).startswith(f"{file}:{before.count(chr(10)) + 2}: ")


def test_what_takes_too_long_for_a_reason_nobody_thought_of_is_ended(
    draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forever(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(checks, "prove", forever)
    monkeypatch.setattr(checks, "processor_time", lambda: limits.processor_time(0.3))
    assert str(draft / "experiment.yml") in refusal(draft)


def test_the_outer_limit_of_time_lasts_beyond_an_inner_one() -> None:
    def spend(seconds: float) -> None:
        with limits.processor_time(0.3):
            with limits.processor_time(5):
                pass
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass

    with pytest.raises(limits.TooSlowError):
        spend(5)
    spend(0)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_what_messages_hold_passes() -> None:
    for source, shown in {
        "{{ 1234567.5|floatformat:2 }}": "1234567.50",
        "{{ 1234567|stringformat:'d' }}": "1234567",
        "{{ name|default:'call +45 12345678' }}": "call +45 12345678",
        "{{ 'x'|center:11 }}": "     x     ",
        "{% for item in person.items_seen %}{{ item }},{% endfor %}": "a," * 1_000,
    }.items():
        assert Compiled(source).render({"person": {"items_seen": ["a"] * 1_000}}) == shown


def test_a_rendering_is_told_where_it_was() -> None:
    with pytest.raises(RenderError) as caught:
        Compiled("a\nb\n{{ 'x'|center:99999 }}").render({})
    assert (caught.value.line, caught.value.is_limit) == (3, True)


ODD = (
    "{{ a }} {% b %}{# c #}",
    "{{%}}%}",
    "{% {{ %} }}",
    "{#\n#}{{ a }}",
    "{{{ a }}}",
    "{% a\n%}{%b%}",
    "{% {% %} %}",
)


@pytest.mark.parametrize("source", ODD)
def test_tags_are_those_that_django_finds(source: str) -> None:
    from django.template.base import tag_re  # type: ignore[import-untyped]  # noqa: PLC0415

    found = [tag.source for tag in template_tags._lexed(source)]
    assert found == tag_re.findall(source)
    assert template_tags.masked(source, "_") == tag_re.sub(lambda match: "_" * len(match[0]), source)


def test_brackets_behind_an_address_are_counted_once() -> None:
    began = time.process_time()
    assert decorate_text("http://x.io/a" + ")" * 200_000, "e.s.a").content.startswith(
        "http://x.io/a?lf_cid=e.s.a)"
    )
    assert decorate_text("(see http://x.io/(a)).", "e").content == "(see http://x.io/(a)?lf_cid=e)."
    assert time.process_time() - began < SECONDS


# a definition that is edited while it is read


@pytest.mark.parametrize("how", ["written", "replaced", "removed"])
def test_a_file_that_is_changed_while_the_experiments_are_read_is_named(
    draft: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file = draft / "template.html"

    def edited(*given: object) -> object:
        if how == "written":
            file.write_text(file.read_text() + "<!-- saved -->")
        elif how == "replaced":
            (draft / "new").write_text(file.read_text())
            (draft / "new").replace(file)
        else:
            file.unlink()
        return generate(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(checks, "generate", edited)
    with pytest.raises(DefinitionError, match=r"template\.html: was changed while .* run again"):
        load(draft.parent, PropertyFormat.LIST)


def test_what_is_edited_afterwards_is_of_the_next_run(draft: Path) -> None:
    whole = load(draft.parent, PropertyFormat.LIST)
    (draft / "template.html").write_text("nothing")
    assert "nothing" not in (whole.pairs[0][1].html or "")
