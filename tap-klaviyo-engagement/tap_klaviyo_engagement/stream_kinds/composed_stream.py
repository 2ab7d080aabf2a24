"""Streams whose rows are put together: rows that name others, rows listed only by what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, TypeVar

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
    Unreadable,
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

    def of_owner(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records that belong to one resource; what of it cannot be read is put aside."""
        try:
            yield from records
        except Unreadable as fault:
            self.put_aside(fault, {})

    def records(self, resources: Iterable[Json], listing: Listing) -> Iterator[Record]:
        """The records of resources; one that cannot be read is put aside."""
        for resource in resources:
            try:
                record = self.record(resource, listing)
            except Unreadable as fault:
                self.put_aside(fault, listing.columns)
            else:
                yield record


class LinkedStream(ComposedStream):
    """Rows that name others in relationships which Klaviyo tells only with an `include` (recorded).

    A column called `…_ids` is the sorted list of a to-many relationship's ids; none is an empty list.
    """

    links: ClassVar[Mapping[str, str]]
    """Column → relationship. It is included where the endpoint offers that; elsewhere it comes by itself."""
    linked_types: ClassVar[Mapping[str, str]] = {}
    """Relationship → JSON:API type of what it names, where it is not called after that."""

    @override
    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        own = super().params(listing, window)
        wanted = [name for column, name in self.links.items() if column in self.columns]
        if asked := [name for name in wanted if name in self.endpoint.include]:
            own["include"] = ",".join(asked)
            types = [self.linked_types.get(name, name.removesuffix("s")) for name in asked]
            own |= {f"fields[{kind}]": "id" for kind in types}
        return own

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        params = self.params(stream_slice.listing, stream_slice.window)
        for document in self.documents(self.operation, path=stream_slice.listing.path, params=params):
            yield from self.records(resources(document), stream_slice.listing)

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
            self.note_deleted(self.owner, key)


def ids_of(resource: Json, relationship: str) -> list[str] | None:
    """Ids of a to-many relationship; None if Klaviyo does not tell them.

    Raises:
        Unreadable: it tells something else.
    """
    linked = (resource.get("relationships") or {}).get(relationship) or {}
    references = linked.get("data")
    # A text that is none makes a TypeError, as any other value in the wrong place.
    return None if references is None else understood(resource, lambda: [_text(each["id"]) for each in references])


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    text: str = "" + value
    return text


T = TypeVar("T")


def understood(resource: Json, look: Callable[[], T]) -> T:
    """What is found by looking into a resource.

    Raises:
        Unreadable: a value in it is of another type than Klaviyo documents.
    """
    try:
        return look()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"{resource.get('type')} {resource['id']} holds a value of another type than documented"
        raise Unreadable(
            msg,
            id=resource["id"],
            code="no_resource",
            remedy="report what the API answers there",
        ) from error


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
