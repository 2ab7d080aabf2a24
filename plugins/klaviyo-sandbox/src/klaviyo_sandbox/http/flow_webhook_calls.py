"""Calls of flows: their webhook action for people who are in the flow, and the repetitions of what was not taken.

Klaviyo's help page says which statuses are tried again, how often, in how long, and that the time between grows
exponentially; how the time is shared out is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct, field

from klaviyo_sandbox.http.outgoing import is_of_this_machine
from klaviyo_sandbox.model import ids, times
from klaviyo_sandbox.model.records import Flow, FlowAction, Json, Profile
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, person_context

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Account

TRIED_AGAIN = frozenset({429, 500, 502, 503})
"""Statuses after which a call is repeated; after any other that is none of success it is skipped."""
RETRIES = 17
HOURS = 24
"""In which all of the repetitions are."""
WEBHOOK = "send-webhook"
"""The type of the action."""

_FIRST_WAIT = timedelta(hours=HOURS) / (2**RETRIES - 1)
_SUCCESSES = range(200, 300)
_ACTION_IDS = range(100_000_000, 200_000_000)


class FlowRunError(ValueError):
    """A flow cannot be played; the text is for the person who asked."""


class FlowWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """What is typed into a webhook action.

    Attributes:
        url: of this machine.
        headers: as they are sent; nothing of them is rendered.
        body: a template of Klaviyo's language.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class FlowRun(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who enters a flow now, and how long its calls are played.

    Attributes:
        flow: the flow's name; it is made if there is none.
        webhook: its webhook action from now on; by default the one it has.
        profiles: ids or e-mail addresses of those who enter it.
        event: the properties of the event that has started it for each of them; by default none has.
        hours: how far the account's clock goes ahead, for calls that are due by then; 0: those that are due now.
    """

    flow: str | None = None
    webhook: FlowWebhook | None = None
    profiles: tuple[str, ...] = ()
    event: Json | None = None
    hours: Annotated[float, Meta(ge=0, le=1_000)] = 0


class FlowCall(Struct, frozen=True, kw_only=True):
    """A request that is due: for whom, the how many-th since the person came to the action, and when."""

    flow: str
    profile_id: str
    attempt: int
    due: datetime
    webhook: FlowWebhook
    body: bytes


class FlowOutcome(Struct, frozen=True, kw_only=True):
    """What became of a call; no status: nobody answered.

    `next_at` is when it is repeated, for `due_again`.
    """

    flow: str
    profile_id: str
    attempt: int
    at: str
    status: int | None
    end: Literal["taken", "due_again", "skipped", "given_up"]
    next_at: str | None = None


class FlowWebhookCalls:
    """The calls that an account's flows have to make, in the order in which they are due."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._due: list[tuple[datetime, int, FlowCall]] = []
        self._numbers = count()

    def enter(self, run: FlowRun) -> datetime:
        """Let people enter a flow. Answers up to when calls are to be played.

        Raises:
            FlowRunError: there is no such flow, webhook or person, or it is of another machine.
            TemplateError: the body is none that can be rendered.
        """
        if run.flow is None and (run.webhook or run.profiles):
            msg = "give the flow's name"
            raise FlowRunError(msg)
        if run.flow is not None:
            people = [self._person(each) for each in run.profiles]
            for call in list(self._calls(run.flow, self._webhook_of(run.flow, run.webhook), people, run.event)):
                self._add(call)
        return self._account.clock.now() + timedelta(hours=run.hours)

    def next(self, until: datetime) -> FlowCall | None:
        """The next call that is due by then, and no more among those; the account's clock goes on to its time."""
        if not self._due or self._due[0][0] > until:
            return None
        _, _, call = heappop(self._due)
        ahead = (call.due - self._account.clock.now()).total_seconds()
        if ahead > 0:
            self._account.clock.advance(ahead)
            self._account.advance()
        return call

    def note(self, call: FlowCall, status: int | None) -> FlowOutcome:
        """What a call was answered with: it is repeated later, or not any more."""
        end: Literal["taken", "due_again", "skipped", "given_up"] = "skipped"
        following: datetime | None = None
        if status in _SUCCESSES:
            end = "taken"
        elif status in TRIED_AGAIN and call.attempt > RETRIES:
            end = "given_up"
        elif status in TRIED_AGAIN:
            end, following = "due_again", call.due + _FIRST_WAIT * 2 ** (call.attempt - 1)
            again = {"attempt": call.attempt + 1, "due": following}
            self._add(FlowCall(**{name: getattr(call, name) for name in call.__struct_fields__} | again))
        return FlowOutcome(
            flow=call.flow,
            profile_id=call.profile_id,
            attempt=call.attempt,
            at=times.micros(self._account.clock.now()),
            status=status,
            end=end,
            next_at=times.maybe_micros(following),
        )

    def _add(self, call: FlowCall) -> None:
        heappush(self._due, (call.due, next(self._numbers), call))

    def _calls(
        self, flow: str, webhook: FlowWebhook, people: list[Profile], event: Json | None
    ) -> Iterator[FlowCall]:
        template, now = CompiledTemplate(webhook.body), self._account.clock.now()
        happened = {} if event is None else {"event": event}
        for person in people:
            body = template.render({**person_context(person), **happened}, now).encode()
            yield FlowCall(flow=flow, profile_id=person.id, attempt=1, due=now, webhook=webhook, body=body)

    def _person(self, name: str) -> Profile:
        store = self._account.store
        profile = store.profile(name) or store.profile_by("email", name.lower())
        if profile is None:
            msg = f"there is no profile `{name}`"
            raise FlowRunError(msg)
        return profile

    def _webhook_of(self, name: str, given: FlowWebhook | None) -> FlowWebhook:
        """The flow's webhook action, which becomes the one that is given."""
        store = self._account.store
        flow = store.first(Flow, "name = ?", [name])
        held = [each for each in (store.actions_of(flow.id) if flow else ()) if each.action_type == WEBHOOK]
        if given is None:
            if not held:
                msg = f"there is no flow `{name}` with a webhook: give its address and body"
                raise FlowRunError(msg)
            message = held[0].definition["data"]["message"]
            return FlowWebhook(message["url"], message["headers"], message["body"])
        if not is_of_this_machine(given.url):
            msg = "the address of the webhook is of another machine: the sandbox calls none but this one"
            raise FlowRunError(msg)
        CompiledTemplate(given.body)
        with store.transaction():
            self._put(name, flow, held[0] if held else None, given)
        return given

    def _put(self, name: str, flow: Flow | None, held: FlowAction | None, given: FlowWebhook) -> None:
        store, rng, now = self._account.store, self._account.rng, self._account.clock.seconds()
        if flow is None:
            flow = Flow(id=ids.short(rng), name=name, status="live", created=now, updated=now)
            store.put(flow)
        action_id = held.id if held else str(rng.choice(_ACTION_IDS))
        message = {
            "url": given.url,
            "headers": given.headers,
            "body": given.body,
            "name": f"{name}, webhook",
            "id": held.definition["data"]["message"]["id"] if held else ids.short(rng),
        }
        definition = {
            "id": action_id,
            "type": WEBHOOK,
            "data": {"message": message, "status": "live"},
            "links": held.definition["links"] if held else {"next": None},
        }
        created = held.created if held else now
        store.put(
            FlowAction(
                id=action_id,
                flow_id=flow.id,
                action_type=WEBHOOK,
                status="live",
                created=created,
                updated=now,
                definition=definition,
            )
        )
