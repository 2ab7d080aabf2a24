"""Klaviyo's own rendering of an uploaded template is compared with the content files."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.ratelimit import Governor
from tap_experiments.definitions.model import Experiment, PropertyFormat
from tap_experiments.project import load

if TYPE_CHECKING:
    from tap_experiments.templating.generation import Template

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import proof  # noqa: E402


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        Sandbox(profiles=5, events=0, segments=1, rate_limits="off") as sandbox,
        requests.Session() as session,
    ):
        transport = Transport(session, time.sleep)
        yield Client(ApiKey(sandbox.api_key), Governor(time.monotonic), transport, api_url=sandbox.url)


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    """A folder with the demo's experiment on the hero."""
    hero = ROOT / "demo" / "experiments" / "spring_hero"
    shutil.copytree(hero, tmp_path / "experiments" / hero.name)
    return tmp_path / "experiments"


@pytest.fixture
def pair(experiments: Path) -> tuple[Experiment, Template]:
    [pair] = load(experiments, PropertyFormat.LIST).pairs
    return pair


def upload(client: Client, template: Template, html: str | None = None) -> None:
    for page in client.pages("get_templates"):
        for held in page["data"]:
            client.call("delete_template", path={"id": held["id"]})
    attributes = {
        "name": template.name,
        "editor_type": "CODE",
        "html": html or template.html,
        "text": template.text,
    }
    client.call("create_template", body={"data": {"type": "template", "attributes": attributes}})


def test_what_klaviyo_renders_is_what_the_files_say(client: Client, pair: tuple[Experiment, Template]) -> None:
    upload(client, pair[1])
    assert proof.prove(client, *pair, PropertyFormat.LIST) == 3  # two arms, and a profile without one


def test_a_shipped_winner_is_rendered_for_everybody(
    client: Client, pair: tuple[Experiment, Template], experiments: Path
) -> None:
    """Klaviyo shows it to both arms, and to who holds none; the template from before does not."""
    definition = experiments / "spring_hero" / "experiment.yml"
    definition.write_text(definition.read_text().replace("status: live", "status: ended\nwinner: bold"))
    [shipped] = load(experiments, PropertyFormat.LIST).pairs
    upload(client, shipped[1])
    assert proof.prove(client, *shipped, PropertyFormat.LIST) == 3
    upload(client, shipped[1], (pair[1].html or "").replace(pair[1].sha256, shipped[1].sha256))
    with pytest.raises(proof.ProofFailed, match=r"hero\.control is shown something else"):
        proof.prove(client, *shipped, PropertyFormat.LIST)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "'spring_hero:hero:bold' in",
            "'spring_hero:hero:other' in",
            "hero.bold is shown a link of another",
        ),
        ("{% else %}", "{% elif 0 %}", "spring_hero.hero.fb is shown something else"),
        ("Spring. Now.", "Spring. Later.", "spring_hero.hero.bold is shown something else"),
        ("lf_cid=spring_hero.hero.bold&amp;", "lf_cid=spring_hero.hero.bolder&amp;", "is shown a link of another"),
    ],
)
def test_what_differs_is_named(
    client: Client, pair: tuple[Experiment, Template], old: str, new: str, problem: str
) -> None:
    assert pair[1].html is not None
    assert old in pair[1].html
    upload(client, pair[1], pair[1].html.replace(old, new))
    with pytest.raises(proof.ProofFailed, match=problem):
        proof.prove(client, *pair, PropertyFormat.LIST)


@pytest.mark.parametrize(("mark", "what"), [("0" * 64, "holds an older one"), (None, "holds none of this name")])
def test_only_the_generated_template_is_proven(
    client: Client, pair: tuple[Experiment, Template], mark: str | None, what: str
) -> None:
    html = (pair[1].html or "").replace(pair[1].sha256, mark or "")
    upload(client, pair[1], html)
    if mark is None:
        for page in client.pages("get_templates"):
            client.call("delete_template", path={"id": page["data"][0]["id"]})
    with pytest.raises(proof.ProofFailed, match=what):
        proof.prove(client, *pair, PropertyFormat.LIST)


class Answering:
    """A client whose renderings are these; everything else is the sandbox's."""

    def __init__(self, client: Client, answer: dict[str, Any]) -> None:
        self._answer = answer
        self.pages = client.pages

    def call(self, operation: str, **_: object) -> dict[str, Any]:
        assert operation == "render_template"
        return self._answer


def rendering(html: object) -> dict[str, Any]:
    return {"data": {"type": "template", "id": "T", "attributes": {"html": html}}}


LINK = '<a href="https://x.example/?lf_cid=spring_hero.hero.bold\x1b[2J">'


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "no rendering of a template"),
        ({"data": [1, 2]}, "no rendering of a template"),
        ({"data": {"attributes": None}}, "no rendering of a template"),
        (rendering(None), "is shown something else"),
        (rendering("<![unknown["), "it is no HTML|is shown something else"),
        (rendering("<" * 300_000), "is shown something else|to read"),
        (rendering("<!--" * 200_000), "is shown something else|to read"),
        (rendering("<a " * 200_000), "is shown something else|to read"),
        (rendering("x " * 500_000), "is shown something else|to read"),
        (rendering(LINK), r"another arm: '[^\x1b]*'"),
    ],
    ids=[
        *("empty", "numbers", "no attributes", "no html"),
        *("an unknown section", "brackets", "comments", "tags", "words", "a terminal's command"),
    ],
)
def test_a_hostile_rendering_is_told_soon_and_in_one_line(
    client: Client,
    pair: tuple[Experiment, Template],
    answer: dict[str, Any],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload(client, pair[1])
    monkeypatch.setattr(proof, "_SECONDS", 1.0)
    began = time.process_time()
    with pytest.raises(proof.ProofFailed, match=says) as told:
        proof.prove(cast("Client", Answering(client, answer)), *pair, PropertyFormat.LIST)
    assert time.process_time() - began < 5
    assert str(told.value).isprintable()
