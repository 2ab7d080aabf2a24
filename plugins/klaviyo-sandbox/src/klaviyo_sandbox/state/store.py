"""The truth: everything the sandbox's account holds, in one SQLite database in memory.

Columns are what requests filter, sort and join by; the rest of a row is JSON encoded once, when it is written.
Reading pages for the API is `pages.py`; this module writes, and looks up single things.

Calls may come from several threads; each one is atomic. SQL is put together from names of this package only;
values are always bound.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import (
    NEVER,
    Campaign,
    CampaignMessage,
    Consent,
    ConsentState,
    Event,
    Flow,
    FlowAction,
    FlowMessage,
    Form,
    Group,
    GroupKind,
    ImportFailure,
    ImportJob,
    Json,
    Membership,
    Metric,
    Origin,
    Profile,
    Suppression,
    SuppressionJob,
    SuppressionReason,
    Tag,
    TagGroup,
    Template,
    Webhook,
    WrittenEvent,
)
from klaviyo_sandbox.protocol.resources import lasting

_SCHEMA = """
create table profiles (
    id text primary key,
    email text collate nocase unique,
    phone_number text unique,
    external_id text unique,
    created integer not null,
    updated integer not null,
    last_event_date integer,
    email_state text not null,
    email_changed_at text,
    sms_state text not null,
    sms_changed_at text,
    details blob not null,
    attributes blob not null
);
create index profiles_created on profiles (created, id);
create index profiles_updated on profiles (updated, id);

create table events (
    id text primary key,
    timestamp integer not null,
    metric_id text,
    profile_id text,
    attributes blob not null
);

create table late_events (visible_at integer not null, event blob not null);
create index late_events_visible_at on late_events (visible_at);

create table members (
    group_id text not null,
    profile_id text not null,
    joined integer not null,
    primary key (group_id, profile_id)
) without rowid;
create index members_joined on members (group_id, joined, profile_id);
create index members_profile on members (profile_id);

create table suppressions (
    profile_id text not null,
    reason text not null,
    list_id text,
    at text not null
);
create unique index suppressions_once on suppressions (profile_id, reason, coalesce(list_id, ''));

create table metrics (
    id text primary key, name text not null, integration_name text not null,
    integration_category text not null, integration_key text not null, record blob not null
);
create table groups (
    id text primary key, kind text not null, name text not null, created integer not null,
    updated integer not null, is_active integer not null, is_starred integer not null, record blob not null
);
create table templates (
    id text primary key, name text not null, created integer not null, updated integer not null,
    reusable integer not null, record blob not null
);
create table campaigns (
    id text primary key, name text not null, channel text not null, status text not null,
    archived integer not null, created_at text not null, updated_at text not null, scheduled_at text,
    record blob not null
);
create table messages (
    id text primary key, campaign_id text not null, template_id text, label text not null,
    created_at text not null, updated_at text not null, record blob not null
);
create index messages_campaign on messages (campaign_id, created_at);

create table flows (
    id text primary key, name text not null, status text not null, archived integer not null,
    created integer not null, updated integer not null, trigger_type text not null, record blob not null
);
create table flow_actions (
    id text primary key, flow_id text not null, action_type text not null, status text,
    created integer not null, updated integer not null, record blob not null
);
create index flow_actions_flow on flow_actions (flow_id, id);
create table flow_messages (
    id text primary key, action_id text not null, name text not null,
    created integer not null, updated integer not null, record blob not null
);
create index flow_messages_action on flow_messages (action_id, id);

create table tag_groups (
    id text primary key, name text not null, exclusive integer not null, "default" integer not null,
    record blob not null
);
create table tags (id text primary key, name text not null, group_id text not null, record blob not null);
create table forms (
    id text primary key, name text not null, status text not null, ab_test integer not null,
    created_at integer not null, updated_at integer not null, record blob not null
);
create table webhooks (id text primary key, record blob not null);

create table written_events (
    profile_id text not null, metric_id text not null, key text not null, event_id text not null,
    timestamp integer not null, received_at integer not null, flows integer not null,
    primary key (profile_id, metric_id, key)
) without rowid;
create table suppression_jobs (
    id text primary key, kind text not null, status text not null, created_at text not null,
    list_id text, segment_id text, record blob not null
);

create table import_jobs (
    id text primary key, status text not null, created_at text not null, record blob not null
);
create table import_profiles (
    job_id text not null, profile_id text not null, primary key (job_id, profile_id)
) without rowid;
create table import_failures (
    job_id text not null, position integer not null, record blob not null, primary key (job_id, position)
) without rowid;
"""

_EVENT_INDEXES = {
    "events_timestamp": "events (timestamp, id)",
    "events_metric": "events (metric_id, timestamp, id)",
    "events_profile": "events (profile_id, timestamp, id)",
}

_BATCH = 50_000
_COLUMNS: dict[type[Struct], tuple[str, str]] = {
    Group: ("groups", "id kind name created updated is_active is_starred"),
    Template: ("templates", "id name created updated reusable"),
    Campaign: ("campaigns", "id name channel status archived created_at updated_at scheduled_at"),
    CampaignMessage: ("messages", "id campaign_id template_id label created_at updated_at"),
    ImportJob: ("import_jobs", "id status created_at"),
    SuppressionJob: ("suppression_jobs", "id kind status created_at list_id segment_id"),
    Flow: ("flows", "id name status archived created updated trigger_type"),
    FlowAction: ("flow_actions", "id flow_id action_type status created updated"),
    FlowMessage: ("flow_messages", "id action_id name created updated"),
    TagGroup: ("tag_groups", "id name exclusive default"),
    Tag: ("tags", "id name group_id"),
    Form: ("forms", "id name status ab_test created_at updated_at"),
    Webhook: ("webhooks", "id"),
}
"""The table of a kind of record, and the attributes that are columns there; the whole record comes after them."""
_Record = TypeVar("_Record", bound=Struct)
Row = tuple[Any, ...]


class Details(Struct, frozen=True, omit_defaults=True):
    """The part of a profile that no request filters by."""

    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    locale: str | None = None
    title: str | None = None
    image: str | None = None
    location: Json = field(default_factory=dict)
    properties: Json = field(default_factory=dict)
    predictive_analytics: Json = field(default_factory=dict)
    email_origin: Origin | None = None
    sms_origin: Origin | None = None
    whatsapp_marketing: Consent = NEVER
    push_marketing: Consent = NEVER


PROFILE_COLUMNS = (
    "profiles.id, profiles.email, profiles.phone_number, profiles.external_id, profiles.created,"
    " profiles.updated, profiles.last_event_date, profiles.email_state, profiles.email_changed_at,"
    " profiles.sms_state, profiles.sms_changed_at, profiles.details"
)
SHOWN_COLUMNS = f"{PROFILE_COLUMNS}, profiles.attributes"
"""With what of the profile's attributes was encoded when it was written, as `resources.lasting` has them."""
_names = [name.strip().removeprefix("profiles.") for name in SHOWN_COLUMNS.split(",")]
_PUT_PROFILE = (
    f"insert into profiles values ({', '.join('?' * len(_names))}) on conflict (id) do update set "  # noqa: S608
    + ", ".join(f"{name} = excluded.{name}" for name in _names[1:])
)
_details = msgspec.json.Decoder(Details)
_STATES = {each.value: each for each in ConsentState}
_event = msgspec.json.Decoder(Event)
_encode = msgspec.json.encode
_timestamp = attrgetter("timestamp")


def profile_of(row: Sequence[Any]) -> Profile:
    """The profile in a row that begins with `PROFILE_COLUMNS`."""
    details = _details.decode(row[11])
    return Profile(
        id=row[0],
        email=row[1],
        phone_number=row[2],
        external_id=row[3],
        created=row[4],
        updated=row[5],
        last_event_date=row[6],
        email_marketing=_consent(row[7], row[8], details.email_origin),
        sms_marketing=_consent(row[9], row[10], details.sms_origin),
        first_name=details.first_name,
        last_name=details.last_name,
        organization=details.organization,
        locale=details.locale,
        title=details.title,
        image=details.image,
        location=details.location,
        properties=details.properties,
        predictive_analytics=details.predictive_analytics,
        whatsapp_marketing=details.whatsapp_marketing,
        push_marketing=details.push_marketing,
    )


def _consent(state: str, changed_at: str | None, origin: Origin | None) -> Consent:
    consent = Consent(_STATES[state], times.maybe_parse(changed_at))
    if origin is None or consent.state is not ConsentState.SUBSCRIBED:
        return consent
    return msgspec.structs.replace(consent, origin=origin)


def _profile_row(profile: Profile) -> Row:
    email, sms = profile.email_marketing, profile.sms_marketing
    details = Details(
        profile.first_name,
        profile.last_name,
        profile.organization,
        profile.locale,
        profile.title,
        profile.image,
        profile.location,
        profile.properties,
        profile.predictive_analytics,
        email.origin,
        sms.origin,
        profile.whatsapp_marketing,
        profile.push_marketing,
    )
    return (
        profile.id,
        profile.email,
        profile.phone_number,
        profile.external_id,
        profile.created,
        profile.updated,
        profile.last_event_date,
        email.state.value,
        email.changed_at and times.micros(email.changed_at),
        sms.state.value,
        sms.changed_at and times.micros(sms.changed_at),
        _encode(details),
        _encode(lasting(profile)),
    )


def _event_row(event: Event) -> Row:
    attributes = b'{"timestamp":%d,"datetime":"%b","event_properties":%b,"uuid":"%b"}' % (
        event.timestamp,
        times.seconds(event.timestamp).encode(),
        _encode(event.properties),
        event.uuid.encode(),
    )
    return (event.id, event.timestamp, event.metric_id, event.profile_id, attributes)


def _metric_row(metric: Metric) -> Row:
    source = metric.integration
    return (metric.id, metric.name, source.name, source.category, source.key, _encode(metric))


def _row(record: Struct, names: str) -> Row:
    """The named attributes of a record, as columns hold them, and the record."""
    values = (getattr(record, name) for name in names.split())
    return (*(times.micros(each) if isinstance(each, datetime) else each for each in values), _encode(record))


class Store:
    """Holds the account. `add_*` insert new rows, `put_*` insert or replace; lookups answer None when absent."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._create_event_indexes()

    def _create_event_indexes(self) -> None:
        for name, columns in _EVENT_INDEXES.items():
            self._db.execute(f"create index {name} on {columns}")

    @contextmanager
    def seeding(self) -> Iterator[None]:
        """Many events are coming: their indexes are built once, at the end."""
        with self._lock:
            for name in _EVENT_INDEXES:
                self._db.execute(f"drop index {name}")
            try:
                yield
            finally:
                self._create_event_indexes()

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("begin")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of a query, all of them."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.read(f"select count(*) from {table}")[0][0])  # noqa: S608

    def _insert(self, table: str, rows: Iterable[Row], *, clash: str = "abort") -> None:
        remaining = iter(rows)
        first = next(remaining, None)
        if first is None:
            return
        sql = f"insert or {clash} into {table} values ({_marks(len(first))})"  # noqa: S608
        self._write(sql, chain([first], remaining))

    def _write(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        remaining = iter(rows)
        with self.transaction():
            while batch := list(islice(remaining, _BATCH)):
                self._db.executemany(sql, batch)

    # profiles

    def add_profiles(self, profiles: Iterable[Profile]) -> None:
        """Insert profiles.

        Raises:
            sqlite3.IntegrityError: an id, e-mail, phone number or external id is taken; nothing is inserted.
        """
        self._insert("profiles", map(_profile_row, profiles))

    def put_profile(self, profile: Profile) -> None:
        """Replace the profile of this id, or insert it."""
        self._write(_PUT_PROFILE, [_profile_row(profile)])

    def profile(self, profile_id: str) -> Profile | None:
        """The profile of this id."""
        return self.profile_by("id", profile_id)

    def profile_by(self, identifier: str, value: str) -> Profile | None:
        """The profile with this `id`, `email` (in any case), `phone_number` or `external_id`."""
        rows = self.read(f"select {PROFILE_COLUMNS} from profiles where {identifier} = ?", [value])  # noqa: S608
        return profile_of(rows[0]) if rows else None

    def profiles(self, profile_ids: Sequence[str]) -> list[Profile]:
        """Those of these profiles that exist."""
        rows = self.read(
            f"select {PROFILE_COLUMNS} from profiles where id in ({_marks(len(profile_ids))})",  # noqa: S608
            profile_ids,
        )
        return [profile_of(row) for row in rows]

    def members_of(self, group_id: str) -> list[Profile]:
        """The profiles in a list or segment, by id."""
        rows = self.read(
            f"select {PROFILE_COLUMNS} from members join profiles on profiles.id = members.profile_id"  # noqa: S608
            " where members.group_id = ? order by profiles.id",
            [group_id],
        )
        return [profile_of(row) for row in rows]

    def touch_profiles(self, profile_ids: Iterable[str], updated: int) -> None:
        """Move `updated` of these profiles, as if something about them had changed."""
        self._write("update profiles set updated = ? where id = ?", ((updated, each) for each in profile_ids))

    def lift(self, profile_id: str, reasons: Iterable[SuppressionReason]) -> int:
        """Take a profile's suppressions of these reasons away, those of lists too. Answers how many there were."""
        names = [each.value for each in reasons]
        where = f"suppressions where profile_id = ? and reason in ({_marks(len(names))})"
        with self.transaction():
            held = self.read(f"select count(*) from {where}", [profile_id, *names])[0][0]  # noqa: S608
            self._write(f"delete from {where}", [[profile_id, *names]])  # noqa: S608
        return int(held)

    def unsubscribe(self, profile_ids: Iterable[str], at: datetime) -> None:
        """Unsubscribe from e-mail marketing, with the suppression that goes with it; moves `updated`."""
        ids = list(profile_ids)
        with self.transaction():
            self._set_email_state(ids, ConsentState.UNSUBSCRIBED, at)
            self.suppress(Suppression(each, SuppressionReason.UNSUBSCRIBE, at) for each in ids)

    def _set_email_state(self, profile_ids: Sequence[str], state: ConsentState, at: datetime) -> None:
        changed = times.micros(at)
        self._write(
            "update profiles set email_state = ?, email_changed_at = ?, updated = max(updated, ?) where id = ?",
            ((state.value, changed, int(at.timestamp()), each) for each in profile_ids),
        )

    def delete_profile(self, profile: Profile, alias: str) -> None:
        """Forget a profile. Its events stay, of nobody, with `alias` where its e-mail address stood."""
        with self.transaction():
            for table in ("members", "suppressions", "import_profiles"):
                self._write(f"delete from {table} where profile_id = ?", [[profile.id]])  # noqa: S608
            self._write("delete from profiles where id = ?", [[profile.id]])
            events = self.read("select id, attributes from events where profile_id = ?", [profile.id])
            self._write(
                "update events set profile_id = null, attributes = ? where id = ?",
                [(_redacted(attributes, profile, alias), event_id) for event_id, attributes in events],
            )
            # Its id is in no other event: nothing writes ids into properties.
            late = self.read("select rowid, event from late_events where instr(event, ?)", [profile.id.encode()])
            self._write(
                "update late_events set event = ? where rowid = ?",
                [
                    (
                        _encode(
                            msgspec.structs.replace(
                                _event.decode(_redacted(event, profile, alias)), profile_id=None
                            )
                        ),
                        row,
                    )
                    for row, event in late
                ],
            )

    def suppress(self, suppressions: Iterable[Suppression]) -> None:
        """Add suppressions; one that is already there stays as it is."""
        rows = ((each.profile_id, each.reason.value, each.list_id, times.micros(each.at)) for each in suppressions)
        self._insert("suppressions", rows, clash="ignore")

    def suppressions(self, profile_ids: Sequence[str]) -> list[Suppression]:
        """The suppressions of these profiles, oldest first."""
        rows = self.read(
            "select profile_id, reason, at, list_id from suppressions"  # noqa: S608
            f" where profile_id in ({_marks(len(profile_ids))}) order by at",
            profile_ids,
        )
        return [Suppression(row[0], SuppressionReason(row[1]), times.parse(row[2]), row[3]) for row in rows]

    # events

    def add_events(
        self, events: Iterable[Event], *, visible_at: int | None = None, received_at: int | None = None
    ) -> None:
        """Insert events; each moves its profile's `last_event_date`.

        Args:
            events: what happened.
            visible_at: hold the events back until this second (or until `release_events`): late events.
            received_at: when Klaviyo learned of them; moves `updated` of their profiles there. None while seeding.
        """
        if visible_at is not None:
            self._insert("late_events", ((visible_at, _encode(each)) for each in events))
            return
        remaining = iter(events)
        with self.transaction():
            # In order of time, so that the rows of a page lie side by side.
            while batch := sorted(islice(remaining, _BATCH), key=_timestamp):
                self._insert("events", map(_event_row, batch))
                latest: dict[str, int] = {}
                for each in batch:
                    if each.profile_id is not None:
                        latest[each.profile_id] = max(each.timestamp, latest.get(each.profile_id, each.timestamp))
                self._write(
                    "update profiles set last_event_date = max(coalesce(last_event_date, ?2), ?2),"
                    " updated = max(updated, ?3) where id = ?1",
                    ((profile_id, at, received_at or 0) for profile_id, at in latest.items()),
                )

    def withhold_events(self, event_ids: Iterable[str], visible_at: int) -> None:
        """Turn visible events into late ones."""
        with self.transaction():
            for event_id in event_ids:
                sql = "select id, metric_id, profile_id, attributes from events where id = ?"
                for row in self.read(sql, [event_id]):
                    attributes = msgspec.json.decode(row[3])
                    event = Event(
                        id=row[0],
                        uuid=attributes["uuid"],
                        timestamp=attributes["timestamp"],
                        metric_id=row[1],
                        profile_id=row[2],
                        properties=attributes["event_properties"],
                    )
                    self._write("delete from events where id = ?", [[event_id]])
                    self.add_events([event], visible_at=visible_at)

    def release_events(self, up_to: int | None = None) -> int:
        """Make late events visible: those due at `up_to` (seconds), or all. Answers how many."""
        bound = up_to if up_to is not None else 2**62
        with self.transaction():
            rows = self.read("select event, visible_at from late_events where visible_at <= ?", [bound])
            if rows:
                self._write("delete from late_events where visible_at <= ?", [[bound]])
                self.add_events(
                    (_event.decode(row[0]) for row in rows),
                    received_at=max(row[1] for row in rows) if up_to is not None else None,
                )
        return len(rows)

    def add_written_event(self, event: WrittenEvent) -> bool:
        """Note an event of the API; False when its profile and metric have one of its key already."""
        row = (event.profile_id, event.metric_id, event.key, event.event_id)
        with self._lock:
            found = self._db.execute(
                "insert or ignore into written_events values (?, ?, ?, ?, ?, ?, ?)",
                (*row, event.timestamp, event.received_at, event.flows),
            )
            return found.rowcount == 1

    def written_events(self) -> list[WrittenEvent]:
        """The events that came through the API and were kept, by the second they happened."""
        rows = self.read(
            "select event_id, profile_id, metric_id, key, timestamp, received_at, flows"
            " from written_events order by timestamp, event_id"
        )
        return [
            WrittenEvent(
                event_id=row[0],
                profile_id=row[1],
                metric_id=row[2],
                key=row[3],
                timestamp=row[4],
                received_at=row[5],
                flows=bool(row[6]),
            )
            for row in rows
        ]

    # metrics, lists and segments

    def add_metrics(self, metrics: Iterable[Metric]) -> None:
        """Insert metrics."""
        self._insert("metrics", map(_metric_row, metrics))

    def metric(self, metric_id: str) -> Metric | None:
        """The metric of this id."""
        return self._record(Metric, "metrics where id = ?", [metric_id])

    def metric_named(self, name: str, integration_key: str) -> Metric | None:
        """The metric of this name and integration; names alone repeat across integrations."""
        return self._record(Metric, "metrics where name = ? and integration_key = ?", [name, integration_key])

    def put_group(self, group: Group) -> None:
        """Insert or replace a list or segment."""
        self._put(group)

    def group(self, group_id: str, kind: GroupKind | None = None) -> Group | None:
        """The list or segment of this id."""
        kinds = [kind.value] if kind else [each.value for each in GroupKind]
        return self._record(Group, f"groups where id = ? and kind in ({_marks(len(kinds))})", [group_id, *kinds])

    def group_named(self, name: str, kind: GroupKind) -> Group | None:
        """The list or segment of this name; the oldest where several share it."""
        return self._record(Group, "groups where name = ? and kind = ? order by created, id", [name, kind.value])

    def add_members(self, members: Iterable[Membership]) -> None:
        """Put profiles into groups; who is in already keeps the first `joined`."""
        rows = ((each.group_id, each.profile_id, each.joined) for each in members)
        self._insert("members", rows, clash="ignore")

    def remove_members(self, group_id: str, profile_ids: Iterable[str]) -> None:
        """Take profiles out of a group."""
        self._write(
            "delete from members where group_id = ? and profile_id = ?",
            ((group_id, each) for each in profile_ids),
        )

    def groups_of(self, profile_id: str, kind: GroupKind) -> list[Group]:
        """The lists, or the segments, a profile is in."""
        return self._records(
            Group,
            "members join groups on groups.id = members.group_id"
            " where members.profile_id = ? and groups.kind = ? order by groups.id",
            [profile_id, kind.value],
        )

    # templates and campaigns

    def put_template(self, template: Template) -> None:
        """Insert or replace a template."""
        self._put(template)

    def delete_template(self, template_id: str) -> None:
        """Remove a template."""
        self._write("delete from templates where id = ?", [[template_id]])

    def template(self, template_id: str) -> Template | None:
        """The template of this id."""
        return self._record(Template, "templates where id = ?", [template_id])

    def template_named(self, name: str) -> Template | None:
        """The listed template of this name; the newest where several share it."""
        return self._record(
            Template, "templates where reusable and name = ? order by created desc, id desc", [name]
        )

    def put_campaign(self, campaign: Campaign) -> None:
        """Insert or replace a campaign."""
        self._put(campaign)

    def campaign(self, campaign_id: str) -> Campaign | None:
        """The campaign of this id."""
        return self._record(Campaign, "campaigns where id = ?", [campaign_id])

    def put_message(self, message: CampaignMessage) -> None:
        """Insert or replace a campaign message."""
        self._put(message)

    def message(self, message_id: str) -> CampaignMessage | None:
        """The campaign message of this id."""
        return self._record(CampaignMessage, "messages where id = ?", [message_id])

    def messages_of(self, campaign_id: str) -> list[CampaignMessage]:
        """A campaign's messages, oldest first."""
        return self._records(
            CampaignMessage, "messages where campaign_id = ? order by created_at, id", [campaign_id]
        )

    # flows

    def put_flow(self, flow: Flow) -> None:
        """Insert or replace a flow."""
        self._put(flow)

    def flow(self, flow_id: str) -> Flow | None:
        """The flow of this id."""
        return self._record(Flow, "flows where id = ?", [flow_id])

    def put_flow_action(self, action: FlowAction) -> None:
        """Insert or replace an action of a flow."""
        self._put(action)

    def flow_action(self, action_id: str) -> FlowAction | None:
        """The flow action of this id."""
        return self._record(FlowAction, "flow_actions where id = ?", [action_id])

    def actions_of(self, flow_id: str) -> list[FlowAction]:
        """A flow's actions, by id: in the order they were made."""
        return self._records(FlowAction, "flow_actions where flow_id = ? order by id", [flow_id])

    def put_flow_message(self, message: FlowMessage) -> None:
        """Insert or replace a message of a flow."""
        self._put(message)

    def flow_message(self, message_id: str) -> FlowMessage | None:
        """The flow message of this id."""
        return self._record(FlowMessage, "flow_messages where id = ?", [message_id])

    def messages_of_action(self, action_id: str) -> list[FlowMessage]:
        """A flow action's messages, by id."""
        return self._records(FlowMessage, "flow_messages where action_id = ? order by id", [action_id])

    # tags, forms and webhooks

    def put_tag_group(self, group: TagGroup) -> None:
        """Insert or replace a tag group."""
        self._put(group)

    def tag_groups(self, group_ids: Sequence[str]) -> list[TagGroup]:
        """Those of these tag groups that exist."""
        return self._records(TagGroup, f"tag_groups where id in ({_marks(len(group_ids))})", group_ids)

    def put_tag(self, tag: Tag) -> None:
        """Insert or replace a tag."""
        self._put(tag)

    def put_form(self, form: Form) -> None:
        """Insert or replace a form."""
        self._put(form)

    def put_webhook(self, webhook: Webhook) -> None:
        """Insert or replace a webhook."""
        self._put(webhook)

    def webhooks(self) -> list[Webhook]:
        """All webhooks, by id."""
        return self._records(Webhook, "webhooks order by id", [])

    # jobs

    def put_suppression_job(self, job: SuppressionJob) -> None:
        """Insert or replace a suppression job."""
        self._put(job)

    def suppression_job(self, job_id: str, kind: str) -> SuppressionJob | None:
        """The suppression job of this id and kind."""
        return self._record(SuppressionJob, "suppression_jobs where id = ? and kind = ?", [job_id, kind])

    def put_import_job(self, job: ImportJob) -> None:
        """Insert or replace an import job."""
        self._put(job)

    def import_job(self, job_id: str) -> ImportJob | None:
        """The import job of this id."""
        return self._record(ImportJob, "import_jobs where id = ?", [job_id])

    def finish_import_job(
        self, job: ImportJob, profile_ids: Iterable[str], failures: Iterable[ImportFailure]
    ) -> None:
        """Record what a job wrote and what it refused."""
        with self.transaction():
            self.put_import_job(job)
            self._insert("import_profiles", ((job.id, each) for each in profile_ids), clash="ignore")
            self._insert("import_failures", ((job.id, each.position, _encode(each)) for each in failures))

    def delete_import_jobs(self, created_before: datetime) -> None:
        """Forget old jobs and their errors."""
        bound = [times.micros(created_before)]
        if self.read("select 1 from import_jobs where created_at <= ? limit 1", bound):
            with self.transaction():
                for table in ("import_profiles", "import_failures"):
                    self._write(
                        f"delete from {table} where job_id in (select id from import_jobs where created_at <= ?)",  # noqa: S608
                        [bound],
                    )
                self._write("delete from import_jobs where created_at <= ?", [bound])

    def _put(self, record: Struct) -> None:
        table, names = _COLUMNS[type(record)]
        self._insert(table, [_row(record, names)], clash="replace")

    def _record(self, kind: type[_Record], where: str, values: Sequence[object]) -> _Record | None:
        return next(iter(self._records(kind, f"{where} limit 1", values)), None)

    def _records(self, kind: type[_Record], where: str, values: Sequence[object]) -> list[_Record]:
        rows = self.read(f"select record from {where}", values)  # noqa: S608
        return [msgspec.json.decode(row[0], type=kind) for row in rows]


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _redacted(encoded: bytes, profile: Profile, alias: str) -> bytes:
    """JSON without the addresses of a profile."""
    for address in (profile.email, profile.phone_number):
        if address:
            pattern = re.compile(re.escape(_encode(address)[1:-1]), re.IGNORECASE)
            encoded = pattern.sub(alias.encode(), encoded)
    return encoded
