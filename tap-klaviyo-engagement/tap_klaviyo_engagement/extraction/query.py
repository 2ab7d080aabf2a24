"""The query parameters of a listing: which fields, which filter, which order, how many rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from klaviyo_wire.filters import all_of, before, since
from tap_klaviyo_engagement.extraction.slices import NO_BOUNDS, Listing

if TYPE_CHECKING:
    from klaviyo_wire.endpoints import Endpoint
    from tap_klaviyo_engagement.extraction.inclusions import Inclusion
    from tap_klaviyo_engagement.extraction.windows import Window


@dataclass(frozen=True)
class ListingQuery:
    """Asks an endpoint for some columns, and for no more.

    Args:
        endpoint: What is listed.
        resource: JSON:API type of the rows.
        columns: Those of the records.
        cursor: The column that windows go by; None where there are no windows.
        sources: Columns that lie deeper than an attribute: column → path in the attributes.
        inclusions: Columns made of resources that come included.
    """

    endpoint: Endpoint
    resource: str
    columns: Collection[str]
    cursor: str | None
    sources: Mapping[str, tuple[str, ...]]
    inclusions: Mapping[str, Inclusion] = field(default_factory=dict)

    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        """Query parameters of a listing's first page."""
        wanted = {*self.columns, *filter(None, [self.cursor])}
        deep = {self.sources[name][0] for name in self.columns if name in self.sources}
        additional = [name for name in self.endpoint.additional_fields.get(self.resource, ()) if name in wanted]
        fields = (self.endpoint.fields[self.resource] - {"id", *additional}) & {*wanted, *deep}
        params = {f"fields[{self.resource}]": ",".join(sorted(fields)) or "id"}
        if additional:
            params[f"additional-fields[{self.resource}]"] = ",".join(additional)
        if included := [each.relationship for name, each in self.inclusions.items() if name in wanted]:
            params["include"] = ",".join(included)
        if bounded := all_of(listing.filter, *self._bounds(window)):
            params["filter"] = bounded
        order = self.cursor or self.endpoint.steady_order
        if order and order in self.endpoint.sort:
            params["sort"] = order
        if self.endpoint.page and self.endpoint.page.maximum:
            params["page[size]"] = str(self.endpoint.page.maximum)
        return params

    def _bounds(self, window: Window) -> Iterator[str]:
        """The window as filters, as far as it has bounds."""
        if self.cursor and window.start:
            operators = next(entry.operators for entry in self.endpoint.filters if entry.field == self.cursor)
            yield since(self.cursor, window.start, operators)
        if self.cursor and window.end:
            yield before(self.cursor, window.end)
