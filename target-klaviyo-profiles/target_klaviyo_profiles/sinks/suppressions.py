"""Suppressions of e-mail addresses, through jobs that say when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from target_klaviyo_profiles.sinks.base import Field, Group, Kind, Resource, Route
from target_klaviyo_profiles.sinks.bulk import ROWS, Bulk, BulkSink
from target_klaviyo_profiles.sinks.list_members import ACTION, Action, action_of
from target_klaviyo_profiles.sinks.people import as_profile, person

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.values import Json

_LIMITS = BulkLimits(items=100)
# Of these jobs only the status tells the end: `completed_at` is set while they are processed (recorded).
_SUPPRESS = Bulk("bulk_suppress_profiles", _LIMITS, status="get_bulk_suppress_profiles_job")
_UNSUPPRESS = Bulk("bulk_unsuppress_profiles", _LIMITS, status="get_bulk_unsuppress_profiles_job")


class Suppressions(BulkSink):
    """Stops e-mail marketing to addresses whatever their consent, and lifts what it or a user stopped so.

    Lifting leaves those who unsubscribed, bounced or have no valid address as they are.
    """

    stream: ClassVar[str] = "suppressions"
    routes: ClassVar[tuple[Route, ...]] = (_SUPPRESS, _UNSUPPRESS)
    fields: ClassVar[tuple[Field, ...]] = (
        Field("email", Kind.TEXT, "The address", required=True),
        Field(ACTION, Kind.TEXT, "`add` suppresses, `remove` lifts what this or a user suppressed", required=True),
    )

    @override
    def identify(self, record: Json) -> Key:
        return person(record, ("email",))

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        route = _SUPPRESS if action_of(record) is Action.ADD else _UNSUPPRESS
        return Resource(as_profile(key, record), Group(route))

    @override
    def envelope(self, group: Group) -> Json:
        what = "create" if group.route is _SUPPRESS else "delete"
        attributes: Json = {"profiles": {"data": ROWS}}
        return {"data": {"type": f"profile-suppression-bulk-{what}-job", "attributes": attributes}}
