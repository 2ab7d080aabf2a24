"""Loads messages by way of the command, or within the process; and reads what the warehouse holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from target_duckdb.loader import Loader, write_state
from target_duckdb.warehouse import Warehouse

PROGRAM = (sys.executable, "-m", "target_duckdb", "--config=ENV")
SCHEMA = "raw"
Json = dict[str, Any]


@dataclass
class Loaded:
    """What came of a run within the process."""

    states: list[bytes]
    told: list[str]
    rejects: Mapping[str, int]


def schema(stream: str, properties: Mapping[str, Any], keys: Sequence[str] = ("id",)) -> Json:
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": dict(properties)},
        "key_properties": list(keys),
    }


def record(stream: str, **values: Any) -> Json:  # noqa: ANN401 - any value
    return {"type": "RECORD", "stream": stream, "record": values}


def lines_of(messages: Iterable[Json | bytes]) -> list[bytes]:
    return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages]


def load(  # noqa: PLR0913 - settings of the loader
    path: Path,
    messages: Iterable[Json | bytes],
    *,
    batch_rows: int = 1_000,
    batch_bytes: int = 1 << 30,
    lock_timeout: float = 0,
    fail_on_reject: bool = False,
    at_a_time: int = 50,
) -> Loaded:
    """Load messages, so many lines of which come at a time."""
    states: list[bytes] = []
    told: list[str] = []
    opened: list[Warehouse] = []

    def warehouse() -> Warehouse:
        opened.append(Warehouse(str(path), SCHEMA, lock_timeout, tell=told.append, refuse=loader.refuse))
        return opened[0]

    loader = Loader(
        warehouse,
        batch_rows=batch_rows,
        batch_bytes=batch_bytes,
        fail_on_reject=fail_on_reject,
        emit=states.append,
        tell=told.append,
    )
    lines = lines_of(messages)
    try:
        loader.load(lines[n : n + at_a_time] for n in range(0, len(lines), at_a_time))
    finally:
        for each in opened:
            each.close()
    return Loaded(states, told, loader.rejects)


def run(path: Path, messages: Iterable[Json | bytes], **settings: object) -> subprocess.CompletedProcess[bytes]:
    """Load messages by way of the command."""
    return subprocess.run(  # noqa: S603
        PROGRAM,
        input=b"\n".join([*lines_of(messages), b""]),
        env=environment(path, **settings),
        capture_output=True,
        check=False,
    )


def environment(path: Path, **settings: object) -> dict[str, str]:
    given = {"path": path, "default_target_schema": SCHEMA, "lock_timeout": 0, **settings}
    return os.environ | {f"TARGET_DUCKDB_{name.upper()}": str(value) for name, value in given.items()}


def held(path: Path, table: str, order: str = "ALL") -> list[dict[str, Any]]:
    """The rows of a table, without the loader's own columns."""
    quoted = table.replace('"', '""')
    with duckdb.connect(str(path), read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        found = warehouse.execute(
            f'SELECT * EXCLUDE (_sdc_extracted_at, _sdc_batched_at) FROM "{SCHEMA}"."{quoted}" ORDER BY {order}'  # noqa: S608
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def types(path: Path, table: str) -> dict[str, str]:
    """The columns of a table with their types."""
    with duckdb.connect(str(path), read_only=True) as warehouse:
        return dict(
            warehouse.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?"
                " ORDER BY column_index",
                [SCHEMA, table],
            ).fetchall()
        )


def main(path: Path, batch_rows: int) -> None:
    """Load standard input, as the command does."""
    loader = Loader(
        lambda: Warehouse(str(path), SCHEMA, 5, tell=print, refuse=print),
        batch_rows=batch_rows,
        batch_bytes=1 << 30,
        fail_on_reject=False,
        emit=write_state,
        tell=print,
    )
    loader.load([line] for line in sys.stdin.buffer.read().splitlines())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
