"""Definitions that tests read, and what is said of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import yaml

from singer_program.definitions.faults import DefinitionError
from tap_forwarding.definitions.schema import json_schema
from tap_forwarding.project import load

if TYPE_CHECKING:
    from tap_forwarding.definitions.model import Definition

EVERY_KEY = Path(__file__).parent / "every_key"
VALIDATOR = jsonschema.Draft7Validator(json_schema())
SMALL = """\
name: shop
status: live
description: All
from: {preset: inbox}
events:
  - event: Quiz Finished
    keep: [result]
consent: not_asked
"""
"""The least that a definition says; its rule begins in line 6."""


class EditorLoader(yaml.SafeLoader):
    """Reads YAML as editors do, by version 1.2: dates and `NO` are texts."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def complaints(text: str) -> list[str]:
    """What an editor would underline."""
    return [error.json_path for error in VALIDATOR.iter_errors(yaml.load(text, EditorLoader))]  # noqa: S506


def every_key(folder: Path) -> Path:
    """A copy of the definitions that have every key."""
    return shutil.copytree(EVERY_KEY, folder / "forwarding")


def written(folder: Path, text: str, name: str = "shop") -> Path:
    """A folder with one definition."""
    root = folder / "forwarding"
    root.mkdir(exist_ok=True)
    (root / f"{name}.yml").write_text(text)
    return root


def loaded(folder: Path, text: str) -> Definition:
    """A sound definition."""
    (definition,) = load(written(folder, text)).definitions
    return definition


def refused(root: Path) -> list[str]:
    """What is wrong in a folder, without its path."""
    try:
        load(root)
    except DefinitionError as error:
        return [line.removeprefix(f"{root}/") for line in error.lines]
    return []
