"""The store in a schema of a PostgreSQL database: for several receivers behind a balancer.

Numbers are given under a lock that is held until they are committed: so they appear in their order, and a tap that
has read up to one finds none below it later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import takewhile
from typing import Any, Self

import psycopg
from psycopg import errors
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
from singer_program.errors import one_line

SCHEMA = "klaviyo_inbox"

_LOCK = 0x6B6C6176_69696E62
"""Of PostgreSQL's advisory locks the one that whoever writes to the store holds."""
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL UNIQUE,
    stream text NOT NULL,
    received_at text NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS records_of_a_stream ON records (stream, sequence);
CREATE TABLE IF NOT EXISTS dead_letters (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL UNIQUE,
    source text NOT NULL,
    received_at text NOT NULL,
    reason text NOT NULL,
    parameters text NOT NULL,
    body bytea NOT NULL
);
"""
_RECORDS = """
INSERT INTO records (key, stream, received_at, record)
SELECT key, stream, received_at, record
FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::bytea[])
    WITH ORDINALITY AS given (key, stream, received_at, record, place)
ORDER BY place
ON CONFLICT (key) DO NOTHING
RETURNING key, octet_length(record)
"""
# Records go by number, up to the first that is not old.
_PRUNABLE = """
SELECT
    (SELECT count(*) FROM records WHERE sequence < coalesce(
        (SELECT sequence FROM records WHERE received_at >= %(moment)s ORDER BY sequence LIMIT 1),
        9223372036854775807
    )),
    (SELECT count(*) FROM dead_letters WHERE received_at < %(moment)s)
"""
_DEAD_LETTER = """
INSERT INTO dead_letters (key, source, received_at, reason, parameters, body)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (key) DO NOTHING
RETURNING octet_length(body)
"""
_ABOUT = "INSERT INTO about VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_AT_ONCE = 500
_ROW = 200
"""Bytes of a row beside what it holds, with its places in the indexes, about."""


class PostgresStore(Store):
    """A schema of a database that is reached by a URL. A connection that was lost is made anew.

    Args:
        url: `postgresql://…`; what it leaves out comes from the variables of libpq.
        max_bytes: The size beyond which it takes nothing: of what it holds, and not of what PostgreSQL keeps free.
    """

    def __init__(self, url: str, max_bytes: int) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._connection: psycopg.Connection[Any] | None = None

    @classmethod
    def opened(cls, url: str, max_bytes: int) -> Self:
        """The store of a database, which is made if there is none.

        Raises:
            StoreError: it cannot be reached or made, or is of another version.
        """
        store = cls(url, max_bytes)
        with store._closed_if_it_fails():
            with store._transaction() as connection:
                if store._version(connection) is None:
                    store._make(connection)
            store._check_version()
        return store

    @staticmethod
    def _make(connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(_TABLES)
        about = {"version": str(VERSION), "identity": secrets.token_hex(8), "removed": "0", "bytes": "0"}
        connection.cursor().executemany(_ABOUT, list(about.items()))

    @classmethod
    def existing(cls, url: str, max_bytes: int = 2**62) -> Self:
        """The store of a database in which a receiver has made one.

        Raises:
            StoreError: it cannot be reached, or there is none.
        """
        store = cls(url, max_bytes)
        with store._closed_if_it_fails():
            store._check_version()
        return store

    @contextmanager
    def _closed_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _check_version(self) -> None:
        with self._transaction(writing=False) as connection:
            version = self._version(connection)
        if version is None:
            message = (
                "the setting `store`: no receiver has made a store in this database; give the URL of"
                " `klaviyo-inbox serve`, or start that first"
            )
            raise StoreError(message)
        if version != str(VERSION):
            message = (
                f"the setting `store`: the schema {SCHEMA} is no store of this version; name another database"
            )
            raise StoreError(message)

    @staticmethod
    def _version(connection: psycopg.Connection[Any]) -> str | None:
        """The version of the store; None if there is none."""
        there = connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.about"]).fetchone()
        if there is None or there[0] is None:
            return None
        return _about(connection).get("version", "unknown")

    @override
    def append(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        with self._transaction() as connection:
            self._check_room(connection)
            return self._kept(connection, parcels)

    def _kept(self, connection: psycopg.Connection[Any], parcels: Sequence[Parcel]) -> list[Receipt]:
        rows = [item_rows(parcel) for parcel in parcels]
        columns = list(zip(*(row for each in rows for row in each), strict=True))
        stored: dict[bytes, int] = {}
        if columns:
            stored = dict(connection.execute(_RECORDS, [list(column) for column in columns]).fetchall())
        added = sum(stored.values()) + len(stored) * _ROW
        receipts = []
        for parcel, own in zip(parcels, rows, strict=True):
            mine = sum(stored.pop(key, None) is not None for key, *_ in own)
            receipts.append(Receipt(mine, len(own) - mine, len(parcel.dead_letters)))
            for row in dead_rows(parcel):
                if size := connection.execute(_DEAD_LETTER, row).fetchone():
                    added += size[0] + _ROW
        self._count(connection, added)
        return receipts

    @override
    def probe(self) -> None:
        with self._transaction() as connection:
            self._check_room(connection)
            connection.execute(_ABOUT, ("probed_at", moments.iso(moments.now())))

    @override
    def state(self) -> State:
        with self._transaction(writing=False) as connection:
            about = _about(connection)
            newest = _one(connection.execute("SELECT coalesce(max(sequence), 0) FROM records"))
            dead_letters = _one(connection.execute("SELECT count(*) FROM dead_letters"))
        removed = int(about["removed"])
        # Not where the identity stands: it is ahead of what is committed.
        return State(about["identity"], max(newest, removed), removed, dead_letters, int(about["bytes"]))

    @override
    def records(self, stream: str, after: int, upto: int) -> Iterator[StoredRecord]:
        while True:
            with self._transaction(writing=False) as connection:
                rows = connection.execute(
                    "SELECT sequence, received_at, record FROM records"
                    " WHERE stream = %s AND sequence > %s AND sequence <= %s ORDER BY sequence LIMIT %s",
                    (stream, after, upto, _AT_ONCE),
                ).fetchall()
            if not rows:
                return
            yield from map(StoredRecord._make, rows)
            after = rows[-1][0]

    @override
    def dead_letters(self) -> Iterator[StoredDeadLetter]:
        with self._transaction(writing=False) as connection:
            rows = connection.execute(
                "SELECT number, source, received_at, reason, octet_length(body) FROM dead_letters ORDER BY number"
            ).fetchall()
        return map(StoredDeadLetter._make, rows)

    @override
    def dead_delivery(self, number: int) -> Delivery | None:
        with self._transaction(writing=False) as connection:
            row = connection.execute(
                "SELECT body, received_at, parameters FROM dead_letters WHERE number = %s", [number]
            ).fetchone()
        if row is None:
            return None
        body, received_at, parameters = row
        return Delivery(body, moments.read(received_at), json.loads(parameters))

    @override
    def settle(self, number: int, parcel: Parcel | None) -> Receipt:
        with self._transaction() as connection:
            gone = connection.execute(
                "DELETE FROM dead_letters WHERE number = %s RETURNING octet_length(body)", [number]
            ).fetchall()
            self._count(connection, -sum(size + _ROW for (size,) in gone))
            return Receipt(0, 0, 0) if parcel is None else self._kept(connection, [parcel])[0]

    @override
    def remove(self, sequences: Sequence[int], dead_letters: Sequence[int]) -> None:
        with self._transaction() as connection:
            removed = connection.execute(
                "DELETE FROM records WHERE sequence = ANY(%s) RETURNING octet_length(record)", [list(sequences)]
            ).fetchall()
            removed += connection.execute(
                "DELETE FROM dead_letters WHERE number = ANY(%s) RETURNING octet_length(body)",
                [list(dead_letters)],
            ).fetchall()
            self._count(connection, -sum(size + _ROW for (size,) in removed))

    @override
    def prunable(self, before: datetime) -> Removed:
        with self._transaction(writing=False) as connection:
            [row] = connection.execute(_PRUNABLE, {"moment": moments.iso(before)}).fetchall()
        return Removed(*row)

    @override
    def prune(self, before: datetime, at_most: int) -> Removed:
        moment = moments.iso(before)
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT received_at, sequence, octet_length(record) FROM records ORDER BY sequence LIMIT %s",
                [at_most],
            ).fetchall()
            old = list(takewhile(lambda row: row[0] < moment, rows))
            if old:
                last = old[-1][1]
                connection.execute("DELETE FROM records WHERE sequence <= %s", [last])
                connection.execute(_ABOUT, ("removed", str(last)))
            dead = connection.execute(
                "DELETE FROM dead_letters WHERE received_at < %s RETURNING octet_length(body)", [moment]
            ).fetchall()
            self._count(connection, -sum(row[-1] + _ROW for row in (*old, *dead)))
        return Removed(len(old), len(dead))

    @override
    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _check_room(self, connection: psycopg.Connection[Any]) -> None:
        if int(_about(connection)["bytes"]) > self._max_bytes:
            raise full(self._max_bytes)

    @staticmethod
    def _count(connection: psycopg.Connection[Any], added: int) -> None:
        """Keep count of the bytes that are held: whoever writes holds the lock."""
        if added:
            connection.execute("UPDATE about SET value = value::bigint + %s WHERE name = 'bytes'", [added])

    @contextmanager
    def _transaction(self, *, writing: bool = True) -> Iterator[psycopg.Connection[Any]]:
        """A transaction; one that writes is the only one."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._url, autocommit=True)
                self._connection.execute("SET synchronous_commit = on")  # whatever the server's default is
                self._connection.execute(f"SET search_path = {SCHEMA}")
            with self._connection.transaction():
                if writing:
                    self._connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                yield self._connection
        except errors.DiskFull as error:
            message = "there is no room on the disk of the database: make some"
            raise StoreFullError(message) from error
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                self.close()
            said = one_line(str(error)) or type(error).__name__
            message = f"the store cannot be used: {said}; look at the setting `store` and at the database"
            raise StoreError(message) from error


def _about(connection: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(connection.execute("SELECT name, value FROM about").fetchall())


def _one(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
