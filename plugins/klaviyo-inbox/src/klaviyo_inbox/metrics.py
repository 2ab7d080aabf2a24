"""What the receiver counts, as Prometheus reads it. Nothing of a delivery stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from klaviyo_inbox.delivery import Receipt
    from klaviyo_inbox.store.base import State

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one receiver, in a registry of its own: a process may have several."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self.answers = Counter(
            "klaviyo_inbox_answers",
            "Deliveries by source and status",
            ["source", "status"],
            registry=self._registry,
        )
        self._records = Counter(
            "klaviyo_inbox_records",
            "Parts of deliveries by source, and what became of them: stored, duplicate, put_away, forgotten",
            ["source", "outcome"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "klaviyo_inbox_answer_seconds",
            "Time from the head of a delivery to its answer",
            ["source"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self._registry,
        )
        self.bytes = Counter(
            "klaviyo_inbox_body_bytes", "Bytes of bodies that were read", ["source"], registry=self._registry
        )
        self.commits = Counter("klaviyo_inbox_commits", "Commits to the store", registry=self._registry)
        self.committed = Counter(
            "klaviyo_inbox_committed_deliveries", "Deliveries that these held", registry=self._registry
        )
        gauges = {
            "store_bytes": "Bytes of the store",
            "store_newest": "Number of the newest record",
            "dead_letters": "Parts of deliveries that are put away",
        }
        self._gauges = {
            name: Gauge(f"klaviyo_inbox_{name}", text, registry=self._registry) for name, text in gauges.items()
        }

    def count(self, source: str, receipt: Receipt) -> None:
        """Count what became of a delivery's parts."""
        for outcome, number in zip(("stored", "duplicate", "put_away"), receipt, strict=True):
            if number:
                self._records.labels(source, outcome).inc(number)

    def count_forgotten(self, source: str, number: int) -> None:
        """Count parts that were not kept, since they are about somebody who was forgotten."""
        if number:
            self._records.labels(source, "forgotten").inc(number)

    def count_commit(self, deliveries: int) -> None:
        """Count a commit."""
        self.commits.inc()
        self.committed.inc(deliveries)

    def text(self, state: State | None) -> bytes:
        """Everything, in Prometheus' format.

        Args:
            state: Of the store; None if it cannot be read.
        """
        if state is not None:
            for name, value in zip(self._gauges, (state.size, state.newest, state.dead_letters), strict=True):
                self._gauges[name].set(value)
        return generate_latest(self._registry)
