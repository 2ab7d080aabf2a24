"""Events, a row each, with their properties in a column of JSON or in a column each."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from tap_klaviyo_files.faults import RowError
from tap_klaviyo_files.mapping import Field
from tap_klaviyo_files.streams.kind import (
    Build,
    Cells,
    Kind,
    Metrics,
    Record,
    column,
    key,
    moment_column,
)
from tap_klaviyo_files.values import Cell, NoMomentError, members, moment, number, parsed, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from tap_klaviyo_files.settings import Source

_OF_KLAVIYO = re.compile(
    r"(?:received|sent|opened|clicked|bounced|dropped|skipped|relayed|failed to deliver) "
    r"(?:automated response )?(?:email|sms|text message|push|whatsapp)\b.*"
    r"|marked email as spam|(?:un)?subscribed\b.*|updated email preferences|merged profile"
    r"|manually (?:un)?suppressed from email marketing|skipped send",
    re.IGNORECASE,
)
_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number")
_PROPERTIES = (
    # How a field is called among the properties of an event that the API gives.
    ("unique_id", "$event_id"),
    ("value", "$value"),
    ("value_currency", "$value_currency"),
)


class Events(Kind):
    """What profiles did, and what was done to them."""

    name: ClassVar[str] = "events"
    keys: Sequence[str] = ("id",)
    columns = {  # noqa: RUF012 - read only
        "id": key("Event id: Klaviyo's where the file has it, else one that the same row has in every file"),
        "datetime": moment_column("When it happened; may lie ahead"),
        "timestamp": column("integer", "The same moment in seconds since 1970"),
        "uuid": column("string", "A second identifier of the event"),
        "event_properties": column("object", "What the event holds: `$message`, `$value`, `URL`, …"),
        "profile_id": column("string", "Who; null when the file does not say so"),
        "metric_id": column("string", "What: Klaviyo's id, else integration and name"),
    }
    fields: Sequence[Field] = (
        Field("id", ("event_id",)),
        Field(
            "datetime", ("timestamp", "event_time", "event_timestamp", "occurred_at", "time", "date", "created")
        ),
        Field("metric_id"),
        Field("metric", ("metric_name", "event", "event_name", "event_type", "type")),
        Field("profile_id", ("klaviyo_id", "person_id", "$kid", "kid", "klaviyo_profile_id")),
        Field("email", ("$email", "email_address", "recipient", "recipient_email_address")),
        Field("phone_number", ("$phone_number", "phone")),
        Field("uuid", ("event_uuid",)),
        Field("unique_id", ("$event_id",)),
        Field("value", ("$value", "event_value")),
        Field("value_currency", ("$value_currency", "$currency", "$currency_code", "currency", "currency_code")),
        Field("integration", ("integration_key", "integration_name", "metric_integration")),
        Field("event_properties", ("properties", "attributes")),
    )

    @override
    def needed(self, source: Source) -> Sequence[Sequence[str]]:
        return (
            ("datetime",),
            *(() if source.metric else (("metric", "metric_id"),)),
            ("profile_id", "email", "phone_number"),
        )

    @override
    def build(self, header: Sequence[str], source: Source, metrics: Metrics, modified: float) -> Build:
        columns = self.layout(header, source)
        at = columns.place
        id_at, time_at, uuid_at, profile_at = at("id"), at("datetime"), at("uuid"), at("profile_id")
        inner_at = at("event_properties")
        what = _metric(source, at("metric_id"), at("metric"), at("integration"), metrics)
        # Identifiers stay among the properties under the names that they came by.
        named = [(name, at(field)) for field, name in _PROPERTIES if at(field) >= 0]
        numbers = {at("value")}
        shown = [(header[at(field)], at(field)) for field in ("email", "phone_number") if at(field) >= 0]
        rest = [*columns.rest, *shown]
        who_at = [(field, at(field)) for field in ("email", "phone_number") if at(field) >= 0]
        zone = source.zone
        inner_name = header[inner_at] if inner_at >= 0 else ""
        time_name = header[time_at]

        def build(cells: Cells) -> tuple[Record, Record]:
            when = _when(cells[time_at], zone, time_name)
            seconds = when.timestamp()
            metric_id = what(cells)
            profile_id = text(cells[profile_at]) if profile_at >= 0 else None
            inside = members(cells[inner_at], inner_name) if inner_at >= 0 else {}
            for name, place in rest:
                cell = cells[place]
                if cell is not None and cell != "":
                    inside[name] = parsed(cell)
            for name, place in named:
                cell = cells[place]
                if cell is not None and cell != "":
                    inside[name] = number(cell) if place in numbers else cell
            who = {field: cells[place] for field, place in who_at}
            uuid = text(cells[uuid_at]) if uuid_at >= 0 else None
            event_id = (text(cells[id_at]) if id_at >= 0 else None) or uuid
            if event_id is None:
                event_id = _derived(metric_id, profile_id, who, seconds, inside)
            record = {
                "id": event_id,
                "datetime": when,
                "timestamp": int(seconds),
                "uuid": uuid,
                "event_properties": inside,
                "profile_id": profile_id,
                "metric_id": metric_id,
            }
            who["profile_id"] = profile_id
            return record, who

        return build


def integration_of(metric: str) -> str:
    """Klaviyo's key of the integration that a metric is of, as far as its name says it: Klaviyo itself, or any."""
    return "klaviyo" if _OF_KLAVIYO.fullmatch(metric) else "api"


def _when(cell: Cell, zone: tzinfo, name: str) -> datetime:
    try:
        return moment(cell, zone)
    except NoMomentError:
        fault = f"the column {name!r} holds no moment that is known"
        remedy = (
            "write it as 2026-11-30 13:34:08+00:00, month first as 11/30/2026 13:34:08, or in seconds since 1970"
        )
        raise RowError(fault, code="datetime", remedy=remedy) from None


def _metric(
    source: Source, id_at: int, name_at: int, integration_at: int, metrics: Metrics
) -> Callable[[Cells], str]:
    """What tells the metric id of a row, and tells `metrics` of it."""
    found: dict[tuple[str | None, str | None, str | None], str] = {}

    def metric_of(cells: Cells) -> str:
        metric_id = cells[id_at] if id_at >= 0 else None
        name = cells[name_at] if name_at >= 0 else source.metric
        integration = cells[integration_at] if integration_at >= 0 else None
        known = found.get((metric_id, name, integration))
        if known is not None:
            return known
        chosen = text(metric_id) or ""
        told = text(name) or source.metric or ""
        if not chosen and not told:
            remedy = "mend the row; a metric that all rows have is the key `metric` of the setting `files`"
            fault = "it names no metric"
            raise RowError(fault, code="metric", remedy=remedy)
        where = text(integration) or source.integration or integration_of(told)
        where = where.lower().replace(" ", "_")
        chosen = chosen or source.metric_ids.get(told) or f"{where}:{told}"
        if told:
            metrics.take(chosen, told, where)
        if len(found) < Metrics.MOST:
            found[metric_id, name, integration] = chosen
        return chosen

    return metric_of


def _derived(metric_id: str, profile_id: str | None, who: Record, seconds: float, inside: Record) -> str:
    """The id of an event whose file has none, by what Klaviyo tells events apart by.

    These are metric, profile and the writer's unique id. Where there is no unique id, Klaviyo takes the time for
    it; its properties count beside it here, since a file need not have the unique ids that there are.
    """
    whom = profile_id or "|".join(str(each or "").strip().lower() for each in who.values())
    unique = inside.get("$event_id")
    parts: list[object] = [metric_id, whom]
    parts += [str(unique)] if unique not in {None, ""} else [seconds, inside]
    return f"file-{sha256(_canonical.encode(parts)).hexdigest()[:32]}"
