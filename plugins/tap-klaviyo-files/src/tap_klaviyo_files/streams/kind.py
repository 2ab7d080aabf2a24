"""What a stream is made of, and how: the base of the declarations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tap_klaviyo_files.faults import RowError
from tap_klaviyo_files.mapping import Field, Layout, layout

if TYPE_CHECKING:
    from tap_klaviyo_files.settings import Source

JsonSchema = dict[str, Any]
Record = dict[str, Any]
"""Values by columns; moments as such, in UTC."""
Cells = Sequence[Any]


def column(kind: str, description: str, **more: object) -> JsonSchema:
    """The JSON Schema of a column that may be null."""
    return {"type": [kind, "null"], **more, "description": description}


def key(description: str) -> JsonSchema:
    """The JSON Schema of a text that is never null."""
    return {"type": ["string"], "description": description}


def moment_column(description: str) -> JsonSchema:
    """The JSON Schema of a moment."""
    return column("string", description, format="date-time")


Build = Callable[[Cells], tuple[Record, Record]]
"""Makes a record of the cells of a row, and what says whom it is about: identifiers by names of their kinds.
Raises `RowError` for a row that cannot be read.
"""


class Kind(ABC):
    """A stream. Names, keys and types of columns are those that `tap-klaviyo-engagement` has."""

    name: ClassVar[str]
    keys: Sequence[str]
    columns: Mapping[str, JsonSchema]
    fields: Sequence[Field]
    group: str | None = None
    """Of members: what they are members of, whose files are read whole as snapshots."""

    def needed(self, source: Source) -> Sequence[Sequence[str]]:  # noqa: ARG002 - others look at it
        """Groups of fields, of each of which a file must have one."""
        return ()

    def layout(self, header: Sequence[str], source: Source) -> Layout:
        """Find the columns of a file.

        Raises:
            FileError: one that is needed is missing.
        """
        return layout(header, self.fields, source.columns, self.needed(source))

    @abstractmethod
    def build(self, header: Sequence[str], source: Source, metrics: Metrics, modified: float) -> Build:
        """What makes records of the rows of a file.

        Args:
            header: The names of its columns.
            source: Its entry in the settings.
            metrics: Takes the metrics that rows name.
            modified: When the file was last changed, in seconds since 1970.

        Raises:
            FileError: it cannot be mapped.
        """

    def schema(self) -> JsonSchema:
        """JSON Schema of a record."""
        return {"type": "object", "properties": dict(self.columns), "required": list(self.keys)}


class Metrics:
    """The metrics that rows of files name.

    Args:
        known: Names and keys of integrations by ids, which grow.
    """

    MOST = 2_000
    """An account has hundreds; the wrong column has as many as it has rows."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self._known = known

    def take(self, metric_id: str, name: str, integration: str) -> None:
        """Take one.

        Raises:
            RowError: there are too many of them.
        """
        if metric_id not in self._known:
            if len(self._known) >= self.MOST:
                fault = f"there are more than {self.MOST:,} metrics: the column of `metric` holds something else"
                raise RowError(fault, code="metric", remedy="map the column that holds the name of the metric")
            self._known[metric_id] = [name, integration]


METRICS: Mapping[str, JsonSchema] = {
    "id": key("Metric id: Klaviyo's where it is known, else integration and name"),
    "name": column("string", "Name shown in Klaviyo"),
    "integration": column("object", "Where the metric comes from: `key`"),
}
SNAPSHOTS: Mapping[str, JsonSchema] = {
    "group_type": key("list or segment"),
    "group_id": key("Id of the list or segment"),
    "snapshot_at": moment_column("When its file was written"),
    "member_count": column("integer", "How many members it had"),
}
