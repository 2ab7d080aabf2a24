"""The account behind the API: everything that outlives a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.deferred_work import DeferredWork
from klaviyo_sandbox.state.consent import Consents
from klaviyo_sandbox.state.consent_events import ConsentEvents
from klaviyo_sandbox.state.event_ingest import EventIngest
from klaviyo_sandbox.state.import_jobs import Imports
from klaviyo_sandbox.state.suppression_jobs import Suppressions

if TYPE_CHECKING:
    from klaviyo_sandbox.model.clock import Clock
    from klaviyo_sandbox.simulation.truth import Truth
    from klaviyo_sandbox.state.store import Store

_KEY_BITS = 136


class Account:
    """The state that outlives a request: the data, the keys, the jobs that are open, and what was counted."""

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
        self.id = ids.account(seed)
        """What tells it from other accounts: those of other seeds have another one."""
        self.rng = Random(f"{seed}:ids")  # noqa: S311 - not those that the world was made with
        order = Random(f"{seed}:imports")  # noqa: S311 - of its own, so that ids do not depend on it
        self.imports = Imports(store, self.rng, import_seconds, order)
        self.deferred_work = DeferredWork(settle_seconds)
        self.event_ingest = EventIngest(store, self.rng, self.deferred_work)
        consent_events = ConsentEvents(store, self.rng)
        self.consents = Consents(store, self.rng, self.deferred_work, consent_events)
        self.suppressions = Suppressions(store, self.rng, self.deferred_work, consent_events)
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
        """Catch up with the clock: late events appear, and accepted work that is due is done."""
        now = self.clock.now()
        self.store.release_events(int(now.timestamp()))
        self.imports.advance(now)
        self.deferred_work.advance(now)

    def settle(self) -> None:
        """Do all accepted work now, except for jobs that are stuck."""
        now = self.clock.now()
        self.imports.settle(now)
        self.deferred_work.settle(now)


@dataclass(frozen=True, slots=True)
class Received:
    """A write as it arrived, and the status it was answered with."""

    operation: str
    body: bytes
    status: int
