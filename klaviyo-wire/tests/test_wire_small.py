"""JSON:API lifting, bulk splitting, redaction, authentication."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire import auth, bulk, jsonapi, revisions
from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import ConfigurationError
from klaviyo_wire.redaction import redact


@pytest.mark.parametrize(
    "relationship",
    [
        {},
        {"profile": {"links": {}}},
        {"profile": {"data": None}},
        {"profile": {"data": []}},
        {"profile": []},
        {"profile": None},
        None,
        [],
    ],
)
def test_missing_unloaded_and_empty_relationships_all_mean_none(relationship: Any) -> None:  # noqa: ANN401
    resource = {"type": "event", "id": "e1", "attributes": {"a": 1}, "relationships": relationship}
    assert jsonapi.lift(resource, ["profile"]) == {"id": "e1", "a": 1, "profile_id": None}


def test_lifting_names_relationships_and_keeps_the_id() -> None:
    resource = {
        "type": "x",
        "id": "x1",
        "attributes": {"id": "other"},
        "relationships": {"campaign-message": {"data": {"type": "campaign-message", "id": "m1"}}},
    }
    assert jsonapi.lift(resource, ["campaign-message"]) == {"id": "x1", "campaign_message_id": "m1"}
    assert jsonapi.lift({"type": "x", "id": "x2"}) == {"id": "x2"}
    assert jsonapi.lift({"type": "x", "id": "x3", "attributes": []}) == {"id": "x3"}


@pytest.mark.parametrize("links", [None, {}, {"self": "s"}, {"next": None}, {"next": ""}, []])
def test_no_next_page(links: object) -> None:
    assert jsonapi.next_link({"links": links}) is None


def test_data_of_every_form() -> None:
    assert jsonapi.resources({"data": None}) == []
    assert jsonapi.resources({"data": []}) == []
    assert jsonapi.resources({"data": {"id": "a"}}) == [{"id": "a"}]
    assert jsonapi.resources({}) == []
    assert jsonapi.included({"included": [{"type": "a"}, {"type": "b"}]}, "b") == [{"type": "b"}]
    assert jsonapi.included({}, "b") == []


@given(
    sizes=st.lists(st.integers(1, 40), max_size=80),
    items=st.integers(1, 10),
    room=st.integers(40, 120),
    envelope=st.integers(0, 30),
)
def test_split_loses_nothing_keeps_order_and_is_as_full_as_possible(
    sizes: list[int], items: int, room: int, envelope: int
) -> None:
    limits = bulk.BulkLimits(items=items, request_bytes=room + envelope)
    numbered = list(enumerate(sizes))
    batches = list(bulk.split(numbered, lambda item: item[1], limits, envelope=envelope))
    assert [item for batch in batches for item in batch] == numbered

    def encoded(batch: list[tuple[int, int]]) -> int:
        return envelope + sum(size for _, size in batch) + len(batch) - 1

    following_batches: list[list[tuple[int, int]]] = [*batches[1:], []] if batches else []
    for batch, following in zip(batches, following_batches, strict=True):
        assert batch
        assert len(batch) <= items
        assert encoded(batch) <= limits.request_bytes
        if following:
            assert len(batch) == items or encoded([*batch, following[0]]) > limits.request_bytes


def test_encoding_is_compact_utf8() -> None:
    assert bulk.encode({"a": "é", "b": [1]}) == '{"a":"é","b":[1]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError is one
        bulk.encode({"v": value})


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("key pk_abcdef1234567890 refused", "key pk_*** refused", "abcdef"),
        ("Authorization: Klaviyo-API-Key pk_live_123456", "Authorization", "123456"),
        ("Bearer eyJhbGciOi.x.y", "Bearer", "eyJ"),
        ("api_key_pk_0123456789abcdef0123456789 is no setting", "api_key_pk_***", "0123456789"),
        ("the table dim_pk_customer", "dim_pk_customer", "***"),
        ("at user:hunter2@host now", "at *** now", "hunter2"),
        ("at '//user:hunter2@host/path'", "'//***@host/path'", "hunter2"),
        ("at https:/user:hunter2@host", "https:/***", "hunter2"),
        ("email:ada.lovelace@family.example", "***", "family"),
        ('{"email":"ada@mail.example","at":"10:00:00"}', '{"email":"<email>","at":"10:00:00"}', "ada"),
        ("no profile ada.l+x@shop.example here", "no profile <email> here", "ada"),
        ("filter=equals(email,%22ada%40shop.example%22)", "<email>", "shop"),
        ("number +4512345678 is bad", "number <phone> is bad", "4512345678"),
        ("at 2026-11-20T12:00:00+00:00 id 01M1PA9MBA7VB258TP74BXMQTG", "2026-11-20T12:00:00+00:00", "<"),
    ],
)
def test_redaction(text: str, kept: str, gone: str) -> None:
    assert kept in redact(text)
    assert gone not in redact(text)


def test_the_key_signs_and_does_not_show() -> None:
    key = auth.ApiKey(" pk_secret123\n")
    request = requests.Request("GET", "http://localhost/", auth=key).prepare()
    assert request.headers["Authorization"] == "Klaviyo-API-Key pk_secret123"
    assert "secret" not in repr(key)


@pytest.mark.parametrize("key", ["", "  ", "pk_a b", "pk_é", "pk_a\nX-Other: 1"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        auth.ApiKey(key)
    assert key.strip() == "" or key not in str(caught.value)


@pytest.mark.parametrize("revision", ["", "latest", "2026-7-15", "2026-07-15\r\nX: y", "2026-07-15.PRE"])
def test_a_malformed_revision_is_refused(revision: str) -> None:
    with pytest.raises(ConfigurationError, match="revision"):
        auth.headers(revision, user_agent="t")


def test_a_beta_revision_is_accepted() -> None:
    assert auth.headers("2026-07-15.pre", user_agent="t")["revision"] == "2026-07-15.pre"


def test_json_of_any_depth_round_trips() -> None:
    nested: Any = "x"
    for _ in range(50):
        nested = {"k": [nested]}
    assert json.loads(bulk.encode(nested)) == nested


@pytest.mark.parametrize(
    ("operation", "order"),
    [
        ("get_templates", "id"),
        ("get_forms", "created_at"),
        ("get_campaign_messages@2026-10-15", "created"),
        ("get_metrics", None),
    ],
)
def test_the_steady_order_is_by_what_never_changes(operation: str, order: str | None) -> None:
    assert ENDPOINTS[operation].steady_order == order


DECLARED = {"a": ("x", "2026-07-15"), "b": ("x", "2026-10-15"), "c": ("y", "2026-10-15"), "d": ("z", "")}


@pytest.mark.parametrize(
    ("revision", "kept"),
    [
        ("2026-07-15", "ad"),
        ("2026-07-15.pre", "ad"),
        ("2026-10-14", "ad"),
        ("2026-10-15", "bcd"),
        ("2026-10-15.pre", "bcd"),
        ("2099-01-15", "bcd"),
    ],
)
def test_of_one_name_the_newest_declaration_counts_that_is_not_newer(revision: str, kept: str) -> None:
    found = revisions.newest(DECLARED, revision, name=lambda it: DECLARED[it][0], since=lambda it: DECLARED[it][1])
    assert "".join(found) == kept


@pytest.mark.parametrize(
    ("revision", "said"), [("2026-07-14", "the oldest one supported is 2026-07-15"), ("new", "such as 2026-07-15")]
)
def test_a_revision_before_all_declarations_is_refused(revision: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        revisions.newest(DECLARED, revision, name=lambda it: it, since=lambda it: DECLARED[it][1])
