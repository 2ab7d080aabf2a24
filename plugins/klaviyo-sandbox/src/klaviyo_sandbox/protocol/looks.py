"""How a record looks whose fields are its attributes, as most are of which only listings are served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from klaviyo_sandbox.model import times
from klaviyo_sandbox.protocol.resources import Names, identifier, identifiers, sparse

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json


@dataclass(frozen=True)
class Related:
    """A relationship: the type it names, and the field that holds its id or ids; None: it is only linked to."""

    kind: str
    field: str | None = None
    only_included: bool = False
    """Whether the ids are told only when it is included."""


@dataclass(frozen=True)
class Look:
    """A resource type.

    Attributes:
        kind: its name.
        path: of a single one, without its id.
        related: its relationships.
        hidden: fields of the record that no answer shows, beside those that relationships do.
        shown: what becomes of a field's value, where it is not shown as it is kept.
    """

    kind: str
    path: str
    related: Mapping[str, Related] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    shown: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def resource(
        self,
        record: Any,  # noqa: ANN401 - of any kind
        base: str,
        names: Names = None,
        included: frozenset[str] = frozenset(),
    ) -> Json:
        """A record as a resource.

        Args:
            record: what is shown.
            base: where links begin.
            names: sparse fieldset.
            included: relationships that are included.
        """
        own = f"{base}{self.path}/{record.id}"
        apart = {"id", *self.hidden, *(each.field for each in self.related.values())}
        attributes = {
            name: self._shown(name, getattr(record, name))
            for name in record.__struct_fields__
            if name not in apart
        }
        resource: Json = {"type": self.kind, "id": record.id, "attributes": sparse(attributes, names)}
        relationships = {name: self._related(name, record, own, included) for name in self.related}
        if named := {name: value for name, value in relationships.items() if value is not None}:
            resource["relationships"] = named
        resource["links"] = {"self": f"{own}/"}
        return resource

    def _shown(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if name in self.shown:
            return self.shown[name](value)
        return times.micros(value) if isinstance(value, datetime) else value

    def _related(self, name: str, record: Any, own: str, included: frozenset[str]) -> Json | None:  # noqa: ANN401
        """A relationship; None if the record has nothing there, which leaves it out (recorded)."""
        related = self.related[name]
        links = {"links": {"self": f"{own}/relationships/{name}/", "related": f"{own}/{name}/"}}
        if related.field is None or (related.only_included and name not in included):
            return links
        held = getattr(record, related.field)
        if held is None:
            return None
        data = identifiers(related.kind, held) if isinstance(held, list) else identifier(related.kind, held)
        return {"data": data, **links}
