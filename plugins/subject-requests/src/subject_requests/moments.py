"""Moments as they are told: one without a zone is UTC, as everywhere in the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime


def in_a_zone(moment: datetime) -> datetime:
    """The moment, in UTC where it names no zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_in(text: object) -> datetime | None:
    """A moment as in ISO 8601; None of anything else."""
    try:
        return in_a_zone(datetime.fromisoformat(str(text)))
    except ValueError:
        return None
