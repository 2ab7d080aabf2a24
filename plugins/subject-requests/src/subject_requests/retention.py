"""Retention as the controller's file says it: rows of raw tables that are older by their own time are deleted."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from singer_program.errors import ProgramError
from subject_requests.erasure import MADE
from subject_requests.warehouse import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from subject_requests.controller import Retention
    from subject_requests.warehouse import Table, Warehouse

TIMES: Mapping[str, str] = {
    "events": "datetime",
    "pushed_events": "datetime",
    "orders": "occurred_at",
    "site_events": "occurred_at",
    "flow_requests": "received_at",
    "privacy_requests": "received_at",
    "privacy_actions": "acted_at",
}
"""Raw tables that a category may name, with the column that says when it was."""
REFUSED = "refused_rows"
"""The category of the lines in the files of `rejects_paths`, with `time` in each."""
DELIVERIES = "deliveries"
"""The category of what the receiver's store holds, read or not: its own program removes it."""
ELSEWHERE = frozenset({REFUSED, DELIVERIES})
"""Categories that are in no table."""
TOGETHER: Mapping[str, tuple[str, ...]] = {"events": ("events", "pushed_events")}
"""Categories of several tables."""


class Old(NamedTuple):
    """What of a table is too old.

    Attributes:
        table: Which.
        column: That of its time.
        before: What is older is deleted.
        said: What the file says, for the log.
    """

    table: Table
    column: str
    before: datetime
    said: str


def rules(retention: Sequence[Retention], path: Path, tables: Sequence[Table], now: datetime) -> list[Old]:
    """What is too old now.

    Args:
        retention: As the file says it: a category of `TIMES`, or a table as `schema.table` with its `column`.
        path: The file, for what is said of it.
        tables: Those of the warehouse.
        now: This moment.

    Raises:
        ProgramError: one cannot be obeyed; the file and the key are told.
    """
    found: list[Old] = []
    for number, each in enumerate(retention):
        at = f"{path} at `retention[{number}]"
        name = _name(each)
        if name in ELSEWHERE:
            continue
        if "." not in name and name not in TIMES and each.column is None:
            known = ", ".join(f"`{each}`" for each in (*TIMES, REFUSED, DELIVERIES))
            message = f"{at}.data`: there is no category {each.data!r}: {known}, or `schema.table` with `column`"
            raise ProgramError(message)
        wanted = TOGETHER.get(name, (name,))
        meant = [table for table in tables if (table.place if "." in name else table.role) in wanted]
        if not meant:
            message = (
                f"{at}.data`: the warehouse has no table {each.data!r} in the schemas of the setting `schemas`"
            )
            raise ProgramError(message)
        for table in meant:
            if not table.is_table or table.name.startswith(MADE):
                message = (
                    f"{at}.data`: {table.place} is a view, or made by dbt: name the raw table that it rests on"
                )
                raise ProgramError(message)
            column = each.column or TIMES.get(table.role, "")
            if not table.columns.get(column, "").lower().startswith(("timestamp", "date")):
                message = f"{at}.column`: {table.place} has no column {column!r} with a time: name one"
                raise ProgramError(message)
            found.append(Old(table, column, _before(each, now), f"retention: {each.data}, {each.period}"))
    return found


def elsewhere(name: str, retention: Sequence[Retention], now: datetime) -> tuple[datetime, str] | None:
    """Before when what is in no table is too old, and what the file says of it; None where it says nothing.

    Args:
        name: One of `ELSEWHERE`.
        retention: As the file says it.
        now: This moment.
    """
    said = [
        (_before(each, now), f"retention: {each.data}, {each.period}") for each in retention if _name(each) == name
    ]
    return max(said, default=None)


def _name(retention: Retention) -> str:
    return retention.data.strip().lower().replace(" ", "_")


def number_of(warehouse: Warehouse, old: Old) -> int:
    """How many rows are too old."""
    [(number,)] = warehouse.rows(f"SELECT count(*) FROM {_of(old, warehouse)}", _values(old))  # noqa: S608
    return int(number)


def delete(warehouse: Warehouse, old: Old) -> None:
    """Delete them; in a transaction of who calls."""
    warehouse.change(f"DELETE FROM {_of(old, warehouse)}", _values(old))  # noqa: S608


def _of(old: Old, warehouse: Warehouse) -> str:
    moment = warehouse.as_text(warehouse.placeholder, old.table.columns[old.column])
    return f"{warehouse.of_itself(old.table)} WHERE {quoted(old.column)} < {moment}"


def _values(old: Old) -> list[str]:
    kind = old.table.columns[old.column].lower()
    # A time without a zone is UTC in this warehouse.
    has_zone = "with time zone" in kind or kind == "timestamptz"
    return [(old.before if has_zone else old.before.replace(tzinfo=None)).isoformat()]


def _before(retention: Retention, now: datetime) -> datetime:
    now = now.astimezone(UTC)
    if not retention.months:
        return now - timedelta(days=retention.days or 0)
    year, month = divmod(now.year * 12 + now.month - 1 - retention.months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
