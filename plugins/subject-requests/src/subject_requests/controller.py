"""Who is responsible for the data, and for what: a YAML file, checked to the line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from singer_program.errors import ProgramError

Json = dict[str, Any]
Text = Annotated[str, Meta(min_length=1)]
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


class Purpose(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What data is used for, and on which ground."""

    name: Text
    legal_basis: Text
    people: tuple[Text, ...] = ()
    data: tuple[Text, ...] = ()
    jobs: tuple[Text, ...] = ()
    """Of the pipeline, those that serve it: what they do is told with it."""


class Recipient(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who gets data; with the country and what safeguards it, where that is a third one."""

    name: Text
    purpose: str | None = None
    country: str | None = None
    safeguard: str | None = None


class Retention(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long something is kept: days, or months of the calendar."""

    data: Text
    days: Annotated[int, Meta(ge=1)] | None = None
    months: Annotated[int, Meta(ge=1, le=1_200)] | None = None
    column: str | None = None
    """That of the time, where `data` is a table that `retention` does not know."""

    def __post_init__(self) -> None:
        if (self.days is None) == (self.months is None):
            message = "give `days` or `months`"
            raise ValueError(message)

    @property
    def period(self) -> str:
        """As it is told."""
        return f"{self.months:,} months" if self.months else f"{self.days:,} days"


class Controller(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The controller of GDPR, Article 30: what a record of processing says that no program can know."""

    name: Text
    contact: Text
    representative: str | None = None
    protection_officer: str | None = None
    did: Annotated[str, Meta(pattern="^did:[a-z0-9]+:.+")] | None = None
    purposes: tuple[Purpose, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    retention: tuple[Retention, ...] = ()
    security: tuple[Text, ...] = ()

    def told(self) -> Json:
        """What is said, without what is not."""
        said: Json = msgspec.to_builtins(self)
        return {name: value for name, value in said.items() if value}

    def untold(self) -> list[str]:
        """The parts of a record that Article 30 asks for, and that are missing."""
        asked = ("purposes", "recipients", "retention", "security")
        missing = [name for name in asked if not getattr(self, name)]
        missing += [f"{each.name}: people" for each in self.purposes if not each.people]
        return missing + [f"{each.name}: data" for each in self.purposes if not each.data]


def read(path: Path) -> Controller | None:
    """The controller of a file; None where there is no such file.

    Raises:
        ProgramError: with the line and the key that are wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        told = yaml.safe_load(text)
    except FileNotFoundError:
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        message = f"{where}: is not YAML ({error.problem}): correct it, or the setting `controller_path`"
        raise ProgramError(message) from None
    except (OSError, ValueError, yaml.YAMLError):
        message = f"{path}: cannot be read as YAML: correct it, or the setting `controller_path`"
        raise ProgramError(message) from None
    try:
        return msgspec.convert(told, Controller)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        steps = [key or int(number) for key, number in _STEP.findall(place.rstrip("`"))]
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
        named = re.search(r"unknown field `(.+?)`", what)
        line = _line_of(node, [*steps, named[1]] if named else steps)
        at = f" at `{key}`" if key else ""
        message = f"{path}, line {line}{at}: {what}. What may stand there: `subject-requests controller --schema`"
        raise ProgramError(message) from None


def _line_of(node: yaml.Node | None, steps: list[str | int]) -> int:
    """The line of a value, or of the nearest one around it that there is."""
    line = 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def json_schema() -> Json:
    """Of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Controller)}
