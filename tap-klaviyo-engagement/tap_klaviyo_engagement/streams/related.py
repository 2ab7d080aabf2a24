"""What streams share whose rows name others, or are listed only by what they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from typing_extensions import override

from tap_klaviyo_engagement.client import (
    NO_BOUNDS,
    ComposedStream,
    Json,
    Listing,
    NotFound,
    Record,
    Unit,
    Window,
    iso,
    moment,
    resources,
)


class Linked(ComposedStream):
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
    def compose(self, unit: Unit) -> Iterator[Record]:
        params = self.params(unit.listing, unit.window)
        for document in self.run.client.pages(self.operation, path=unit.listing.path, params=params):
            for resource in resources(document):
                yield self.record(resource, unit.listing)

    @override
    def record(self, resource: Json, listing: Listing) -> Record:
        record = super().record(resource, listing)
        for column, name in self.links.items():
            if column in record and column.endswith("_ids"):
                record[column] = sorted(ids_of(resource, name) or ())
        return record


class Nested(ComposedStream):
    """Rows that Klaviyo lists only by what they belong to."""

    owner: ClassVar[str]
    """What that is, in a person's words."""

    def rows_of(self, key: str, columns: Mapping[str, Any]) -> Iterator[Record]:
        """The rows of one owner, with these columns; none if it was deleted since it was listed."""
        try:
            yield from self.rows(Listing(path={"id": key}, columns=columns))
        except NotFound:
            self.logger.warning("The %s %s was deleted while it was read", self.owner, key)


def ids_of(resource: Json, relationship: str) -> list[str] | None:
    """Ids of a to-many relationship; None if Klaviyo does not tell them."""
    held = (resource.get("relationships") or {}).get(relationship) or {}
    references = held.get("data")
    return None if references is None else [reference["id"] for reference in references]


def readable(text: str | None) -> str | None:
    """A time, normalised; None if it is not told or cannot be read."""
    try:
        return iso(moment(text)) if text else None
    except (ValueError, TypeError, AttributeError):
        return None


def may_be_since(start: datetime | None, *times: str | None) -> bool:
    """Whether one of these times is `start` or later; what is not told, or cannot be read, may be."""
    if start is None:
        return True
    told = [readable(text) for text in times if text]
    return not told or any(each is None or each >= iso(start) for each in told)
