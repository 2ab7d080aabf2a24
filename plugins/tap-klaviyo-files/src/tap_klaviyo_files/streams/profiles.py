"""Profiles, as lists and segments are exported by hand, or in columns named as the API names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
from tap_klaviyo_files.values import NoMomentError, members, moment, parsed, since_1970, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_klaviyo_files.settings import Source

PROFILE_ID = Field("id", ("klaviyo_id", "profile_id", "person_id", "$kid", "klaviyo_profile_id"))

_TEXTS = (
    Field("email", ("$email", "email_address")),
    Field("phone_number", ("$phone_number", "phone")),
    Field("external_id", ("$id",)),
    Field("first_name", ("$first_name",)),
    Field("last_name", ("$last_name",)),
    Field("organization", ("$organization",)),
    Field("locale"),
    Field("title", ("$title",)),
    Field("image", ("$image",)),
)
_MOMENTS = (
    Field("created", ("profile_created_on",)),
    Field("updated", ("last_updated",)),
    Field("last_event_date", ("last_active",)),
)
_LOCATION = (
    Field("address1", ("address", "$address1")),
    Field("address2", ("$address2",)),
    Field("city", ("$city",)),
    Field("country", ("$country",)),
    Field("region", ("state / region", "state", "$region")),
    Field("zip", ("zip code", "$zip")),
    Field("timezone", ("$timezone",)),
    Field("ip", ("ip address",)),
    Field("latitude", ("$latitude",)),
    Field("longitude", ("$longitude",)),
)


class Profiles(Kind):
    """People. Consent stays among the properties: an export says less of it than a message needs to be sent."""

    name: ClassVar[str] = "profiles"
    keys: Sequence[str] = ("id",)
    columns = {  # noqa: RUF012 - read only
        "id": key("Profile id"),
        "email": column("string", "E-mail address"),
        "phone_number": column("string", "Phone number, E.164"),
        "external_id": column("string", "Id in another system"),
        "first_name": column("string", "First name"),
        "last_name": column("string", "Last name"),
        "organization": column("string", "Company"),
        "locale": column("string", "Language and country, such as en-US"),
        "title": column("string", "Job title"),
        "image": column("string", "URL of a picture"),
        "created": moment_column("When Klaviyo first knew the profile"),
        "updated": moment_column("Last change; when the file was written, if it does not say so"),
        "last_event_date": moment_column("When the newest event happened"),
        "location": column("object", "Address, `timezone`, `ip`, coordinates"),
        "properties": column("object", "All other columns"),
    }
    fields: Sequence[Field] = (PROFILE_ID, *_TEXTS, *_MOMENTS, *_LOCATION, Field("location"), Field("properties"))

    @override
    def needed(self, source: Source) -> Sequence[Sequence[str]]:
        return (("id",),)

    @override
    def build(self, header: Sequence[str], source: Source, metrics: Metrics, modified: float) -> Build:
        columns = self.layout(header, source)
        at = columns.place
        id_at, location_at, properties_at = at("id"), at("location"), at("properties")
        texts = [(field.name, at(field.name)) for field in _TEXTS if at(field.name) >= 0]
        moments = [(field.name, at(field.name)) for field in _MOMENTS if at(field.name) >= 0]
        parts = [(field.name, at(field.name)) for field in _LOCATION if at(field.name) >= 0]
        written = since_1970(modified)
        zone = source.zone

        def build(cells: Cells) -> tuple[Record, Record]:
            record = dict.fromkeys(self.columns)
            record["id"] = profile_id_of(cells, id_at)
            for name, place in texts:
                record[name] = text(cells[place])
            for name, place in moments:
                if text(cells[place]):
                    try:
                        record[name] = moment(cells[place], zone)
                    except NoMomentError:
                        fault = f"the column {header[place]!r} holds no moment that is known"
                        raise RowError(fault, code="datetime", remedy="mend the row") from None
            record["updated"] = record["updated"] or written
            location = members(cells[location_at], "location") if location_at >= 0 else {}
            location |= {name: told for name, place in parts if (told := text(cells[place]))}
            properties = members(cells[properties_at], "properties") if properties_at >= 0 else {}
            for name, place in columns.rest:
                if (cell := cells[place]) is not None and cell != "":
                    properties[name] = parsed(cell)
            record["location"], record["properties"] = location, properties
            return record, {name: record[name] for name in ("id", "email", "phone_number", "external_id")}

        return build


def profile_id_of(cells: Cells, place: int) -> str:
    """The profile of a row.

    Raises:
        RowError: it names none.
    """
    if found := text(cells[place]):
        return found
    fault = "it names no profile"
    raise RowError(fault, code="profile", remedy="mend the row, or map the column that holds Klaviyo's id")
