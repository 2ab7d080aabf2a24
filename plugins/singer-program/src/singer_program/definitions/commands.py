"""What the commands of authors share: a name, a count, the JSON Schema as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from singer_program.definitions.yaml_values import KEY, misnamed


def see_name(name: str) -> None:
    """See that something may be called so.

    Raises:
        click.ClickException: it may not.
    """
    if not KEY.fullmatch(name):
        raise click.ClickException("; ".join(misnamed(name)))


def counted(number: int, what: str) -> str:
    """`1 arm`, `2 arms`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_file(schema: Mapping[str, Any]) -> str:
    """A JSON Schema as it is kept in a file."""
    return json.dumps(schema, indent=2) + "\n"
