"""The ledger: a file of what was sent to Klaviyo and is not yet covered by a STATE, for the run after a kill.

A killed run leaves records that Klaviyo has and that no STATE covers; the next run is given them again, and the
ledger says which they are. What it holds of a request, by the moment of the kill, and what the next run does:

    killed                                    in the ledger         the next run
    before the request left                   nothing, or intent    sends the rows
    after that, before the answer was stored  intent                waits for jobs that may be it, sends the rows
    after the answer was stored               the job, or accepted  polls the job; its rows are not sent again
    while the job was polled, or after        the job               the same: a job can be asked again
    after the STATE that covers the rows      nothing               is not given the rows

Sending a row twice does no harm: an import writes the same values, an event has its `unique_id`; memberships,
suppressions and subscriptions are already what they are to become. (An opt-out of a list would do harm: its sink
remembers it before it is sent.) What does harm is an older value that is written after a newer one. That is why
jobs are waited for. It is also why a row only counts as sent if it is the last that was sent for its key: then
nothing newer is undone by leaving it out.

What Klaviyo refused is kept beyond the run, too: the same row is not sent again at once, though every run is given
it.

The ledger holds two hashes of a row, of its key and of all of it, keyed with the API key; no personal data, and
nothing that a run with another account's key would take for its own. It says whose it is by the account's id,
which all keys of the account share. It is an SQLite file because an entry has to be there as a whole or not at
all, also after a power cut; because entries are deleted one by one; and because what a sink remembers is looked
up by key.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_klaviyo_profiles.errors import ConfigurationError, OutputError

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import Group

KEPT = 86_400.0
"""Seconds that an entry is kept; after that others may have written to the account, and it proves nothing."""
REMEMBERED = 400 * 86_400.0
"""Seconds that something a sink remembers is kept after it was last read or written, and a refusal."""

_KEY_BYTES, _ROW_BYTES = 8, 16
_ROW = _KEY_BYTES + _ROW_BYTES
_SCHEMA = """
create table if not exists requests (
    id integer primary key, account blob not null, stream text not null, operation text not null,
    shared text not null, at real not null, accepted integer not null, job text, rows blob not null
);
create table if not exists memory (
    account blob not null, stream text not null, key blob not null, value text not null, at real not null,
    primary key (account, stream, key)
) without rowid;
create table if not exists refused (
    account blob not null, stream text not null, key blob not null, row blob not null, at real not null,
    primary key (account, stream, key)
) without rowid;
create table if not exists owner (account text not null);
"""


@dataclass(frozen=True)
class Entry:
    """A request of an earlier run.

    Attributes:
        id: The ledger's own number; a later request has a higher one.
        operation: The operation that it called.
        shared: What its rows shared, as in their `Group`.
        at: When it left, seconds since the epoch.
        accepted: Whether Klaviyo is known to have accepted it.
        job: The job that it became, if it is one of the kind that does.
        rows: Hashes of the keys and of the rows, in the order they were sent.
    """

    id: int
    operation: str
    shared: tuple[str | None, ...]
    at: float
    accepted: bool
    job: str | None
    rows: Sequence[tuple[bytes, bytes]]


class Ledger:
    """The ledger's file; used by one run at a time, from any of its threads.

    Args:
        path: The file, made when missing, readable by its owner alone; None keeps everything in memory.
        secret: The API key.
        now: The present moment, UTC.

    Raises:
        ConfigurationError: the file cannot be one, or another run is using it.
    """

    def __init__(self, path: Path | None, secret: str, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._secret = sha256(secret.encode()).digest()
        self._keys = blake2b(key=self._secret, digest_size=_KEY_BYTES)
        self._account = blake2b(b"account", key=self._secret, digest_size=_KEY_BYTES).digest()
        self._lock = threading.Lock()
        self._database = self._opened(path)

    def hashed(self, key: Key) -> bytes:
        """What the ledger calls a key."""
        return _digest(self._keys, f"{key.kind}\0{key.value}".encode("utf-8", "surrogatepass"))

    def hashed_row(self, group: Group, payload: bytes) -> bytes:
        """What the ledger calls a row: what is sent, and to where."""
        return _digest(self._rows(group), payload)

    def _rows(self, group: Group) -> blake2b:
        shared = json.dumps([group.route.operation, *group.shared])
        return blake2b(shared.encode(), key=self._secret, digest_size=_ROW_BYTES)

    def intend(self, stream: str, group: Group, keys: Sequence[Key], payloads: Sequence[bytes]) -> int:
        """A request is about to leave; returns its entry."""
        return self._insert(stream, group, keys, payloads, accepted=False)

    def accepted(self, entry: int, job: str) -> None:
        """Klaviyo has made a job of a request that was intended."""
        self._do("update requests set accepted = 1, job = ? where id = ?", (job, entry))

    def sent(self, stream: str, group: Group, keys: Sequence[Key], payloads: Sequence[bytes]) -> int:
        """Klaviyo has accepted a request, and will say no more about it; returns its entry."""
        return self._insert(stream, group, keys, payloads, accepted=True)

    def drop(self, entries: Iterable[int]) -> None:
        """Delete entries: a STATE covers them, or Klaviyo refused them."""
        with self._lock, self._errors(), self._database:
            self._database.executemany("delete from requests where id = ?", [(each,) for each in entries])

    def entries(self, stream: str) -> list[Entry]:
        """What earlier runs of the same key left behind about a stream, oldest first."""
        sql = (
            "select id, operation, shared, at, accepted, job, rows from requests"
            " where account = ? and stream = ? and at > ? order by id"
        )
        since = self._now().timestamp() - KEPT
        return [
            Entry(number, operation, tuple(json.loads(shared)), at, bool(accepted), job, _split(rows))
            for number, operation, shared, at, accepted, job, rows in self._do(sql, (self._account, stream, since))
        ]

    def jobs(self) -> set[str]:
        """The jobs in the ledger, of this run and earlier ones."""
        return {job for (job,) in self._do("select job from requests where job is not null", ())}

    def recall(self, stream: str, key: Key) -> str | None:
        """What was remembered of a key, by this run or an earlier one."""
        found = self._do(
            "update memory set at = ? where account = ? and stream = ? and key = ? returning value",
            (self._now().timestamp(), self._account, stream, self.hashed(key)),
        )
        return found[0][0] if found else None

    def remember(self, stream: str, keys: Iterable[Key], value: str) -> None:
        """Keep something short about keys for later runs: an id, a hash or a time, nothing personal."""
        moment = self._now().timestamp()
        rows = [(self._account, stream, self.hashed(key), value, moment) for key in keys]
        with self._lock, self._errors(), self._database:
            self._database.executemany("insert or replace into memory values (?, ?, ?, ?, ?)", rows)

    def refuse(self, stream: str, group: Group, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Klaviyo has refused rows, by key and payload, at once; of a key the last one is kept."""
        begun = self._rows(group)
        self._keep_refused(stream, [(self.hashed(key), _digest(begun, payload)) for key, payload in rows])

    def refuse_sent(self, stream: str, entries: Iterable[int], keys: Iterable[Key]) -> None:
        """Klaviyo has refused rows of requests that it had accepted, by the requests' entries."""
        refused = set(map(self.hashed, keys))
        sent = [self._do("select rows from requests where id = ?", (each,)) for each in entries]
        self._keep_refused(stream, [row for [(rows,)] in sent for row in _split(rows) if row[0] in refused])

    def _keep_refused(self, stream: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        moment = self._now().timestamp()
        values = [(self._account, stream, key, row, moment) for key, row in rows]
        with self._lock, self._errors(), self._database:
            self._database.executemany("insert or replace into refused values (?, ?, ?, ?, ?)", values)

    def refused(self, stream: str, seconds: float) -> dict[bytes, bytes]:
        """The rows that were refused in the last seconds, hashed, by hashed key; none that is dated ahead."""
        now = self._now().timestamp()
        sql = "select key, row from refused where account = ? and stream = ? and at > ? and at <= ?"
        return dict(self._do(sql, (self._account, stream, now - seconds, now)))

    def owner(self) -> str | None:
        """Id of the account that the ledger was begun with; None if that was never known."""
        found = self._do("select account from owner", ())
        return str(found[0][0]) if found else None

    def claim(self, account: str) -> None:
        """Keep whose the ledger is, unless that is known."""
        self._do("insert into owner select ? where not exists (select 1 from owner)", (account,))

    def close(self) -> None:
        """Close the file; a thread that is still sending can then no longer write to it."""
        with self._lock:
            self._database.close()

    def _insert(
        self, stream: str, group: Group, keys: Sequence[Key], payloads: Sequence[bytes], *, accepted: bool
    ) -> int:
        begun, hashed = self._rows(group), self.hashed
        rows = b"".join(
            [hashed(key) + _digest(begun, payload) for key, payload in zip(keys, payloads, strict=True)]
        )
        operation, shared, at = group.route.operation, json.dumps(group.shared), self._now().timestamp()
        values = (self._account, stream, operation, shared, at, accepted, rows)
        sql = (
            "insert into requests (account, stream, operation, shared, at, accepted, rows)"
            " values (?, ?, ?, ?, ?, ?, ?) returning id"
        )
        return int(self._do(sql, values)[0][0])

    def _do(self, sql: str, values: Sequence[object]) -> list[Any]:
        with self._lock, self._errors(), self._database:
            return self._database.execute(sql, values).fetchall()

    def _errors(self) -> _SqliteErrors:
        return _SqliteErrors(self._path)

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        try:
            if path is not None:
                path.touch(0o600)
            database = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=0)
            # One run at a time; on disk before the call returns.
            database.executescript("pragma locking_mode = exclusive; pragma synchronous = full;" + _SCHEMA)
            moment = self._now().timestamp()
            with database:
                database.execute("delete from requests where at <= ?", (moment - KEPT,))
                database.execute("delete from memory where at <= ?", (moment - REMEMBERED,))
                database.execute("delete from refused where at <= ?", (moment - REMEMBERED,))
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(_unusable(path, error)) from error
        return database


class _SqliteErrors:
    """Turns an error of SQLite into one that names the setting to change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            msg = f"cannot write the ledger {str(self._path)!r} ({error}): make room, or change `ledger_path`"
            raise OutputError(msg) from error


def _unusable(path: Path | None, error: Exception) -> str:
    start = f"the setting `ledger_path`, {str(path)!r}, "
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"{start}is in use by another run: wait for it, or give each pipeline a ledger of its own"
    why = error.strerror if isinstance(error, OSError) else str(error)
    return f"{start}cannot be a ledger ({why}): name a file in a folder that can be written to"


def _digest(begun: blake2b, data: bytes) -> bytes:
    """The digest of what a hash has seen and the data: copying a keyed hash takes half the time of making one."""
    hashed = begun.copy()
    hashed.update(data)
    return hashed.digest()


def _split(rows: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (rows[start : start + _KEY_BYTES], rows[start + _KEY_BYTES : start + _ROW])
        for start in range(0, len(rows), _ROW)
    ]
