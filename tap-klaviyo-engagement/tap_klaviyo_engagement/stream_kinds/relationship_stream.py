"""Streams that tell which resources are related to which: a list's tags, the flows that a metric triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import ClassVar

from typing_extensions import override

from tap_klaviyo_engagement.client import pairs
from tap_klaviyo_engagement.stream_kinds.composed_stream import ComposedStream, ids_of
from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    NO_BOUNDS,
    Batch,
    Json,
    Listing,
    Record,
    StreamSlice,
    Window,
    resources,
)


class RelationshipStream(ComposedStream):
    """One row per pair of a to-many relationship, read whole in every run.

    A pair may come or go without moving a time of either resource, so that no later run can ask for changes alone.
    Rows carry the moment their reading began. Once it is complete, `membership_snapshots` has that moment too, as
    group of type `account` with the stream's name: a pair with an older `snapshot_at` is gone, as are all pairs of
    what was deleted.

    The pairs come with the listing of `resource`, a page of which has 10 to 200 of them. Klaviyo has a listing for
    each related resource as well, of which a minute allows sixty.

    A declaration names `resource` and `related`; columns and key are the ids of both.
    """

    relationship: ClassVar[str]
    """What is included with the listing."""
    related: ClassVar[str]
    """JSON:API type of what it names."""
    leaves_snapshots = True

    def __init_subclass__(cls) -> None:
        """Make columns and key of what a declaration relates."""
        super().__init_subclass__()
        if not hasattr(cls, "resource"):
            return  # what several declarations have in common
        own, other = f"{cls.resource}_id", f"{cls.related}_id"
        cls.sources = {own: ("id",)}
        cls.given_columns = (other, "snapshot_at")
        cls.primary_keys = (own, other)
        # The SDK declares a property, in whose place its streams have a schema of their own.
        cls.schema = pairs(cls.resource, cls.related)  # type: ignore[assignment, method-assign]

    @override
    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        ids_alone = self.query(("id",)).params(listing, window)
        return ids_alone | {"include": self.relationship, f"fields[{self.related}]": "id"}

    @override
    def batches(self) -> Iterator[list[Record]]:
        self._began = self.reading_begins()
        self._pairs: set[tuple[str, str]] = set()
        yield from super().batches()
        if self.whole_reading.complete:
            self.run.snapshot("account", self.name, self._began, len(self._pairs))
        self.run.named[self.operation] = self.whole_reading

    @override
    def before_emission(self, stream_slice: StreamSlice, batch: Batch) -> Callable[[], None] | None:
        # A resource that moves from one listing to the next, such as into the archive, is met twice.
        key = itemgetter(f"{self.resource}_id", f"{self.related}_id")
        self._pairs.update(map(key, batch.records))
        return None

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        for document in self.documents(self.operation, params=self.params(stream_slice.listing)):
            for each in resources(document):
                yield from self.of_owner(self._rows(each))

    def _rows(self, resource: Json) -> Iterator[Record]:
        """A resource's pairs.

        Raises:
            Unreadable: it does not tell whom it is related to.
        """
        self.whole_reading.ids.add(resource["id"])
        found = ids_of(resource, self.relationship)
        if found is None:
            self.whole_reading.complete = False  # nobody said that there is none
        for each in found or ():
            columns = {f"{self.related}_id": each, "snapshot_at": self._began}
            yield self.record(resource, Listing(columns=columns))
