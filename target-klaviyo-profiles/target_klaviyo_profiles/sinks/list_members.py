"""Members of lists, added and removed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.errors import NotFound
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.sinks.base import (
    Batch,
    Field,
    Group,
    Kind,
    Line,
    Outcome,
    Reason,
    Rejected,
    Resource,
    Route,
)
from target_klaviyo_profiles.sinks.bulk import ROWS, Bulk, BulkSink
from target_klaviyo_profiles.sinks.people import PROFILE_ID

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

ACTION = "_action"
_LIMITS = BulkLimits(items=1_000)
_ADD = Bulk("add_profiles_to_list", _LIMITS, finds_rows=True)
_REMOVE = Bulk("remove_profiles_from_list", _LIMITS, finds_rows=True)


class Action(StrEnum):
    """What to do with what the record names."""

    ADD = "add"
    REMOVE = "remove"


def action_of(record: Json) -> Action:
    """The record's action.

    Raises:
        Rejected: there is no such action.
    """
    try:
        return Action(record[ACTION].strip().lower())
    except ValueError:
        known = " or ".join(f"`{each}`" for each in Action)
        remedy = f"Give {known}."
        raise Rejected(Reason("invalid_value", f"`{ACTION}` is neither {known}", remedy, f"/{ACTION}")) from None


class ListMembers(BulkSink):
    """Adds profiles to lists and removes them; neither says anything about consent."""

    stream: ClassVar[str] = "list_members"
    routes: ClassVar[tuple[Route, ...]] = (_ADD, _REMOVE)
    reads: ClassVar[tuple[str, ...]] = ("get_list",)
    fields: ClassVar[tuple[Field, ...]] = (
        Field("list_id", Kind.TEXT, "Klaviyo's id of the list", required=True),
        Field(PROFILE_ID, Kind.TEXT, "Klaviyo's id of the profile", required=True),
        Field(ACTION, Kind.TEXT, "`add` or `remove`", required=True),
    )

    @override
    def identify(self, record: Json) -> Key:
        return Key("member", f"{record.get('list_id', '').strip()}/{record.get(PROFILE_ID, '').strip()}")

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        route = _ADD if action_of(record) is Action.ADD else _REMOVE
        body: Json = {"type": "profile", "id": record[PROFILE_ID].strip()}
        return Resource(body, Group(route, (record["list_id"].strip(),)))

    @override
    def envelope(self, group: Group) -> Json:
        return {"data": ROWS}

    @override
    def path(self, group: Group) -> Mapping[str, str]:
        return {"id": str(group)}

    @override
    def screened(self, batch: Batch, line: Line) -> Outcome:
        """All of them, where there is no such list: the request itself would not say which id is unknown."""
        try:
            line.client.call("get_list", path=self.path(batch.group), params={"fields[list]": "name"})
        except NotFound:
            return Outcome(rejected=dict.fromkeys(batch.keys, no_list(str(batch.group))))
        return Outcome()


def no_list(list_id: str) -> Reason:
    """Why a record of a list that does not exist is refused."""
    remedy = "Correct `list_id`, or make the list."
    return Reason("not_found", f"there is no list `{list_id}`", remedy, "/list_id")
