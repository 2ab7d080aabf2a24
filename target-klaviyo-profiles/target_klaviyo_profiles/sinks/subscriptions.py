"""Subscriptions to a channel, given and withdrawn: nobody is subscribed who opted out after they consented."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import quote

import msgspec
from typing_extensions import override

from klaviyo_wire import bulk, jsonapi
from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.endpoints import OMNICHANNEL
from klaviyo_wire.errors import NotFound
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.answers import told
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import (
    Batch,
    BulkRoute,
    Group,
    Outcome,
    Reason,
    Rejected,
    Resource,
    Route,
    Unsettled,
)
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink
from target_klaviyo_profiles.sinks.list_reference import LIST_ID, no_such_list
from target_klaviyo_profiles.sinks.profile_reference import PROFILE_ID, profile_key, profile_resource

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json


class _Routes(NamedTuple):
    """The requests that give and withdraw consent at an API revision."""

    subscribe: BulkRoute
    unsubscribe: BulkRoute
    leave: BulkRoute
    """Not repeatable: whom the first request took off the list, the second would unsubscribe from everything."""


def _routes(at: str = "") -> _Routes:
    unsubscribe, few = f"bulk_unsubscribe_profiles{at}", BulkLimits(items=100)
    return _Routes(
        BulkRoute(f"bulk_subscribe_profiles{at}", BulkLimits(items=1_000)),
        BulkRoute(unsubscribe, few),
        BulkRoute(unsubscribe, few, repeatable=False),
    )


_PLAIN, _WITH_CLICKS = _routes(), _routes(f"@{OMNICHANNEL}")

_SUBSCRIBED, _UNSUBSCRIBED = "SUBSCRIBED", "UNSUBSCRIBED"
_CONSENTS = frozenset({_SUBSCRIBED, _UNSUBSCRIBED, "NEVER_SUBSCRIBED"})
_HISTORICAL = "historical import"

_LOOKUP = BulkLimits(items=100, request_bytes=7_000)
"""Identifiers in one look-up: a page of profiles, and less than the 8 kB that a URL may have with many servers."""
_QUOTES = len(quote('"",'))
_UNSEEN = timedelta(hours=1)
"""How long what was sent may be missing from what Klaviyo shows; minutes were recorded."""
_PATIENCE = 24
_PAUSE = 5.0
"""How often, and how many seconds apart, it is asked whether the subscription before an opt-out was worked."""
_SKEW = timedelta(minutes=1)
"""How far Klaviyo's clock may be behind this one."""
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_NO_OPT_OUTS = frozenset({"HARD_BOUNCE", "INVALID_EMAIL"})
"""Reasons of suppressions that no person asked for; a subscription does not lift them."""


class Channel(StrEnum):
    """What a consent is for: a way to reach somebody and, where it is not for marketing, what it is done for."""

    EMAIL = "email"
    EMAIL_OPEN_TRACKING = "email_open_tracking"
    EMAIL_CLICK_TRACKING = "email_click_tracking"
    SMS = "sms"
    SMS_TRANSACTIONAL = "sms_transactional"
    WHATSAPP = "whatsapp"
    WHATSAPP_TRANSACTIONAL = "whatsapp_transactional"
    PUSH = "push"

    @property
    def way(self) -> str:
        """What a request calls the way."""
        return self.partition("_")[0]

    @property
    def shown(self) -> str:
        """What a profile's `subscriptions` call the way."""
        return "mobile_push" if self is Channel.PUSH else self.way

    @property
    def purpose(self) -> str:
        """What requests and profiles call what it is done for."""
        return self.partition("_")[2] or "marketing"

    @property
    def is_marketing(self) -> bool:
        """Whether it has lists, and suppressions where it is e-mail."""
        return self.purpose == "marketing"

    @property
    def is_tracking(self) -> bool:
        """Whether Klaviyo records it as of now, and takes no time of before."""
        return self.purpose.endswith("_tracking")

    @property
    def identifier(self) -> str:
        """The field that says who is meant. No other is sent: Klaviyo would set it on the profile."""
        return {"email": "email", "push": PROFILE_ID}.get(self.way, "phone_number")


_LATER = {Channel.EMAIL_CLICK_TRACKING: OMNICHANNEL}
"""Channels that Klaviyo has not always had, and the API revision that they came with."""


def _fields(channels: Iterable[Channel]) -> tuple[Field, ...]:
    return (
        Field("channel", Kind.TEXT, "What it is for", required=True, choices=tuple(channels)),
        Field(
            "consent",
            Kind.TEXT,
            "`SUBSCRIBED` or `UNSUBSCRIBED`",
            required=True,
            choices=(_SUBSCRIBED, _UNSUBSCRIBED),
        ),
        Field("email", Kind.TEXT, "The address, for `email` and what it is tracked by; else not sent"),
        Field(
            "phone_number", Kind.TEXT, "With `+` and country code, for text messages and WhatsApp; else not sent"
        ),
        Field(PROFILE_ID, Kind.TEXT, "Klaviyo's id of the profile, for `push`; else not sent"),
        Field(
            LIST_ID,
            Kind.TEXT,
            "List that is joined, or left; an opt-out without it is from the whole channel. Of marketing",
        ),
        Field(
            "historical_import",
            Kind.BOOLEAN,
            "Whether consent was given before, at `consented_at`: no confirmation is asked for, no flow triggered",
        ),
        Field(
            "consented_at",
            Kind.TIME,
            "When consent was given; with `historical_import`, and only with it. Of tracking it is compared alone",
        ),
        Field("custom_source", Kind.TEXT, "Where consent was given, to be kept with it"),
    )


class _Sent(NamedTuple):
    """What was sent: when, and the time from which on Klaviyo shows it once it is worked."""

    at: datetime
    shows: datetime


class Subscriptions(BulkSink):
    """Subscribes and unsubscribes people, one channel a record.

    Three things that Klaviyo does are prevented here. It lifts the opt-out of whoever is subscribed; and of people
    who are not on the list that an opt-out names, it unsubscribes from everything. So before a batch is sent,
    Klaviyo is asked about the people in it. Those who opted out after they consented, or who are not on the list,
    are refused. And it works its jobs in no order, and tells of these no end: an opt-out takes the place of a
    subscription that waits, and follows one that was sent only when Klaviyo shows that it was worked. Whichever
    lists the two are about: a subscription to any lifts the opt-outs of all.
    """

    stream: ClassVar[str] = "subscriptions"
    by: ClassVar[_Routes] = _PLAIN
    routes: ClassVar[tuple[Route, ...]] = _PLAIN
    channels: ClassVar[tuple[Channel, ...]] = tuple(each for each in Channel if each not in _LATER)
    reads: ClassVar[tuple[str, ...]] = ("get_profiles", "get_profiles_for_list")
    # A number that a profile is about to get would else be subscribed as somebody of its own.
    follows: ClassVar[tuple[str, ...]] = ("profiles",)
    fields: ClassVar[tuple[Field, ...]] = _fields(channels)

    @override
    def identify(self, record: Json) -> Key:
        return profile_key(record, (_channel(record).identifier,))

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        channel, list_id = _channel(record), record.get(LIST_ID, "").strip() or None
        said = record["consent"].strip().upper()
        if channel not in self.channels:
            detail = f"Klaviyo has the channel {channel} from API revision {_LATER[channel]} on"
            remedy = f"Set `revision` to {_LATER[channel]} or later."
            raise Rejected(Reason("not_in_revision", detail, remedy, "/channel"))
        if list_id is not None and not channel.is_marketing:
            detail = f"`{LIST_ID}` beside the channel {channel}, by which nobody joins a list"
            raise Rejected(Reason("contradiction", detail, f"Leave `{LIST_ID}` out.", f"/{LIST_ID}"))
        if said == _SUBSCRIBED:
            historical = record.get("historical_import", False)
            consent: Json = {"consent": said, **self._since(record, channel, historical=historical)}
            source = record.get("custom_source", "").strip() or None
            route = self.by.subscribe
            since = _minute(record.get("consented_at")) if channel.is_tracking else None
            group = Group(route, (channel, list_id, _HISTORICAL if historical else None, source, since))
        elif said != _UNSUBSCRIBED:
            detail = f"`consent` is neither `{_SUBSCRIBED}` nor `{_UNSUBSCRIBED}`"
            raise Rejected(Reason("invalid_value", detail, "Give one of the two.", "/consent"))
        elif channel is Channel.PUSH:
            detail = "Klaviyo unsubscribes single devices from push, by their tokens, and nobody by an id"
            raise Rejected(Reason("not_possible", detail, "Have the app withdraw it.", "/channel"))
        else:
            consent = {"consent": said}
            route = self.by.leave if list_id else self.by.unsubscribe
            group = Group(route, (channel, list_id))
        body = profile_resource(key, record)
        body["attributes"]["subscriptions"] = {channel.way: {channel.purpose: consent}}
        return Resource(body, group)

    @override
    def envelope(self, group: Group) -> Json:
        _, list_id, *rest = group.shared
        attributes: Json = {"profiles": {"data": ROWS}}
        data: Json = {"type": "profile-subscription-bulk-delete-job", "attributes": attributes}
        if group.route is self.by.subscribe:
            historical, source, _ = rest
            data["type"] = "profile-subscription-bulk-create-job"
            if historical is not None:
                attributes["historical_import"] = True
            if source is not None:
                attributes["custom_source"] = source
        if list_id is not None:
            data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
        return {"data": data}

    @override
    def supersedes(self, later: Group, earlier: Group) -> bool:
        """An opt-out from a channel does, of a subscription to it; never a subscription, of an opt-out."""
        (channel, _), (before, _) = _scope(later), _scope(earlier)
        withdraws = later.route is self.by.unsubscribe and earlier.route is self.by.subscribe
        return withdraws and channel is before

    @override
    def preflight(self, batch: Batch, context: SinkContext) -> Outcome:
        try:
            return self._preflight(batch, context)
        except Unsettled as fault:  # of whom an answer tells is not told: it could be any of them
            return Outcome(unsettled=dict.fromkeys(batch.keys, str(fault)))

    def _preflight(self, batch: Batch, context: SinkContext) -> Outcome:
        channel, list_id = _scope(batch.group)
        if batch.group.route is self.by.subscribe:
            outcome = self._opted_out(batch, context)
            self._remember(lambda key: {_opt_in(key, channel)}, batch, outcome, context)
            return outcome
        try:
            pending = self._pending(batch, context)
            outcome = self._on_list(batch, list_id, pending, context) if list_id else Outcome()
        except NotFound:
            return Outcome(rejected=dict.fromkeys(batch.keys, no_such_list(str(list_id))))
        why = (
            f"Klaviyo may not have worked their subscription to {channel} yet, which would undo this: start again"
        )
        outcome.unsettled.update((key, why) for key in batch.keys if key in pending and not outcome.decided(key))
        scopes = (None, list_id)
        self._remember(lambda key: {_opt_out(key, channel, scope) for scope in scopes}, batch, outcome, context)
        return outcome

    def _remember(self, facts_of: _FactsOf, batch: Batch, outcome: Outcome, context: SinkContext) -> None:
        """Remember what is about to be sent: a run that is killed later may have sent it."""
        channel, _ = _scope(batch.group)
        facts: dict[str, list[Key]] = defaultdict(list)
        for key, row in _rows(batch):
            if not outcome.decided(key):
                consented = row["subscriptions"][channel.way][channel.purpose].get("consented_at", "")
                facts[consented] += facts_of(key)
        for consented, keys in facts.items():
            context.ledger.remember(self.stream, keys, f"{context.now().isoformat()} {consented}".strip())

    def _pending(self, batch: Batch, context: SinkContext) -> set[Key]:
        """Those whose subscription to any list this target sent, which Klaviyo does not show to be worked yet."""
        channel, _ = _scope(batch.group)
        recalled = ((key, self._sent(_opt_in(key, channel), context)) for key in batch.keys)
        sent = {key: known for key, known in recalled if known is not None}
        for attempt in range(_PATIENCE):
            if not sent:
                break
            if attempt:
                context.sleep(_PAUSE)
            held = dict(_found(batch, channel, context))
            sent = {
                key: known
                for key, known in sent.items()
                if not _is_subscribed_since(held.get(key, {}), channel, known.shows)
            }
        return set(sent)

    def _on_list(self, batch: Batch, list_id: str, pending: Collection[Key], context: SinkContext) -> Outcome:
        """Decides about those who are not on the list or soon will not be: for them the request is another one.

        Raises:
            NotFound: there is no such list.
        """
        channel, _ = _scope(batch.group)
        on_it = {key for key, _ in _found(batch, channel, context, list_id)}
        outcome = Outcome()
        for key in batch.keys:
            sent = self._sent(_opt_out(key, channel, list_id), context) is not None
            if key in pending:
                continue
            if key not in on_it and sent:
                outcome.unchanged.add(key)
            elif key not in on_it:
                outcome.rejected[key] = _not_on(list_id)
            elif sent:
                outcome.unsettled[key] = (
                    "Klaviyo may not have worked their last opt-out yet: start again in an hour"
                )
        return outcome

    def _opted_out(self, batch: Batch, context: SinkContext) -> Outcome:
        """Refuses those who opted out after they consented; of whom that is not told, nobody is subscribed."""
        channel, _ = _scope(batch.group)
        profiles = dict(_found(batch, channel, context))
        of_all = batch.group.shared[-1]
        outcome = Outcome()
        for key, row in _rows(batch):
            profile = profiles.get(key)
            untold = None if profile is None else _untold(profile, channel)
            if untold is not None:
                outcome.unsettled[key] = (
                    f"Klaviyo did not tell whether they opted out of {channel} ({untold}), and a subscription "
                    "would lift it: start again; if it stays so, report it"
                )
                continue
            held = {} if profile is None else profile["subscriptions"]
            sent = self._sent(_opt_out(key, channel, None), context)
            times = [opted_out_at(held, channel), sent and sent.at]
            left = max((each for each in times if each is not None), default=None)
            since = row["subscriptions"][channel.way][channel.purpose].get("consented_at", of_all)
            if left is not None and (since is None or datetime.fromisoformat(since) <= left):
                outcome.rejected[key] = _opted_out_later(channel, left)
            elif channel is Channel.PUSH and profile is None:
                remedy = f"Correct `{PROFILE_ID}`, or leave the record out."
                reason = Reason("not_found", "the account has no such profile", remedy, f"/{PROFILE_ID}")
                outcome.rejected[key] = reason
        return outcome

    def _sent(self, what: Key, context: SinkContext) -> _Sent | None:
        """What this target last sent, if Klaviyo may not show it yet."""
        value = context.ledger.recall(self.stream, what)
        if value is None:
            return None
        at, *consented = map(datetime.fromisoformat, value.split())
        if at > context.now():
            # The clock was set back meanwhile: how long ago it was sent is not known, so the hour begins now.
            at, (_, *rest) = context.now(), value.split()
            context.ledger.remember(self.stream, [what], " ".join([at.isoformat(), *rest]))
        known = _Sent(at, min([at - _SKEW, *consented]))
        return known if context.now() - at < _UNSEEN else None

    def _since(self, record: Json, channel: Channel, *, historical: bool) -> Json:
        text = record.get("consented_at")
        if channel.is_tracking:
            if historical:
                detail = f"`historical_import` beside the channel {channel}, which Klaviyo records as of now"
                reason = Reason("contradiction", detail, "Leave `historical_import` out.", "/historical_import")
                raise Rejected(reason)
            return {}
        if not historical:
            if text is None:
                return {}
            detail = "`consented_at` without `historical_import`, which Klaviyo does not take"
            remedy = "Set `historical_import` for consent given before, or leave `consented_at` out."
            raise Rejected(Reason("contradiction", detail, remedy, "/consented_at"))
        if text is None:
            detail = "`historical_import` without `consented_at`"
            raise Rejected(Reason("contradiction", detail, "Say when consent was given.", "/consented_at"))
        if datetime.fromisoformat(text) >= self.options.now():
            detail = "`consented_at` is not in the past"
            raise Rejected(Reason("time_out_of_range", detail, "Correct `consented_at`.", "/consented_at"))
        return {"consented_at": text}


class SubscriptionsWithClicks(Subscriptions):
    """The same from revision 2026-10-15 on, which has consent to the tracking of clicks beside that of opens."""

    by: ClassVar[_Routes] = _WITH_CLICKS
    routes: ClassVar[tuple[Route, ...]] = _WITH_CLICKS
    channels: ClassVar[tuple[Channel, ...]] = tuple(Channel)
    fields: ClassVar[tuple[Field, ...]] = _fields(channels)


def _channel(record: Json) -> Channel:
    try:
        return Channel(record.get("channel", "").strip().lower())
    except ValueError:
        known = ", ".join(f"`{each}`" for each in Channel)
        reason = Reason("invalid_value", f"`channel` is none of {known}", "Give one of them.", "/channel")
        raise Rejected(reason) from None


def _scope(group: Group) -> tuple[Channel, str | None]:
    """The channel of a batch, and the list it is about; None for all lists."""
    channel, list_id, *_ = group.shared
    return Channel(channel or ""), list_id


def _opt_out(key: Key, channel: Channel, list_id: str | None) -> Key:
    """What the ledger knows an opt-out by."""
    return Key(channel, f"{list_id or ''}/{key.value}")


def _opt_in(key: Key, channel: Channel) -> Key:
    """What the ledger knows a subscription to any list by, and to none."""
    return Key(channel, f"+/{key.value}")


def _minute(text: str | None) -> str | None:
    """The beginning of the minute, so that rows share a request: of two things in one, the opt-out is later."""
    return text and datetime.fromisoformat(text).replace(second=0, microsecond=0).isoformat()


class _Suppression(msgspec.Struct):
    """A suppression; without a reason it counts as an opt-out, and without a time as the latest."""

    reason: str | None = None
    timestamp: str | None = None


class _Consent(msgspec.Struct):
    """What Klaviyo always tells of a channel's consent; null where OpenAPI has it nullable."""

    consent: str
    consent_timestamp: str | None = None
    last_updated: str | None = None


class _EmailMarketing(_Consent, kw_only=True):
    """Only e-mail has suppressions; every recorded profile has both, though OpenAPI asks for neither."""

    suppression: list[_Suppression] | None
    list_suppressions: list[_Suppression] | None


_HELD = {
    channel: msgspec.defstruct(
        "Held", [(channel.purpose, (_EmailMarketing if channel is Channel.EMAIL else _Consent) | None)]
    )
    for channel in Channel
}
"""What a profile's `subscriptions` always tell of a channel, under the name of its way."""


def _untold(profile: Json, channel: Channel) -> str | None:
    """What an answer does not tell of a channel; None when it tells whether they opted out.

    A channel that is null tells it: that was recorded where nothing ever happened.
    """
    held, name = profile.get("subscriptions"), channel.shown
    if not isinstance(held, dict) or name not in held:
        return f"no `{name}` in `subscriptions`"
    try:
        msgspec.convert(held[name], type=_HELD[channel] | None)
        opted_out_at(held, channel)
    except msgspec.ValidationError as fault:
        return f"`{name}`: {fault}"
    except ValueError:
        return f"a time in `{name}` that is none"
    shown = (held[name] or {}).get(channel.purpose)
    if shown is not None and shown["consent"] not in _CONSENTS:
        return f"a `consent` to `{name}` that is not known"
    return None


def _is_subscribed_since(profile: Json, channel: Channel, moment: datetime) -> bool:
    """Whether a profile shows a subscription of that moment or later."""
    if _untold(profile, channel) is not None:
        return False
    shown = (profile["subscriptions"][channel.shown] or {}).get(channel.purpose) or {}
    times = [shown.get(name) for name in ("consent_timestamp", "last_updated")]
    return shown.get("consent") == _SUBSCRIBED and any(_moment(time) >= moment for time in times if time)


_FactsOf = Callable[[Key], set[Key]]
"""What the ledger knows something by that was sent, of the key of a row."""


def _rows(batch: Batch) -> list[tuple[Key, Json]]:
    """The people of a batch, each with what is sent of them."""
    payloads = map(msgspec.json.decode, batch.payloads)
    return [(key, row["attributes"]) for key, row in zip(batch.keys, payloads, strict=True)]


def _not_on(list_id: str) -> Reason:
    return Reason(
        "not_on_list",
        f"they are not on the list `{list_id}`, and Klaviyo would unsubscribe them from everything",
        "Leave the record out, or leave out `list_id` if they are to be unsubscribed from everything.",
        "/list_id",
    )


def _opted_out_later(channel: Channel, left: datetime) -> Reason:
    when = "" if left == _ALWAYS else f" at {left.isoformat(timespec='seconds')}"
    return Reason(
        "opted_out",
        f"they opted out of {channel}{when}, and the record names no later consent",
        "Leave the record out; if they consented anew after that, send `consented_at` with `historical_import`.",
        "/consented_at",
    )


def opted_out_at(held: Mapping[str, Json | None], channel: Channel) -> datetime | None:
    """When somebody last opted out of a channel, by a profile's `subscriptions`; None when they did not.

    An opt-out of any list counts, whichever list is joined: Klaviyo says that a subscription removes "any". Of
    several times that Klaviyo gives, the latest counts; an opt-out without a time counts as later than anything.
    """
    shown = (held.get(channel.shown) or {}).get(channel.purpose) or {}
    said: list[str | None] = []
    if shown.get("consent") == _UNSUBSCRIBED:
        times = [shown.get(name) for name in ("consent_timestamp", "last_updated")]
        said += [time for time in times if time] or [None]
    suppressions = [*(shown.get("suppression") or []), *(shown.get("list_suppressions") or [])]
    said += [each.get("timestamp") for each in suppressions if each.get("reason") not in _NO_OPT_OUTS]
    return max(map(_moment, said), default=None)


def _moment(text: str | None) -> datetime:
    if not text:
        return _ALWAYS
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _found(
    batch: Batch, channel: Channel, context: SinkContext, list_id: str | None = None
) -> Iterator[tuple[Key, Json]]:
    """Those of the batch whom Klaviyo has, or has on the list, with the attributes of their profiles.

    Raises:
        NotFound: there is no such list.
        Unsettled: of whom an answer tells is not told.
    """
    kind = channel.identifier
    name, shown = ("id", "created") if kind == PROFILE_ID else (kind, kind)
    asked = set(batch.keys)
    # Addresses also as the record spells them: Klaviyo does not document whether the filter ignores case.
    spelled = {value: None for key, row in _rows(batch) for value in (key.value, row.get(kind, key.value))}
    for values in lookups(spelled):
        params = {"filter": Operator.ANY(name, values), "page[size]": "100", "fields[profile]": shown}
        if list_id is None:
            # Named in both: of a sparse fieldset JSON:API says that nothing else need come.
            params["fields[profile]"] = f"{shown},subscriptions"
            params["additional-fields[profile]"] = "subscriptions"
            pages = context.client.pages("get_profiles", params=params)
        else:
            pages = context.client.pages("get_profiles_for_list", path={"id": list_id}, params=params)
        for resource in (resource for page in pages for resource in jsonapi.resources(page)):
            told(resource, "a profile", **{"id": str, name: str if name == "id" else str | None})
            profile = jsonapi.lift(resource)
            key = identifiers.compared(Key(kind, str(profile.get(name) or "")))
            if key in asked:
                yield key, profile


def lookups(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in parts, each small enough for one page of answers and for a URL."""
    return bulk.split(values, lambda value: len(quote(value)) + _QUOTES, _LOOKUP, envelope=0)
