"""Suppressions of e-mail addresses, and their removal, through jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.rows import BulkRoute, Group, Resource, Route
from target_klaviyo_profiles.sinks.action import Action, action_field, action_of
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink
from target_klaviyo_profiles.sinks.profile_reference import profile_key, profile_resource

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.values import Json

_LIMITS = BulkLimits(items=100)
# The end of these jobs shows in their status alone: `completed_at` is set before it (recorded).
_SUPPRESS = BulkRoute("bulk_suppress_profiles", _LIMITS, status="get_bulk_suppress_profiles_job")
_UNSUPPRESS = BulkRoute("bulk_unsuppress_profiles", _LIMITS, status="get_bulk_unsuppress_profiles_job")


class Suppressions(BulkSink):
    """Suppresses addresses, whatever their consent, and lifts suppressions that this sink or a user made.

    Lifting changes nothing for those who unsubscribed, bounced or have no valid address.
    """

    stream: ClassVar[str] = "suppressions"
    routes: ClassVar[tuple[Route, ...]] = (_SUPPRESS, _UNSUPPRESS)
    fields: ClassVar[tuple[Field, ...]] = (
        Field("email", Kind.TEXT, "The address", required=True),
        action_field("`add` suppresses, `remove` lifts what this or a user suppressed"),
    )

    @override
    def identify(self, record: Json) -> Key:
        return profile_key(record, ("email",))

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        route = _SUPPRESS if action_of(record) is Action.ADD else _UNSUPPRESS
        return Resource(profile_resource(key, record), Group(route))

    @override
    def envelope(self, group: Group) -> Json:
        what = "create" if group.route is _SUPPRESS else "delete"
        attributes: Json = {"profiles": {"data": ROWS}}
        return {"data": {"type": f"profile-suppression-bulk-{what}-job", "attributes": attributes}}
