"""The raw tables that the project expects are those that the taps and the loader make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from transform_project import Project

ON_ENGINES = ["duckdb"]
"""The manifest says the same on every engine."""


def landed(schema: Mapping[str, Any]) -> str:
    """Type of the column that target-duckdb gives a property."""
    return str(pytest.importorskip("target_duckdb.columns").kind_of(schema).value).lower()


def declared(project: Project, source: str) -> dict[str, dict[str, str | None]]:
    return {
        table.name: {column.name: column.data_type for column in table.columns.values()}
        for table in project.manifest.sources.values()
        if table.source_name == source
    }


def check(tables: Mapping[str, Mapping[str, str | None]], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    batched_at = pytest.importorskip("target_duckdb.warehouse").BATCHED_AT
    for table, columns in tables.items():
        properties = {batched_at: {"type": ["string"], "format": "date-time"}, **schemas[table]["properties"]}
        assert columns == {name: landed(properties[name]) for name in columns}, table


def test_klaviyos_raw_tables(project: Project) -> None:
    """Of either model of campaigns: a warehouse may have columns of both."""
    streams_for = pytest.importorskip("tap_klaviyo_engagement.streams").streams_for
    properties: dict[str, dict[str, Any]] = {}
    for stream in (*streams_for("2026-07-15"), *streams_for("2026-10-15")):
        properties.setdefault(stream.name, {}).update(stream.schema["properties"])
    check(declared(project, "klaviyo"), {name: {"properties": found} for name, found in properties.items()})


@pytest.mark.parametrize("source", ["experiments", "forwarding"])
def test_the_definitions_raw_tables(project: Project, source: str) -> None:
    tap = pytest.importorskip(f"tap_{source}.streams")
    defined_at = {"type": ["string"], "format": "date-time"}
    schemas = {
        stream.name: {
            "properties": {
                **{name: p for part in stream.properties for name, p in part.to_dict().items()},
                "defined_at": defined_at,
            }
        }
        for stream in tap.STREAMS
    }
    check({name: columns for name, columns in declared(project, source).items() if name in schemas}, schemas)
    assert len(schemas) <= len(declared(project, source))


@pytest.mark.parametrize(
    ("table", "module", "schema"),
    [
        ("consent_strings", "map_consent_strings.rows", "SCHEMA"),
        ("refused_records", "target_klaviyo_profiles.rejects_tap", "RefusedRecords.schema"),
    ],
)
def test_what_else_forwarding_reads(project: Project, table: str, module: str, schema: str) -> None:
    found: Any = pytest.importorskip(module)
    for name in schema.split("."):
        found = getattr(found, name)
    check({table: declared(project, "forwarding")[table]}, {table: found})
