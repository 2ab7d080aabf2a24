"""The command: what comes in, what goes out, what is told and what never is."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from consent_bits import core, entries, header, vendors

from map_consent_strings.cli import main
from map_consent_strings.mapper import MapConsentStrings
from map_consent_strings.rows import KEY, PROPERTIES, SCHEMA, STREAM

SCHEMA_MESSAGE = {
    "type": "SCHEMA",
    "stream": "strings",
    "schema": {"properties": {"consent_string": {"type": "string"}}},
    "key_properties": [],
}
GIVEN = core(
    purposes=[1, 2, 4],
    features=[1],
    interests=[7],
    consents=vendors([12, 40], as_ranges=False),
    restrictions=[(2, 0, [(12, 12)]), (7, 1, [(1, 900)])],
)
NO_COLUMN = (
    "setting `property`: the stream `strings` of the input has no column `consent_string`; it has {}. "
    "Name the one that holds the strings, or select no other stream"
)
ROWS = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


class Run(NamedTuple):
    """What a run of the command left behind."""

    code: int
    messages: list[dict[str, Any]]
    told: str

    def rows(self) -> list[dict[str, Any]]:
        return [each["record"] for each in self.messages if each["type"] == "RECORD"]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Run]]:
    """Runs the command over lines."""
    handlers = list(logging.root.handlers)

    def run(*lines: object, settings: Mapping[str, object] | None = None) -> Run:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings or {}))
        monkeypatch.setattr(sys, "argv", ["map-consent-strings", "--config", str(config)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(texts) + b"\n")))
        code = main()
        logging.root.handlers = list(handlers)  # the SDK adds one for each run
        out, told = capfd.readouterr()
        assert "Traceback" not in told
        return Run(code, [json.loads(line) for line in out.splitlines()], told)

    yield run
    logging.root.handlers = handlers


def record(text: object, column: str = "consent_string", **more: object) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "strings", "record": {column: text, "events": 3}, **more}


def test_a_string_becomes_a_row(run: Callable[..., Run]) -> None:
    done = run(SCHEMA_MESSAGE, record(GIVEN, time_extracted="2026-11-30T04:05:06+00:00"))
    assert done.code == 0
    announced, told = done.messages
    assert (announced["stream"], announced["key_properties"]) == (STREAM, [KEY])
    assert (told["stream"], told["time_extracted"]) == (STREAM, "2026-11-30T04:05:06Z")
    row = told["record"]
    assert row.pop("decoded_at") > "2026"
    assert row == {
        "string_sha256": hashlib.sha256(GIVEN.encode()).hexdigest(),
        "scheme": "tcf",
        "error": None,
        "version": 2,
        "opted_out": None,
        "sections": None,
        "purposes": ["1", "2", "4"],
        "vendors": ["12", "40"],
        "refused": ["12:2"],
        "legitimate_interest_purposes": ["7"],
        "legitimate_interest_vendors": [],
        "special_features": ["1"],
        "disclosed_vendors": None,
        "restrictions": [
            {"purpose": "2", "type": "not_allowed", "vendors": [[12, 12]]},
            {"purpose": "7", "type": "require_consent", "vendors": [[1, 900]]},
        ],
        "created_at": "2026-11-03T00:00:00+00:00",
        "updated_at": "2026-11-03T00:00:00+00:00",
        "cmp_id": 300,
        "cmp_version": 4,
        "vendor_list_version": 120,
        "policy_version": 5,
        "is_service_specific": True,
        "purpose_one_treatment": False,
        "publisher_country": "DE",
    }


def test_a_string_of_several_schemes(run: Callable[..., Run]) -> None:
    europe_and_california, california, privacy = run(
        SCHEMA_MESSAGE, record(f"{header([2, 8])}~{GIVEN}~BUWmaABA.YA"), record("DBABBg~BUqKpEBA"), record("1YNN")
    ).rows()
    assert (europe_and_california["scheme"], europe_and_california["sections"]) == ("gpp", ["tcfeuv2", "usca"])
    assert europe_and_california["opted_out"] == ["gpc", "sale", "sharing"]
    assert (europe_and_california["purposes"], europe_and_california["version"]) == (["1", "2", "4"], 1)
    assert (california["opted_out"], california["purposes"], california["sections"]) == ([], None, ["usca"])
    assert (privacy["scheme"], privacy["opted_out"], privacy["sections"]) == ("us_privacy", [], None)


def test_one_that_cannot_be_decoded_is_a_row_without_consent(run: Callable[..., Run]) -> None:
    """And neither it nor its neighbours stop the run; nothing of it is told."""
    secret = "CPsecretSECRETsecret"
    done = run(SCHEMA_MESSAGE, record(secret), record("\ud800x"), record(""), record(GIVEN))
    cut, surrogate, empty, sound = done.rows()
    assert done.code == 0
    assert (cut["scheme"], cut["error"]) == ("tcf", "it ends too early")
    assert cut[KEY] == hashlib.sha256(secret.encode()).hexdigest()
    assert {name for name, value in cut.items() if value is not None} == {KEY, "scheme", "error", "decoded_at"}
    assert (
        surrogate["error"]
        == empty["error"]
        == "it is neither a TC string nor a GPP string nor a US Privacy string"
    )
    assert sound["error"] is None
    assert "1 decoded, 3 undecodable" in done.told
    assert secret not in done.told
    assert GIVEN not in done.told


def test_what_is_no_string_is_left_out_and_counted(run: Callable[..., Run]) -> None:
    broken = b'{"type": "RECORD", "stream": "strings", "record": {"consent_string": "C\xff"}}'
    done = run(SCHEMA_MESSAGE, record(None), *[record(5)] * 5, broken, record("1YNN"))
    assert [row["scheme"] for row in done.rows()] == ["us_privacy"]
    assert "1 decoded, 6 unreadable, 1 without a string" in done.told
    assert done.told.count("A record is left out: the value of `consent_string` is no text") == 3


def test_state_is_passed_on_behind_what_it_is_of_and_a_version_is_not(run: Callable[..., Run]) -> None:
    """A table that is read anew has fewer strings: those that are decoded already stay."""
    state = {"type": "STATE", "value": {"bookmarks": {"strings": {"for_account": "AbCdEf"}}}}
    version = {"type": "ACTIVATE_VERSION", "stream": "strings", "version": 1}
    done = run(SCHEMA_MESSAGE, record("1YNN"), state, version, record("1NNN"))
    assert [each["type"] for each in done.messages] == ["SCHEMA", "RECORD", "STATE", "RECORD"]
    assert done.messages[2] == state


def test_another_column(run: Callable[..., Run]) -> None:
    announced = {**SCHEMA_MESSAGE, "schema": {"properties": {"tcf": {"type": "string"}}}}
    assert run(announced, record("1YNN", "tcf"), settings={"property": "tcf"}).rows()[0]["opted_out"] == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [{**SCHEMA_MESSAGE, "schema": {"properties": {"text": {"type": "string"}}}}],
            NO_COLUMN.format("`text`"),
        ),
        (
            [{**SCHEMA_MESSAGE, "schema": {}}],
            NO_COLUMN.format("none"),
        ),
        (
            [SCHEMA_MESSAGE, {"type": "BATCH", "stream": "strings", "encoding": {}, "manifest": []}],
            "BATCH messages are not read; take the setting `batch_config` off the tap",
        ),
        ([b"{"], "line 1 of the input is not JSON (character 3): does the tap print something?"),
    ],
)
def test_what_a_person_can_mend_is_a_line(run: Callable[..., Run], lines: list[object], said: str) -> None:
    done = run(*lines)
    assert (done.code, done.rows()) == (1, [])
    assert [line.split(" | ")[-1] for line in done.told.splitlines() if " | CRITICAL " in line] == [said]


def test_a_wrong_setting_is_a_line(run: Callable[..., Run]) -> None:
    done = run(SCHEMA_MESSAGE, settings={"propety": "tcf"})
    assert done.code == 1
    assert "propety" in done.told.splitlines()[-1]


@settings(max_examples=40)
@given(
    st.text(max_size=30)
    | st.sets(st.integers(1, 24)).map(lambda purposes: core(purposes=purposes))
    | st.sampled_from(
        ["1YNN", "DBAA", "DBABBg~BUqKpEBA", core(restrictions=[(1, 2, [(1, 65_535)])]), f"C{entries([])}"]
    )
)
def test_every_row_is_of_the_schema(text: str) -> None:
    mapper = MapConsentStrings(config={})
    (message,) = mapper.map_record_message(record(text))
    row = message.to_dict()["record"]
    assert [error.message for error in ROWS.iter_errors(row)] == []
    assert [*row] == [each.name for each in PROPERTIES]
    json.dumps(row)
