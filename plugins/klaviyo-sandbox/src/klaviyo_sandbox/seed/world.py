"""The order in which the shop is seeded: people, audiences, metrics, campaigns, then a history of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from klaviyo_sandbox.model import ids, metric_names, times
from klaviyo_sandbox.model.records import (
    API,
    KLAVIYO,
    Group,
    GroupKind,
    Integration,
    Membership,
    Metric,
    Suppression,
    SuppressionReason,
    Template,
)
from klaviyo_sandbox.seed.coupons import add_coupons
from klaviyo_sandbox.seed.devices import add_devices
from klaviyo_sandbox.seed.fittings import add_fittings
from klaviyo_sandbox.seed.flows import add_flows
from klaviyo_sandbox.seed.history import Census, History, Past, Person
from klaviyo_sandbox.seed.people import DAY, HISTORY, chance, people
from klaviyo_sandbox.seed.settings_and_logs import add_settings_and_logs
from klaviyo_sandbox.seed.tags_forms_webhooks import add_tag_links, add_tags_forms_webhooks
from klaviyo_sandbox.simulation.engagement import Sending
from klaviyo_sandbox.state.campaigns import copy_of, draft

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.state.store import Store

NEWSLETTER = "Newsletter"
EMPTY_LIST = "Waiting list"
DEMO_AUDIENCE = "Demo audience"
INACTIVE_SEGMENT = "Summer visitors (inactive)"
EVERYBODY = "Everybody"

_SHOPIFY = Integration("0eMvjm", "shopify", "Shopify", "eCommerce")
# Names repeat across integrations, and old names of renamed metrics stay: neither alone says what an event means.
_METRICS = {
    KLAVIYO: (
        metric_names.RECEIVED, metric_names.OPENED, metric_names.CLICKED, metric_names.BOUNCED, metric_names.SPAM,
        metric_names.UNSUBSCRIBED, metric_names.SUBSCRIBED, "Clicked email to unsubscribe", "Dropped Email",
        "Skipped Send", "Merged Profile", metric_names.JOINED_LIST, metric_names.LEFT_LIST,
        "Updated Email Preferences",
        metric_names.SUPPRESSED, metric_names.UNSUPPRESSED,
        metric_names.OLD_SMS, metric_names.OLD_SMS_CLICKED, "Sent SMS", metric_names.OLD_SMS_FAILED,
        metric_names.NEW_SMS, metric_names.NEW_SMS_CLICKED, "Sent Text Message", metric_names.NEW_SMS_FAILED,
        metric_names.OLD_SMS_SUBSCRIBED, metric_names.OLD_SMS_UNSUBSCRIBED,
        metric_names.PUSH, metric_names.PUSH_OPENED, metric_names.PUSH_BOUNCED,
    ),
    API: (
        metric_names.ACTIVE, metric_names.VIEWED, metric_names.ADDED, metric_names.CHECKOUT,
        metric_names.ORDERED, metric_names.FULFILLED,
    ),
    _SHOPIFY: (metric_names.ORDERED, "Refunded Order"),
}  # fmt: skip


class _Plan(NamedTuple):
    """A campaign of the past: its name, channel, age in days and what has become of it."""

    name: str
    channel: str
    age: float
    status: str = "Sent"
    archived: bool = False


_OLD_WEEKS = range(19, 25)
_CAMPAIGNS = (
    *(_Plan(f"Weekly picks {week}", "email", 7 * week, archived=week in _OLD_WEEKS) for week in range(1, 25)),
    _Plan("Spring sale: now on 🌱", "email", 45.3),
    _Plan("Überraschung für dich", "email", 90.7),
    _Plan("Half-finished idea", "email", 3.2, "Draft"),
    _Plan("Autumn teaser", "email", 12.1, "Cancelled"),
    _Plan("Flash sale text", "sms", 100.5),
    _Plan("Back in stock text", "sms", 20.5),
    _Plan("Text to come", "sms", 2.5, "Draft"),
    _Plan("App-only offer", "mobile_push", 30.5),
    _Plan("Old app news", "mobile_push", 150.5, archived=True),
)
_FLOW_MAILS = ("Welcome, e-mail 1", "First order, e-mail 1", "Abandoned cart, e-mail 1", "Win-back, e-mail 1")
_TEMPLATES = {
    "Weekly picks": (
        "<html><head></head><body><p>Hi {{ first_name|default:'there' }},</p>"
        '<p><a href="https://shop.example/sale">This week\'s picks</a></p>{% unsubscribe %}</body></html>'
    ),
    "Order confirmation": (
        "<html><head></head><body><h1>Thank you</h1>"
        "{% if event.extra.note %}<p>{{ event.extra.note }}</p>{% endif %}</body></html>"
    ),
    "Plain note ✉️": (
        "<html><head></head><body><p>Grüße, {{ person|lookup:'favourite_category' }}</p></body></html>"
    ),
}
_SEGMENTS = (
    "VIP customers",
    "Lapsed 90 days",
    "Opened last month",
    "Big spenders",
    "Window shoppers",
    "Gift givers",
)
# Twice as many as join by one import.
_IMPORTED = 4_000


def populate(  # noqa: PLR0913
    store: Store,
    *,
    profiles: int,
    events: int,
    segments: int,
    seed: int,
    now: int,
    everybody: bool = False,
    event_bytes: int = 0,
) -> None:
    """Fill an empty account. The same seed gives the same people, ids and stories, shifted to `now`.

    Beside `segments` further ones there are the segments `Demo audience` (most subscribed profiles, and a few that
    cannot be mailed) and one inactive, the list `Newsletter` (all subscribed) and one empty list.

    Args:
        store: the account; wrap the call in its `seeding()` when there are many events.
        profiles: how many people.
        events: how many events; they need people.
        segments: how many further segments.
        seed: decides everything.
        now: the present, seconds.
        everybody: whether there is a segment, and a list, of all people too; nothing else changes by it.
        event_bytes: how many bytes an event has in an answer at least, roughly; nothing else changes by it.

    Raises:
        ValueError: events without profiles.
    """
    if events and not profiles:
        msg = "events need somebody to happen to: ask for at least one profile"
        raise ValueError(msg)
    rng = Random(seed)  # noqa: S311 - a simulation
    census = Census()
    store.add_profiles(census.counted(people(profiles, rng, now)))
    metrics = _add_metrics(store, rng, now)
    newsletter, audience = _add_audiences(store, census, segments, rng, now)
    store.suppress(_suppressions(census, newsletter, rng, now))
    templates, past = _add_campaigns(store, newsletter, rng, now)
    # With luck of their own, so that what else a seed gives does not depend on them.
    add_flows(
        store,
        past.flows,
        template=templates[0],
        newsletter=newsletter,
        audience=audience,
        metrics=metrics,
        rng=_random(seed, "flows"),
        now=now,
    )
    add_tags_forms_webhooks(store, _random(seed, "fittings"), now)  # the word is part of what decides the ids
    add_tag_links(store, _random(seed, "tag links"))
    add_devices(store, (each.id for each in census.everybody), _random(seed, "devices"), now)
    add_coupons(store, (each.id for each in census.everybody), _random(seed, "coupons"), now)
    add_fittings(store, census.everybody, metrics, _random(seed, "set up"), now)
    add_settings_and_logs(store, ids.account(seed), metrics, _random(seed, "settings and logs"), now)
    if everybody:
        _add_everybody(store, census, _random(seed, "everybody"), now)
    if events:
        happened = History(census, past, metrics, rng, now).events(events)
        store.add_events(
            History.filled(happened, event_bytes, _random(seed, "texts")) if event_bytes else happened
        )


def _random(seed: int, what: str) -> Random:
    return Random(f"{seed}:{what}")  # noqa: S311 - a simulation


def _add_metrics(store: Store, rng: Random, now: int) -> dict[str, str]:
    """Ids of the metrics that the history uses, by name."""
    born = now - 3 * 365 * DAY
    metrics = [
        Metric(
            id=ids.short(rng),
            name=name,
            created=born + rng.randrange(365 * DAY),
            updated=now - rng.randrange(3_600, 365 * DAY),
            integration=integration,
        )
        for integration, names in _METRICS.items()
        for name in names
    ]
    store.add(metrics)
    return {each.name: each.id for each in metrics if each.integration is not _SHOPIFY}


def _add_audiences(store: Store, census: Census, segments: int, rng: Random, now: int) -> tuple[Group, Group]:
    """The lists and segments, with their members. Answers the newsletter and the demo audience."""
    newsletter = _add_group(store, GroupKind.LIST, NEWSLETTER, rng, now)
    store.add_members(_members(newsletter, census.subscribed, rng, now))
    _add_group(store, GroupKind.LIST, EMPTY_LIST, rng, now)
    subscribed = {person.id for person in census.subscribed}
    audience = [each for each in census.everybody if chance(rng, 0.75 if each.id in subscribed else 0.04)]
    demo = _add_group(store, GroupKind.SEGMENT, DEMO_AUDIENCE, rng, now)
    store.add_members(_members(demo, audience, rng, now))
    for index in range(segments):
        name = _SEGMENTS[index] if index < len(_SEGMENTS) else f"Segment {index + 1}"
        size = min(len(census.everybody), int(10 ** (1 + 2.7 * rng.random())))
        segment = _add_group(store, GroupKind.SEGMENT, name, rng, now)
        store.add_members(_members(segment, rng.sample(census.everybody, size), rng, now))
    frozen = census.everybody[: len(census.everybody) // 50]
    inactive = _add_group(store, GroupKind.SEGMENT, INACTIVE_SEGMENT, rng, now, active=False)
    store.add_members(_members(inactive, frozen, rng, now))
    return newsletter, demo


def _add_everybody(store: Store, census: Census, rng: Random, now: int) -> None:
    for kind in GroupKind:
        group = _add_group(store, kind, EVERYBODY, rng, now)
        store.add_members(_members(group, census.everybody, rng, now))


def _add_group(  # noqa: PLR0913
    store: Store, kind: GroupKind, name: str, rng: Random, now: int, *, active: bool = True
) -> Group:
    created = now - rng.randrange(30 * DAY, 900 * DAY)
    made = Group(
        id=ids.short(rng),
        kind=kind,
        name=name,
        created=created,
        updated=created + rng.randrange(30 * DAY),
        opt_in_process=rng.choice(("single_opt_in", "double_opt_in")),
        definition=_definition(name) if kind is GroupKind.SEGMENT else {},
        is_active=active,
        is_starred=chance(rng, 0.1),
    )
    store.put(made)
    return made


def _members(group: Group, persons: Sequence[Person], rng: Random, now: int) -> Iterator[Membership]:
    """Who is in the group since when; half joined by imports, some two thousand in a second."""
    last_import = now - rng.randrange(DAY, 30 * DAY)
    imports = len(persons) // _IMPORTED + 1
    for place, person in enumerate(persons):
        since = max(group.created, person.since)
        # The first ones came by the last import, the others by earlier ones, back to the first days of the group.
        imported = last_import - (last_import - group.created) * (place // _IMPORTED) // imports
        joined = max(since, imported) if chance(rng, 0.5) else since + int((now - 60 - since) * rng.random())
        yield Membership(group.id, person.id, joined)


def _definition(name: str) -> Json:
    condition = {
        "type": "profile-property",
        "property": "properties['Loyalty Points']",
        "filter": {"type": "numeric", "operator": "greater-than", "value": len(name)},
    }
    return {"condition_groups": [{"conditions": [condition]}]}


def _suppressions(census: Census, newsletter: Group, rng: Random, now: int) -> Iterator[Suppression]:
    """Those of everybody who unsubscribed, and a few more of every kind."""
    for person, left in census.left:
        yield Suppression(person.id, SuppressionReason.UNSUBSCRIBE, datetime.fromtimestamp(left, UTC))
    reasons = [each for each in SuppressionReason if each is not SuppressionReason.UNSUBSCRIBE]
    for person in census.mailable:
        if chance(rng, 0.015):
            at = datetime.fromtimestamp(person.since, UTC) + timedelta(seconds=(now - person.since) * rng.random())
            list_id = newsletter.id if chance(rng, 0.2) else None
            yield Suppression(person.id, rng.choice(reasons), at, list_id)


def _add_campaigns(store: Store, newsletter: Group, rng: Random, now: int) -> tuple[list[Template], Past]:
    """Templates and campaigns of the past. Answers the templates, and what was sent."""
    templates = []
    for name, html in _TEMPLATES.items():
        created = now - rng.randrange(HISTORY, 2 * HISTORY)
        template = Template(id=ids.short(rng), name=name, html=html, created=created, updated=created + DAY)
        store.put(template)
        templates.append(template)
    sent: dict[str, list[Sending]] = {"email": [], "sms": [], "mobile_push": []}
    for plan in _CAMPAIGNS:
        at = now - int(plan.age * DAY) - 3_600
        campaign, message = draft(rng, plan.name, [newsletter.id], at - 2 * DAY, plan.channel)
        campaign = replace(campaign, status=plan.status, archived=plan.archived)
        if plan.channel == "email" and plan.status == "Sent":
            copy = copy_of(templates[0], rng, at - DAY)
            store.put(copy)
            message = replace(message, template_id=copy.id)
        if plan.status == "Sent":
            moment = datetime.fromtimestamp(at, UTC)
            campaign = replace(campaign, scheduled_at=moment, send_time=moment, updated_at=moment)
            message = replace(message, send_times=[{"datetime": times.seconds(at), "is_local": False}])
            sent[plan.channel].append(
                Sending(message_id=message.id, name=plan.name, subject=plan.name, at=at, group_ids=[newsletter.id])
            )
        store.put(campaign)
        store.put(message)
    flows = [
        Sending(message_id=ids.short(rng), name=name, subject=name, at=now - HISTORY, flow_id=ids.short(rng))
        for name in _FLOW_MAILS
    ]
    return templates, Past(campaigns=sent["email"], flows=flows, texts=sent["sms"], pushes=sent["mobile_push"])
