"""Who is in which list and segment: snapshots, from which joins and leaves follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    Batch,
    Json,
    KlaviyoStream,
    ListedStream,
    Listing,
    NotFound,
    Record,
    StreamSlice,
    Unreadable,
)


class Memberships(ListedStream):
    """Members of groups of one type, read whole in every run: Klaviyo tells who joined, never who left.

    A group's rows carry the moment its reading began. Once it is complete, `membership_snapshots` has that moment
    too: whoever has an older `snapshot_at` than the group has left.
    """

    group: ClassVar[str]
    """JSON:API type of the groups, and the value of `group_type`."""
    groups_setting: ClassVar[str]
    """The setting that chooses among the groups."""
    rhythm = "groups"
    leaves_snapshots = True
    resource = "profile"
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {"profile_id": ("id",)}
    windowed = True
    sliced_by = "joined_group_at"

    @override
    def slices(self) -> Iterator[StreamSlice]:
        self._counts: Counter[str] = Counter()
        self._incomplete: set[str] = set()
        for group in self.chosen_groups():
            began = self.reading_begins()
            yield StreamSlice(
                Listing(path={"id": group}, columns={f"{self.group}_id": group, "snapshot_at": began})
            )

    @override
    def batches(self) -> Iterator[list[Record]]:
        """Every group that the setting chooses and that there is; then one that there is not ends the stream.

        Raises:
            StreamFault: the setting names a group that does not exist, perhaps no longer.
        """
        yield from super().batches()
        self.run.name_lookup.among(self.groups_setting, self.wanted_groups, self.group_names)

    @property
    def wanted_groups(self) -> tuple[str, ...]:
        """What the setting chooses, by name or id; nothing means all."""
        wanted: tuple[str, ...] = getattr(self.run.settings, self.groups_setting)
        return wanted

    @cached_property
    def group_names(self) -> dict[str, str]:
        """Every group's name, by id."""
        return self.names(self.parent, self.group)

    def chosen_groups(self) -> list[str]:
        """Ids of the groups to read: those of the setting, as far as there are such."""
        wanted, names = self.wanted_groups, self.group_names
        return [key for key, name in names.items() if not wanted or key in wanted or name in wanted]

    @override
    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        try:
            yield from super().read_slice(stream_slice, seen)
        except NotFound:
            # It is gone, but nothing says that it was empty: no snapshot, so its last members stay on record.
            group = stream_slice.listing.path["id"]
            self.logger.warning("The %s %s was deleted while it was read", self.group, group)
            self._incomplete.add(group)

    @override
    def put_aside(self, fault: Unreadable, columns: Mapping[str, Any]) -> None:
        super().put_aside(fault, columns)
        # Without its row, a member would count as having left: no snapshot, as of a group that is gone.
        self._incomplete.add(columns.get(f"{self.group}_id", ""))

    @override
    def before_emission(self, stream_slice: StreamSlice, batch: Batch) -> None:
        self._counts[stream_slice.listing.path["id"]] += len(batch.records)

    @override
    def slice_complete(self, stream_slice: StreamSlice) -> None:
        group, began = stream_slice.listing.path["id"], stream_slice.listing.columns["snapshot_at"]
        if stream_slice.window.end is None and group not in self._incomplete:  # the last window of the group
            self.run.snapshot(self.group, group, began, self._counts[group])


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
    parent = "get_lists"
    groups_setting = "lists"
    primary_keys = ("list_id", "profile_id")
    given_columns = ("list_id", "snapshot_at")
    schema = _schema("list")


class SegmentMemberships(Memberships):
    """Members of segments."""

    name = "segment_memberships"
    operation = "get_profiles_for_segment"
    group = "segment"
    parent = "get_segments"
    groups_setting = "segments"
    primary_keys = ("segment_id", "profile_id")
    given_columns = ("segment_id", "snapshot_at")
    schema = _schema("segment")


class MembershipSnapshots(KlaviyoStream):
    """What this run read completely, and when: what makes the rows of other streams a snapshot.

    Makes no request: it tells what `list_memberships`, `segment_memberships`, `profile_ids` and `resource_ids` did
    before it in the same run.
    """

    name = "membership_snapshots"
    operation = ""
    primary_keys = ("group_type", "group_id")
    schema = th.PropertiesList(
        th.Property("group_type", th.StringType, required=True, description="list, segment or account"),
        th.Property(
            "group_id",
            th.StringType,
            required=True,
            description="Id of the list or segment; of the account, profiles or the name of a stream",
        ),
        th.Property("snapshot_at", th.DateTimeType, description="When its reading began"),
        th.Property("member_count", th.IntegerType, description="How many members it had"),
    ).to_dict()

    @override
    def batches(self) -> Iterator[list[Record]]:
        yield self.run.snapshots
