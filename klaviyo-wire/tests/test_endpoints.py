"""The endpoint table says what Klaviyo's OpenAPI document says."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, Endpoint, Value

Operation = dict[str, Any]


@cache
def _operations(path: Path) -> dict[str, Operation]:
    document = json.loads(path.read_text())
    return {
        operation["operationId"]: {
            **operation,
            "method": method.upper(),
            "path": url,
            "schemas": document["components"]["schemas"],
        }
        for url, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


@pytest.fixture(params=sorted(key for key, entry in ENDPOINTS.items() if entry.revision == DEFAULT_REVISION))
def pair(request: pytest.FixtureRequest, reference: Path) -> tuple[Endpoint, Operation]:
    path = reference / "reference" / "openapi" / "stable-2026-07-15.json"
    return ENDPOINTS[request.param], _operations(path)[request.param]


def _parameter(operation: Operation, name: str) -> dict[str, Any] | None:
    return next((p["schema"] for p in operation["parameters"] if p["name"] == name), None)


def _body_attributes(operation: Operation) -> dict[str, Any]:
    """What the schema of a request's body says of each attribute; nothing without a body."""
    found: dict[str, Any] = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    found = found.get("schema", {})
    for step in ("data", "attributes", None):
        while "$ref" in found:
            found = operation["schemas"][found["$ref"].rpartition("/")[2]]
        found = found.get("properties", {})
        if step is not None:
            found = found.get(step, {})
    return found


def _per_type(operation: Operation, prefix: str) -> dict[str, set[str]]:
    return {
        parameter["name"].removeprefix(prefix)[1:-1]: set(parameter["schema"]["items"]["enum"])
        for parameter in operation["parameters"]
        if parameter["name"].startswith(prefix + "[")
    }


def test_address_and_scopes(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    assert (endpoint.method, endpoint.path) == (operation["method"], operation["path"])
    assert list(endpoint.scopes) == operation["x-klaviyo-scopes"]


def test_limits(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    stated = {name: int(value.split("/")[0]) for name, value in operation["x-klaviyo-ratelimit"].items()}
    limits = endpoint.limits
    assert {"burst": limits.burst, "steady": limits.steady} == {k: stated[k] for k in ("burst", "steady")}
    assert limits.daily == stated.get("daily")


def test_parameters_that_lower_the_limit(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    # The text writes `include=list`; the parameter's own values are plural.
    found = re.findall(
        r"when using the `(\S+)=(\w+)` parameter in your API request:<br>Burst: `(\d+)/s`<br>Steady: `(\d+)/m`",
        operation["description"],
    )
    stated = {
        (name, f"{value}s" if name == "include" else value, int(burst), int(steady))
        for name, value, burst, steady in found
    }
    ours = {(r.parameter, r.value, r.limits.burst, r.limits.steady) for r in endpoint.reductions}
    assert ours == stated


def test_which_answers_have_a_body(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    bodies = [answer.get("content") for status, answer in operation["responses"].items() if status.startswith("2")]
    assert bodies
    assert endpoint.bodiless is not any(bodies)


def test_pages(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    in_query = [name for name in ("page[cursor]", "page_cursor") if _parameter(operation, name) is not None]
    in_body = _body_attributes(operation)
    if not in_query and "page_cursor" not in in_body:
        assert endpoint.page is None
        return
    size = _parameter(operation, "page[size]") or in_body.get("page_size", {})
    assert endpoint.page is not None
    assert (endpoint.page.default, endpoint.page.maximum) == (size.get("default"), size.get("maximum"))
    assert endpoint.page.cursor == (in_query[0] if in_query else None)


def test_filters(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    stated = {}
    for field, contract in (operation.get("x-klaviyo-filters") or {}).items():
        value = contract.get("value", {})
        kind = "datetime" if value.get("format") == "date-time" else value.get("type", Value.NOTHING)
        stated[field] = ({op for ops in contract["operators"].values() for op in ops}, kind)
    assert {f.field: (set(map(str, f.operators)), str(f.value)) for f in endpoint.filters} == stated
    required = any(p["name"] == "filter" and p.get("required") for p in operation["parameters"])
    assert endpoint.filter_required is required


def test_sort_include_and_fieldsets(pair: tuple[Endpoint, Operation]) -> None:
    endpoint, operation = pair
    sort = (_parameter(operation, "sort") or {}).get("enum", [])
    assert set(endpoint.sort) == {name.lstrip("-") for name in sort}
    include = (_parameter(operation, "include") or {}).get("items", {}).get("enum", [])
    assert set(endpoint.include) == set(include)
    assert {k: set(v) for k, v in endpoint.fields.items()} == _per_type(operation, "fields")
    assert {k: set(v) for k, v in endpoint.additional_fields.items()} == _per_type(operation, "additional-fields")


def test_lowest_limit_wins() -> None:
    endpoint = ENDPOINTS["get_profile"]
    assert endpoint.limits_for({}) == endpoint.limits
    assert endpoint.limits_for({"include": "push-tokens"}) == endpoint.limits
    assert endpoint.limits_for({"include": "push-tokens,lists"}).steady == 15
