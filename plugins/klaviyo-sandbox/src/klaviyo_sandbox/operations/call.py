"""One request to the API, as its handler sees it, and what the handler answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from klaviyo_sandbox.model.errors import refuse
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.queries import Query, resource_of
from klaviyo_sandbox.protocol.resources import Names, Resources

if TYPE_CHECKING:
    from msgspec import Raw

    from klaviyo_sandbox.account import Account
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.state.pages import Page
    from klaviyo_sandbox.state.store import Store
    from klaviyo_wire.endpoints import Endpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers. Without a document there is no body and no content type."""

    status: int
    document: Json | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has passed every check that needs no data."""

    account: Account
    endpoint: Endpoint
    path: Mapping[str, str]
    query: Query
    body: bytes = field(repr=False)

    @property
    def store(self) -> Store:
        """The account's data."""
        return self.account.store

    @property
    def resources(self) -> Resources:
        """Renders resources for a read."""
        return Resources(self.account.url)

    def written(self, now: datetime) -> Resources:
        """Renders resources for the answer to a write made `now`."""
        return Resources(self.account.url, now)

    def read(self, kind: type[T]) -> T:
        """The `data` of the request document.

        Raises:
            Refusal: the document is not of the form.
        """
        return bodies.read(self.body, kind, resource_of(self.endpoint.path))

    def took(self, rows: int) -> None:
        """Count the rows of a bulk request that is accepted."""
        self.account.rows[self.endpoint.key] += rows

    def fields(self, kind: str) -> Names:
        """The sparse fieldset of a type; None: all."""
        return self.query.fields.get(kind)

    def same_id(self, body_id: str) -> None:
        """Check that a PATCH names the resource it is sent to.

        Raises:
            Refusal: it names another.
        """
        if body_id != self.path["id"]:
            refuse("The id in the body is not the id in the path.", pointer="/data/id")

    def one(
        self,
        resource: Json | Raw,
        *,
        status: int = 200,
        page: Page | None = None,
        included: list[Json] | None = None,
    ) -> Answer:
        """A document of one resource; with a page, which is of something inside, with the link to the next."""
        return self._document(status, resource, self._links(page), included)

    def many(
        self, resources: list[Json] | Raw, *, page: Page | None = None, included: list[Json] | None = None
    ) -> Answer:
        """A document of several; with a page, with the link to the next."""
        return self._document(200, resources, self._links(page), included)

    def _document(
        self, status: int, data: list[Json] | Raw | Json, links: Json, included: list[Json] | None
    ) -> Answer:
        document: Json = {"data": data}
        # Absent when nothing was asked to be included, empty when nothing was found (recorded).
        if included is not None:
            once = {(each["type"], each["id"]): each for each in included}
            document["included"] = list(once.values())
        return Answer(status, document | {"links": links})

    def _links(self, page: Page | None) -> Json:
        links: Json = {"self": self.query.link(self.account.url)}
        if page is not None:
            links |= {"next": page.next_link(self.query, self.account.url), "prev": None}
        return links


Handler = Callable[[Call], Answer]
