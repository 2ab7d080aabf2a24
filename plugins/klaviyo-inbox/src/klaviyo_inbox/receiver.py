"""The receiver as an ASGI application: what is pushed is verified, divided, kept on disk, and then answered.

| status | when | the sender should |
|---|---|---|
| 200 | it is on disk, was there before, or was put away because it will never be of use | go on |
| 400 | the body was cut | send it again |
| 401 | the sender is not known, or the delivery is not of now | look at the secret |
| 404, 405 | no open source is called so, or not by this method | look at the address |
| 413, 415 | the body is too large, or packed in an unknown way | send less |
| 503 | it cannot be kept now, or the body came too slowly | send it again later |
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import PATH, DeadLetter, Delivery, Parcel, Receipt, RefusedError, UnusableError
from klaviyo_inbox.forgotten import Forgotten, Sifted, UnknownPeopleError
from klaviyo_inbox.logs import Seldom, place_of, tell
from klaviyo_inbox.metrics import MEDIA_TYPE, Metrics
from klaviyo_inbox.reading import BodyError, BodyReader
from klaviyo_inbox.settings import PROGRAM, InboxSettings
from klaviyo_inbox.sources import SOURCES
from klaviyo_inbox.store import open_store
from klaviyo_inbox.store.base import PRUNED_AT_ONCE, Store, StoreError
from klaviyo_inbox.store.group_commit import GroupCommit
from singer_program.json_text import without_lone_surrogates, without_nul

if TYPE_CHECKING:
    from klaviyo_inbox.source import Source
    from klaviyo_inbox.verification import Verifier

Clock = Callable[[], datetime]
_PRUNED_EVERY = 3600.0
_REFRESHED_EVERY = 1.0
_LATER = {"Retry-After": "30"}


class Receiver:
    """Takes deliveries, as the settings say.

    Args:
        settings: Which sources are open, and bounds.
        store: Where deliveries are kept. It is closed at the end.
        forgotten: Of whom nothing is kept.
        clock: Tells this moment.
    """

    def __init__(
        self,
        settings: InboxSettings,
        store: Callable[[], Store],
        forgotten: Forgotten,
        clock: Clock = moments.now,
    ) -> None:
        self._settings = settings
        self._open_store = store
        self._forgotten = forgotten
        self._clock = clock
        self._bodies = BodyReader(settings.max_body_bytes)
        self._seldom = Seldom()
        self.metrics = Metrics()
        self._commits: GroupCommit

    def application(self) -> Starlette:
        """The application, which may be mounted in another one that passes its lifespan on."""
        routes = [
            Route("/healthz", self._health, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]
        given = self._settings.secrets()
        for source in SOURCES:
            if secrets := given[source.setting]:
                verifier = source.verification(secrets)
                routes += [
                    Route(path, self._endpoint(source, path, verifier), methods=["POST"]) for path in source.paths
                ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._commits = GroupCommit(self._open_store(), self.metrics.count_commit)
        tasks = [asyncio.create_task(each) for each in (self._prune_for_ever(), self._refresh_for_ever())]
        if warning := self._forgotten.warning:
            tell(logging.WARNING, warning)
        given = self._settings.secrets()
        opened = [each.name for each in SOURCES if given[each.setting]]
        tell(logging.INFO, "deliveries are taken", sources=opened)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self._commits.close()
            tell(logging.INFO, "no more deliveries are taken")

    async def _prune_for_ever(self) -> None:
        while True:
            before = self._clock() - timedelta(days=self._settings.retention_days)
            try:
                removed = await self._pruned(before)
            except StoreError as error:
                tell(logging.ERROR, error.lines[0])
            else:
                if removed:
                    tell(logging.INFO, "records older than `retention_days` were removed", records=removed)
            await asyncio.sleep(_PRUNED_EVERY)

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_REFRESHED_EVERY)
            await asyncio.to_thread(self._forgotten.refresh)

    async def _pruned(self, before: datetime) -> int:
        """Remove what is older, a little at a time; how much that was."""
        removed, last = 0, PRUNED_AT_ONCE
        while last == PRUNED_AT_ONCE:
            last = (await self._commits.call(lambda store: store.prune(before, PRUNED_AT_ONCE))).records
            removed += last
        return removed

    async def _health(self, _request: Request) -> Response:
        try:
            await self._commits.call(lambda store: store.probe())
        except StoreError as error:
            return _answer(503, {"status": error.lines[0]})
        return _answer(200, {"status": "deliveries are taken"})

    async def _metrics(self, _request: Request) -> Response:
        try:
            state = await self._commits.call(lambda store: store.state())
        except StoreError:
            state = None
        return Response(self.metrics.text(state), media_type=MEDIA_TYPE)

    def _endpoint(self, source: Source, path: str, verifier: Verifier) -> Callable[[Request], Awaitable[Response]]:
        metrics = self.metrics
        seconds = metrics.seconds.labels(source.name)

        async def endpoint(request: Request) -> Response:
            began = time.perf_counter()
            response = await self._answered(source, path, verifier, request)
            seconds.observe(time.perf_counter() - began)
            metrics.answers.labels(source.name, response.status_code).inc()
            return response

        return endpoint

    async def _answered(self, source: Source, path: str, verifier: Verifier, request: Request) -> Response:
        """The answer to a delivery; whatever is wrong with it is an error until here."""
        try:
            return await self._received(source, path, verifier, request)
        except RefusedError as error:
            self._seldom.tell(logging.WARNING, f"a delivery was refused: {error}", source.name)
            return _answer(
                401, {"error": "not from a sender that is known"}, {"WWW-Authenticate": verifier.scheme}
            )
        except BodyError as error:
            self._seldom.tell(logging.WARNING, f"a body was not taken: {error}", source.name)
            return _answer(error.status, {"error": str(error)}, _LATER if error.status == _BUSY else {})
        except (StoreError, UnknownPeopleError) as error:
            self._seldom.tell(logging.ERROR, error.lines[0], source.name)
            return _answer(_BUSY, {"error": "it cannot be kept now"}, _LATER)

    async def _received(self, source: Source, path: str, verifier: Verifier, request: Request) -> Response:
        if not verifier.admits(request.headers):
            if source.ping and await self._is_ping(source.ping, request):
                return _answer(200, Receipt(0, 0, 0)._asdict())
            raise RefusedError(_NO_PROOF)
        raw = await self._bodies.read(request)
        try:
            self.metrics.bytes.labels(source.name).inc(len(raw))
            if not verifier.verifies(request.headers, raw):
                raise RefusedError(_NO_PROOF)
            body = self._bodies.unpacked(raw, request.headers.get("content-encoding", ""))
            parcel = self._parcel(source, path, request, without_nul(without_lone_surrogates(body)))
            sifted = self._forgotten.sift(source, parcel)
            nothing_left = not (sifted.parcel.items or sifted.parcel.dead_letters)
            receipt = Receipt(0, 0, 0) if nothing_left else await self._commits.append(sifted.parcel)
        finally:
            self._bodies.release(raw)
        return self._kept(source, sifted, receipt)

    async def _is_ping(self, ping: re.Pattern[bytes], request: Request) -> bool:
        """Whether an unsigned request only asks if anybody is there; no more of it is read than such a one has."""
        told = request.headers.get("content-length", "")
        if not told.isdecimal() or int(told) > _LONGEST_PING:
            return False
        body = await self._bodies.read(request)
        self._bodies.release(body)
        return ping.fullmatch(body) is not None

    def _parcel(self, source: Source, path: str, request: Request, body: bytes) -> Parcel:
        """What a verified delivery is in the store.

        Raises:
            RefusedError: it is not of now, or not from who it says.
        """
        headers = {name: value for name, value in request.headers.items() if name in source.headers}
        parameters = {name: value.replace("\0", "\ufffd") for name, value in request.path_params.items()}
        parameters[PATH] = path
        delivery = Delivery(body, self._clock(), parameters, headers)
        try:
            source.check(delivery, self._settings)
            return source.parcel(delivery)
        except UnusableError as error:
            reason = str(error)
        except RefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect costs this delivery, which would else come for ever
            reason = f"a defect of the receiver: {place_of(error)}"
            self._seldom.tell(logging.ERROR, reason, source.name)
        return Parcel(source.name, source.stream.name, delivery, (), (DeadLetter(reason, body),))

    def _kept(self, source: Source, sifted: Sifted, receipt: Receipt) -> Response:
        parcel = sifted.parcel
        self.metrics.count(source.name, receipt)
        self.metrics.count_forgotten(source.name, sifted.items + sifted.dead_letters)
        if receipt.put_away:
            self._seldom.tell(logging.WARNING, "deliveries were put away: see `dead-letters`", source.name)
        # Counted as if they were kept: who was forgotten is told to no sender.
        stored, put_away = receipt.stored + sifted.items, receipt.put_away + sifted.dead_letters
        answer: dict[str, object] = receipt._replace(stored=stored, put_away=put_away)._asdict()
        if source.request_id and parcel.items:
            answer["request_id"] = source.request_id(parcel.items[0])
        return _answer(200, answer)


_BUSY = 503
_LONGEST_PING = 64
_NO_PROOF = "it does not show the secret, or is not signed with it"
_JSON = "application/json"


def _answer(status: int, value: object, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, _JSON)


def application(settings: InboxSettings, clock: Clock = moments.now) -> Starlette:
    """The receiver of some settings.

    Raises:
        ProgramError: no source is open, or it cannot be read who was forgotten.
    """
    settings.check_open()
    forgotten = Forgotten.of(settings)
    return Receiver(
        settings, lambda: open_store(settings.store, settings.max_store_bytes), forgotten, clock
    ).application()


def from_environment() -> Starlette:
    """The receiver of the settings in the environment, for servers that take a factory.

    Raises:
        ProgramError: they are wrong.
    """
    return application(InboxSettings.read(PROGRAM))
