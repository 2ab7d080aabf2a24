"""A warehouse of raw tables and marts with the rows of one person, and of others who mention her."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg

ADA, BOB, OLD = "ada@mail.example.net", "bob@mail.example.net", "ada.before@mail.example.net"
TABLES: dict[str, tuple[str, list[tuple[object, ...]]]] = {
    "klaviyo_raw.profiles": (
        "id varchar, email varchar, phone_number varchar, external_id varchar, properties json",
        [
            ("01ADA", ADA.upper(), "+442071838750", "crm-42", '{"plan": "pro"}'),
            ("01OLD", OLD, None, "crm-42", "{}"),
            ("01BOB", BOB, "+442071838750", "crm-43", f'{{"friend": "{ADA}"}}'),
        ],
    ),
    "klaviyo_raw.events": (
        "id varchar, profile_id varchar, event_properties json",
        [
            ("e1", "01ADA", '{"n": 1}'),
            ("e2", "01OLD", '{"n": 2}'),
            ("e3", "01BOB", f'{{"email": "{ADA}", "secret": "of Bob"}}'),
        ],
    ),
    "klaviyo_raw.orders": (
        "order_id varchar, email varchar, phone_number varchar, value decimal(10, 2), customer json",
        [
            ("o1", OLD, None, "9.90", "{}"),
            ("o2", BOB, "+442071838750", "1.00", f'{{"gift_for": {{"email": "{ADA}"}}}}'),
            ("o3", None, "+44 20 7183 8750", "2.00", None),
        ],
    ),
    "klaviyo_raw.site_events": (
        "message_id varchar, user_id varchar, context json",
        [
            ("m1", "crm-42", "{}"),
            ("m2", None, f'{{"traits": {{"email": "{ADA}"}}}}'),
            ("m3", "crm-43", f'{{"traits": {{"email": "{ADA}"}}}}'),
        ],
    ),
    "klaviyo_raw.shared_lists": (
        "name varchar, members json",
        [("VIP", f'[{{"email": "{ADA}"}}, {{"email": "{BOB}"}}]')],
    ),
    "marts.fct_assignments": ("profile_id varchar, arm varchar", [("01ADA", "bold"), ("01BOB", "plain")]),
    "marts.dim_arms": ("arm varchar", [("bold",)]),
}


def filled(place: str | Path) -> str:
    """A warehouse with the rows of Ada, and of others who mention her."""

    def fill(execute: Callable[..., object], mark: str) -> None:
        for schema in ("klaviyo_raw", "marts"):
            execute(f"CREATE SCHEMA {schema}")
        for table, (columns, rows) in TABLES.items():
            execute(f"CREATE TABLE {table} ({columns})")
            for row in rows:
                execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(row))})", list(row))  # noqa: S608

    if isinstance(place, Path):
        with duckdb.connect(str(place)) as connection:
            fill(connection.execute, "?")
    else:
        with psycopg.connect(place, autocommit=True) as server:
            fill(server.execute, "%s")
    return str(place)


def execute(place: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in a warehouse of either kind; what the last one answers."""
    if place.startswith("postgresql://"):
        with psycopg.connect(place, autocommit=True) as server:
            for each in statements:
                cursor = server.execute(each)
            return list(cursor.fetchall()) if cursor.description else []
    with closing(duckdb.connect(place)) as file:
        for each in statements:
            done = file.execute(each)
        return done.fetchall()
