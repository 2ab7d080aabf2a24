"""The SDK's standard target tests, and the situations of those that name streams of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import (
    TargetArrayData,
    TargetCamelcaseComplexSchema,
    TargetCamelcaseTest,
    TargetCliPrintsTest,
    TargetDuplicateRecords,
    TargetEncodedStringData,
    TargetInvalidSchemaTest,
    TargetNoPrimaryKeys,
    TargetOptionalAttributes,
    TargetPrimaryKeyUpdates,
    TargetRecordBeforeSchemaTest,
    TargetRecordMissingKeyProperty,
    TargetRecordMissingOptionalFields,
    TargetSchemaNoProperties,
    TargetSchemaUpdates,
    TargetSpecialCharsInAttributes,
)

from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
DATA_FILES = Path(__file__).parent / "data_files"

APPLICABLE = [TargetCliPrintsTest, TargetInvalidSchemaTest, TargetRecordBeforeSchemaTest]

# These send streams and fields of their own, which this target refuses by design: an unknown stream or field is a
# mistake, not data. Their situations are replayed under our names, from the file given.
REPLAYED = {
    TargetArrayData: "array_data",
    TargetCamelcaseComplexSchema: "camelcase_complex_schema",
    TargetCamelcaseTest: "camelcase",
    TargetDuplicateRecords: "duplicate_records",
    TargetEncodedStringData: "encoded_string_data",
    TargetNoPrimaryKeys: "no_primary_keys",
    TargetOptionalAttributes: "optional_attributes",
    TargetPrimaryKeyUpdates: "primary_key_updates",
    # The SDK's expects the run to end. Here a record without its key is refused by itself.
    TargetRecordMissingKeyProperty: "record_missing_key_property",
    TargetRecordMissingOptionalFields: "record_missing_fields",
    TargetSchemaNoProperties: "schema_no_properties",
    TargetSchemaUpdates: "schema_updates",
    TargetSpecialCharsInAttributes: "special_chars_in_attributes",
}

TestTargetKlaviyoProfiles = get_target_test_class(
    TargetKlaviyoProfiles,
    config={"api_key": "pk_0123456789abcdef0123456789"},
    custom_suites=[SingerTestSuite(kind="target", tests=APPLICABLE)],
    suite_config=SuiteConfig(),
    include_target_tests=False,
)


def test_every_standard_test_is_run_or_replayed() -> None:
    assert {*APPLICABLE, *REPLAYED} == set(target_tests.tests)
    assert all((DATA_FILES / f"{name}.singer").is_file() for name in REPLAYED.values())


# By file: records accepted, and what the account holds of each external id; then what differs from the rule that
# nothing is refused and the last STATE is emitted.
SITUATIONS: dict[str, tuple[int, dict[str, Json], Json]] = {
    "activate_version": (1, {"1": {"title": "a"}}, {}),
    "array_data": (
        3,
        {
            "1": {"properties": {"fruits": ["apple", "orange", "pear"]}},
            "2": {"properties": {}},
            "3": {"properties": {"fruits": ["pear"], "empty": []}},
        },
        {"combined": 1},
    ),
    "camelcase": (
        2,
        {"1": {"properties": {"clientName": "Gitter Windows Desktop App", "Id": "1"}}},
        {},
    ),
    "camelcase_complex_schema": (
        1,
        {
            "1": {
                "first_name": "2024-01-01T00:00:00Z",
                "properties": {"IsDeleted": False, "CreatedDate": "2024-01-01T00:00:00.000000Z"},
            }
        },
        {},
    ),
    "duplicate_records": (
        2,
        {"1": {"properties": {"metric": 100}}, "2": {"properties": {"metric": 20}}},
        {"combined": 3},
    ),
    "encoded_string_data": (
        10,
        {
            "5": {"properties": {"info": 'quoted "string"'}},
            "6": {"properties": {"info": 'various " \\ / \n escape sequences'}},
            "9": {"properties": {"info": "\u2028\u0000\ufeff"}},
            "10": {"properties": {"info": "Ünï 🎁"}},
        },
        {},
    ),
    "interleaved_streams": (1, {"1": {"title": "c"}}, {"combined": 2}),
    "malformed_rows": (
        2,
        {"1": {"properties": {"ok": 1}}, "2": {"properties": {"ok": 2}}},
        {
            "rejected": {
                "invalid_email": 1,
                "invalid_phone_number": 1,
                "no_identifier": 1,
                "invalid_value": 1,
                "contradiction": 1,
                "unknown_field": 1,
                "too_large": 1,
                "not_found": 1,
            }
        },
    ),
    "metadata_columns": (1, {"1": {"title": "a"}}, {}),
    "multiple_state_messages": (3, {"3": {"title": "a"}}, {}),
    "no_primary_keys": (3, {"3": {"properties": {"metric": 33}}}, {}),
    "no_records": (0, {}, {}),
    "nulls_everywhere": (
        2,
        {
            "1": {"title": "kept", "properties": {"kept": 1, "deep": {}}, "location": {"city": "Oslo"}},
            "2": {"title": None},
        },
        {"combined": 1},
    ),
    "optional_attributes": (4, {"2": {"title": None}, "3": {"title": "Also optional"}, "4": {"title": None}}, {}),
    "primary_key_updates": (3, {"1": {"email": None}, "2": {"email": None}}, {"combined": 1}),
    "record_missing_fields": (2, {"1": {"title": "now you see me"}, "2": {"title": None}}, {}),
    "record_missing_key_property": (1, {"1": {"title": "8215"}}, {"rejected": {"no_identifier": 1}}),
    "schema_no_properties": (
        1,
        {"1": {"properties": {"anything": {"goes": 1}}, "location": {"city": "Oslo"}}},
        {},
    ),
    "schema_updates": (
        2,
        {
            "1": {
                "title": "string3",
                "properties": {"a3": False, "a4": {"id": 1, "value": 1}},
                "location": {"city": "Oslo"},
            },
            "2": {"title": "string4", "properties": {"a3": True}},
        },
        {"combined": 2},
    ),
    "special_chars_in_attributes": (
        1,
        {
            "a2e98886": {
                "properties": {"agent:os:version": "10.13.1", "a.b": 1, "$c": 2, "d e": 3, "{{ f }}": 4, "ключ": 5}
            }
        },
        {},
    ),
    "stream_with_integer_ids": (
        2,
        {"1": {"title": "2"}, "12345678901234567890": {"properties": {"n": 1}}},
        {},
    ),
}


def test_every_situation_has_a_file_and_every_file_a_situation() -> None:
    assert {path.stem for path in DATA_FILES.glob("*.singer")} == SITUATIONS.keys()


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str, sandbox: Sandbox, load: Callable[..., Any]) -> None:
    accepted, held, expected = SITUATIONS[name]
    lines = (DATA_FILES / f"{name}.singer").read_text(encoding="utf-8").strip().split("\n")
    run = load(lines)
    assert run.error is None
    tally = run.tallies["profiles"]
    assert tally.accepted == accepted
    assert tally.combined == expected.get("combined", 0)
    assert dict(tally.rejected) == expected.get("rejected", {})
    assert len(run.rejects) == tally.rejected.total()
    assert run.states[-1:] == [_last_state(lines)]
    for external_id, fields in held.items():
        profile = sandbox.store.profile_by("external_id", external_id)
        assert profile is not None
        assert {field: getattr(profile, field) for field in fields} == fields
    assert not any(sandbox.imports.stats.values())


def _last_state(lines: list[str]) -> Any:  # noqa: ANN401 - any JSON
    return [message["value"] for message in map(json.loads, lines) if message["type"] == "STATE"][-1]
