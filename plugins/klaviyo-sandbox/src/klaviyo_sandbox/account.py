"""The account behind the API, and one request to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, TypeVar

from klaviyo_sandbox import bodies
from klaviyo_sandbox.consent import Consents
from klaviyo_sandbox.errors import refuse
from klaviyo_sandbox.imports import Imports
from klaviyo_sandbox.intake import Intake
from klaviyo_sandbox.later import Later
from klaviyo_sandbox.queries import Query, resource_of
from klaviyo_sandbox.resources import Names, Resources
from klaviyo_sandbox.suppressions import Suppressions

if TYPE_CHECKING:
    from msgspec import Raw

    from klaviyo_sandbox.clock import Clock
    from klaviyo_sandbox.pages import Page
    from klaviyo_sandbox.records import Json
    from klaviyo_sandbox.store import Store
    from klaviyo_sandbox.truth import Truth
    from klaviyo_wire.endpoints import Endpoint

T = TypeVar("T")

_KEY_BITS = 136


class Account:
    """Everything that outlives a request."""

    def __init__(  # noqa: PLR0913
        self,
        store: Store,
        clock: Clock,
        *,
        seed: int,
        import_seconds: float,
        settle_seconds: float,
        truth: Truth,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rng = Random(f"{seed}:ids")  # noqa: S311 - not those that the world was made with
        order = Random(f"{seed}:imports")  # noqa: S311 - of its own, so that ids do not depend on it
        self.imports = Imports(store, self.rng, import_seconds, order)
        self.later = Later(settle_seconds)
        self.intake = Intake(store, self.rng, self.later)
        self.consents = Consents(store, self.rng, self.later)
        self.suppressions = Suppressions(store, self.rng, self.later)
        self.truth = truth
        """What a campaign that is sent through the API truly causes."""
        self.advanced_kdp = True
        """Whether the account has the feature without which webhooks are refused."""
        self.url = ""
        self.requests: Counter[str] = Counter()
        """Requests by operation and what was answered: `get_events 200`, `get_events reset`."""
        self.rows: Counter[str] = Counter()
        """Rows of the bulk requests that were accepted, by operation."""
        self.received: list[Received] | None = None
        """Every write that reached the account, where they are to be kept."""
        self._keys: dict[str, frozenset[str] | None] = {}

    def issue_key(self, scopes: Collection[str] | None = None) -> str:
        """A new private key, with these scopes or with all."""
        key = f"pk_{self.rng.getrandbits(_KEY_BITS):034x}"
        self._keys[key] = None if scopes is None else frozenset(scopes)
        return key

    def knows(self, key: str) -> bool:
        """Whether this is one of the account's keys."""
        return key in self._keys

    def allows(self, key: str, scopes: Collection[str]) -> bool:
        """Whether a key has all of these scopes."""
        held = self._keys[key]
        return held is None or held.issuperset(scopes)

    def advance(self) -> None:
        """Do what the passing of time brings: late events appear, what was accepted takes effect."""
        now = self.clock.now()
        self.store.release_events(int(now.timestamp()))
        self.imports.advance(now)
        self.later.advance(now)

    def settle(self) -> None:
        """Let all that was accepted take effect now, but for jobs that are stuck."""
        now = self.clock.now()
        self.imports.settle(now)
        self.later.settle(now)


@dataclass(frozen=True, slots=True)
class Received:
    """A write as it arrived, and the status it was answered with."""

    operation: str
    body: bytes
    status: int


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
