"""How long to wait between two looks at a job, in seconds: a little longer each time."""

from __future__ import annotations

FIRST, GROWTH, LONGEST = 1.0, 1.5, 30.0


def longer(pause: float) -> float:
    """The pause after this one."""
    return min(pause * GROWTH, LONGEST)
