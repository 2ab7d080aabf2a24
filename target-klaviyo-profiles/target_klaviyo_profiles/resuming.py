"""What an earlier run, killed before a STATE covered it, had sent: told by the ledger, confirmed by Klaviyo."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.sinks.base import Group, Line, OpenJob, Outcome, Reason, Row, Sink, Unsettled
from target_klaviyo_profiles.sinks.bulk import Bulk, BulkSink
from target_klaviyo_profiles.sinks.ghosts import await_ghosts

if TYPE_CHECKING:
    from target_klaviyo_profiles.following import Follower
    from target_klaviyo_profiles.ledger import Entry, Ledger

_log = logging.getLogger("target-klaviyo-profiles")
_COUNTED = 0
"""In the place of an entry's id, once the row has come again."""


class Sent(NamedTuple):
    """The fate of a row that was sent: `reason` is None where Klaviyo took it."""

    reason: Reason | None


_TAKEN = Sent(None)


class Resumed:
    """The last row that was sent for each key, where its fate is known.

    Args:
        ledger: Hashes keys and rows.
        done: Told of an entry once all of its rows have come again: the next STATE covers them.
    """

    def __init__(self, ledger: Ledger, done: Callable[[int], None]) -> None:
        self._ledger = ledger
        self._done = done
        self._last: dict[bytes, tuple[bytes, int]] = {}
        self._left: dict[int, int] = {}
        self._reasons: dict[bytes, Reason] = {}

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Take a request whose job, if it was one, has ended; keys are as `hashed_key` has them.

        A later request counts more than an earlier one, also where nothing is known of it.
        """
        for key, row in entry.rows:
            self._forget(key)
            hashed = _as_key(key)
            if hashed in outcome.unsettled:
                continue
            self._last[key] = row, entry.id
            self._left[entry.id] = self._left.get(entry.id, 0) + 1
            if (reason := outcome.rejected.get(hashed)) is not None:
                self._reasons[key] = reason
        if entry.id not in self._left:
            self._done(entry.id)

    def sent(self, row: Row) -> Sent | None:
        """The fate of a row, if it is the last that was sent for its key."""
        key = self._ledger.hashed(row.key)
        last = self._last.get(key)
        if last is None or last[0] != self._ledger.hashed_row(row.group, row.payload):
            return None
        self._last[key] = last[0], _COUNTED
        self._count(last[1])
        reason = self._reasons.get(key)
        return _TAKEN if reason is None else Sent(reason)

    def superseded(self, key: Key) -> None:
        """A newer row is being sent for the key."""
        self._forget(self._ledger.hashed(key))

    def _forget(self, key: bytes) -> None:
        _, entry = self._last.pop(key, (b"", _COUNTED))
        self._reasons.pop(key, None)
        self._count(entry)

    def _count(self, entry: int) -> None:
        if entry == _COUNTED:
            return
        self._left[entry] -= 1
        if not self._left[entry]:
            self._done(entry)


def resumed(
    entries: Sequence[Entry], sink: Sink, line: Line, follower: Follower, done: Callable[[int], None]
) -> Resumed:
    """What earlier runs had sent of a stream. Returns once every job of theirs has ended.

    So nothing new is sent while a job of an earlier run may yet write: it cannot be overtaken.

    Raises:
        KlaviyoError: Klaviyo cannot be asked.
    """
    _log.info("%s: an earlier run did not end; asking what became of its %d requests", sink.stream, len(entries))
    routes = {route.operation: route for route in sink.routes if isinstance(route, Bulk)}
    outcomes = {entry.id: _outcome(entry, routes.get(entry.operation), sink, line) for entry in entries}
    told: SimpleQueue[Outcome | Exception] = SimpleQueue()
    followed = [outcome for outcome in outcomes.values() if outcome.open]
    for outcome in followed:
        assert isinstance(sink, BulkSink)  # noqa: S101 - it has bulk routes
        follower.follow(sink, line, outcome, told.put)
    for _ in followed:
        if isinstance(news := told.get(), Exception):
            raise news
    found = Resumed(line.ledger, done)
    for entry in entries:
        outcome = outcomes[entry.id]
        if outcome.unnamed:  # who failed is not known: sent again, each gets its answer
            outcome.unsettled.update(_all(entry, "failed without a name"))
        found.add(entry, outcome)
    return found


def _outcome(entry: Entry, route: Bulk | None, sink: Sink, line: Line) -> Outcome:
    """What is known of a request so far, with the jobs that will tell more."""
    outcome = Outcome()
    sent = datetime.fromtimestamp(entry.at, UTC)
    at = line.clock() - max(0.0, (line.now() - sent).total_seconds())
    if route is None:
        outcome.unsettled = _all(entry, "no sink has such a route")
    elif entry.job is not None:
        keys = [_as_key(key) for key, _ in entry.rows]
        known_as = lambda key: _as_key(line.ledger.hashed(key))  # noqa: E731
        outcome.open.append(OpenJob(entry.job, Group(route, entry.shared), keys, at, known_as))
    elif not entry.accepted:
        outcome.unsettled = _all(entry, "the answer was lost")
        if route.listing is not None:
            try:
                await_ghosts(route, len(entry.rows), sent, line)
            except Unsettled as lost:
                _log.warning("%s: %s; going on without it", sink.stream, lost)
    return outcome


def _all(entry: Entry, why: str) -> dict[Key, str]:
    return {_as_key(key): why for key, _ in entry.rows}


def _as_key(hashed: bytes) -> Key:
    return Key("hash", hashed.hex())
