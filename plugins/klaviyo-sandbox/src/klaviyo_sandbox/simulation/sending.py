"""Plays a send: renders the message's template for every recipient and writes the events that Klaviyo would.

The arm that counts is the one in the rendered links (`lf_cid=<experiment>.<slot>.<arm>`), never the one a property
names. `truth.py` and `potential_outcomes.py` say what people then do, `send_schedule.py` when they do it, and
`engagement.py` how Klaviyo writes it down.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, ConsentState, Profile, Template
from klaviyo_sandbox.simulation.engagement import PlannedEvent, Sending, program
from klaviyo_sandbox.simulation.potential_outcomes import PotentialOutcomes, Response
from klaviyo_sandbox.simulation.recorder import Recorder, UnknownMetricError
from klaviyo_sandbox.simulation.rendered_messages import MessageRenderer, RenderedMessage, RenderedMessageError
from klaviyo_sandbox.simulation.rendering import TemplateError
from klaviyo_sandbox.simulation.send_schedule import SendSchedule, Timing
from klaviyo_sandbox.simulation.truth import Rates, Truth, TruthError
from klaviyo_sandbox.state.profile_store import PROFILE_COLUMNS, profile_of

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_CHUNK = 1_000  # profiles held at once


class SendError(ValueError):
    """The message cannot be sent as it is. The text says what is missing."""


SEND_ERRORS = (RenderedMessageError, UnknownMetricError, TemplateError, TruthError, SendError)
"""Why a send cannot be played; the messages are for the person who asked for it."""


class People(Struct):
    """Of the profiles that received the message, how many did what; machines are counted apart."""

    received: int = 0
    opened: int = 0
    clicked: int = 0
    ordered: int = 0
    revenue: float = 0.0
    unsubscribed: int = 0
    marked_as_spam: int = 0
    opened_by_machine: int = 0
    clicked_by_bot: int = 0

    def add(self, response: Response) -> None:
        """Count one person."""
        self.received += 1
        self.opened += response.opened
        self.clicked += response.clicked
        self.ordered += bool(response.orders)
        self.revenue = round(self.revenue + sum(response.orders), 2)
        self.unsubscribed += response.unsubscribed
        self.marked_as_spam += response.marked_as_spam
        self.opened_by_machine += response.opened_by_machine
        self.clicked_by_bot += response.clicked_by_bot


class Summary(Struct, kw_only=True):
    """What a played send did.

    `skipped` counts the profiles that were not sent to, by reason: `no_email` or `suppressed` (unsubscribed, too).
    `arms` is by slot (`experiment.slot`) and *rendered* arm, `fb` included. `events` is by metric and includes
    those that are `held`: not to be read before the clock gets there. `late` ones can be read only after the send.
    """

    campaign_id: str
    message_id: str
    audience: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    bounced: int = 0
    people: People = field(default_factory=People)
    arms: dict[str, dict[str, People]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    held: int = 0
    late: int = 0


def play(store: Store, message_id: str, truth: Truth, timing: Timing, *, seed: int) -> Summary:
    """Send a campaign message to its audience and let everybody respond; wholly, or not at all.

    What occurs after `timing.now` is held until the clock gets there (`Store.release_events`). Changes of consent
    are made at once and never dated after `timing.now`.

    Args:
        store: the account; it must hold the message's campaign, audience and template, and the metrics.
        message_id: the message; its campaign is `Sent` afterwards.
        truth: what the arms cause.
        timing: when; the past will do.
        seed: decides everybody's luck, together with the profile's id; give each send of an account its own.

    Raises:
        SendError: the message lacks a campaign or a template.
        TruthError: an effect is of an arm that the template cannot show.
        TemplateError: the template cannot be rendered.
        RenderedMessageError: one mail shows two arms of a slot.
        UnknownMetricError: the account lacks a metric.
    """
    with store.transaction():
        message = store.get(CampaignMessage, message_id)
        campaign = message and store.get(Campaign, message.campaign_id)
        template = message and message.template_id and store.get(Template, message.template_id)
        if not (message and campaign and template):
            msg = f"message {message_id} cannot be sent: it needs a campaign and an assigned template"
            raise SendError(msg)
        _check_arms(truth, template.html)
        started = datetime.fromtimestamp(timing.at, UTC)
        store.put(replace(campaign, status="Sent", send_time=started, updated_at=started))
        store.put(replace(message, send_times=[{"datetime": times.seconds(timing.at), "is_local": False}]))
        sending = Sending(
            message_id=message.id,
            name=campaign.name,
            subject=message.content["subject"],
            at=timing.at,
            group_ids=campaign.audiences["included"],
        )
        recorder = Recorder(store, timing, truth.noise.late)
        renderer = MessageRenderer(template.html, started)
        return _Simulation(sending, renderer, truth, timing, seed).run(store, campaign, recorder)


def _check_arms(truth: Truth, html: str) -> None:
    shown = set(re.findall(r"lf_cid=([a-z0-9_.]+)", html))
    for effect in truth.effects:
        if f"{effect.slot}.{effect.arm}" not in shown:
            msg = f"the truth has an effect of {effect.slot}.{effect.arm}, which no link of the template carries"
            raise TruthError(msg)


class _Simulation:
    """One send: who gets the message, what they are shown, and what they do."""

    def __init__(
        self, sending: Sending, renderer: MessageRenderer, truth: Truth, timing: Timing, seed: int
    ) -> None:
        self._sending, self._renderer, self._truth = sending, renderer, truth
        self._timing, self._seed = timing, seed
        self._rates: dict[str, Rates] = {}

    def run(self, store: Store, campaign: Campaign, recorder: Recorder) -> Summary:
        summary = Summary(campaign_id=campaign.id, message_id=self._sending.message_id)
        audience = _audience(store, campaign)
        for start in range(0, len(audience), _CHUNK):
            for profile, unwanted in _profiles(store, campaign, audience[start : start + _CHUNK]):
                # Details differ between sends; what happens depends on the seed and the profile alone.
                rng = Random(f"{self._sending.message_id}:{self._seed}:{profile.id}")  # noqa: S311 - a simulation
                for event in self._events(profile, rng, summary, unwanted=unwanted):
                    recorder.note(profile.id, event, rng)
            recorder.write()
        summary.audience = len(audience)
        summary.events, summary.held, summary.late = recorder.events, recorder.held, recorder.late
        return summary

    def _events(
        self, profile: Profile, rng: Random, summary: Summary, *, unwanted: bool
    ) -> Iterator[PlannedEvent]:
        truth, schedule = self._truth, SendSchedule(self._timing, rng)
        outcomes = PotentialOutcomes(self._seed, profile.id)
        if profile.email is None or unwanted:
            summary.skipped["no_email" if profile.email is None else "suppressed"] += 1
            return schedule.shop(outcomes.unreached(truth))
        delivery = self._sending.to(profile.email, rng.getrandbits(96), program(rng))
        if outcomes.bounces(truth):
            summary.bounced += 1
            return schedule.bounce(outcomes.bounce(truth), delivery)
        message = self._renderer.render(profile)
        response = outcomes.response(truth, self._rates_of(message), has_links=bool(message.links))
        summary.people.add(response)
        for slot, arm in message.arms.items():
            summary.arms.setdefault(slot, {}).setdefault(arm, People()).add(response)
        return schedule.read(response, delivery, message.links)

    def _rates_of(self, message: RenderedMessage) -> Rates:
        key = repr(message.arms)
        if key not in self._rates:
            self._rates[key] = self._truth.rates(message.arms)
        return self._rates[key]


def _audience(store: Store, campaign: Campaign) -> list[str]:
    included, excluded = campaign.audiences["included"], campaign.audiences["excluded"]
    rows = store.read(
        f"select distinct profile_id from members where group_id in ({_marks(included)}) and profile_id not in"  # noqa: S608
        f" (select profile_id from members where group_id in ({_marks(excluded)})) order by profile_id",
        [*included, *excluded],
    )
    return [row[0] for row in rows]


def _profiles(store: Store, campaign: Campaign, profile_ids: Sequence[str]) -> Iterator[tuple[Profile, bool]]:
    """The profiles, each with whether it is unsubscribed or suppressed, for all or for an included list."""
    lists = {None, *campaign.audiences["included"]}
    suppressed = {each.profile_id for each in store.suppressions(profile_ids) if each.list_id in lists}
    sql = f"select {PROFILE_COLUMNS} from profiles where id in ({_marks(profile_ids)})"  # noqa: S608
    for row in store.read(sql, profile_ids):
        profile = profile_of(row)
        unsubscribed = profile.email_marketing.state is ConsentState.UNSUBSCRIBED
        yield profile, unsubscribed or profile.id in suppressed


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
