"""Asks Klaviyo to render the uploaded templates for every arm, and compares that with the content files."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from pipeline import one_line_errors
from preflight import key_of, variable
from project import TAP, TARGET, experiments_of, read_dotenv, setting
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.auth import DEFAULT_API_URL, ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.errors import KlaviyoError
from klaviyo_wire.filters import Operator
from klaviyo_wire.ratelimit import Governor
from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import Channel, Experiment, PropertyFormat, Status
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.language import limits
from tap_experiments.language.engine import Compiled
from tap_experiments.project import load
from tap_experiments.templating.generation import HTML, Template
from tap_experiments.templating.proof import Arms, combinations, content, held_properties

_SECONDS = 10.0
"""Processor time for one rendering."""
_SHOWN = 200
"""Characters of a link that are told."""
PERSON = {"first_name": "Zoë 名前", "last_name": 'O\'Neil "the" <b>', "email": "zoe@shop.example"}


class ProofFailed(Exception):  # noqa: N818 - named for what a reader is told
    """A template cannot be proven; the text is one line for a person."""


@dataclass(frozen=True)
class Seen:
    """What a reader of an HTML text gets: its words and the addresses of its links, in order."""

    words: tuple[str, ...]
    links: tuple[str, ...]

    def holds(self, other: Seen) -> bool:
        """Whether the other's words and links occur in it, each in one piece."""
        return _within(other.words, self.words) and _within(other.links, self.links)


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text.append(" ")
        self.links += [value or "" for name, value in attrs if name == "href" and tag != "link"]

    @override
    def handle_endtag(self, tag: str) -> None:
        self.text.append(" ")

    @override
    def handle_data(self, data: str) -> None:
        self.text.append(data)


def seen(html: str) -> Seen:
    """Klaviyo rewrites HTML when it stores it: so what is compared is what a reader gets.

    Raises:
        ProofFailed: it is no HTML that a browser would read to its end.
    """
    try:
        reader = _Reader(html)
    except AssertionError as error:  # what Python's parser does not know
        msg = f"it is no HTML: {error}"
        raise ProofFailed(msg) from error
    return Seen(tuple("".join(reader.text).split()), tuple(reader.links))


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def prove(client: Client, experiment: Experiment, template: Template, property_format: PropertyFormat) -> int:
    """Compare an experiment's template, as Klaviyo renders it, with its contents; returns how many renderings.

    Raises:
        ProofFailed: they differ, or Klaviyo does not hold the template.
        KlaviyoError: Klaviyo refuses.
    """
    template_id = _uploaded(client, template)
    renderings = combinations(experiment)
    for arms in renderings:
        held = {slot: arm for slot, arm in arms.items() if arm != "fb"}
        context = {**PERSON, "person": {**PERSON, **held_properties(experiment.key, held, property_format)}}
        body = {"data": {"type": "template", "id": template_id, "attributes": {"context": context}}}
        shown = _html(client.call("render_template", body=body))
        try:
            with limits.processor_time(_SECONDS):
                problem = next(_differences(experiment, arms, shown, context, property_format), "")
        except limits.TooSlowError:
            problem = f"what Klaviyo shows takes more than {_SECONDS:g} seconds of processor time to read"
        if problem:
            msg = f"{experiment.key}: {problem}; correct it before anything is sent"
            raise ProofFailed(msg)
    return len(renderings)


def _html(document: jsonapi.Json) -> str:
    """The HTML of an answer to a rendering."""
    try:
        (answer,) = jsonapi.resources(document)
        return str(answer["attributes"]["html"] or "")
    except (ValueError, KeyError, TypeError) as error:
        msg = "Klaviyo answered something that is no rendering of a template: run it again"
        raise ProofFailed(msg) from error


def _uploaded(client: Client, template: Template) -> str:
    """The id of the template in Klaviyo, which must be the one that was generated."""
    params = {"filter": Operator.EQUALS("name", template.name), "fields[template]": "name,html"}
    found = [
        resource
        for page in client.pages("get_templates", params=params)
        for resource in jsonapi.resources(page)
        if resource["attributes"]["name"] == template.name
    ]
    marked = [each for each in found if f"<!-- lf:{template.sha256} -->" in (each["attributes"]["html"] or "")]
    if not marked:
        what = "an older one" if found else "none"
        msg = f"{template.name}: Klaviyo holds {what} of this name; run the pipeline first"
        raise ProofFailed(msg)
    return str(marked[0]["id"])


def _differences(
    experiment: Experiment, arms: Arms, shown: str, context: dict[str, Any], property_format: PropertyFormat
) -> Iterator[str]:
    """What a rendering shows and should not, or should and does not."""
    page = seen(shown)
    for slot in experiment.slots:
        if experiment.html is None or slot.key not in experiment.html.slots:
            continue
        wanted = f"{experiment.key}.{slot.key}.{arms[slot.key]}"
        own = f"lf_cid={experiment.key}.{slot.key}."
        others = {link for link in page.links if own in link and wanted not in _cids(link)}
        if others:
            yield f"a profile of {wanted} is shown a link of another arm: {min(others)[:_SHOWN]!a}"
        source = content(experiment, slot, HTML, arms[slot.key], property_format)
        expected = seen(Compiled(source).render(context))
        if "[" not in " ".join(expected.words) and not page.holds(expected):
            yield f"a profile of {wanted} is shown something else than {wanted}"


def _cids(link: str) -> list[str]:
    return parse_qs(urlsplit(link).query).get("lf_cid", [])


def main() -> None:
    """Command line: the environment whose account is asked; what it set of tap and target holds here as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", default="dev", help="an environment of meltano.yml")
    environment = parser.parse_args().environment
    read_dotenv()
    with one_line_errors():
        folder, form, catalogue, account = experiments_of(environment, os.environ)
        keys = {plugin: key_of(plugin, environment, os.environ) for plugin in (TARGET, TAP)}
    plugin = next((name for name, key in keys.items() if key), "")
    if not plugin:
        wanted = f"set {variable(TARGET)} to a private key with the scope templates:read"
        sys.exit(f"no key: {wanted}, in the shell or in .env")
    url = setting(plugin, "api_url", environment, os.environ) or DEFAULT_API_URL
    transport = Transport(requests.Session(), time.sleep)
    client = Client(ApiKey(keys[plugin]), Governor(time.monotonic), transport, api_url=url)
    property_format = PropertyFormat(form)
    try:
        project = load(Path(os.path.relpath(folder)), property_format, read_catalogue(catalogue)).of(account)
        for experiment, template in project.pairs:
            shown = experiment.status is Status.LIVE or experiment.is_shipped
            if shown and experiment.channel is Channel.EMAIL:
                renderings = prove(client, experiment, template, property_format)
                print(f"{experiment.key}: {renderings} renderings by Klaviyo show what the files say")
    except (DefinitionError, KlaviyoError, ProofFailed) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
