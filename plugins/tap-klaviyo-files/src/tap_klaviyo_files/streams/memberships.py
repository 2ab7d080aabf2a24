"""Members of a list or segment: each file is all of them, as they were when it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_klaviyo_files.faults import RowError
from tap_klaviyo_files.mapping import Field
from tap_klaviyo_files.streams.kind import Build, Cells, Kind, Metrics, Record, key, moment_column
from tap_klaviyo_files.streams.profiles import profile_id_of
from tap_klaviyo_files.values import NoMomentError, moment, since_1970, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_klaviyo_files.settings import Source


class Memberships(Kind):
    """Members of groups of one type.

    Args:
        group: `list` or `segment`.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        self.name = f"{group}_memberships"  # type: ignore[misc]  # of one class there are two
        self.keys = (f"{group}_id", "profile_id")
        self.columns = {
            f"{group}_id": key(f"{group.capitalize()} id"),
            "profile_id": key("Profile id"),
            "joined_group_at": moment_column("When the profile last joined"),
            "snapshot_at": moment_column(f"When the file of this {group} was written"),
        }
        self.fields = (
            Field(f"{group}_id"),
            Field("profile_id", ("klaviyo_id", "id", "person_id", "$kid", "klaviyo_profile_id")),
            Field("joined_group_at", ("date_added", "joined_at")),
        )

    @override
    def needed(self, source: Source) -> Sequence[Sequence[str]]:
        return (("profile_id",), *(() if source.group else ((f"{self.group}_id",),)))

    @override
    def build(self, header: Sequence[str], source: Source, metrics: Metrics, modified: float) -> Build:
        at = self.layout(header, source).place
        group_at, profile_at, joined_at = at(f"{self.group}_id"), at("profile_id"), at("joined_group_at")
        written = since_1970(modified)

        def build(cells: Cells) -> tuple[Record, Record]:
            group = (text(cells[group_at]) if group_at >= 0 else None) or source.group
            if group is None:
                fault = f"it names no {self.group}"
                raise RowError(
                    fault,
                    code="group",
                    remedy=f"mend the row, or name its `{self.group}_id` in the setting `files`",
                )
            joined = None
            if joined_at >= 0 and text(cells[joined_at]):
                try:
                    joined = moment(cells[joined_at], source.zone)
                except NoMomentError:
                    fault = f"the column {header[joined_at]!r} holds no moment that is known"
                    raise RowError(fault, code="datetime", remedy="mend the row") from None
            profile_id = profile_id_of(cells, profile_at)
            record = {
                f"{self.group}_id": group,
                "profile_id": profile_id,
                "joined_group_at": joined,
                "snapshot_at": written,
            }
            return record, {"profile_id": profile_id}

        return build


LIST_MEMBERSHIPS = Memberships("list")
SEGMENT_MEMBERSHIPS = Memberships("segment")
