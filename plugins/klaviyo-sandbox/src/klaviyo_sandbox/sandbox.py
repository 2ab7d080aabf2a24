"""`Sandbox`: a whole local Klaviyo in this process."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar, cast

from klaviyo_sandbox.account import Account
from klaviyo_sandbox.http.api import Api
from klaviyo_sandbox.http.control import Control
from klaviyo_sandbox.http.faults import Schedule
from klaviyo_sandbox.http.flow_webhook_calls import FlowOutcome, FlowRun
from klaviyo_sandbox.http.outgoing import caller, post
from klaviyo_sandbox.http.rate_limits import RateLimiter
from klaviyo_sandbox.http.server import Server
from klaviyo_sandbox.http.webhook_calls import Manner, send
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.simulation.truth import Truth
from klaviyo_sandbox.state.store import Store

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Received
    from klaviyo_sandbox.http.webhook_calls import Outcome
    from klaviyo_sandbox.model.deferred_work import DeferredWork
    from klaviyo_sandbox.state.consent import Consents
    from klaviyo_sandbox.state.event_ingest import EventIngest
    from klaviyo_sandbox.state.import_jobs import Imports
    from klaviyo_sandbox.state.suppression_jobs import Suppressions

RateLimits = Literal["real", "off"]
T = TypeVar("T")


class Sandbox:
    """A local Klaviyo with a seeded account.

    As a context manager it serves from a thread until the block ends. `run` serves from the caller's.

    Args:
        profiles: how many people the account has.
        events: how many events.
        event_bytes: bytes of an event in an answer, roughly: smaller ones are filled up with text.
        segments: how many segments.
        seed: decides everything random.
        rate_limits: `real` enforces Klaviyo's windows.
        everybody: whether there is a segment, and a list, `Everybody` of all people too.
        latency_ms: added to every answer.
        import_seconds: how long a bulk import takes.
        settle_seconds: how long until events, consent, suppressions and deletions take effect.
        port: where to listen; 0: a free one.
        clock: the account's time.
        truth: what a campaign sent through the API truly causes.
        advanced_kdp: whether the account has the feature without which webhooks are refused.
        keep_writes: whether every write is kept, whole, in `received`.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        profiles: int = 1_000,
        events: int = 5_000,
        event_bytes: int = 0,
        segments: int = 5,
        seed: int = 0,
        rate_limits: RateLimits = "off",
        latency_ms: float = 0,
        import_seconds: float = 0.3,
        settle_seconds: float = 0.3,
        port: int = 0,
        clock: Clock | None = None,
        truth: Truth | None = None,
        everybody: bool = False,
        advanced_kdp: bool = True,
        keep_writes: bool = False,
    ) -> None:
        self.store = Store()
        self.clock = clock or Clock()
        self.faults = Schedule()
        self._account = Account(
            self.store,
            self.clock,
            seed=seed,
            import_seconds=import_seconds,
            settle_seconds=settle_seconds,
            truth=truth or Truth(),
        )
        self._account.advanced_kdp = advanced_kdp
        if keep_writes:
            self._account.received = []
        self.api_key = self._account.issue_key()
        self.control = Control(self._account, self.faults)
        self.api = Api(self._account, RateLimiter(enforced=rate_limits == "real"))
        self._server = Server(self._account, self.api, self.control, self.faults, latency_ms / 1000)
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        with self.store.seeding():
            _seeder()(
                self.store,
                profiles=profiles,
                events=events,
                segments=segments,
                seed=seed,
                now=self.clock.seconds(),
                everybody=everybody,
                event_bytes=event_bytes,
            )

    @property
    def url(self) -> str:
        """Where it listens; empty until it does."""
        return self._account.url

    @property
    def account_id(self) -> str:
        """What tells the account from others; each seed has its own."""
        return self._account.id

    @property
    def imports(self) -> Imports:
        """The bulk imports: their delay, how the next ones end, and statistics."""
        return self._account.imports

    @property
    def requests(self) -> Counter[str]:
        """Requests so far, by operation and what was answered: `get_events 200`, `get_events reset`."""
        return self._account.requests

    @property
    def event_ingest(self) -> EventIngest:
        """The events written through the API: those dropped in silence, and statistics."""
        return self._account.event_ingest

    @property
    def consents(self) -> Consents:
        """Subscribes and unsubscribes: what the account takes, and statistics."""
        return self._account.consents

    @property
    def suppressions(self) -> Suppressions:
        """Suppression jobs: how the next ones end."""
        return self._account.suppressions

    @property
    def deferred_work(self) -> DeferredWork:
        """What was accepted and has no job or one of suppression: its delay."""
        return self._account.deferred_work

    @property
    def rows(self) -> Counter[str]:
        """Rows of the bulk requests that were accepted, by operation."""
        return self._account.rows

    @property
    def received(self) -> list[Received]:
        """Every write that reached the account, refused ones too; empty unless `keep_writes`."""
        return self._account.received or []

    def settle(self) -> None:
        """Let all that was accepted take effect now, whatever the clock says, but for jobs that are stuck."""
        self._in_server(self._account.settle)

    def confirm(self, email: str) -> int:
        """The person of this address answers the mails that ask to confirm a subscription. Answers how many."""
        return self._in_server(lambda: self.consents.confirm(email, self.clock.now()))

    def call_webhooks(self, manner: Manner | None = None) -> list[Outcome]:
        """Call the webhooks whose address is of this machine for what was recorded since, in this thread."""
        calls = self.control.webhook_calls
        outcomes = send(self._in_server(lambda: calls.due(manner or Manner())))
        self._in_server(lambda: calls.note(outcomes))
        return outcomes

    def call_flow_webhooks(self, run: FlowRun | None = None) -> list[FlowOutcome]:
        """Let people enter a flow, and make the calls of flows that are due, in this thread."""
        calls, outcomes = self.control.flow_webhook_calls, list[FlowOutcome]()
        until = self._in_server(lambda: calls.enter(run or FlowRun()))
        with caller() as session:
            while call := self._in_server(lambda: calls.next(until)):
                status = post(session, call.webhook.url, call.webhook.headers, call.body)
                outcomes.append(self._in_server(partial(calls.note, call, status)))
        return outcomes

    def _in_server(self, work: Callable[[], T]) -> T:
        """Do work between two requests."""
        if self._loop is None:
            return work()

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result()

    def key(self, scopes: Collection[str]) -> str:
        """A new private key with just these scopes."""
        return self._account.issue_key(scopes)

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled or stopped; `started` is called once it listens.

        Raises:
            OSError: the port is taken.
        """
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = await self._server.start(self._port)
        try:
            started()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    def stop(self) -> None:
        """End `run`, from whatever thread."""
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)

    def __enter__(self) -> Self:
        listening = threading.Event()
        failures: list[BaseException] = []

        def serve() -> None:
            try:
                asyncio.run(self.run(listening.set))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread, which waits for it
                failures.append(error)
                listening.set()

        self._thread = threading.Thread(target=serve, name="klaviyo-sandbox", daemon=True)
        self._thread.start()
        listening.wait()
        if failures:
            raise failures[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread:
            self._thread.join()
        self.store.close()


class _Seeder(Protocol):
    """Fills an empty account."""

    def __call__(  # noqa: PLR0913
        self,
        store: Store,
        *,
        profiles: int,
        events: int,
        segments: int,
        seed: int,
        now: int,
        everybody: bool,
        event_bytes: int,
    ) -> None: ...


@cache
def _seeder() -> _Seeder:
    """What the package's metadata names as the seed, so that nothing outside `seed/` has to import it.

    Raises:
        RuntimeError: the metadata names none, as that of an older install.
    """
    try:
        found = distribution("klaviyo-sandbox").entry_points.select(group="klaviyo_sandbox.seed", name="shop")
    except PackageNotFoundError:
        found = None
    if not found:
        msg = "klaviyo-sandbox has to be installed again: its metadata names no seed (in a checkout: make setup)"
        raise RuntimeError(msg)
    return cast("_Seeder", found["shop"].load())
