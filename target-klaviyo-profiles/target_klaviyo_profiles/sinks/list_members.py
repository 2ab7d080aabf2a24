"""Members of lists, added and removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.errors import NotFound
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Batch, BulkRoute, Group, Outcome, Resource, Route
from target_klaviyo_profiles.sinks.action import Action, action_field, action_of
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink
from target_klaviyo_profiles.sinks.list_reference import LIST_ID, no_such_list
from target_klaviyo_profiles.sinks.profile_reference import PROFILE_ID

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

_LIMITS = BulkLimits(items=1_000)
_ADD = BulkRoute("add_profiles_to_list", _LIMITS, finds_rows=True)
_REMOVE = BulkRoute("remove_profiles_from_list", _LIMITS, finds_rows=True)


class ListMembers(BulkSink):
    """Adds profiles to lists and removes them; neither says anything about consent."""

    stream: ClassVar[str] = "list_members"
    routes: ClassVar[tuple[Route, ...]] = (_ADD, _REMOVE)
    reads: ClassVar[tuple[str, ...]] = ("get_list",)
    fields: ClassVar[tuple[Field, ...]] = (
        Field(LIST_ID, Kind.TEXT, "Klaviyo's id of the list", required=True),
        Field(PROFILE_ID, Kind.TEXT, "Klaviyo's id of the profile", required=True),
        action_field("`add` or `remove`"),
    )

    @override
    def identify(self, record: Json) -> Key:
        return Key("member", f"{record.get(LIST_ID, '').strip()}/{record.get(PROFILE_ID, '').strip()}")

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        route = _ADD if action_of(record) is Action.ADD else _REMOVE
        body: Json = {"type": "profile", "id": record[PROFILE_ID].strip()}
        return Resource(body, Group(route, (record[LIST_ID].strip(),)))

    @override
    def envelope(self, group: Group) -> Json:
        return {"data": ROWS}

    @override
    def path(self, group: Group) -> Mapping[str, str]:
        return {"id": str(group)}

    @override
    def preflight(self, batch: Batch, context: SinkContext) -> Outcome:
        """Refuses the whole batch where its list does not exist.

        Asked first, because 404 to the request itself does not say whether the list or a profile is unknown.
        """
        try:
            context.client.call("get_list", path=self.path(batch.group), params={"fields[list]": "name"})
        except NotFound:
            return Outcome(rejected=dict.fromkeys(batch.keys, no_such_list(str(batch.group))))
        return Outcome()
