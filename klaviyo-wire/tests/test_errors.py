from __future__ import annotations

import json
from pathlib import Path

import pytest

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import (
    ConfigurationError,
    CursorExpired,
    KlaviyoError,
    MissingScope,
    NotFound,
    Refused,
    Retriable,
    classify,
    problems_of,
)

EVENTS = ENDPOINTS["get_events"]


def _document(code: str, detail: str = "Because.", **source: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "title": "T", "detail": detail, "source": source}]}).encode()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert classify(EVENTS, status, {}, b"") is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, _document("authentication_failed"), ConfigurationError, "api_key"),
        (400, _document("not_authenticated"), ConfigurationError, "api_key"),
        (403, _document("permission_denied"), MissingScope, "`events:read`"),
        (403, b"<html>challenge</html>", Retriable, "403"),
        (404, _document("not_found"), NotFound, "Because."),
        (400, _document("invalid"), Refused, "Because."),
        (400, _document("invalid", parameter="page[cursor]"), CursorExpired, "cursor"),
        (410, b"", ConfigurationError, "revision"),
        (
            400,
            _document("invalid", "'2026-07-16' is not a revision.", pointer="/data/"),
            ConfigurationError,
            "`revision`",
        ),
        (404, _document("not_found", "No valid revision was found."), ConfigurationError, "`revision`"),
        (
            400,
            _document("invalid", "'revision' is not valid.", pointer="/data/attributes/revision"),
            Refused,
            "valid",
        ),
        (302, b"", ConfigurationError, "api_url"),
        (413, b"<html>", Refused, "no reason given"),
        (429, b"", Retriable, "429"),
        (500, b"<html>", Retriable, "500"),
        (524, b"", Retriable, "524"),
    ],
)
def test_errors_are_grouped_by_recovery(status: int, body: bytes, kind: type[KlaviyoError], said: str) -> None:
    fault = classify(EVENTS, status, {}, body)
    assert type(fault) is kind
    assert said in str(fault)


@pytest.mark.parametrize(("header", "wait"), [("40", 40.0), ("-3", 0.0), ("soon", None), (None, None)])
def test_retry_after(header: str | None, wait: float | None) -> None:
    fault = classify(EVENTS, 429, {"Retry-After": header} if header else {}, b"")
    assert isinstance(fault, Retriable)
    assert (fault.retry_after, fault.throttled) == (wait, True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"errors": 3}',
        b'{"errors": [3]}',
        b'{"errors": null}',
        b"\xff\xfe",
        b'{"errors": [[]]}',
    ],
)
def test_a_malformed_error_document_never_hides_the_error(body: bytes) -> None:
    assert problems_of(body) == ()


def test_an_error_never_repeats_personal_data() -> None:
    fault = classify(EVENTS, 400, {}, _document("invalid", "ada@shop.example is not a valid email"))
    assert "ada" not in str(fault)


def test_every_recorded_error_is_understood(reference: Path) -> None:
    seen = 0
    for path in sorted((reference / "reference" / "recorded").glob("*.[45]*.json")):
        recorded = json.loads(path.read_text())["response"]
        body = json.dumps(recorded["body"]).encode()
        fault = classify(EVENTS, recorded["status"], recorded["headers"], body)
        assert fault is not None
        assert problems_of(body), path.name
        assert isinstance(fault, Retriable) is (recorded["status"] in {429, 500}), path.name
        seen += 1
    assert seen > 20
