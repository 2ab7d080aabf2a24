"""The connection test (`--test`): finds out with a request or two whether the key can read a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from klaviyo_wire.jsonapi import Json, resources

if TYPE_CHECKING:
    from klaviyo_wire.client import Client


@dataclass(frozen=True)
class ConnectionTest:
    """Sends the cheapest requests that tell, each of them once: several streams may need the same answer.

    Args:
        client: The request loop.
    """

    client: Client
    _answers: dict[str, Json] = field(default_factory=dict)

    def ask(self, operation: str, params: Mapping[str, str]) -> Json:
        """The answer of an operation, which is called at its first time only.

        Raises:
            KlaviyoError: the key cannot call it.
        """
        if operation not in self._answers:
            self._answers[operation] = self.client.call(operation, params=params)
        return self._answers[operation]

    def listing(
        self,
        operation: str,
        parent: str = "",
        required_filter: str = "",
        filter_of: Callable[[str], str] = lambda _: "",
    ) -> str:
        """Ask for a row of a listing; why it was not asked for, if it was not.

        Args:
            operation: What is listed.
            parent: The operation that lists what `operation` takes an id of; empty: it takes none.
            required_filter: Sent where the first one of them cannot be called without a filter.
            filter_of: What is sent to the second one where that needs a filter, by the id that the first one told.

        Raises:
            KlaviyoError: the key cannot call one of them.
        """
        first = self.ask(parent or operation, _smallest(ENDPOINTS[parent or operation], required_filter))
        if not parent:
            return ""
        for row in resources(first)[:1]:
            params = _smallest(ENDPOINTS[operation], filter_of(row["id"]))
            self.client.call(operation, path={"id": row["id"]}, params=params)
            return ""
        return "there is nothing yet to ask about"


def _smallest(endpoint: Endpoint, required_filter: str) -> dict[str, str]:
    """Parameters of the cheapest request to a listing."""
    params = {"page[size]": "1"} if endpoint.page and endpoint.page.maximum else {}
    return params | ({"filter": required_filter} if endpoint.filter_required else {})
