"""How long jobs are left alone between two looks, in seconds."""

from __future__ import annotations

FIRST, GROWTH, LONGEST = 1.0, 1.5, 30.0


def longer(pause: float) -> float:
    """The pause after this one."""
    return min(pause * GROWTH, LONGEST)
