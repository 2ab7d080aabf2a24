"""The HTTP server: one event loop, so that requests are worked one by one and a seed gives one behaviour."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from klaviyo_sandbox.http import callers, control
from klaviyo_sandbox.http.api import Api, Request, Response, operation_of
from klaviyo_sandbox.http.faults import (
    ExpiredCursor,
    ImportOutcome,
    LateEvents,
    Missing,
    Page,
    Reset,
    Slow,
    Status,
    SuppressionOutcome,
    Throttle,
    TouchProfiles,
    Truncate,
)
from klaviyo_sandbox.model import errors

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Account
    from klaviyo_sandbox.http.control import Control
    from klaviyo_sandbox.http.faults import AnyFault, Schedule

HOST = "127.0.0.1"

_HTML = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
# Above the API's own limit, so that it is the API that refuses; what is larger still is not read.
_MOST_BYTES = 64_000_000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Server:
    """Serves the API and the control plane, with the scheduled faults."""

    def __init__(
        self, account: Account, api: Api, control_plane: Control, schedule: Schedule, latency: float
    ) -> None:
        self._account = account
        self._api = api
        self._control = control_plane
        self._schedule = schedule
        self._latency = latency
        self._port = 0

    async def start(self, port: int) -> web.AppRunner:
        """Listen; `account.url` then says where.

        Raises:
            OSError: the port is taken.
        """
        application = web.Application(client_max_size=_MOST_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        application.on_response_prepare.append(_without_default_content_type)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._account.url = f"http://{HOST}:{self._port}"
        return runner

    async def _serve(self, incoming: web.Request) -> web.StreamResponse:
        refused = callers.refusal(incoming.headers, incoming.headers.getall(hdrs.HOST, []), self._port)
        if refused:
            return web.json_response({"error": refused}, status=403)
        request = Request(incoming.method, incoming.raw_path, incoming.headers, await incoming.read())
        if request.path.startswith(control.PREFIX):
            return _sent(await self._control.respond(request))
        faults = self._schedule.strike(request)
        delay = self._latency + sum(fault.seconds for fault in faults if isinstance(fault, Slow))
        if delay:
            await asyncio.sleep(delay)
        for fault in faults:
            self._prepare(fault)
        response = self._respond(request, faults)
        outcome = response.status if response else "reset"
        self._account.requests[f"{operation_of(request) or 'unknown'} {outcome}"] += 1
        for fault in faults:
            if isinstance(fault, TouchProfiles):
                fault.touch(self._account.store, self._schedule.rng, self._account.clock.seconds())
        if response is None:
            return _reset(incoming)
        for fault in faults:
            if isinstance(fault, Truncate):
                return await _truncated(incoming, response, fault.keep)
        return _sent(response)

    def _prepare(self, fault: AnyFault) -> None:
        if isinstance(fault, ImportOutcome):
            self._account.imports.outcomes.append(fault.as_outcome)
        elif isinstance(fault, SuppressionOutcome):
            self._account.suppressions.outcomes.append(fault.as_outcome)
        elif isinstance(fault, LateEvents):
            fault.withhold(self._account.store, self._schedule.rng, self._account.clock.seconds())

    def _respond(self, request: Request, faults: list[AnyFault]) -> Response | None:
        """The answer, or what the first fault that replaces it sends instead; None: the connection is reset."""
        for fault in faults:
            match fault:
                case Throttle():
                    return self._api.refused(errors.throttled(fault.retry_after))
                case ExpiredCursor():
                    return self._api.refused(errors.expired_cursor())
                case Missing():
                    return self._api.refused(errors.not_found())
                case Status() | Page() | Reset():
                    if fault.worked:
                        self._api.respond(request)
                    return self._spoiled(fault)
                case _:
                    pass
        return self._api.respond(request)

    def _spoiled(self, fault: Status | Page | Reset) -> Response | None:
        match fault:
            case Status():
                return self._api.refused(errors.server_error(fault.status))
            case Page():
                return Response(fault.status, {hdrs.CONTENT_TYPE: "text/html; charset=utf-8"}, _HTML)
            case Reset():
                return None


async def _without_default_content_type(_: web.Request, response: web.StreamResponse) -> None:
    """Undo aiohttp's own content type where the answer has none; Klaviyo sends a 429 without (recorded)."""
    if isinstance(response, _Untyped):
        response.headers.popall(hdrs.CONTENT_TYPE, None)


class _Untyped(web.Response):
    """A response whose content type is not to be guessed."""


def _sent(response: Response) -> web.Response:
    kind = web.Response if hdrs.CONTENT_TYPE in response.headers else _Untyped
    return kind(status=response.status, headers=response.headers, body=response.body)


def _reset(incoming: web.Request) -> web.Response:
    """Close the connection so that the client sees a reset, not an end."""
    transport = incoming.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


async def _truncated(incoming: web.Request, response: Response, keep: float) -> web.StreamResponse:
    """Announce the whole body, send a part of it, and close."""
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = len(response.body)
    partial.force_close()
    await partial.prepare(incoming)
    await partial.write(response.body[: int(len(response.body) * keep)])
    return partial
