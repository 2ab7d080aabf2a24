"""How `resource_ids` is read: of what the other streams of a run have met, or by a listing of ids alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_wire.errors import KlaviyoError
from tap_klaviyo_engagement.client import KlaviyoStream
from tap_klaviyo_engagement.errors import StreamFault, Unreadable, concerns_all, unexpected
from tap_klaviyo_engagement.extraction.slice_reader import restarting
from tap_klaviyo_engagement.extraction.whole_reading import IdListing, WholeReading
from tap_klaviyo_engagement.state.reading_times import BEGAN, later
from tap_klaviyo_engagement.stream_kinds.composed_stream import ids_of
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.times import moment

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.extraction.record_decoder import Record


class ResourceIdStream(KlaviyoStream):
    """One row per resource that was seen, and a snapshot for each stream of which everything was.

    It tells of the streams that the run reads, but for those that stopped. What cannot be listed leaves its stream
    without a snapshot, and the others are told of.
    """

    @override
    def batches(self) -> Iterator[list[Record]]:
        faults: list[str] = []
        for streams in self._streams_by_listing():
            fault, readings = self._read(streams)
            faults += [f"{streams[0].name}: {fault}"] if fault else []
            for name, reading in readings.items():
                began = self._began(name, reading)
                row = {"stream_name": name, "seen_at": began}
                yield [self._selected({**row, "id": key}) for key in sorted(reading.ids)]
                if reading.complete:
                    self.run.snapshot("account", name, began, len(reading.ids))
        if faults:
            raise StreamFault("; ".join(faults))

    def _streams_by_listing(self) -> list[list[ListedStream]]:
        """The streams that are told of: together those which one listing tells of."""
        together: dict[str, list[ListedStream]] = {}
        for stream in self.selected_streams:
            if isinstance(stream, ListedStream) and stream.tells_ids and not self.run.unread(stream.name):
                listing = stream.id_listing
                together.setdefault(listing.operation if listing else stream.name, []).append(stream)
        return list(together.values())

    def _read(self, streams: Sequence[ListedStream]) -> tuple[KlaviyoError | None, Mapping[str, WholeReading]]:
        """What is seen of streams that one listing tells of, by name; and why not all of it, if it was not listed.

        Raises:
            KlaviyoError: nothing can be read.
        """
        listing = streams[0].id_listing
        if listing is None:
            met = self.run.whole_readings
            return None, {each.name: met[each.name] for each in streams if each.name in met}
        named = self.run.named.get(listing.operation)
        by_own_id = not any((each.id_listing or listing).relationship for each in streams)
        if by_own_id and named is not None and named.complete:
            return None, {each.name: named for each in streams}
        began = self.run.begin_reading().began
        readings = {each.name: WholeReading(began) for each in streams}
        try:
            self._list(streams, listing, readings)
        except Exception as error:  # whatever it is, the other streams are told of
            if isinstance(error, KlaviyoError) and concerns_all(error):
                raise
            for reading in readings.values():
                reading.complete = False
            return error if isinstance(error, KlaviyoError) else unexpected(error), readings
        return None, readings

    def _list(
        self, streams: Sequence[ListedStream], listing: IdListing, readings: Mapping[str, WholeReading]
    ) -> None:
        """Read a listing into the readings of the streams that it tells of."""
        relationships = {each.name: each.id_listing.relationship if each.id_listing else "" for each in streams}
        included = sorted(filter(None, relationships.values()))

        def put_aside(fault: Unreadable) -> None:
            for reading in readings.values():
                reading.complete = False
            self.put_aside(fault, {"stream_name": streams[0].name})

        def warn() -> None:
            self.logger.warning("%s: the page cursor expired; reading the listing again", streams[0].name)

        for each in listing.listings:
            read = lambda part, _: listing.rows(part, included, self.run.client, put_aside)  # noqa: E731
            for row in restarting(read, each, warn):
                try:
                    told = {name: _ids(row, relationship) for name, relationship in relationships.items()}
                except Unreadable as fault:
                    put_aside(fault)
                    continue
                for name, ids in told.items():
                    readings[name].ids.update(ids or ())
                    readings[name].complete &= ids is not None

    def _began(self, name: str, reading: WholeReading) -> str:
        """When a reading began; later than the one before it of the same stream."""
        before = self.stream_state.get(BEGAN)
        times = dict(before) if isinstance(before, dict) else {}
        warn = partial(self.logger.warning, "%s was read at %s: this machine's clock is or was wrong", name)
        times[name] = later(moment(reading.began), times.get(name), warn)
        self.stream_state[BEGAN] = times
        return str(times[name])

    def _selected(self, row: Record) -> Record:
        return {name: row[name] for name in self.columns}

    @override
    def probe(self) -> str:
        return "it asks for what other streams do"


def _ids(row: Json, relationship: str) -> Sequence[str] | None:
    """The ids that a row tells: its own, or those in a relationship; None if Klaviyo does not tell them."""
    return ids_of(row, relationship) if relationship else [row["id"]]
