"""What is said about sound definitions: where, what, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from singer_program.definitions.faults import DefinitionError
from tap_experiments.cli import main
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.language.engine import Compiled
from tap_experiments.project import load
from tap_experiments.templating.lint import CLIPPED_BYTES, NEAR_CLIPPED_BYTES
from tap_experiments.templating.property_tag import property_tag

LINK = '<a href="https://x.io">x</a>'


def define(root: Path, key: str = "spring", **files: str) -> None:
    """An e-mail experiment that nothing can be said about, but for the files given."""
    folder = root / "experiments" / key
    folder.mkdir(parents=True)
    contents = {
        "template.html": '<p>[[ slot("hero") ]]</p>\n{% unsubscribe %}',
        "template.txt": '[[ slot("hero") ]]\n{% unsubscribe %}',
        "a.html": f"a {LINK}",
        "b.html": f"b {LINK}",
        "a.txt": "a https://x.io",
        "b.txt": "b https://x.io",
        **{name.replace("__", "."): text for name, text in files.items() if "__" in name},
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    second = files.get("second", "b")
    arms: dict[str, Any] = {
        "a": {"content": "a.html", "text": "a.txt", "control": True},
        second: {"content": "b.html", "text": "b.txt"},
    }
    definition = {
        "key": key, "version": 1, "status": "draft", "description": "Which?", "channel": "email",
        "audience": {"list": "L"}, "primary_metric": "clicked", "attribution_window_days": 5,
        "slots": {"hero": {"allocation": "equal", "arms": arms}},
        "template": {
            "name": key, "html": "template.html", "text": "template.txt", "subject": files.get("subject", "Hello")
        },
    }  # fmt: skip
    (folder / "experiment.yml").write_text(json.dumps(definition), encoding="utf-8")


@pytest.fixture
def warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    monkeypatch.chdir(tmp_path)

    def lint(property_format: PropertyFormat = PropertyFormat.LIST) -> list[str]:
        return list(load(Path("experiments"), property_format).warnings)

    return lint


def test_nothing_is_said_about_what_is_right(tmp_path: Path, warnings: Callable[..., list[str]]) -> None:
    define(
        tmp_path,
        a__html=f"{LINK}{{% if first_name %}}{{{{ first_name }}}}{{% endif %}}<a href='mailto:a@x.io'>m</a>"
        "<a href='#top'>t</a><a href='tel:112'>t</a>{% for i in items %}{{ i.title|title }}{% endfor %}"
        "{{ organization.name }}{{ person|lookup:'a b'|default:'c' }}{% coupon_code 'A' %}{{ 'x'|upper }}",
        a__txt="https://www.x.io a@www.x.io",
    )
    assert warnings() == []


CASES = {
    "default": (
        {"a__html": f"{LINK}\n{{{{ first_name }}}}"},
        "a.html:2: `{{ first_name }}` shows nothing to a profile",
    ),
    "lookup": (
        {"b__html": f"{LINK}{{{{ person|lookup:'x y'|title }}}}"},
        "then: {{ person|lookup:'x y'|default:'…' }}",
    ),
    "subject default": ({"subject": "Hi {{ first_name }}"}, "experiment.yml:1: `{{ first_name }}` shows nothing"),
    "tag": (
        {"a__html": f"{LINK}\n\n{{% unsubscrib %}}"},
        "a.html:3: `{% unsubscrib %}` is no tag that Klaviyo's guides",
    ),
    "filter": (
        {"a__txt": "https://x.io {{ a|defualt:'b' }}"},
        "a.txt:1: `{{ a|defualt:'b' }}`: `defualt` is no filter",
    ),
    "near": ({"a__txt": "https://x.io {{ a|defualt:'b' }}"}, "did you mean `default`?"),
    "scheme": (
        {"a__html": f'{LINK}\n<a href="www.x.io">x</a>'},
        "a.html:2: the link `www.x.io` has no scheme; begin",
    ),
    "relative": (
        {"template__html": '<a href="/x">x</a>[[ slot("hero") ]]{% unsubscribe %}'},
        "html:1: the link `/x`",
    ),
    "empty": ({"a__html": f'{LINK}<a href="">x</a>'}, "a.html:1: a link is empty"),
    "text scheme": ({"b__txt": "https://x.io\nwww.x.io"}, "b.txt:2: an address has no scheme"),
    "text unsubscribe": (
        {"template__txt": '[[ slot("hero") ]]'},
        "template.txt: the text part holds no `{% unsub",
    ),
    "table": (
        {"template__html": '<table><tr>\n[[ slot("hero") ]]</tr></table>{% unsubscribe %}'},
        "template.html:2: the slot `hero` stands directly in <tr>, from where HTML parsers move text",
    ),
    "clipped": (
        {"b__html": LINK + "ü" * (CLIPPED_BYTES // 2)},
        "with hero.b; Gmail hides what follows the first 102,",
    ),
    "nearly": (
        {"b__html": LINK + "x" * NEAR_CLIPPED_BYTES},
        "with hero.b; Gmail may hide what follows the first 102",
    ),
    "undecorated": (
        {"b__html": f"{LINK}\n<a href='{{{{ event.url }}}}'>x</a>"},
        "b.html:2: `{{ event.url }}` carries no",
    ),
    "same": ({"b__html": f"a {LINK}", "b__txt": "a https://x.io"}, "slots.hero.arms.b: shows what `a` shows"),
}


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_what_may_go_wrong_is_named(
    tmp_path: Path, warnings: Callable[..., list[str]], files: dict[str, str], expected: str
) -> None:
    define(tmp_path, **files)
    found = [line for line in warnings() if expected in line]
    assert len(found) == 1, warnings()
    assert found[0].startswith("experiments/spring/")


def test_a_token_inside_anothers_is_named(tmp_path: Path, warnings: Callable[..., list[str]]) -> None:
    define(tmp_path, "ring")
    define(tmp_path, "spring")
    found = warnings()
    assert len(found) == 2
    assert "slots.hero.arms.a: the token `ring:hero:a` is a part of `spring:hero:a`; rename one" in found[0]
    assert warnings(PropertyFormat.FLAT) == []


@pytest.mark.parametrize("property_format", PropertyFormat)
def test_a_name_that_may_become_a_boolean(
    tmp_path: Path, warnings: Callable[..., list[str]], property_format: PropertyFormat
) -> None:
    define(tmp_path, second="yes")
    said = [line for line in warnings(property_format) if "may be kept as a boolean" in line]
    assert len(said) == (property_format is not PropertyFormat.LIST)


@pytest.mark.parametrize(
    "tag",
    [
        "{% include 'x' %}",
        "{% unless a %}",
        "{% case a %}",
        "{% load x %}",
        "{% now 'Y' %}",
        "{{ a|default('b') }}",
    ],
)
def test_what_klaviyo_refuses_is_refused(tmp_path: Path, warnings: Callable[..., list[str]], tag: str) -> None:
    define(tmp_path, b__html=f"\n{tag}")
    with pytest.raises(DefinitionError, match=r"b\.html:2: slots\.hero\.arms\.b\.content: .*(not known|read)"):
        warnings()


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["tap-experiments", *arguments])
        code, printed = main(), capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


def test_the_command_lints(tmp_path: Path, command: Callable[..., Any]) -> None:
    define(tmp_path)
    assert command("lint", "--strict") == (0, ["1 experiment, 2 arms: sound, 0 warnings"], [])
    define(tmp_path, "summer", a__html=f"{LINK}{{{{ first_name }}}}")
    code, said, _ = command("lint")
    assert (code, len(said), said[-1]) == (0, 2, "2 experiments, 4 arms: sound, 1 warning")
    assert command("lint", "--strict")[0] == 1
    define(tmp_path, "winter", a__html="{% if %")
    code, said, complaints = command("lint")
    assert (code, said) == (1, [])
    assert complaints[0].startswith("experiments/winter/a.html:1: ")


def test_the_command_shows_what_each_arm_looks_like(tmp_path: Path, command: Callable[..., Any]) -> None:
    define(tmp_path)
    code, said, _ = command("preview")
    assert (code, said) == (0, ["output/preview/spring/: spring, and what 3 kinds of profiles are shown"])
    folder = tmp_path / "output" / "preview" / "spring"
    assert "{% if 'spring:hero:b' in" in (folder / "template.html").read_text()
    assert (folder / "template.subject.txt").read_text() == "Hello"
    assert (folder / "arms" / "hero.b.txt").read_text().startswith("b https://x.io?lf_cid=spring.hero.b")
    assert "lf_cid=spring.hero.fb" in (folder / "arms" / "hero.fb.html").read_text()
    (folder / "arms" / "gone.html").write_text("")
    (tmp_path / "output" / "elsewhere").write_text("a file")
    command("preview")
    assert not (folder / "arms" / "gone.html").exists()
    code, _, complaints = command("preview", "--output", "output/elsewhere")
    assert (code, len(complaints)) == (1, 1)
    assert complaints[0].endswith("give another folder with `--output`")


@pytest.mark.parametrize("otherwise", ["there", "it's", '"new" & <b>', "Grüße 🌷", "a'b\"c"])
def test_the_snippet_shows_the_property_or_the_default(otherwise: str) -> None:
    template = Compiled(property_tag("lf_body", otherwise))
    shown = template.render({"person": {"lf_body": "Zoë's <b>"}})
    assert shown == "Zoë&#x27;s &lt;b&gt;"
    for person in ({}, {"lf_body": ""}, {"lf_body": None}):
        assert (
            template.render({"person": person})
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
            == otherwise
        )


@pytest.mark.parametrize("otherwise", ["<p>Spring</p>", '<a href="https://x.io">&amp;</a>', "<i>it's</i>", ""])
def test_the_snippet_of_html_is_shown_as_it_is(command: Callable[..., Any], otherwise: str) -> None:
    code, said, _ = command("snippet", "lf_block", "--default", otherwise, "--html")
    assert code == 0
    template = Compiled(said[0])
    assert template.render({"person": {"lf_block": "<b>Zoë's</b>"}}) == "<b>Zoë's</b>"
    assert template.render({"person": {}}) == otherwise


def test_the_snippet_of_a_plain_text(command: Callable[..., Any]) -> None:
    code, said, _ = command("snippet", "lf_subject", "--default", "It's spring", "--plain")
    assert (code, said) == (0, ["""{{ person|lookup:'lf_subject'|default:"It's spring" }}"""])
    for arguments in (
        ("lf_subject", "--default", "a'b\"c", "--plain"),
        ("lf'x", "--default", "a"),
        ("lf_x", "--default", "{{ a }}"),
        ("lf_x", "--default", '<a href="x">it\'s</a>', "--html"),
    ):
        code, said, complaints = command("snippet", *arguments)
        assert (code, said, len(complaints)) == (1, [], 1)
