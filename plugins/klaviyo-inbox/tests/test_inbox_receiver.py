"""The receiver: statuses, bounds, and that nothing which is pushed at it brings it down or opens it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_door import TOKEN, Answer, digest64, door, event, signed, webhook_body
from jsonschema import Draft202012Validator

from klaviyo_inbox.receiver import from_environment
from klaviyo_inbox.records import STREAMS
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.sources import SOURCES
from klaviyo_inbox.store.base import StoreFullError
from klaviyo_inbox.store.sqlite import SqliteStore
from singer_program.errors import ProgramError

AUTH = {"X-Inbox-Token": TOKEN}
FLOW = "/klaviyo/flows/welcome"


def test_what_is_answered_to_whom(tmp_path: Path) -> None:
    with door(tmp_path, max_body_bytes=2_000) as inbox:
        assert inbox.call("/nowhere").status == 404
        assert inbox.call(FLOW, method="GET").status == 405
        assert inbox.call(FLOW, b"{}").status == 401
        assert inbox.call(FLOW, b"{}").headers["www-authenticate"] == "X-Inbox-Token"
        assert inbox.call(FLOW, b"x" * 2_001, AUTH).status == 413
        assert inbox.call(FLOW, [b"x" * 500] * 5, AUTH).status == 413
        assert inbox.call(FLOW, b"", {**AUTH, "Content-Length": "2001"}).status == 413
        assert inbox.call(FLOW, b"x" * 2_000, AUTH).status == 200
        assert inbox.call(FLOW, b"x", {**AUTH, "Content-Encoding": "br"}).status == 415
        assert inbox.call(FLOW, b"x", {**AUTH, "Content-Encoding": "gzip"}).status == 400
        assert inbox.call(FLOW, gzip.compress(b"x" * 2_001), {**AUTH, "Content-Encoding": "gzip"}).status == 413
        body = gzip.compress(b'{"profile_id":"A"}')
        assert inbox.call(FLOW, body[:-1], {**AUTH, "Content-Encoding": "gzip"}).status == 400
        assert inbox.call(FLOW, body, {**AUTH, "Content-Encoding": "gzip"}).json["stored"] == 1


def test_a_source_without_its_secret_is_not_there(tmp_path: Path) -> None:
    with door(tmp_path, flow_token=None) as inbox:
        assert inbox.flow({"profile_id": "A"}).status == 404
        assert inbox.klaviyo(webhook_body(event())).status == 200


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.name)
def test_every_source_is_closed_without_a_secret_and_to_whom_shows_none(source: Any, tmp_path: Path) -> None:  # noqa: ANN401
    [path, *_] = [each.replace("{experiment}", "e") for each in source.paths]
    given = InboxSettings(store=str(tmp_path / "a"))
    assert not given.secrets()[source.setting]
    with door(tmp_path, **{source.setting: ("only-this-one-opens-it",)}) as inbox:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic Og=="}, {source.proof: ""}):
            assert inbox.call(path, b"{}", headers).status == 401


def test_it_does_not_start_without_any_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_INBOX_STORE", str(tmp_path / "inbox.sqlite"))
    with pytest.raises(ProgramError, match="no source is open: set the secret of one at least"):
        from_environment()
    monkeypatch.setenv("KLAVIYO_INBOX_FLOW_TOKEN", "too short")
    with pytest.raises(ProgramError, match="`flow_token` holds a secret of fewer than 16 characters") as error:
        from_environment()
    assert "too short" not in str(error.value)
    monkeypatch.setenv("KLAVIYO_INBOX_FLOW_TOKEN", json.dumps(["x" * 16, "y" * 15]))
    with pytest.raises(ProgramError, match="`flow_token`"):
        from_environment()
    monkeypatch.setenv("KLAVIYO_INBOX_FLOW_TOKEN", json.dumps(["x" * 16, "y" * 16]))
    assert InboxSettings.read("klaviyo-inbox").secrets()["flow_token"] == ("x" * 16, "y" * 16)
    from_environment()


def test_what_cannot_be_kept_is_to_be_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full, and then it is not: nothing was half kept, and nothing is lost."""
    with door(tmp_path) as inbox:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "_size", lambda _: 2**60)
            answer = inbox.flow({"profile_id": "A"})
            assert (answer.status, answer.headers["retry-after"]) == (503, "30")
            assert inbox.call("/healthz", method="GET").status == 503
            assert inbox.call("/metrics", method="GET").status == 200
        assert inbox.call("/healthz", method="GET").json == {"status": "deliveries are taken"}
        assert inbox.records("flow_requests") == []
        assert inbox.flow({"profile_id": "A"}).json["stored"] == 1


def test_a_defect_costs_its_delivery_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with door(tmp_path) as inbox:
        monkeypatch.setattr("klaviyo_inbox.sources.klaviyo_webhooks.moments.read_iso", lambda _: 1 / 0)
        assert inbox.klaviyo(webhook_body(event())).json["put_away"] == 1
        [dead] = inbox.dead_letters()
        assert dead.reason.startswith("a defect of the receiver: ZeroDivisionError in ")


_NAMES = [
    *(
        "data",
        "meta",
        "payload",
        "id",
        "attributes",
        "external_id",
        "profile_id",
        "attrs",
        "line_items",
        "refunds",
    ),
    *("transactions", "amount", "status", "billing", "order_id", "event", "lines", "batch", "type", "userId"),
    *("context", "traits", "sentAt", "timestamp", "email", "channels", "channel", "consent", "kind", "scope"),
]
_TEXTS = st.text() | st.sampled_from(
    ["track", "completed", "placed", "email", "given", "access", "refund", "1e9", "1e99999999", "2026-01-01T00"]
)
BODIES = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES), inner),
    max_leaves=15,
).map(lambda value: json.dumps(value).encode())


def _shown(path: str, body: bytes) -> dict[str, str]:
    """What a sender of a source shows."""
    return {
        **signed(body)[1],
        "X-Inbox-Token": TOKEN,
        "X-Shopify-Hmac-Sha256": digest64(body, TOKEN),
        "X-WC-Webhook-Signature": digest64(body, TOKEN),
        "Authorization": f"Basic {base64.b64encode(TOKEN.encode()).decode()}"
        if "/v1/" in path
        else f"Bearer {TOKEN}",
    }


def test_no_body_is_answered_500(tmp_path: Path) -> None:
    """Whoever shows the secret may send anything: it becomes a record that fits its stream, or is put away."""
    given_secrets = {each.setting: (TOKEN,) for each in SOURCES if each.setting != "klaviyo_webhook_secrets"}
    paths = [path.replace("{experiment}", "e") for each in SOURCES for path in each.paths]
    with door(tmp_path, **given_secrets) as inbox:

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(BODIES)
        def anything(body: bytes) -> None:
            async def all_of_them() -> list[Answer]:
                return await asyncio.gather(*(inbox.send(path, body, _shown(path, body)) for path in paths))

            for answer in inbox.runner.run(all_of_them()):
                assert answer.status == 200

        anything()
        assert not [each.reason for each in inbox.dead_letters() if "defect" in each.reason]
        for name, stream in STREAMS.items():
            schema = {**stream.json_schema(), "required": list(stream.keys)}
            for record in inbox.records(name):
                Draft202012Validator(schema).validate(json.loads(json.dumps(record, default=float)))


def test_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with door(tmp_path) as inbox:
            inbox.flow({"profile_id": "A"})
            assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
            assert len(list(tmp_path.iterdir())) == 3
    finally:
        os.umask(before)


def test_no_log_nor_metric_tells_what_is_in_a_delivery(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with door(tmp_path) as inbox:
        for answer in (
            inbox.flow(b'{"profile_id": "ada@example.com", "attrs": "ada@example.com"}'),
            inbox.flow(b"ada@example.com", token="ada@example.com-guesses"),
            inbox.klaviyo(webhook_body(event("ada@example.com", timestamp="ada@example.com", datetime=None))),
            inbox.call("/klaviyo/webhooks", *signed({"meta": {}, "data": ["ada@example.com"]})),
        ):
            assert b"ada@example.com" not in answer.body
        told = inbox.call("/metrics", method="GET").body.decode()
        reasons = [each.reason for each in inbox.dead_letters()]
    assert 'klaviyo_inbox_answers_total{source="flows",status="401"} 1.0' in told
    assert "klaviyo_inbox_dead_letters 3.0" in told
    logged = [str(vars(each)) for each in caplog.records]
    assert not [each for each in [told, *reasons, *logged] if "ada@example.com" in each]
    assert len(reasons) == 3


def test_the_store_is_closed_with_the_receiver(tmp_path: Path) -> None:
    with door(tmp_path) as inbox:
        inbox.flow({"profile_id": "A"})
    assert [each.name for each in tmp_path.iterdir()] == ["inbox.sqlite"]


def test_a_store_that_is_full_says_so_in_a_sentence(tmp_path: Path) -> None:
    store = SqliteStore.opened(str(tmp_path / "inbox.sqlite"), 1)
    with pytest.raises(StoreFullError, match="has reached `max_store_bytes`"):
        store.append([])
    store.close()
