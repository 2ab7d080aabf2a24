"""All the definitions of a folder, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from singer_program.definitions.faults import DefinitionError, Fault
from singer_program.definitions.files import watched
from tap_forwarding.definitions.model import Identifier, Status
from tap_forwarding.definitions.reader import read_definitions
from tap_forwarding.definitions.standard import standard_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_forwarding.definitions.model import Definition


@dataclass(frozen=True, slots=True)
class Project:
    """A sound set of definitions.

    Attributes:
        definitions: Ordered by name.
        warnings: What the authors should know; each a line.
    """

    definitions: tuple[Definition, ...]
    warnings: tuple[str, ...]


def load(root: Path) -> Project:
    """Read and check everything, once, as it stands now.

    Args:
        root: Folder that holds one file per definition.

    Raises:
        DefinitionError: With every fault of the set; then none of it may be used.
    """
    with watched("definitions") as changed:
        definitions, faults = read_definitions(root)
        faults += changed()
    if faults:
        raise DefinitionError(faults)
    return Project(tuple(definitions), tuple(str(warning) for each in definitions for warning in _warnings(each)))


def _warnings(definition: Definition) -> Iterator[Fault]:
    for rule in definition.rules:
        standard = standard_name(rule.metric)
        if rule.preset is None and standard not in {None, rule.metric}:
            problem = f"`{rule.metric}` is not Klaviyo's `{standard}`, which its flows look for"
            yield Fault(definition.file, rule.line, "events", problem, f"write `{standard}`: case counts")
    if definition.status is Status.LIVE and definition.asks_no_consent:
        remedy = "add `consent.checks`, unless all who are in the source have agreed"
        yield Fault(definition.file, 0, "consent", "is not asked, and what is sent is not held back by it", remedy)
    if [*definition.identifiers] == [Identifier.ANONYMOUS_ID]:
        remedy = "add `external_id`, `email` or `phone_number`"
        yield Fault(definition.file, 0, "who", "knows visitors only, whom nobody can write to", remedy)
