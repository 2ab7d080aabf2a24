"""A state of another shape is told in a sentence, by the run or by its stream; never in a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox import Sandbox
from klaviyo_wire.errors import ConfigurationError
from singer_program.state import fault_of
from tap_klaviyo_engagement.errors import StreamFault
from tap_klaviyo_engagement.state.emitted_ids import EmittedIds
from tap_klaviyo_engagement.state.shapes import texts, texts_by_name
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("state", [None, {}, {"bookmarks": {}}, {"bookmarks": {"events": {}}}, {"other": 1}])
def test_a_state_may_say_little(state: Json | None) -> None:
    assert fault_of(state) is None


@pytest.mark.parametrize(
    ("bookmarks", "said"),
    [
        (None, "are null and no object"),
        ([], "are a list and no object"),
        ("secret", "are a text and no object"),
        ({"events": None}, "`events` is null"),
        ({"events": "secret", "lists": 7}, "`events` is a text, `lists` is a number"),
        ({"events": {"partitions": None}}, "stream `events` has null as `partitions`, and no list"),
        (
            {"lists": {"progress_markers": "secret"}},
            "stream `lists` has a text as `progress_markers`, and no object",
        ),
        ({"lists": {"progress_markers": None}}, "stream `lists` has null as `progress_markers`"),
        ({"other": {"partitions": {"secret": 1}}}, "stream `other` has an object as `partitions`"),
        ({"lists": {"partitions": ["secret"]}}, "has a text among its `partitions`"),
        ({"lists": {"partitions": [{}]}}, "has null as `context` of a partition"),
        (
            {"lists": {"partitions": [{"context": {}, "progress_markers": []}]}},
            "has a list as `progress_markers` of a partition",
        ),
    ],
)
def test_a_state_of_another_shape_ends_the_run(bookmarks: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        TapKlaviyoEngagement.configured(None, {"bookmarks": bookmarks})
    assert said in str(refusal.value)
    assert "none to read everything anew" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@given(ANY)
def test_any_value_is_read_or_told(value: Any) -> None:  # noqa: ANN401 - any JSON
    for read in (texts, texts_by_name):
        try:
            found = read({"x": value}, "x")
        except StreamFault as fault:
            assert "of this stream" in str(fault)  # noqa: PT017
        else:
            assert not found or found == value
    EmittedIds.load(value)


KEYS_OF_THE_SDK = st.sampled_from(["progress_markers", "partitions", "context", "replication_key_signpost"])
NEAR = st.recursive(ANY, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS_OF_THE_SDK, inner))


@given(st.dictionaries(KEYS_OF_THE_SDK, NEAR))
def test_what_the_sdk_cannot_clean_is_told_before(kept: Json) -> None:
    tap = TapKlaviyoEngagement(config={"api_key": "pk_x"})
    if fault_of({"bookmarks": {"events": kept}}) is None:
        tap.load_state({"bookmarks": {"events": kept}})
        tap._reset_state_progress_markers()  # the SDK does, when a run begins
        assert all("context" in each for each in kept.get("partitions", []))


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(profiles=5, events=20, segments=1, seed=1) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("name", "value", "comes"),
    [
        ("metrics_named", "Opened Email", "fails"),
        ("metrics_named", ["Opened Email"], "fails"),
        ("metrics_named", {"Opened Email": "AbCdEf"}, "fails"),
        ("metrics_named", {"Opened Email": ["AbCdEf"]}, "is read"),
        ("metrics_named", None, "is read"),
        ("metrics_read", "AbCdEf", "fails"),
        ("metrics_read", [7], "fails"),
        ("metrics_read", None, "is read"),
        ("replication_key_value", {"a": 1}, "fails"),
        ("replication_key_value", "soon", "fails"),
        ("replication_key", 7, "is read"),
    ],
)
def test_a_stream_tells_what_it_cannot_read(
    name: str, value: object, comes: str, account: Sandbox, run_tap: RunTap
) -> None:
    """And never takes a text for the list that it looks like."""
    config = {"api_key": account.api_key, "api_url": account.url, "metrics": ["Opened Email"]}
    kept = {"replication_key": "datetime", "replication_key_value": "2026-01-01T00:00:00Z", name: value}
    found = run_tap(config, ["events"], state={"bookmarks": {"events": kept}})
    assert found.failed == (["events"] if comes == "fails" else [])
