"""Finds what settings choose by name or id among what the account has: metrics, lists, segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.jsonapi import resources
from tap_klaviyo_engagement.errors import StreamFault

if TYPE_CHECKING:
    from klaviyo_wire.client import Client


@dataclass(frozen=True)
class NameLookup:
    """Asks Klaviyo for names, anew each time.

    Args:
        client: The request loop.
    """

    client: Client

    def names(self, operation: str, resource: str) -> dict[str, str]:
        """Names by id of everything an operation lists; `resource` is the JSON:API type of the rows."""
        page = ENDPOINTS[operation].page
        params = {f"fields[{resource}]": "name"}
        if page and page.maximum:
            params["page[size]"] = str(page.maximum)
        return {
            row["id"]: str((row.get("attributes") or {}).get("name"))
            for document in self.client.pages(operation, params=params)
            for row in resources(document)
        }

    def ids(self, setting: str, wanted: tuple[str, ...], operation: str, resource: str) -> list[str]:
        """Ids of what a setting chooses among everything an operation lists.

        Raises:
            StreamFault: the setting names something that does not exist.
        """
        return self.among(setting, wanted, self.names(operation, resource))

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
