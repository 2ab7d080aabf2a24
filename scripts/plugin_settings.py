"""What Meltano is told of a plugin's settings, made from the plugin's own `config_jsonschema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

import yaml
from project import definition_of

# Not `decimal`: one that a variable gives, Meltano 4.4 cannot write into the file that a plugin reads, and ends
# without a reason. As text it arrives, and the plugins read a number out of it.
# Not `options`, though some settings have them: Meltano 4.4 answers a wrong value of that kind with a traceback,
# the plugin itself with one line.
KINDS = {"boolean": "boolean", "integer": "integer", "array": "array", "object": "object"}
"""Meltano's kind of a setting by its JSON Schema type; any other is a string."""


def definitions(schema: Mapping[str, Any], project: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of a plugin as `meltano.yml` has them.

    Args:
        schema: The plugin's `config_jsonschema`.
        project: Values that this project gives instead of the code's default, by setting.
    """
    return [dict(_definition(name, kind, project)) for name, kind in schema["properties"].items()]


def _definition(name: str, schema: Mapping[str, Any], project: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "name", name
    if "title" in schema:
        yield "label", schema["title"]
    yield "kind", _kind(schema)
    if schema.get("secret"):
        yield "sensitive", True
    if name in project:
        yield "value", project[name]
    elif schema.get("default") is not None:
        yield "value", schema["default"]
    if "enum" in schema:
        yield "options", [{"label": each, "value": each} for each in schema["enum"] if each is not None]
    yield "description", schema["description"]


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "date_iso8601"
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return KINDS.get(next(each for each in types if each != "null"), "string")


def block(plugin: str, schema: Mapping[str, Any]) -> str:
    """The settings of one plugin as lines of a definition file.

    Args:
        plugin: Its name. Values in its definition that begin with `$` are the project's own and stay.
        schema: Its `config_jsonschema`.
    """
    given = {each["name"]: each.get("value") for each in definition_of(plugin)["settings"]}
    own = {name: value for name, value in given.items() if str(value).startswith("$")}
    told = definitions(schema, own)
    return indent(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110), "    ").rstrip("\n")
