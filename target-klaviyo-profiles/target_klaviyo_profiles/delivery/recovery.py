"""After a killed run: asks Klaviyo what became of the requests that the ledger says were sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING

from target_klaviyo_profiles.delivery.ledger import KEPT
from target_klaviyo_profiles.delivery.orphaned_jobs import await_orphaned_jobs
from target_klaviyo_profiles.delivery.recovered_rows import RecoveredRows, hashed_key
from target_klaviyo_profiles.rows import BulkRoute, Group, OpenJob, Outcome, Unsettled
from target_klaviyo_profiles.sinks.bulk_sink import BulkSink

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.context import DeliveryContext
    from target_klaviyo_profiles.delivery.job_poller import JobPoller
    from target_klaviyo_profiles.delivery.ledger import Entry
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.sinks.base import Sink

_log = logging.getLogger("target-klaviyo-profiles")


def recover(
    entries: Sequence[Entry], sink: Sink, context: DeliveryContext, poller: JobPoller, done: Callable[[int], None]
) -> RecoveredRows:
    """What earlier runs had sent of a stream. Returns once every job of theirs has ended.

    So no new row is sent while a job of an earlier run may still write, and an older value over a newer one.

    Args:
        entries: The ledger's entries of the stream, oldest first.
        sink: The stream's.
        context: The stream's.
        poller: Polls the jobs that have not ended.
        done: See `RecoveredRows`.

    Raises:
        KlaviyoError: Klaviyo cannot be asked.
    """
    _log.info("%s: an earlier run did not end; asking what became of its %d requests", sink.stream, len(entries))
    routes = {route.operation: route for route in sink.routes if isinstance(route, BulkRoute)}
    outcomes = {entry.id: _outcome(entry, routes.get(entry.operation), sink, context) for entry in entries}
    results: SimpleQueue[Outcome | Exception] = SimpleQueue()
    polled = [outcome for outcome in outcomes.values() if outcome.open]
    for outcome in polled:
        assert isinstance(sink, BulkSink)  # noqa: S101 - it has bulk routes
        poller.poll(sink, context, outcome, results.put)
    for _ in polled:
        if isinstance(result := results.get(), Exception):
            raise result
    recovered = RecoveredRows(context.ledger, done)
    for entry in entries:
        outcome = outcomes[entry.id]
        if outcome.unnamed:  # which rows failed is not known: sent again, each gets its answer
            outcome.unsettled.update(_all(entry, "failed without a name"))
        recovered.add(entry, outcome)
    return recovered


def _outcome(entry: Entry, route: BulkRoute | None, sink: Sink, context: DeliveryContext) -> Outcome:
    """What is known of a request so far, with the job that will tell more."""
    outcome = Outcome()
    sent, now = datetime.fromtimestamp(entry.at, UTC), context.now()
    at = context.clock() - max(0.0, (now - sent).total_seconds())
    if sent > now:  # the clock was set back meanwhile: it may have been at any time that the ledger reaches
        sent = now - timedelta(seconds=KEPT)
    if route is None:
        outcome.unsettled = _all(entry, "no sink has such a route")
    elif entry.job is not None:
        keys = [hashed_key(key) for key, _ in entry.rows]
        known_as = lambda key: hashed_key(context.ledger.hashed(key))  # noqa: E731
        outcome.open.append(OpenJob(entry.job, Group(route, entry.shared), keys, at, known_as))
    elif not entry.accepted:
        outcome.unsettled = _all(entry, "the answer was lost")
        if route.listing is not None:
            try:
                await_orphaned_jobs(route, len(entry.rows), sent, context)
            except Unsettled as fault:
                _log.warning("%s: %s; going on without it", sink.stream, fault)
    return outcome


def _all(entry: Entry, why: str) -> dict[Key, str]:
    return {hashed_key(key): why for key, _ in entry.rows}
