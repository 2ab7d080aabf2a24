"""What dbt's log says of a build, in lines for a person: which nodes failed and of what, and what it warned of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

# dbt 1.11 writes `Failure in test …`, 1.12 `[ERROR]: in test …`.
_NODE = re.compile(r"(?P<mark>Failure|Error|\[ERROR\]:|Warning|\[WARNING\]:) in (?P<node>\w+ \w+ \([^)]*\))$")
_WARNING = re.compile(r"\[WARNING\]: (?P<text>.+)$")
_COUNTED = re.compile(r"Got \d+ results?, configured to ")
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d(?: +|$)")
_TALLY = "Done. PASS="
_SHOWN = 3
"""Rows of a failed test that are named; the log has up to twenty."""


@dataclass
class _Node:
    """A model or a test that failed: `test name (path)`, and what dbt says of it."""

    name: str
    said: list[str] = field(default_factory=list)


def failures(log: Iterable[str]) -> list[str]:
    """A sentence for each failed node: its name and path, and what went wrong, or which rows a test found."""
    lines = [_CLOCK.sub("", line).rstrip() for line in log]
    return [_sentence(node, lines) for node in _failed(lines)]


def warnings(log: Iterable[str]) -> list[str]:
    """What dbt warned of, each once; what a failed test found belongs to the failure, and is left out."""
    lines = [_CLOCK.sub("", line).strip() for line in log]
    failed = tuple(f"{node.name.split()[1]} found " for node in _failed(lines))
    texts = [match["text"] for line in lines if (match := _WARNING.match(line))]
    told = [text for text in texts if not text.startswith(("in ", *failed)) and not _COUNTED.match(text)]
    return list(dict.fromkeys(told))


def _failed(lines: Sequence[str]) -> Iterator[_Node]:
    node: _Node | None = None
    for line in map(str.strip, lines):
        if match := _NODE.match(line):
            if node:
                yield node
            node = None if match["mark"].lower().strip("[]:") == "warning" else _Node(match["node"])
        elif node and (not line or line.startswith(_TALLY)):
            yield node
            node = None
        elif node:
            node.said.append(line)
    if node:
        yield node


def _sentence(node: _Node, lines: Sequence[str]) -> str:
    name = node.name.split()[1]
    prefix = f"[WARNING]: {name} found "
    found = list(dict.fromkeys(line.removeprefix(prefix) for line in lines if line.startswith(prefix)))
    rows = "; ".join(found[:_SHOWN]) + (f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    # The first line repeats kind, name and path, where dbt quotes an error of the warehouse.
    said = [line for line in node.said if node.name not in line]
    return f"{node.name}: {rows or ' '.join(said) or 'dbt does not say why'}"
