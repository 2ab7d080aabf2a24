"""Finds what settings choose by name or id among what the account has: metrics, lists, segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.jsonapi import resources
from tap_klaviyo_engagement.errors import StreamFault, Unreadable
from tap_klaviyo_engagement.extraction.documents import documents
from tap_klaviyo_engagement.extraction.query import ListingQuery
from tap_klaviyo_engagement.extraction.slices import Listing

if TYPE_CHECKING:
    from klaviyo_wire.client import Client


@dataclass(frozen=True)
class NameLookup:
    """Asks Klaviyo for names, anew each time.

    Args:
        client: The request loop.
    """

    client: Client

    def names(self, operation: str, resource: str, put_aside: Callable[[Unreadable], None]) -> dict[str, str]:
        """Names by id of everything an operation lists.

        Args:
            operation: What is listed.
            resource: JSON:API type of the rows.
            put_aside: Takes a row that cannot be read.
        """
        params = ListingQuery(ENDPOINTS[operation], resource, ("name",), None, {}).params(Listing())
        found: dict[str, str] = {}
        for document in documents(self.client, operation, put_aside, params=params):
            found |= {row["id"]: str(row["attributes"].get("name")) for row in resources(document)}
        return found

    @staticmethod
    def among(setting: str, wanted: tuple[str, ...], existing: Mapping[str, str]) -> list[str]:
        """Ids of what a setting chooses among `existing` (name by id).

        Raises:
            StreamFault: the setting names something that does not exist.
        """
        try:
            return choose(wanted, existing)
        except LookupError as error:
            msg = f"the setting `{setting}` {error.args[0]}"
            raise StreamFault(msg) from error


def choose(wanted: tuple[str, ...], existing: Mapping[str, str]) -> list[str]:
    """Ids of the wanted things; of all, if none is named.

    Args:
        wanted: Ids or names. A name that several things share means all of them.
        existing: Name by id.

    Raises:
        LookupError: with the sentence that says which one does not exist, and what does.
    """
    if not wanted:
        return list(existing)
    unknown = [text for text in wanted if text not in existing and text not in existing.values()]
    if unknown:
        available = ", ".join(
            f"{name} ({key})" for key, name in sorted(existing.items(), key=lambda item: item[1])
        )
        msg = f"names {' and '.join(map(repr, unknown))}, which does not exist. There are: {available or 'none'}"
        raise LookupError(msg)
    return [key for key, name in existing.items() if key in wanted or name in wanted]
