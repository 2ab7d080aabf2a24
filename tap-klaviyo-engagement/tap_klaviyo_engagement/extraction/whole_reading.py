"""Readings that see everything there is: what an older one saw and this one does not is gone.

Klaviyo tells of no deletion. A reading in which something may be missing says nothing about what it did not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.jsonapi import resources
from tap_klaviyo_engagement.extraction.documents import documents
from tap_klaviyo_engagement.extraction.query import ListingQuery
from tap_klaviyo_engagement.extraction.slices import Listing

if TYPE_CHECKING:
    from klaviyo_wire.client import Client
    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.errors import Unreadable


@dataclass
class WholeReading:
    """What one reading has seen so far.

    Args:
        began: When it began, ISO 8601 in UTC.
    """

    began: str
    ids: set[str] = field(default_factory=set)
    complete: bool = True
    """Whether nothing is known to be missing."""


@dataclass(frozen=True)
class IdListing:
    """Where the id of everything there is of a kind is listed.

    Args:
        operation: What is listed.
        resource: JSON:API type of the rows.
        listings: The listings that make it up.
        relationship: The ids are those that the rows name in this relationship; empty: their own.
    """

    operation: str
    resource: str
    listings: tuple[Listing, ...] = (Listing(),)
    relationship: str = ""

    def rows(
        self,
        listing: Listing,
        relationships: Sequence[str],
        client: Client,
        put_aside: Callable[[Unreadable], None],
    ) -> Iterator[Json]:
        """The rows of one of the listings, with nothing but ids.

        Args:
            listing: Which one.
            relationships: What is named in them.
            client: The request loop.
            put_aside: Takes a row that cannot be read.
        """
        query = ListingQuery(ENDPOINTS[self.operation], self.resource, ("id",), None, {})
        params = query.params(listing)
        if relationships:
            params["include"] = ",".join(relationships)
            params |= {f"fields[{name.removesuffix('s')}]": "id" for name in relationships}
        for document in documents(client, self.operation, put_aside, params=params):
            yield from resources(document)
