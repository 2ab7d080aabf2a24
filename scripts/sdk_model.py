"""Describes operations as Klaviyo's SDK has them, as JSON. Runs alone, where one version of the SDK is installed.

Arguments: operation ids. Output: operation → section → name → what is known of it, all text. An operation that the
SDK does not have is not in the output. The SDK is generated from Klaviyo's OpenAPI document of its revision; what
it does not carry over (what `include` and `fields[...]` accept) is not here either.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

Facts = dict[str, str]
Sections = dict[str, Facts]

_LIMITS = re.compile(r"(Burst|Steady|Daily): `([^`]+)`")
_SCOPES = re.compile(r"\*\*Scopes:\*\* ((?:`[^`]+`\s*)+)")
_SORTS = re.compile(r"sorted by the following fields: ((?:`[^`]+`(?:, )?)+)")
_PAGE = re.compile(r"Default: (\d+)\. Min: (\d+)\. Max: (\d+)")
_FILTER = re.compile(r"`([^`]+)`: ((?:`[^`]+`(?:, )?)+)")
_ENUM = re.compile(r"set\(\[(.*?)\]\)", re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_DEEPEST = 12


def describe(method: Any) -> Sections:  # noqa: ANN401 - a generated method
    """One operation: limits, scopes, parameters, filters, request body and answer."""
    doc = " ".join((inspect.getdoc(method) or "").split())
    summary = doc.split(" :param ")[0]
    sections: Sections = {
        "limits": {name.lower(): value for name, value in _LIMITS.findall(summary)},
        "scopes": {name: "needed" for found in _SCOPES.findall(summary) for name in _CODE.findall(found)},
        "sort": {name: "offered" for found in _SORTS.findall(summary) for name in _CODE.findall(found)},
        "parameters": {},
        "filters": {},
        "body": {},
        "answer": {},
    }
    hints = typing.get_type_hints(method)
    for name, parameter in inspect.signature(method).parameters.items():
        if name in {"self", "options"} or name.startswith("_"):
            continue
        required = parameter.default is inspect.Parameter.empty
        described = re.search(rf":param {name}: (.*?) :type {name}:", doc)
        text = described.group(1) if described else ""
        models = [each for each in _parts(hints[name]) if _is_model(each)]
        if models:
            sections["body"] |= dict(_fields(models))
            continue
        page = _PAGE.search(text)
        told = f"default {page[1]}, {page[2]} to {page[3]}" if page else ""
        sections["parameters"][name] = (
            ", ".join(filter(None, ["required" if required else "", told])) or "optional"
        )
        if name == "filter":
            sections["filters"] |= {
                field: ", ".join(sorted(_CODE.findall(operators))) for field, operators in _FILTER.findall(text)
            }
    answers = [each for each in _parts(hints.get("return")) if _is_model(each)]
    sections["answer"] = dict(_fields(answers))
    return {name: dict(sorted(facts.items())) for name, facts in sections.items()}


def _fields(models: list[Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every field of models and of what is in them, as path and kind. Models of one path are merged."""
    found: dict[str, list[Any]] = {}
    for model in models:
        for name, field in model.model_fields.items():
            found.setdefault(field.alias or name, []).append((model, name, field))
    for alias, places in found.items():
        here = f"{path}.{alias}" if path else alias
        parts = [part for _, __, field in places for part in _parts(field.annotation)]
        choices = {choice for model, name, _ in places for choice in _enum(model, name)}
        kinds = {"object" if _is_model(part) else _kind(part) for part in parts} - {"null"}
        yield here, " or ".join(sorted(kinds)) + (f" of {', '.join(sorted(choices))}" if choices else "")
        inner = list(dict.fromkeys(part for part in parts if _is_model(part)))
        if inner and depth < _DEEPEST:
            yield from _fields(inner, here, depth + 1)


def _parts(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """The types that a value, or an item of it, may have."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _parts(typing.get_args(annotation)[0])
    elif origin in {typing.Union, types.UnionType, list}:
        for each in typing.get_args(annotation):
            yield from _parts(each)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and hasattr(kind, "model_fields")


def _kind(kind: Any) -> str:  # noqa: ANN401
    """The kind of a value that is no model."""
    if kind is type(None):
        return "null"
    if members := getattr(kind, "__members__", None):
        return "one of " + ", ".join(sorted(str(member.value) for member in members.values()))
    if typing.get_origin(kind) is dict or kind is dict:
        return "object"
    return getattr(kind, "__name__", str(kind)).removeprefix("Strict").lower()


def _enum(model: Any, field: str) -> list[str]:  # noqa: ANN401
    """The values that the model's own check allows a field."""
    check = getattr(model, f"{field}_validate_enum", None)
    found = _ENUM.search(inspect.getsource(check)) if check else None
    return re.findall(r"""['"]([^'"]*)['"]""", found[1]) if found else []


def operations() -> dict[str, Any]:
    """Every operation of the SDK by its id."""
    package = importlib.import_module("openapi_client.api")
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for name, kind in vars(importlib.import_module(f"openapi_client.api.{module.name}")).items():
            if inspect.isclass(kind) and name.endswith("Api"):
                found |= {each: method for each, method in vars(kind).items() if inspect.isfunction(method)}
    return found


def main() -> None:
    """Describe the operations named on the command line."""
    there = operations()
    described = {name: describe(there[name]) for name in sys.argv[1:] if name in there}
    json.dump(described, sys.stdout)


if __name__ == "__main__":
    main()
