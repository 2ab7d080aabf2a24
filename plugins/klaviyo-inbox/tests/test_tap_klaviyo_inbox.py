"""The tap: every record once, by number, whatever became of the store between two runs."""

from __future__ import annotations

import atexit
import base64
import json
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from inbox_door import NOW, TOKEN, Json, door, event, webhook_body
from jsonschema import Draft202012Validator
from singer_sdk.testing import get_tap_test_class

from klaviyo_inbox.store import open_for_reading, open_store
from klaviyo_inbox.tap import TapKlaviyoInbox, main
from singer_program.identifiers import compared
from singer_program.people_list import line_of

FOLDER = tempfile.TemporaryDirectory()  # the standard suite opens the store when tests are collected
atexit.register(FOLDER.cleanup)
TOKENS = dict.fromkeys(("order_token", "form_token", "privacy_token", "write_keys"), (TOKEN,))
PERSON = {"email": "ada@example.com", "phone_number": "+441632960961", "external_id": "7", "profile_id": "A"}
NOON = "2026-09-04T12:00:00Z"
POSTED: dict[str, Json] = {
    "/shop/orders": {
        **PERSON,
        "order_id": "1",
        "event": "placed",
        "value": 9.5,
        "currency": "EUR",
        "lines": [{}],
        "customer": {},
        "details": {},
    },
    "/v1/track": {"userId": "A", "anonymousId": "B", "event": "E", "properties": {}, "timestamp": NOON},
    "/consent": {
        **PERSON,
        "channels": {"email": "given"},
        **dict.fromkeys(("source", "method", "list_id"), "x"),
        **{name: {"a": 1} for name in ("proof", "contact", "properties")},
    },
    "/privacy": {**PERSON, "kind": "access", "jurisdiction": "EU", "verified_at": NOON, "scope": {"a": 1}},
}
with door(Path(FOLDER.name), **TOKENS) as filled:
    filled.klaviyo(webhook_body(event("E1"), event("E2")))
    filled.flow({"profile_id": "A", "request_id": "1", "tracking_id": "T", "attrs": {}, "fields": {}})
    for path, body in POSTED.items():
        basic = base64.b64encode(TOKEN.encode()).decode()
        shown = f"Basic {basic}" if path == "/v1/track" else f"Bearer {TOKEN}"
        assert filled.call(path, json.dumps(body).encode(), {"Authorization": shown}).json["stored"] == 1

TestTapKlaviyoInbox = get_tap_test_class(
    TapKlaviyoInbox, config={"store": str(Path(FOLDER.name) / "inbox.sqlite")}
)


class Runs:
    """Runs of the tap that go on from each other's state."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._capsys = capsys
        self._patch = monkeypatch
        self.state: Json | None = None
        self.settings: Json = {}
        self.status = 0
        self.said = ""

    def run(self, *arguments: str) -> list[Json]:
        """The records, each checked against its schema."""
        config, state = self._folder / "config.json", self._folder / "state.json"
        config.write_text(json.dumps({"store": str(self._folder / "inbox.sqlite"), **self.settings}))
        state.write_text(json.dumps(self.state or {}))
        self._patch.setattr("sys.argv", ["tap", "--config", str(config), "--state", str(state), *arguments])
        self.status = main()
        out, self.said = self._capsys.readouterr()
        messages = [json.loads(line) for line in out.splitlines()]
        schemas = {each["stream"]: each["schema"] for each in messages if each["type"] == "SCHEMA"}
        records = [each for each in messages if each["type"] == "RECORD"]
        for each in records:
            Draft202012Validator(schemas[each["stream"]]).validate(each["record"])
        if states := [each["value"] for each in messages if each["type"] == "STATE"]:
            self.state = states[-1]
        return [each["record"] for each in records]


@pytest.fixture
def runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path, capsys, monkeypatch)


def ids(records: list[Json]) -> list[Any]:
    return [each.get("id") or each["request_id"] for each in records]


def bookmarks(runs: Runs) -> Json:
    assert runs.state is not None
    found: Json = runs.state["bookmarks"]
    return found


def bookmark(runs: Runs) -> Json:
    found: Json = bookmarks(runs)["pushed_events"]
    return found


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"replication_key_value": "secret"}, "the state has a text as a bookmark, and no whole number: give"),
        ({"replication_key_value": {"secret": 1}}, "the state has an object as a bookmark"),
        ({"replication_key_value": True}, "the state has a boolean as a bookmark"),
        ({"partitions": None}, "the state of the stream `pushed_events` has null as `partitions`, and no list"),
        ({"progress_markers": "secret"}, "has a text as `progress_markers`, and no object"),
    ],
)
def test_a_state_of_another_shape_is_a_line(tmp_path: Path, runs: Runs, odd: Json, said: str) -> None:
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E1")))
        runs.run()
        bookmark(runs).update(odd)
        assert runs.run() == []
    assert runs.status == 1
    assert said in runs.said.splitlines()[-1]
    assert "secret" not in runs.said
    assert "Traceback" not in runs.said


def test_a_run_reads_what_came_since_the_one_before(tmp_path: Path, runs: Runs) -> None:
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E1"), event("E2")))
        first = runs.run()
        assert ids(first) == ["E1", "E2"]
        assert [(each["_seq"], each["received_at"]) for each in first] == [
            (1, "2026-09-04T13:20:00+00:00"),
            (2, "2026-09-04T13:20:00+00:00"),
        ]
        assert runs.run() == []
        inbox.flow({"profile_id": "A", "request_id": "1"})
        inbox.klaviyo(webhook_body(event("E1"), event("E3")))
        assert ids(runs.run()) == ["welcome:1", "E3"]
        assert runs.run() == []
        newest = open_for_reading(str(tmp_path / "inbox.sqlite")).state().newest
        assert {each["replication_key_value"] for each in bookmarks(runs).values()} == {newest}
        assert bookmark(runs)["extraction"]["run"] == 4
        runs.state = None
        assert ids(runs.run()) == ["welcome:1", "E1", "E2", "E3"]


@pytest.mark.parametrize("how", ["made anew", "put back"])
def test_a_store_whose_numbers_are_others_is_read_whole(how: str, tmp_path: Path, runs: Runs) -> None:
    """A bookmark of the store before would pass over what came since."""
    path = tmp_path / "inbox.sqlite"
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E1")))
    before = path.read_bytes()
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E2"), event("E3")))
    runs.run()
    for each in tmp_path.glob("inbox.sqlite*"):
        each.unlink()
    if how == "put back":
        path.write_bytes(before)
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E4")))
    assert ids(runs.run()) == (["E4"] if how == "made anew" else ["E1", "E4"])
    assert bookmark(runs)["extraction"]["run"] == 1
    assert runs.run() == []


def test_records_that_were_removed_before_they_were_read_are_told(tmp_path: Path, runs: Runs) -> None:
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E1")))
        runs.run()
        inbox.klaviyo(webhook_body(event("E2"), event("E3")))
    with closing(open_for_reading(str(tmp_path / "inbox.sqlite"))) as store:
        store.prune(NOW + timedelta(days=1), 9)
    assert runs.run() == []
    assert (
        "up to number 3 was removed by the receiver's `retention_days`, and runs before had read up to 1"
        in runs.said
    )
    assert runs.run() == []
    assert "was removed" not in runs.said, "it was told"


def test_a_run_ends_with_what_was_there_when_it_began(tmp_path: Path, runs: Runs, monkeypatch: Any) -> None:  # noqa: ANN401
    """What comes meanwhile is of the next one."""
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event("E1")))
        state = open_for_reading(str(tmp_path / "inbox.sqlite")).state()
        inbox.klaviyo(webhook_body(event("E2")))
        with monkeypatch.context() as patch:
            patch.setattr(TapKlaviyoInbox, "held", state)
            assert ids(runs.run()) == ["E1"]
        assert ids(runs.run()) == ["E2"]


def test_a_missing_store_is_one_line(runs: Runs) -> None:
    assert runs.run() == []
    assert runs.status == 1
    assert "`klaviyo-inbox serve` writes, or start that first" in runs.said


def test_the_tap_can_read_a_store_that_no_receiver_has_open(tmp_path: Path, runs: Runs) -> None:
    open_store(str(tmp_path / "inbox.sqlite"), 10**9).close()
    assert runs.run() == []
    assert runs.status == 0


def test_what_was_kept_of_who_was_forgotten_since_is_not_passed_on(tmp_path: Path, runs: Runs) -> None:
    """But what they say themselves; and the bookmark goes past it, so that it comes no more."""
    key, path = "a key that no test would guess, of 32", tmp_path / "forgotten.txt"
    people = [compared("external_id", "A"), compared("email", PERSON["email"])]
    path.write_text("".join(f"{line_of(key, each)}\n" for each in people))
    basic = {"Authorization": f"Basic {base64.b64encode(TOKEN.encode()).decode()}"}
    with door(tmp_path, **TOKENS) as inbox:
        for user in ("A", "B"):
            call: Json = {"userId": user, "event": "E", "properties": {}, "timestamp": NOON, "messageId": user}
            assert inbox.call("/v1/track", json.dumps(call).encode(), basic).json["stored"] == 1
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        for place in ("/shop/orders", "/consent", "/privacy"):
            assert inbox.call(place, json.dumps(POSTED[place]).encode(), bearer).json["stored"] == 1
        runs.settings = {"forgotten_path": str(path)}
        assert runs.run() == []
        assert runs.status == 1
        assert "`forgotten_key`" in runs.said
        runs.settings = {"forgotten_path": str(path), "forgotten_key": key}
        told = runs.run()
        names = ("user_id", "statement_id", "kind", "order_id")
        assert sorted(name for name in names for row in told if name in row) == ["kind", "statement_id", "user_id"]
        assert [row["user_id"] for row in told if "user_id" in row] == ["B"]
        assert "1 records are of people who asked to be forgotten" in runs.said
        runs.settings = {}
        assert runs.run() == []
