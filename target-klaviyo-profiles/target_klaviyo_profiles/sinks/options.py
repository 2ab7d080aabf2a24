"""Those of the settings that sinks are handed: what they accept. All of them are declared in `settings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from target_klaviyo_profiles import audit, identifiers
from target_klaviyo_profiles.people import People


@dataclass(frozen=True)
class Options:
    """What the settings say, in the form in which sinks use it.

    Attributes:
        allow_deletions: Whether profiles may be deleted.
        audit_path: File that every request for a deletion is written to.
        clearable_fields: Fields that an explicit null clears; in any other field null says nothing.
        events_backfill: Whether events that do not say so themselves are only recorded and trigger nothing.
        identifier_precedence: The identifiers a profile may be known by; of those a record has, the first counts.
        now: The present moment, UTC.
        people: About whom nothing is written.
    """

    allow_deletions: bool = False
    audit_path: Path = Path(audit.DEFAULT_NAME)
    clearable_fields: frozenset[str] = frozenset()
    events_backfill: bool = True
    identifier_precedence: tuple[str, ...] = identifiers.PRECEDENCE
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    people: People = field(default_factory=People)
