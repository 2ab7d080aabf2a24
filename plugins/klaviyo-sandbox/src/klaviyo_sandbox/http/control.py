"""The control plane under `/sandbox/`: not Klaviyo's, without a key, for tests and demos.

GET    /sandbox/counts                how many rows each stream has
GET    /sandbox/requests              requests by operation and status, rows, and what writes did carelessly
POST   /sandbox/settle                what was accepted takes effect now
POST   /sandbox/send                  play a send: {template, audience, truth, ...}
GET    /sandbox/faults                the schedule and what it struck
POST   /sandbox/faults                schedule more
DELETE /sandbox/faults                forget the schedule
POST   /sandbox/late-events/release   make late events readable
POST   /sandbox/clock                 {"advance": seconds}
POST   /sandbox/webhook-calls         call the webhooks of this machine: {duplicates, shuffled, ...}
POST   /sandbox/flow-webhook-calls    people enter a flow, whose webhook calls: {flow, webhook, profiles, ...}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from klaviyo_sandbox.http.api import Request, Response
from klaviyo_sandbox.http.faults import ScheduleError
from klaviyo_sandbox.http.flow_webhook_calls import FlowOutcome, FlowRun, FlowRunError, FlowWebhookCalls
from klaviyo_sandbox.http.outgoing import caller, post
from klaviyo_sandbox.http.webhook_calls import Manner, WebhookCalls, send
from klaviyo_sandbox.model.records import Group, GroupKind, Json, Template
from klaviyo_sandbox.simulation import sending, truth
from klaviyo_sandbox.simulation.send_schedule import Timing
from klaviyo_sandbox.state import campaigns

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Account
    from klaviyo_sandbox.http.faults import Schedule
    from klaviyo_sandbox.http.webhook_calls import Outcome

PREFIX = "/sandbox/"


class ControlError(Exception):
    """The request to the control plane cannot be met. The message says why."""


class SendRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A send to play.

    Attributes:
        template: id or name.
        audience: id or name of a segment or list.
        truth: what the arms cause; the account's by default.
        name: of the campaign.
        seed: decides everybody's luck; another one for every send by default.
        at: when it starts, seconds; by default so that all of it has happened now.
        duration: until the last response, seconds.
        late_by: how late late events can be, seconds.
    """

    template: str
    audience: str
    truth: Json | None = None
    name: str | None = None
    seed: int | None = None
    at: int | None = None
    duration: int = 8
    late_by: int = 60


class _Advance(Struct, forbid_unknown_fields=True):
    advance: float


class Control:
    """Answers requests to the control plane."""

    def __init__(self, account: Account, schedule: Schedule) -> None:
        self._account = account
        self._schedule = schedule
        self.webhook_calls = WebhookCalls(account)
        self.flow_webhook_calls = FlowWebhookCalls(account)
        self._routes: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", "counts"): lambda _: self.counts(),
            ("GET", "requests"): lambda _: self.requests(),
            ("POST", "send"): lambda body: self.send(msgspec.json.decode(body, type=SendRequest)),
            ("GET", "faults"): lambda _: list(schedule.report()),
            ("POST", "faults"): lambda body: schedule.read(msgspec.json.decode(body)),
            ("DELETE", "faults"): lambda _: schedule.clear(),
            ("POST", "late-events/release"): lambda _: {"released": account.store.release_events()},
            ("POST", "settle"): lambda _: self._settle(),
            ("POST", "webhook-calls"): self.call_webhooks,
            ("POST", "flow-webhook-calls"): self.call_flow_webhooks,
            ("POST", "clock"): lambda body: self._advance(msgspec.json.decode(body, type=_Advance)),
        }

    async def respond(self, request: Request) -> Response:
        """The answer to a request; errors are `{"error": "..."}`."""
        handler = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if handler is None:
            return _json(404, {"error": f"there is no {request.method} {request.path}"})
        self._account.advance()
        try:
            answer = handler(request.body)
            return _json(200, await answer if isawaitable(answer) else answer)
        except (ControlError, FlowRunError, ScheduleError, msgspec.MsgspecError, *sending.SEND_ERRORS) as error:
            return _json(400, {"error": str(error)})

    async def call_webhooks(self, body: bytes) -> list[Outcome]:
        """Call the webhooks that something is due to; meanwhile the account answers others."""
        calls = self.webhook_calls
        outcomes = await asyncio.to_thread(send, calls.due(msgspec.json.decode(body, type=Manner)))
        calls.note(outcomes)
        return outcomes

    async def call_flow_webhooks(self, body: bytes) -> list[FlowOutcome]:
        """Let people enter a flow, and make the calls of flows that are due."""
        calls, outcomes = self.flow_webhook_calls, list[FlowOutcome]()
        until = calls.enter(msgspec.json.decode(body, type=FlowRun))
        with caller() as session:
            while call := calls.next(until):
                status = await asyncio.to_thread(post, session, call.webhook.url, call.webhook.headers, call.body)
                outcomes.append(calls.note(call, status))
        return outcomes

    def counts(self) -> dict[str, int]:
        """How many rows each stream has now; `late_events` are those that cannot be read yet."""
        return {"accounts": 1, **self._account.store.counts()}

    def requests(self) -> dict[str, dict[str, int]]:
        """Requests by operation and status, accepted rows by operation, and the statistics of writes."""
        account = self._account
        return {
            "requests": dict(account.requests),
            "rows": dict(account.rows),
            "imports": dict(account.imports.stats),
            "events": dict(account.event_ingest.stats),
            "dropped_events": dict(account.event_ingest.dropped),
            "consent": dict(account.consents.stats),
        }

    def send(self, asked: SendRequest) -> sending.Summary:
        """Make a campaign and play its send.

        Raises:
            ControlError: there is no such template or audience.
            ValueError: the send cannot be played (one of `sending.SEND_ERRORS`).
        """
        account, store = self._account, self._account.store
        template = store.get(Template, asked.template) or store.template_named(asked.template)
        if template is None:
            msg = f"there is no template `{asked.template}`"
            raise ControlError(msg)
        effects = account.truth if asked.truth is None else truth.parse(asked.truth)
        now = account.clock.seconds()
        at = asked.at if asked.at is not None else now - asked.duration
        with store.transaction():
            message = campaigns.create_campaign(
                store,
                template,
                self._audience(asked.audience),
                name=asked.name or f"{template.name} {store.count('campaigns') + 1}",
                at=at,
            )
            return sending.play(
                store,
                message.id,
                effects,
                Timing(at=at, now=now, duration=asked.duration, late_by=asked.late_by),
                seed=account.rng.getrandbits(32) if asked.seed is None else asked.seed,
            )

    def _audience(self, name: str) -> Group:
        store = self._account.store
        group = (
            store.group(name)
            or store.group_named(name, GroupKind.SEGMENT)
            or store.group_named(name, GroupKind.LIST)
        )
        if group is None:
            msg = f"there is no segment or list `{name}`"
            raise ControlError(msg)
        return group

    def _settle(self) -> dict[str, int]:
        self._account.settle()
        return self.counts()

    def _advance(self, asked: _Advance) -> dict[str, str]:
        self._account.clock.advance(asked.advance)
        self._account.advance()
        return {"now": self._account.clock.now().isoformat()}


def _json(status: int, document: object) -> Response:
    return Response(status, {"Content-Type": "application/json"}, msgspec.json.encode(document))
