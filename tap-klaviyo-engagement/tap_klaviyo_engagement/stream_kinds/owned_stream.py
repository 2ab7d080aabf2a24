"""Streams whose rows are listed only by what they belong to, all of it: a coupon's codes, a type's objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from klaviyo_wire.endpoints import ENDPOINTS
from tap_klaviyo_engagement.extraction.query import ListingQuery
from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    Batch,
    ListedStream,
    Listing,
    NotFound,
    StreamSlice,
    resources,
)


class OwnedStream(ListedStream):
    """Rows of everything that `parent` lists, a slice for each, several at once, read whole in every run."""

    owner: ClassVar[str]
    """JSON:API type of what they belong to. Its id is the column `<owner>_id`, one of `given_columns`."""

    def listing_of(self, key: str) -> Listing:
        """What lists the rows of one owner: by default, the operation with the owner's id in its path."""
        return Listing(path={"id": key}, columns={self.owner_column: key})

    @property
    def owner_column(self) -> str:
        """The column that holds the owner's id."""
        return f"{self.owner.replace('-', '_')}_id"

    @override
    def slices(self) -> Iterator[StreamSlice]:
        ids = ListingQuery(ENDPOINTS[self.parent], self.owner, columns=(), cursor=None, sources={})
        for document in self.documents(self.parent, params=ids.params(Listing())):
            for each in resources(document):
                yield StreamSlice(self.listing_of(each["id"]))

    @override
    def probe(self) -> str:
        filter_of = lambda key: self.listing_of(key).filter  # noqa: E731 - too short for a name
        return self.run.connection_test.listing(self.operation, self.parent, filter_of=filter_of)

    @override
    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        try:
            yield from super().read_slice(stream_slice, seen)
        except NotFound:
            self.note_deleted(self.owner.replace("-", " "), stream_slice.listing.columns[self.owner_column])
