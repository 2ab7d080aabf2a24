"""The store in an SQLite file: for one receiver, embedded, nothing to install."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Self

from typing_extensions import override

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import Delivery, Parcel, Receipt
from klaviyo_inbox.store.base import (
    VERSION,
    Removed,
    State,
    Store,
    StoredDeadLetter,
    StoredRecord,
    StoreError,
    StoreFullError,
    dead_rows,
    full,
    item_rows,
)

_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never given twice, whatever was removed
    key BLOB NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    received_at TEXT NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_of_a_stream ON records (stream, sequence);
CREATE TABLE IF NOT EXISTS dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    source TEXT NOT NULL,
    received_at TEXT NOT NULL,
    reason TEXT NOT NULL,
    parameters TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_RECORD = "INSERT OR IGNORE INTO records (key, stream, received_at, record) VALUES (?, ?, ?, ?)"
_DEAD_LETTER = (
    "INSERT OR IGNORE INTO dead_letters (key, source, received_at, reason, parameters, body)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_REMOVE = "DELETE FROM records WHERE sequence = ?"
_SETTLE = "DELETE FROM dead_letters WHERE number = ?"
_ABOUT = "INSERT INTO about VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# Records go by number, up to the first that is not old.
_PRUNABLE = """
SELECT
    (SELECT count(*) FROM records WHERE sequence < coalesce(
        (SELECT sequence FROM records WHERE received_at >= :moment ORDER BY sequence LIMIT 1),
        9223372036854775807
    )),
    (SELECT count(*) FROM dead_letters WHERE received_at < :moment)
"""
_AT_ONCE = 500
_BUSY_SECONDS = 10.0
_OWNER_ALONE = 0o600


class SqliteStore(Store):
    """An SQLite file in which a commit is on disk when it is done (WAL, `synchronous = FULL`).

    Args:
        path: The file, which exists.
        max_bytes: The size beyond which it takes nothing.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        with self._faults():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )

    @classmethod
    def opened(cls, address: str, max_bytes: int) -> Self:
        """The store in a file, which is made if there is none, for its owner alone.

        Raises:
            StoreError: it cannot be made, or is something else.
        """
        path = Path(address)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ALONE))
        except OSError as error:
            message = (
                f"the setting `store`: {address!r} cannot be written ({error.strerror}); name a file in a folder"
                " of your own"
            )
            raise StoreError(message) from error
        store = cls(path, max_bytes)
        with store._faults():
            store._check_version(may_be_new=True)
            store._connection.execute("PRAGMA journal_mode = WAL")
            store._connection.execute("PRAGMA synchronous = FULL")
            store._connection.executescript(_TABLES)
            store._connection.execute(
                "INSERT OR IGNORE INTO about VALUES ('identity', ?), ('removed', '0')", (secrets.token_hex(8),)
            )
            store._connection.execute(f"PRAGMA user_version = {VERSION}")
            store._connection.execute("COMMIT")
        return store

    @classmethod
    def existing(cls, address: str, max_bytes: int = 2**62) -> Self:
        """The store in a file that a receiver has made.

        Raises:
            StoreError: there is none.
        """
        if not Path(address).is_file():
            message = (
                f"the setting `store`: there is no file {address!r}; give the one that `klaviyo-inbox serve`"
                " writes, or start that first"
            )
            raise StoreError(message)
        store = cls(Path(address), max_bytes)
        with store._faults():
            store._connection.execute("PRAGMA synchronous = FULL")
            store._check_version(may_be_new=False)
        return store

    def _check_version(self, *, may_be_new: bool) -> None:
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        [tables] = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == VERSION or (may_be_new and version == tables == 0):
            return
        message = f"the setting `store`: {str(self._path)!r} is no store of this version; name another file"
        raise StoreError(message)

    @override
    def append(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        with self._faults():
            if self._size() > self._max_bytes:
                raise full(self._max_bytes)
            with self._transaction():
                return [self._kept(parcel) for parcel in parcels]

    def _kept(self, parcel: Parcel) -> Receipt:
        before = self._connection.total_changes
        self._connection.executemany(_RECORD, item_rows(parcel))
        stored = self._connection.total_changes - before
        if parcel.dead_letters:
            self._connection.executemany(_DEAD_LETTER, dead_rows(parcel))
        return Receipt(stored, len(parcel.items) - stored, len(parcel.dead_letters))

    @override
    def probe(self) -> None:
        with self._faults():
            if self._size() > self._max_bytes:
                raise full(self._max_bytes)
            with self._transaction():
                self._connection.execute(_ABOUT, ("probed_at", moments.iso(moments.now())))

    @override
    def state(self) -> State:
        with self._faults():
            about = dict(self._connection.execute("SELECT name, value FROM about"))
            [newest] = self._connection.execute(
                "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'records'), 0)"
            ).fetchone()
            [dead_letters] = self._connection.execute("SELECT count(*) FROM dead_letters").fetchone()
            return State(about["identity"], newest, int(about["removed"]), dead_letters, self._size())

    @override
    def records(self, stream: str, after: int, upto: int) -> Iterator[StoredRecord]:
        while True:
            with self._faults():
                rows = self._connection.execute(
                    "SELECT sequence, received_at, record FROM records"
                    " WHERE stream = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?",
                    (stream, after, upto, _AT_ONCE),
                ).fetchall()
            if not rows:
                return
            yield from map(StoredRecord._make, rows)
            after = rows[-1][0]

    @override
    def dead_letters(self) -> Iterator[StoredDeadLetter]:
        with self._faults():
            rows = self._connection.execute(
                "SELECT number, source, received_at, reason, length(body) FROM dead_letters ORDER BY number"
            ).fetchall()
        return map(StoredDeadLetter._make, rows)

    @override
    def dead_delivery(self, number: int) -> Delivery | None:
        with self._faults():
            row = self._connection.execute(
                "SELECT body, received_at, parameters FROM dead_letters WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            return None
        body, received_at, parameters = row
        return Delivery(body, moments.read(received_at), json.loads(parameters))

    @override
    def settle(self, number: int, parcel: Parcel | None) -> Receipt:
        with self._faults(), self._transaction():
            self._connection.execute(_SETTLE, (number,))
            return Receipt(0, 0, 0) if parcel is None else self._kept(parcel)

    @override
    def remove(self, sequences: Sequence[int], dead_letters: Sequence[int]) -> None:
        with self._faults():
            self._connection.execute("PRAGMA secure_delete = ON")  # nothing of them is left in the file
            with self._transaction():
                for sql, numbers in ((_REMOVE, sequences), (_SETTLE, dead_letters)):
                    self._connection.executemany(sql, [(number,) for number in numbers])
            # Nor beside it.
            [is_busy, _, _] = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            message = (
                f"the setting `store`: it is removed from {str(self._path)!r}, but not from the file `-wal` beside"
                " it, which somebody reads: do it again when they are done"
            )
            raise StoreError(message)

    @override
    def prunable(self, before: datetime) -> Removed:
        with self._faults():
            row = self._connection.execute(_PRUNABLE, {"moment": moments.iso(before)}).fetchone()
        return Removed(*row)

    @override
    def prune(self, before: datetime, at_most: int) -> Removed:
        moment = moments.iso(before)
        with self._faults(), self._transaction():
            rows = self._connection.execute(
                "SELECT received_at, sequence FROM records ORDER BY sequence LIMIT ?", (at_most,)
            ).fetchall()
            old = [sequence for received_at, sequence in takewhile(lambda row: row[0] < moment, rows)]
            if old:
                self._connection.execute("DELETE FROM records WHERE sequence <= ?", (old[-1],))
                self._connection.execute(_ABOUT, ("removed", str(old[-1])))
            dead = self._connection.execute("DELETE FROM dead_letters WHERE received_at < ?", (moment,)).rowcount
        return Removed(len(old), dead)

    @override
    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def _size(self) -> int:
        """Bytes in use: what was removed leaves room in the file for what comes."""
        numbers = [int(self._connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in _PAGES]
        count, free, size = numbers
        return (count - free) * size

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                message = f"there is no room on the disk of {str(self._path)!r}: make some"
                raise StoreFullError(message) from error
            message = (
                f"the store {str(self._path)!r} cannot be used: {error}; look at the file, its folder and modes"
            )
            raise StoreError(message) from error


_PAGES = ("page_count", "freelist_count", "page_size")
