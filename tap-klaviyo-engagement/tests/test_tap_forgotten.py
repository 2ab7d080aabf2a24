"""Who asked to be forgotten does not come into the warehouse again, whatever Klaviyo still holds of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_wire.errors import ConfigurationError
from singer_program.identifiers import compared
from singer_program.people_list import line_of
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
KEY = "a key that no test would guess, of 32"
STREAMS = ("profiles", "profile_ids", "events", "list_memberships", "membership_snapshots")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=60, events=600, rate_limits="off") as held:
        yield held


@pytest.fixture
def read(sandbox: Sandbox, run_tap: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, list[Json]]]:
    def read(*forgotten: tuple[str, str], **settings: object) -> dict[str, list[Json]]:
        path = tmp_path / "forgotten.txt"
        path.write_text("".join(f"{line_of(KEY, compared(*each))}\n" for each in forgotten))
        given = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        listed = {"forgotten_path": str(path), "forgotten_key": KEY}
        output = run_tap({**given, **listed, **settings}, select=STREAMS)
        records: dict[str, list[Json]] = output.records
        return records

    return read


def _people(rows: list[Json], column: str) -> set[str]:
    return {row[column] for row in rows}


@pytest.mark.parametrize(
    "settings", [{}, {"flattening_enabled": True, "flattening_max_depth": 1}], ids=["", "sdk"]
)
def test_nothing_of_them_is_passed_on_but_ids_that_are_counted(
    sandbox: Sandbox, read: Callable[..., dict[str, list[Json]]], settings: Json
) -> None:
    """By whatever they are known; the SDK's own way of emitting leaves them out as well."""
    members = {row[0] for row in sandbox.store.read("select profile_id from members")}
    rows = sandbox.store.profiles([row[0] for row in sandbox.store.read("select id from profiles order by id")])
    by_id = next(each for each in rows if each.id in members)
    by_email = next(each for each in rows if each.email and each is not by_id)
    whole = read(**settings)
    left = read(("id", by_id.id), ("email", f" {by_email.email}".upper()), ("id", by_email.id), **settings)
    gone = {by_id.id, by_email.id}
    assert _people(whole["profiles"], "id") - _people(left["profiles"], "id") == gone
    assert len(left["profiles"]) == len(whole["profiles"]) - 2
    expected = [row for row in whole["events"] if row["profile_id"] not in gone]
    assert sorted(row["id"] for row in left["events"]) == sorted(row["id"] for row in expected)
    assert len(expected) < len(whole["events"])
    for stream in ("profile_ids", "list_memberships"):
        assert len(left[stream]) == len(whole[stream])
    counts = [
        sorted((row["group_id"], row["member_count"]) for row in each["membership_snapshots"])
        for each in (whole, left)
    ]
    assert counts[0] == counts[1]


def test_who_mentions_them_is_somebody_else(sandbox: Sandbox, read: Callable[..., dict[str, list[Json]]]) -> None:
    ids = [row[0] for row in sandbox.store.read("select id from profiles where email <> '' order by id")]
    friend, named = sandbox.store.profiles(ids[:2])
    ((attributes,),) = sandbox.store.read("select attributes from profiles where id = ?", [friend.id])
    changed = json.dumps({**json.loads(attributes), "properties": {"friend_email": named.email}})
    sandbox.store.write("update profiles set attributes = ? where id = ?", [(changed.encode(), friend.id)])
    left = {row["id"]: row["properties"] for row in read(("email", str(named.email)))["profiles"]}
    assert left[friend.id] == {"friend_email": named.email}
    assert named.id not in left


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"forgotten_path": "list.txt"}, "`forgotten_key`"),
        ({"forgotten_key": KEY}, "`forgotten_path`"),
        ({"forgotten_path": "no-such-list.txt", "forgotten_key": KEY}, "cannot be read"),
        ({"forgotten_path": "list.txt", "forgotten_key": "short"}, "fewer than 32"),
        ({"forgotten_path": "list.txt", "forgotten_key": KEY}, "line 1"),
    ],
)
def test_while_it_is_not_known_who_was_forgotten_nothing_is_read(
    settings: Json, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("nobody\n")
    tap = TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789", **settings})
    with pytest.raises(ConfigurationError, match=said) as fault:
        _ = tap.run.forgotten
    assert KEY not in str(fault.value)
