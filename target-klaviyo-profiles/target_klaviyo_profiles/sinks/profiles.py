"""Profiles, through import jobs; one by one where a field is cleared or an identifier added, which jobs cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.bulk import KILOBYTE, PROFILE_IMPORT, BulkLimits
from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.answers import told
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import (
    BulkRoute,
    ErrorsEndpoint,
    Group,
    Reason,
    Rejected,
    Resource,
    Route,
    Row,
)
from target_klaviyo_profiles.sinks import further_identifiers
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink
from target_klaviyo_profiles.sinks.further_identifiers import FURTHER_IDENTIFIERS
from target_klaviyo_profiles.sinks.list_reference import LIST_ID
from target_klaviyo_profiles.sinks.profile_reference import profile_key
from target_klaviyo_profiles.sinks.record_sink import RecordSink, record_call

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.sinks.options import Options
    from target_klaviyo_profiles.values import Json

_ATTRIBUTES = frozenset(
    {"first_name", "last_name", "organization", "locale", "title", "image", "location", "properties"}
)
_LOCATION_TEXTS = frozenset({"address1", "address2", "city", "country", "region", "zip", "timezone", "ip"})
_COORDINATES = frozenset({"latitude", "longitude"})
_CLEARED_LOCATION = dict.fromkeys(sorted(_LOCATION_TEXTS | _COORDINATES))
"""A location that is cleared. Klaviyo's OpenAPI document does not clearly say that it may itself be null."""

IMPORT = BulkRoute(
    "bulk_import_profiles",
    PROFILE_IMPORT,
    status="get_bulk_import_profiles_job",
    errors=ErrorsEndpoint("get_errors_for_bulk_import_profiles_job"),
    listing="get_bulk_import_profiles_jobs",
)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Takes a resource apart; what it has is passed on as the bytes that it is."""
SINGLE = Route("create_or_update_profile", BulkLimits(items=1, request_bytes=100 * KILOBYTE))
"""For a whole record in which a field is to be cleared: an import ignores null, this call and PATCH do not.
And for one with further identifiers: this call tells which profile it wrote and what that has."""


class Profiles(BulkSink, RecordSink):
    """Creates profiles and updates those that exist; what a record does not mention stays as it is."""

    stream: ClassVar[str] = "profiles"
    routes: ClassVar[tuple[Route, ...]] = (IMPORT, SINGLE)
    refusals_last: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*further_identifiers.READS, "add_profiles_to_list")
    clearable: ClassVar[frozenset[str]] = frozenset(
        {*_ATTRIBUTES, "email", "external_id", "phone_number"} - {"properties"}
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field("id", Kind.TEXT, "Klaviyo's profile id: the first choice of identifier, for profiles that exist"),
        Field("external_id", Kind.TEXT, "Your own id: the identifier where `id` is absent"),
        Field("email", Kind.TEXT, "The identifier where `id` and `external_id` are absent; else not sent"),
        Field("phone_number", Kind.TEXT, "With `+` and country code: the identifier where the others are absent"),
        further_identifiers.FIELD,
        Field("first_name", Kind.TEXT, "First name"),
        Field("last_name", Kind.TEXT, "Last name"),
        Field("organization", Kind.TEXT, "Company or organisation"),
        Field("locale", Kind.TEXT, "Language tag, such as `en-US`"),
        Field("title", Kind.TEXT, "Job title"),
        Field("image", Kind.TEXT, "URL of a picture"),
        Field(
            "location",
            Kind.OBJECT,
            "Any of `address1`, `address2`, `city`, `region`, `zip`, `country`, `timezone`, `ip`, `latitude`, "
            "`longitude`",
        ),
        Field("properties", Kind.OBJECT, "Custom properties to set; those not named stay"),
        Field("unset", Kind.TEXTS, "Names of custom properties to remove"),
        Field(LIST_ID, Kind.TEXT, "List that the profile joins; joining is not consent"),
    )

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        kinds = self.options.identifier_precedence
        self._behind = {kind: frozenset(kinds[place + 1 :]) for place, kind in enumerate(kinds)}
        """The identifiers that are not sent where this one is."""
        self._several = 0
        """Records that had several identifiers."""

    @override
    def remarks(self) -> list[str]:
        if not self._several:
            return []
        records = "1 record" if self._several == 1 else f"{self._several:,} records"
        kinds = ", ".join(f"`{kind}`" for kind in self.options.identifier_precedence)
        told = f"of {records} with several of {kinds} only the first was sent, since several can merge profiles"
        return [f"{told}; `further_identifiers` gives a profile those that it lacks"]

    @override
    def identify(self, record: Json) -> Key:
        return profile_key(record, self.options.identifier_precedence)

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        if location := record.get("location"):
            record = {**record, "location": _location(location)}
        attributes: Json = {
            name: value for name, value in record.items() if name in _ATTRIBUTES and (value or value != {})
        }
        cleared = self._cleared and [name for name in self._cleared if name in record and record[name] is None]
        if cleared:
            attributes.update((name, _CLEARED_LOCATION if name == "location" else None) for name in cleared)
        unset = record.get("unset")
        if unset and not attributes.get("properties", {}).keys().isdisjoint(unset):
            detail = "`unset` names properties that `properties` sets"
            raise Rejected(Reason("contradiction", detail, "Either set or unset a property.", "/unset"))
        list_id = record.get(LIST_ID, "").strip() or None
        further = further_identifiers.wanted(record, key)
        if key.kind == "id":
            if not attributes and not unset and not further and list_id is None:
                return None  # the profile exists, and there is nothing to say about it
            body: Json = {"type": "profile", "id": key.value, "attributes": attributes}
        else:
            # As given, not as compared: Klaviyo keeps the spelling of a new profile's address.
            identifier = key.value if key.kind == "phone_number" else record[key.kind].strip()
            body = {"type": "profile", "attributes": {key.kind: identifier, **attributes}}
        if unset:
            body["meta"] = {"patch_properties": {"unset": unset}}
        if further:
            body[FURTHER_IDENTIFIERS] = further
        # Most records have one identifier: this looks no closer than it must.
        behind = self._behind[key.kind]
        if not behind.isdisjoint(record) and identifiers.first(record, list(behind)):
            self._several += 1
        return Resource(body, Group(SINGLE if cleared or further else IMPORT, (list_id,) if list_id else ()))

    @override
    def combined(self, earlier: bytes, later: bytes) -> bytes | None:
        """Both, field by field and property by property; the later one is right where they differ."""
        before, after = msgspec.json.decode(earlier), msgspec.json.decode(later)
        attributes: Json = {**before["attributes"], **after["attributes"]}
        set_before, set_after = _properties(before), _properties(after)
        unset_before, unset_after = _unset(before), _unset(after)
        properties = {name: value for name, value in set_before.items() if name not in unset_after} | set_after
        unset = [name for name in unset_before if name not in set_after and name not in unset_after] + unset_after
        attributes.pop("properties", None)
        if properties:
            attributes["properties"] = properties
        if "location" in attributes:
            attributes["location"] = {**before["attributes"].get("location", {}), **attributes["location"]}
        body: Json = {**after, "attributes": attributes}
        if unset:
            body["meta"] = {"patch_properties": {"unset": unset}}
        if further := before.get(FURTHER_IDENTIFIERS, {}) | after.get(FURTHER_IDENTIFIERS, {}):
            body[FURTHER_IDENTIFIERS] = further
        payload = msgspec.json.encode(body)
        fits = PROFILE_IMPORT.item_bytes is None or len(payload) <= PROFILE_IMPORT.item_bytes
        return payload if fits else None

    @override
    def envelope_size(self, group: Group) -> int:
        return len(b'{"data":}') if group.route is SINGLE else super().envelope_size(group)

    @override
    def write(self, row: Row, context: SinkContext) -> bool:
        """Write one profile with the nulls that clear; then it joins the list and gets further identifiers."""
        body, further = request(row.payload)
        profile, changed = _written(row, body, context)
        for list_id in row.group.shared:
            assert list_id is not None  # noqa: S101 - a group of this sink has a list, or shares nothing
            profile_id = told(profile, "a profile that was written, and so joins no list", id=str)["id"]
            members = {"data": [{"type": "profile", "id": profile_id}]}
            record_call("add_profiles_to_list", context, members, path={"id": list_id})
            changed = True
        if further:
            changed |= further_identifiers.add(profile, further, context)
        return changed

    @override
    def envelope(self, group: Group) -> Json:
        data: Json = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": ROWS}}}
        if group.shared:
            data["relationships"] = {"lists": {"data": [{"type": "list", "id": each} for each in group.shared]}}
        return {"data": data}

    @override
    def keys_of(self, sent: Mapping[str, object]) -> list[Key]:
        attributes = sent.get("attributes")
        flat = {**(attributes if isinstance(attributes, Mapping) else sent), "id": sent.get("id")}
        given = ((kind, flat.get(kind)) for kind in identifiers.PRECEDENCE)
        return [identifiers.compared(Key(kind, value.strip())) for kind, value in given if isinstance(value, str)]


def request(payload: bytes) -> tuple[bytes, dict[str, str]]:
    """The request that writes one profile, and the identifiers that the profile is to get after it, by kind."""
    members = _MEMBERS.decode(payload)
    further = members.pop(FURTHER_IDENTIFIERS, None)
    if further is None:
        return b'{"data":%b}' % payload, {}
    return msgspec.json.encode({"data": members}), msgspec.json.decode(further, type=dict[str, str])


def _written(row: Row, body: bytes, context: SinkContext) -> tuple[object, bool]:
    """The profile as Klaviyo tells it after it was written, and whether anything was."""
    key = row.key
    if key.kind != "id":
        answer, changed = record_call(SINGLE.operation, context, body), True
    elif _says_something(row.payload):
        answer, changed = record_call("update_profile", context, body, path={"id": key.value}), True
    else:
        answer, changed = record_call("get_profile", context, None, path={"id": key.value}), False
    return next(iter(jsonapi.resources(answer)), None), changed


def _says_something(payload: bytes) -> bool:
    """Whether there is anything but identifiers."""
    members = _MEMBERS.decode(payload)
    return "meta" in members or bytes(members["attributes"]) != b"{}"


def _properties(body: Json) -> Json:
    properties: Json = body["attributes"].get("properties", {})
    return properties


def _unset(body: Json) -> list[str]:
    unset: list[str] = body.get("meta", {}).get("patch_properties", {}).get("unset", [])
    return unset


def _location(given: Json) -> Json:
    location: Json = {}
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in _COORDINATES and (number or isinstance(value, str)):
            location[name] = value
        elif name in _LOCATION_TEXTS and (isinstance(value, str) or (number and isinstance(value, int))):
            location[name] = str(value)  # a postal code, kept as a number
        else:
            known = name in _COORDINATES | _LOCATION_TEXTS
            detail = f"`location.{name}` {'is of the wrong type' if known else 'is not a field of a location'}"
            names = ", ".join(sorted(_LOCATION_TEXTS | _COORDINATES))
            remedy = f"A location holds text in {names}; coordinates may be numbers."
            raise Rejected(Reason("invalid_value", detail, remedy, f"/location/{name}"))
    return location
