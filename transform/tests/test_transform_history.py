"""Versions of what Klaviyo held: what changes gets one more, what is gone ends, what nobody told of stays."""

from __future__ import annotations

from transform_engines import chosen_among
from transform_project import NOW, Row, Warehouse, World

ON_ENGINES = chosen_among("duckdb", "postgres")


def versions(warehouse: Warehouse, table: str, key: str, columns: str) -> list[Row]:
    """In the order in which they held, and whether each holds still."""
    return warehouse.rows(
        f"select {key} as key, {columns}, dbt_valid_to is null as holds"  # noqa: S608
        f" from history.snap_klaviyo__{table} order by 1, dbt_valid_from"
    )


def test_what_changes_gets_a_version_and_what_is_gone_ends(warehouse: Warehouse, world: World) -> None:
    before = versions(warehouse, "profiles", "profile_id", "email")
    assert [row["key"] for row in before] == sorted(profile["id"] for profile in world.profiles)
    assert all(row["holds"] for row in before)

    moved, deleted, *_ = world.profiles
    moved |= {"email": "zoë@new.example", "updated": NOW}
    world.lists = [{"id": "LstOne", "name": "Basel — 東京"}, {"id": "LstNew", "name": "New"}]
    world.read_whole("profiles", [each["id"] for each in world.profiles if each is not deleted], NOW)
    world.land(warehouse)
    for _ in range(2):  # a second run keeps nothing more
        warehouse.dbt("build", "--selector", "history")
        rows = versions(warehouse, "profiles", "profile_id", "email")
        assert [row["email"] for row in rows if row["key"] == moved["id"]] == [
            *(row["email"] for row in before if row["key"] == moved["id"]),
            "zoë@new.example",
        ]
        assert [row["holds"] for row in rows if row["key"] == moved["id"]] == [False, True]
        assert [row["holds"] for row in rows if row["key"] == deleted["id"]] == [False]
        assert len(rows) == len(before) + 1
        lists = versions(warehouse, "lists", "list_id", "list_name")
        assert [(row["key"], row["list_name"], row["holds"]) for row in lists] == [
            ("LstNew", "New", True),
            ("LstOne", "Zürich — 東京", False),
            ("LstOne", "Basel — 東京", True),
        ]
