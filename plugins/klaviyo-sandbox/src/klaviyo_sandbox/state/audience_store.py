"""Lists and segments, and who is in them, as the store keeps them."""

from __future__ import annotations

from collections.abc import Iterable

from klaviyo_sandbox.model.records import Group, GroupKind, Membership, Profile
from klaviyo_sandbox.state.database import marks
from klaviyo_sandbox.state.profile_store import PROFILE_COLUMNS, ProfileStore, profile_of


class AudienceStore(ProfileStore):
    """Writes and finds members."""

    def group(self, group_id: str, kind: GroupKind | None = None) -> Group | None:
        """The list or segment of this id."""
        kinds = [kind] if kind else list(GroupKind)
        return self.first(Group, f"id = ? and kind in ({marks(len(kinds))})", [group_id, *kinds])

    def group_named(self, name: str, kind: GroupKind) -> Group | None:
        """The list or segment of this name; the oldest where several share it."""
        return self.first(Group, "name = ? and kind = ? order by created, id", [name, kind])

    def groups_of(self, profile_id: str, kind: GroupKind) -> list[Group]:
        """The lists, or the segments, a profile is in."""
        of_profile = "id in (select group_id from members where profile_id = ?) and kind = ? order by id"
        return self.find(Group, of_profile, [profile_id, kind])

    def members_of(self, group_id: str) -> list[Profile]:
        """The profiles in a list or segment, by id."""
        rows = self.read(
            f"select {PROFILE_COLUMNS} from members join profiles on profiles.id = members.profile_id"  # noqa: S608
            " where members.group_id = ? order by profiles.id",
            [group_id],
        )
        return [profile_of(row) for row in rows]

    def delete_group(self, group_id: str) -> None:
        """Remove a list or a segment, and who is in it."""
        with self.transaction():
            self.write("delete from members where group_id = ?", [[group_id]])
            self.delete(Group, group_id)

    def add_members(self, members: Iterable[Membership]) -> None:
        """Put profiles into groups; who is in already keeps the first `joined`."""
        self.add(members, clash="ignore")

    def remove_members(self, group_id: str, profile_ids: Iterable[str]) -> None:
        """Take profiles out of a group."""
        self.write(
            "delete from members where group_id = ? and profile_id = ?",
            ((group_id, each) for each in profile_ids),
        )
