"""Who is in which list and segment: snapshots, from which joins and leaves follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.client import Json, KlaviyoStream, Listing, NotFound, Seen, Window, iso

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context


class Memberships(KlaviyoStream):
    """Members of groups of one type, read whole in every run: Klaviyo tells who joined, never who left.

    A group's rows carry the moment its reading began. Once it is complete, `membership_snapshots` has that moment
    too: whoever has an older `snapshot_at` than the group has left.
    """

    group: ClassVar[str]
    """JSON:API type of the groups, and the value of `group_type`."""
    groups_operation: ClassVar[str]
    groups_setting: ClassVar[str]
    resource = "profile"
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {"profile_id": ("id",)}

    @override
    def get_records(self, context: Context | None) -> Iterator[Json]:
        for group in self.ids(self.groups_setting, self.groups_operation, self.group):
            yield from self.members(group)

    def members(self, group: str) -> Iterator[Json]:
        """The members of a group, each once; complete, they are a snapshot."""
        began = iso(self.run.now())
        listing = Listing(path={"id": group}, columns={f"{self.group}_id": group, "snapshot_at": began})
        count = 0
        try:
            for record in self.once(Seen(), lambda: self.rows(listing, Window())):
                count += 1
                yield record
        except NotFound:
            # It is gone, but nothing says that it was empty: no snapshot, so its last members stay on record.
            self.logger.warning("The %s %s was deleted while it was read", self.group, group)
            return
        self.run.snapshots.append(
            {"group_type": self.group, "group_id": group, "snapshot_at": began, "member_count": count}
        )


def _schema(group: str) -> Json:
    return th.PropertiesList(
        th.Property(f"{group}_id", th.StringType, required=True, description=f"{group.capitalize()} id"),
        th.Property("profile_id", th.StringType, required=True, description="Profile id"),
        th.Property("joined_group_at", th.DateTimeType, description="When the profile last joined"),
        th.Property("snapshot_at", th.DateTimeType, description=f"When the reading of this {group} began"),
    ).to_dict()


class ListMemberships(Memberships):
    """Members of lists."""

    name = "list_memberships"
    operation = "get_profiles_for_list"
    group = "list"
    groups_operation = "get_lists"
    groups_setting = "lists"
    primary_keys = ("list_id", "profile_id")
    schema = _schema("list")


class SegmentMemberships(Memberships):
    """Members of segments."""

    name = "segment_memberships"
    operation = "get_profiles_for_segment"
    group = "segment"
    groups_operation = "get_segments"
    groups_setting = "segments"
    primary_keys = ("segment_id", "profile_id")
    schema = _schema("segment")


class MembershipSnapshots(KlaviyoStream):
    """Which lists and segments this run read completely, and when: what makes the memberships a snapshot.

    Makes no request: it tells what `list_memberships` and `segment_memberships` did before it in the same run.
    """

    name = "membership_snapshots"
    operation = ""
    primary_keys = ("group_type", "group_id")
    schema = th.PropertiesList(
        th.Property("group_type", th.StringType, required=True, description="list or segment"),
        th.Property("group_id", th.StringType, required=True, description="Id of the list or segment"),
        th.Property("snapshot_at", th.DateTimeType, description="When its reading began"),
        th.Property("member_count", th.IntegerType, description="How many members it had"),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterator[Json]:
        yield from self.run.snapshots
