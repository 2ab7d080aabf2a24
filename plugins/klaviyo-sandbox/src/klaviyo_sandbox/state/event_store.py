"""Events, as the store keeps them: those that can be read, those that are late, and what wrote them.

They have a layout of their own: their attributes are encoded once, when they are written, as answers show them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from operator import attrgetter

import msgspec

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import Event, Profile, WrittenEvent
from klaviyo_sandbox.state.database import BATCH, Row
from klaviyo_sandbox.state.repository import Repository

_INDEXES = {
    "events_timestamp": "events (timestamp, id)",
    "events_metric": "events (metric_id, timestamp, id)",
    "events_profile": "events (profile_id, timestamp, id)",
}
_CREATE_INDEXES = "".join(f"create index {name} on {columns};\n" for name, columns in _INDEXES.items())
_DROP_INDEXES = "".join(f"drop index {name};\n" for name in _INDEXES)
_ALL = 2**62
"""A second after every event."""
_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.encode
_timestamp = attrgetter("timestamp")


class EventStore(Repository):
    """Writes and finds events."""

    schema = f"""
        create table events (
            id text primary key,
            timestamp integer not null,
            metric_id text,
            profile_id text,
            attributes blob not null
        );
        {_CREATE_INDEXES}
        create table late_events (visible_at integer not null, event blob not null);
        create index late_events_visible_at on late_events (visible_at);
        create table recorded_events (place integer primary key, event_id text not null unique);
    """

    def __init__(self) -> None:
        """Nothing is there yet."""
        super().__init__()
        self._seeding = False

    @contextmanager
    def seeding(self) -> Iterator[None]:
        """Many events are coming: their indexes are built once, at the end, and no webhook is called for them."""
        with self._lock:
            self._connection.executescript(_DROP_INDEXES)
            self._seeding = True
            try:
                yield
            finally:
                self._seeding = False
                self._connection.executescript(_CREATE_INDEXES)

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
            self.insert("late_events", ((visible_at, _encode(each)) for each in events))
            return
        remaining = iter(events)
        with self.transaction():
            # In order of time, so that the rows of a page lie side by side.
            while batch := sorted(islice(remaining, BATCH), key=_timestamp):
                self.insert("events", map(_event_row, batch))
                if not self._seeding:  # an event that was hidden for a while keeps its place
                    self.insert("recorded_events", ((None, each.id) for each in batch), clash="ignore")
                latest: dict[str, int] = {}
                for each in batch:
                    if each.profile_id is not None:
                        latest[each.profile_id] = max(each.timestamp, latest.get(each.profile_id, each.timestamp))
                self.write(
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
                    self.write("delete from events where id = ?", [[event_id]])
                    self.add_events([event], visible_at=visible_at)

    def release_events(self, up_to: int | None = None) -> int:
        """Make late events visible: those due at `up_to` (seconds), or all. Answers how many."""
        bound = up_to if up_to is not None else _ALL
        with self._lock:
            rows = self.read("select event, visible_at from late_events where visible_at <= ?", [bound])
            if rows:
                with self.transaction():
                    self.write("delete from late_events where visible_at <= ?", [[bound]])
                    self.add_events(
                        (_decode(row[0]) for row in rows),
                        received_at=max(row[1] for row in rows) if up_to is not None else None,
                    )
        return len(rows)

    def last_recorded(self) -> int:
        """The place of the event that was recorded last; 0 if there was none since the account was filled."""
        return int(self.read("select coalesce(max(place), 0) from recorded_events")[0][0])

    def recorded_after(self, place: int) -> list[Row]:
        """Readable events that were recorded after one, in that order: id, profile, metric, attributes as JSON."""
        return self.read(
            "select e.id, e.profile_id, e.metric_id, e.attributes from recorded_events r"
            " join events e on e.id = r.event_id where r.place > ? order by r.place",
            [place],
        )

    def add_written_event(self, event: WrittenEvent) -> bool:
        """Note an event of the API; False when its profile and metric have one of its key already."""
        return self.add([event], clash="ignore") == 1

    def written_events(self) -> list[WrittenEvent]:
        """The events that came through the API and were kept, by the second they happened."""
        return self.find(WrittenEvent, "true order by timestamp, event_id")

    def disown_events(self, profile: Profile, alias: str) -> None:
        """Make a profile's events nobody's, late ones too, with `alias` where its addresses stood."""
        with self.transaction():
            events = self.read("select id, attributes from events where profile_id = ?", [profile.id])
            self.write(
                "update events set profile_id = null, attributes = ? where id = ?",
                [(_redacted(attributes, profile, alias), event_id) for event_id, attributes in events],
            )
            # Its id is in no other event: nothing writes ids into properties.
            late = self.read("select rowid, event from late_events where instr(event, ?)", [profile.id.encode()])
            self.write(
                "update late_events set event = ? where rowid = ?",
                [(_disowned(event, profile, alias), row) for row, event in late],
            )


def _event_row(event: Event) -> Row:
    attributes = b'{"timestamp":%d,"datetime":"%b","event_properties":%b,"uuid":"%b"}' % (
        event.timestamp,
        times.seconds(event.timestamp).encode(),
        _encode(event.properties),
        event.uuid.encode(),
    )
    return (event.id, event.timestamp, event.metric_id, event.profile_id, attributes)


def _disowned(event: bytes, profile: Profile, alias: str) -> bytes:
    return _encode(msgspec.structs.replace(_decode(_redacted(event, profile, alias)), profile_id=None))


def _redacted(encoded: bytes, profile: Profile, alias: str) -> bytes:
    """JSON without the addresses of a profile."""
    for address in (profile.email, profile.phone_number):
        if address:
            pattern = re.compile(re.escape(_encode(address)[1:-1]), re.IGNORECASE)
            encoded = pattern.sub(alias.encode(), encoded)
    return encoded
