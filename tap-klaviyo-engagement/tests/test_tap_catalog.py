"""The catalog: a change of a schema is a change of a file that someone reviews."""

from __future__ import annotations

import ast
import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS
from tap_klaviyo_engagement import streams
from tap_klaviyo_engagement.streams import STREAMS, SWITCHED, revision_of, streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

if TYPE_CHECKING:
    from tap_klaviyo_engagement.client import KlaviyoStream

SNAPSHOT = Path(__file__).parent / "snapshots" / "catalog.json"
BASES = ("client", "stream_kinds", "streams")
"""What a stream may be built on."""
EVERYTHING = {
    "api_key": "pk_test_0123456789",
    "include_subscriptions": True,
    "include_predictive_analytics": True,
}


def test_the_catalog_is_as_reviewed() -> None:
    """README, "Development", has the command that renews the snapshot."""
    catalog = json.loads(TapKlaviyoEngagement(config=EVERYTHING).catalog_json_text)
    assert catalog == json.loads(SNAPSHOT.read_text())


def test_discovery_needs_no_key_and_no_network() -> None:
    tap = TapKlaviyoEngagement(validate_config=False)
    expected = [stream.name for stream in streams_for(DEFAULT_REVISION) if stream not in SWITCHED]
    assert list(tap.streams) == expected
    assert "subscriptions" not in tap.streams["profiles"].schema["properties"]


@pytest.mark.parametrize(
    "stream", STREAMS, ids=lambda stream: f"{stream.__module__.rpartition('.')[2]}.{stream.__name__}"
)
def test_every_stream_and_column_is_described(stream: type[KlaviyoStream]) -> None:
    assert stream.__doc__
    config = EVERYTHING | {"revision": revision_of(stream) or DEFAULT_REVISION}
    schema = TapKlaviyoEngagement(config=config).streams[stream.name].schema
    assert all(column.get("description") for column in schema["properties"].values())
    assert set(stream.primary_keys) <= set(schema["required"])
    assert stream.replication_key is None or stream.replication_key in schema["properties"]


def test_streams_are_declarations() -> None:
    """They know the SDK's types and their base: no HTTP, no clock, no other package."""
    own = {f"tap_klaviyo_engagement.{module}" for module in BASES}
    for file in Path(streams.__file__).parent.glob("[!_]*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                pytest.fail(f"{file.name} imports {node.names[0].name}")
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {name.name for name in node.names}
                assert (
                    node.module.startswith(tuple(own))
                    or (node.module == "singer_sdk" and names == {"typing"})
                    or (node.module == "singer_sdk.helpers.types" and names == {"Context"})
                    or node.module
                    in {"__future__", "collections", "collections.abc", "datetime", "functools", "typing"}
                    or (node.module == "typing_extensions" and names == {"override"})
                ), f"{file.name} imports {node.module}"


def test_every_listing_of_klaviyo_is_read_or_left_out_with_a_reason(reference: Path) -> None:
    """README, below the comparison: what no stream reads, by address."""
    document = json.loads((reference / "reference" / "openapi" / "stable-2026-07-15.json").read_text())
    listings = {url for url, methods in document["paths"].items() if _lists(methods.get("get"), document)}
    read = {ENDPOINTS[each].path for stream in STREAMS for each in (stream.operation, stream.parent) if each}
    # Ids alone are covered where what they are of is.
    whole = {url for url in listings if url.replace("/relationships/", "/") not in listings - {url}}
    unread = {url for url in whole if url not in read}
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    table = readme.partition("<!-- unread -->")[2].partition("<!-- /unread -->")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    patterns = [pattern for row in rows for pattern in re.findall(r"`(/[^`]+)`", row[1])]
    assert all(row[2].strip() for row in rows)
    assert {url for url in unread if not any(fnmatch(url, each) for each in patterns)} == set()
    assert [each for each in patterns if not any(fnmatch(url, each) for url in unread)] == []


def _lists(operation: dict[str, Any] | None, document: dict[str, Any]) -> bool:
    """Whether an operation answers several resources."""
    (body,) = (operation or {}).get("responses", {}).get("200", {}).get("content", {"": {}}).values()
    found = body.get("schema", {})
    for step in ("data", None):
        while "$ref" in found:
            found = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
        found = found.get("properties", {}).get(step, {}) if step else found
    return bool(found.get("type") == "array")
