"""Streams whose rows are put together: rows that name others, rows listed only by what they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    NO_BOUNDS,
    Batch,
    Json,
    ListedStream,
    Listing,
    NotFound,
    Record,
    StreamSlice,
    Window,
    iso,
    moment,
    resources,
)


class ComposedStream(ListedStream):
    """A stream whose rows are put together from several operations, or from whole resources."""

    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        """The rows of a slice, made by `record`. Called in other threads."""
        raise NotImplementedError

    @override
    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        records = self.compose(stream_slice)
        anywhere = replace(stream_slice, window=NO_BOUNDS)  # a row may have changed without its cursor showing it
        while some := list(islice(records, 100)):
            yield self.reader.batch(anywhere, some, seen)


class LinkedStream(ComposedStream):
    """Rows that name others in relationships which Klaviyo tells only with an `include` (recorded).

    A column called `…_ids` is the sorted list of a to-many relationship's ids; none is an empty list.
    """

    links: ClassVar[Mapping[str, str]]
    """Column → relationship. It is included where the endpoint offers that; elsewhere it comes by itself."""

    @override
    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        own = super().params(listing, window)
        wanted = [name for column, name in self.links.items() if column in self.columns]
        if asked := [name for name in wanted if name in self.endpoint.include]:
            own["include"] = ",".join(asked)
            own |= {f"fields[{name.removesuffix('s')}]": "id" for name in asked}
        return own

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        params = self.params(stream_slice.listing, stream_slice.window)
        for document in self.run.client.pages(self.operation, path=stream_slice.listing.path, params=params):
            for resource in resources(document):
                yield self.record(resource, stream_slice.listing)

    @override
    def record(self, resource: Json, listing: Listing) -> Record:
        record = super().record(resource, listing)
        for column, name in self.links.items():
            if column in record and column.endswith("_ids"):
                record[column] = sorted(ids_of(resource, name) or ())
        return record


class NestedStream(ComposedStream):
    """Rows that Klaviyo lists only by what they belong to."""

    owner: ClassVar[str]
    """What they belong to, as a warning calls it."""

    def rows_of(self, key: str, columns: Mapping[str, Any]) -> Iterator[Record]:
        """The rows of one owner, with these columns; none if it was deleted since it was listed."""
        try:
            yield from self.reader.rows(Listing(path={"id": key}, columns=columns))
        except NotFound:
            self.logger.warning("The %s %s was deleted while it was read", self.owner, key)


def ids_of(resource: Json, relationship: str) -> list[str] | None:
    """Ids of a to-many relationship; None if Klaviyo does not tell them."""
    linked = (resource.get("relationships") or {}).get(relationship) or {}
    references = linked.get("data")
    return None if references is None else [reference["id"] for reference in references]


def readable(text: str | None) -> str | None:
    """A time, normalised; None if Klaviyo did not give one, or none that can be read."""
    try:
        return iso(moment(text)) if text else None
    except (ValueError, TypeError, AttributeError):
        return None


def may_be_since(start: datetime | None, *times: str | None) -> bool:
    """Whether one of these times may be `start` or later: also if none is given, or one cannot be read."""
    if start is None:
        return True
    known = [readable(text) for text in times if text]
    return not known or any(each is None or each >= iso(start) for each in known)
