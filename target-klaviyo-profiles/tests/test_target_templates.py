"""The templates sink against the sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status, Throttle
from klaviyo_sandbox.model.records import Template
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.sinks import templates
from target_klaviyo_profiles.sinks.stored_templates import unchanged

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]

HTML = (
    "<h1>Ünï 🎁</h1>{% if person|lookup:'lf_assignments' %}<a href=\"https://x.example/?a=1&b=2\">x</a>{% endif %}"
)


def _generated(body: str) -> str:
    html = f"<html lang='en'><body>{body}</body></html>"
    marker = f"<!-- lf:{hashlib.sha256(html.encode()).hexdigest()} -->"
    return html.replace("</body>", f"{marker}</body>")


@pytest.fixture
def write(load: Load, messages: Messages) -> Callable[..., Any]:
    return lambda *records, **settings: load(messages(records, stream="templates"), **settings)


def _writes(sandbox: Sandbox) -> list[tuple[str, str, int]]:
    return sandbox.store.read("select id, name, updated from templates order by created, id")


def test_a_template_is_created_then_rewritten_then_left_alone(sandbox: Sandbox, write: Load) -> None:
    run = write({"name": "spring", "html": HTML, "text": "Hi\n"})
    assert run.error is None
    created = sandbox.store.template_named("spring")
    assert created is not None
    assert HTML in created.html
    assert (created.text, created.editor_type) == ("Hi\n", "CODE")

    sandbox.clock.advance(60)
    run = write({"name": "spring", "html": HTML.replace("Ünï", "New"), "text": "Hi\n"})
    rewritten = sandbox.store.template_named("spring")
    assert rewritten is not None
    assert (rewritten.id, run.tallies["templates"].accepted) == (created.id, 1)
    assert "New 🎁" in rewritten.html

    sandbox.clock.advance(60)
    run = write({"name": "spring", "html": HTML.replace("Ünï", "New")})
    assert (run.tallies["templates"].unchanged, run.tallies["templates"].requests) == (1, 1)
    assert sandbox.store.template_named("spring") == rewritten


def test_the_text_alone_can_change(sandbox: Sandbox, write: Load) -> None:
    write({"name": "spring", "html": HTML, "text": "old"})
    write({"name": "spring", "html": HTML, "text": "new"})
    template = sandbox.store.template_named("spring")
    assert template is not None
    assert template.text == "new"


def test_names_are_compared_exactly_and_may_hold_anything(sandbox: Sandbox, write: Load) -> None:
    names = ['say "hi" \\ (a,b)', "spring", "Spring", "a+b & c=d%20", "春"]
    run = write(*({"name": name, "html": "<p>x</p>"} for name in names))
    assert run.error is None
    assert {row[1] for row in _writes(sandbox)} >= set(names)
    before = _writes(sandbox)
    assert write(*({"name": name, "html": "<p>x</p>"} for name in names)).tallies["templates"].unchanged == 5
    assert _writes(sandbox) == before


def test_several_templates_of_a_name_are_nobodys_guess(sandbox: Sandbox, write: Load) -> None:
    for template_id in ("TPL001", "TPL002"):
        sandbox.store.put(
            Template(id=template_id, name="twice", editor_type="CODE", html="<p>old</p>", created=0, updated=0)
        )
    run = write({"name": "twice", "html": "<p>new</p>"}, {"name": "once", "html": "<p>new</p>"})
    assert run.error is None
    assert [(each["key"], each["code"]) for each in run.rejects] == [({"name": "twice"}, "ambiguous_name")]
    assert "TPL001, TPL002" in run.rejects[0]["detail"]
    assert sandbox.store.template_named("once") is not None


def test_a_designers_work_is_not_overwritten(sandbox: Sandbox, write: Load) -> None:
    drawn = Template(
        id="DRAWN1", name="spring", editor_type="USER_DRAGGABLE", html="<p>x</p>", created=0, updated=0
    )
    sandbox.store.put(drawn)
    run = write({"name": "spring", "html": "<p>new</p>"})
    assert [each["code"] for each in run.rejects] == ["not_html"]
    assert sandbox.store.get(Template, "DRAWN1") == drawn


def test_a_full_account_refuses_and_the_remedy_says_so(sandbox: Sandbox, write: Load) -> None:
    for number in range(1_000 - sandbox.store.count("templates")):
        sandbox.store.put(
            Template(id=f"T{number}", name=f"t{number}", editor_type="CODE", html="<p>x</p>", created=0, updated=0)
        )
    run = write({"name": "one more", "html": "<p>x</p>"}, {"name": "t0", "html": "<p>new</p>"})
    assert run.error is None
    assert [each["key"] for each in run.rejects] == [{"name": "one more"}]
    assert "1,000 templates" in run.rejects[0]["remedy"]
    assert run.tallies["templates"].accepted == 1


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="create_template", worked=True),
        Reset(operation="create_template", worked=True),
        Throttle(operation="create_template", retry_after=2, times=3),
        Status(operation="get_templates", times=2),
        Reset(operation="update_template"),
        Status(operation="update_template", worked=True),
    ],
)
def test_no_fault_makes_a_second_template(sandbox: Sandbox, write: Load, fault: AnyFault) -> None:
    write({"name": "held", "html": "<p>old</p>"})
    sandbox.faults.add(fault)
    run = write({"name": "spring", "html": HTML}, {"name": "held", "html": "<p>new</p>"})
    assert run.error is None
    assert [row[1] for row in _writes(sandbox)].count("spring") == 1
    held = sandbox.store.template_named("held")
    assert held is not None
    assert "<p>new</p>" in held.html


def test_a_creation_that_is_lost_is_not_repeated_in_the_run(sandbox: Sandbox, write: Load) -> None:
    sandbox.faults.add(Status(operation="create_template"))
    run = write({"name": "spring", "html": HTML}, {"name": "autumn", "html": HTML}, concurrency=1)
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert run.tallies["templates"].accepted == 1
    assert write({"name": "spring", "html": HTML}).error is None
    assert [row[1] for row in _writes(sandbox)].count("spring") == 1


HOSTILE = {
    "a long text": ("long", "<p>" + "x" * 5_200_000, "too_large"),
    "a long name": ("n" * 1_000_000, "x", "too_large"),
    "half a pair": ("x", "\udfff", "invalid_value"),
    "script": ("</script><script>alert(1)</script>", "</script><script>alert(1)</script>", None),
    "a path": ("../../etc/passwd", "x", None),
    "dots": ("..", "x", None),
    "a filter": ('a"),equals(name,"b', "x", None),
    "a backslash": ("a\\", "x", None),
    "a header": ("two\r\nX-Lines: 1", "x", None),
    "a terminal's commands": ("\x1b[31m\x00", "<p>\x00\x01\x1b</p>", None),
    "blanks": ("blanks", " " * 1_000_000 + "x", None),
    "markers": ("markers", "<!-- lf:" * 50_000, None),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_templates_cost_themselves_and_are_compared_soon(sandbox: Sandbox, write: Load, what: str) -> None:
    name, html, code = HOSTILE[what]
    records = ({"name": name, "html": html}, {"name": "good", "html": "<p>good</p>"})
    began = thread_time()
    first, again = (write(*records, rejects_include_record=False) for _ in range(2))
    assert thread_time() - began < 10
    assert (first.error, again.error) == (None, None)
    tally = again.tallies["templates"]
    assert (tally.unchanged, tally.rejected.total()) == ((1, 1) if code else (2, 0))
    assert {each["code"] for each in again.rejects} == ({code} if code else set())
    found = sandbox.store.template_named(name)
    assert (found is None) == bool(code)


def test_what_klaviyo_wraps_around_html_is_no_change() -> None:
    assert unchanged(
        {"html": "<p>x</p>\r\n<p>y</p>"}, {"html": "<html><head></head><body><p>x</p>\n<p>y</p></body></html>"}
    )
    assert not unchanged({"html": "<p>x</p>"}, {"html": "<html><head></head><body><p>y</p></body></html>"})
    assert not unchanged({"html": "<p>x</p>"}, {"html": None})


def test_the_marker_says_that_generated_html_is_unchanged_however_it_was_normalised() -> None:
    wanted = _generated("<p>x</p>")
    held = wanted.replace("<p>", "<p >").replace("'en'", '"en"')
    assert unchanged({"html": wanted}, {"html": held})
    assert not unchanged({"html": _generated("<p>y</p>")}, {"html": held})
    assert not unchanged({"html": wanted, "text": "x"}, {"html": held, "text": "y"})
    assert unchanged({"html": wanted, "text": "x\ny"}, {"html": held, "text": "x \r\ny\n"})


def test_what_klaviyo_makes_of_html_is_remembered(
    write: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As if Klaviyo changed it beyond recognition."""
    monkeypatch.setattr(templates, "unchanged", lambda *_: False)
    record = {"name": "spring", "html": HTML, "text": "one"}
    assert write(record).tallies["templates"].accepted == 1
    assert write(record).tallies["templates"].unchanged == 1
    assert write({**record, "html": f"{HTML}<p>more</p>"}).tallies["templates"].accepted == 1
    assert write({**record, "html": f"{HTML}<p>more</p>"}).tallies["templates"].unchanged == 1
    assert write({**record, "html": f"{HTML}<p>more</p>", "text": "two"}).tallies["templates"].accepted == 1
    assert write(record, ledger_path=str(tmp_path / "another")).tallies["templates"].accepted == 1


def test_an_edit_made_by_hand_is_undone(sandbox: Sandbox, write: Load) -> None:
    record = {"name": "spring", "html": HTML, "text": "one"}
    write(record)
    stored = sandbox.store.template_named("spring")
    assert stored is not None
    for change in ({"html": "<p>by hand</p>"}, {"text": "by hand"}):
        sandbox.store.put(replace(stored, **change))
        assert write(record).tallies["templates"].accepted == 1
        assert sandbox.store.template_named("spring") == replace(stored, updated=sandbox.clock.seconds())
