"""One SQLite database in memory: statements, transactions and many rows at once.

Calls may come from several threads; each one is atomic. SQL is put together from names of this package only;
values are always bound.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, ClassVar

Row = tuple[Any, ...]

BATCH = 50_000
"""Rows that are written at once."""


class Database:
    """Runs SQL. A subclass says in `schema` which tables it needs beside those that records declare."""

    schema: ClassVar[str] = ""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        for part in type(self).__mro__:
            self._connection.executescript(vars(part).get("schema", ""))

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("begin")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of a query, all of them."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.read(f"select count(*) from {table}")[0][0])  # noqa: S608

    def write(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement once for each row of values. Answers how many rows of the database it changed."""
        remaining = iter(rows)
        changed = 0
        with self.transaction():
            while batch := list(islice(remaining, BATCH)):
                changed += self._connection.executemany(sql, batch).rowcount
        return changed

    def insert(self, table: str, rows: Iterable[Row], *, clash: str = "abort") -> int:
        """Insert rows of all columns. Answers how many came in.

        Args:
            table: where to.
            rows: the values, in the order of the columns.
            clash: what becomes of a row whose key is taken: `abort`, `ignore` or `replace`.

        Raises:
            sqlite3.IntegrityError: a key is taken, and `clash` is `abort`; nothing is inserted.
        """
        remaining = iter(rows)
        first = next(remaining, None)
        if first is None:
            return 0
        sql = f"insert or {clash} into {table} values ({marks(len(first))})"  # noqa: S608
        return self.write(sql, chain([first], remaining))


def marks(count: int) -> str:
    """As many `?` as there are values, for a list in SQL."""
    return ", ".join("?" * count)
