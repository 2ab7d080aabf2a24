"""Files as they are laid for the tap, and what a run of it wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = 3_600


class Run(NamedTuple):
    """What a run wrote."""

    messages: list[dict[str, Any]]
    faults: list[str]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [each["record"] for each in self.messages if each["type"] == "RECORD" and each["stream"] == stream]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [each["value"] for each in self.messages if each["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        """As the next run gets it."""
        found: dict[str, Any] = json.loads(json.dumps(self.states[-1]))
        return found


Read = Callable[..., Run]


def put(path: Path, body: str | bytes, hours_ago: float = 1) -> Path:
    """Write a file that was last changed some time before `NOW`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    at = NOW.timestamp() - hours_ago * HOUR
    os.utime(path, (at, at))
    return path
