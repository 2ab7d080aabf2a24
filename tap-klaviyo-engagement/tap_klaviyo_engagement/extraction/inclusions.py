"""Resources that a listing includes with its rows, where they become a column of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inclusion:
    """A to-many relationship whose resources say nothing but what they relate to.

    Its column is a list of objects, one for each resource: its `id`, and of each of its relationships `<name>_id`,
    null where it has none. A row that relates to none has an empty list, whether Klaviyo says so or leaves it out
    (recorded).

    Args:
        relationship: Of the row; also what is asked for by `include`.
        related: To-one relationships of the included resource.
    """

    relationship: str
    related: tuple[str, ...]

    @property
    def keys(self) -> dict[str, str]:
        """Keys of an object of the column, beside `id`: key → relationship."""
        return {column_of(name): name for name in self.related}


def column_of(relationship: str) -> str:
    """What the id of a to-one relationship is called in a record."""
    return f"{relationship.replace('-', '_')}_id"
