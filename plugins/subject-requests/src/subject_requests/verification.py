"""Whether what was asked for is done: of a deletion a state with a deadline, as Klaviyo tells of no end of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from singer_program.errors import ProgramError
from subject_requests.person import masked
from subject_requests.privacy_request import PROFILE, WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subject_requests.klaviyo import Klaviyo
    from subject_requests.person import Person
    from subject_requests.privacy_request import Action, Request
    from subject_requests.warehouse import Warehouse

Json = dict[str, Any]
LOOKED_AGAIN_AFTER = timedelta(hours=24)
"""How long after they were first not seen they must not be seen again."""
OVERDUE_AFTER = timedelta(days=14)
"""How long a deletion may take; Klaviyo states nothing, and others plan for as much."""


class State(StrEnum):
    """What was seen."""

    VERIFIED = "verified"
    UNSEEN = "unseen"
    STILL_THERE = "still there"
    OVERDUE = "overdue"


STATUSES = {State.VERIFIED: 0, State.UNSEEN: 3, State.STILL_THERE: 4, State.OVERDUE: 5}
"""The exit status of each; 1 is that of a failure and of a wrong call."""


@dataclass(frozen=True)
class Verification:
    """What was seen, and what is to be given to the next look.

    Attributes:
        state: What it comes to.
        looked_at: When.
        unseen_at: Since when nobody of the identifiers was seen; None while somebody is.
        seen: Masked identifiers that a profile still has, tables of the warehouse with rows of them; or lists that
            they are still on, and consents that still hold.
    """

    state: State
    looked_at: datetime
    unseen_at: datetime | None
    seen: tuple[str, ...] = ()

    def told(self) -> Json:
        """As JSON."""
        return {
            "state": self.state,
            "looked_at": self.looked_at.isoformat(),
            "unseen_at": self.unseen_at and self.unseen_at.isoformat(),
            "seen": list(self.seen),
        }


def so_far(actions: Sequence[Action]) -> tuple[datetime | None, datetime | None]:
    """When Klaviyo took a deletion, and since when nobody was seen, as what was done about a request says.

    Args:
        actions: The oldest first.
    """
    accepted = next((each.at for each in actions if each.name == "accepted"), None)
    unseen: datetime | None = None
    for name, at in actions:
        if name in {"still_there", "overdue"}:
            unseen = None
        elif name in {"unseen", "verified"} and unseen is None:
            unseen = at
    return accepted, unseen


def looked_for(  # noqa: PLR0913 - what is known of a deletion
    person: Person,
    request: Request,
    klaviyo: Klaviyo,
    warehouse: Warehouse | None,
    schemas: Sequence[str],
    *,
    now: datetime,
    accepted_at: datetime | None = None,
    unseen_at: datetime | None = None,
) -> Verification:
    """Look for a person by every identifier that is given, or for what is left of the part that they asked for.

    What is no deletion at Klaviyo is done when it is not seen: of that nothing comes back by itself.

    Args:
        person: Who was deleted.
        request: What they asked for.
        klaviyo: Where from.
        warehouse: Where else nothing may be left; None: not looked at.
        schemas: Of the warehouse.
        now: This moment.
        accepted_at: When Klaviyo took the request for the deletion; without it nothing is overdue.
        unseen_at: When they were first not seen, as an earlier look said.

    Raises:
        KlaviyoError: Klaviyo cannot be asked: then nothing is known.
        ProgramError: the warehouse cannot be, or is not named though they asked for nothing else.
    """
    parts = request.parts()
    seen: list[str] = []
    if PROFILE in parts:
        there = [each for each in person.identifiers if klaviyo.is_there(each, person)]
        seen += [f"{each.kind} {masked(each)}" for each in there]
    elif parts != {WAREHOUSE}:
        seen += klaviyo.left_of(person, parts, request.received_at)
    if WAREHOUSE in parts and warehouse is not None:
        _, found = warehouse.read(person, schemas)
        seen += [f"{len(rows):,} rows of {table}" for table, rows in sorted(found.rows.items())]
    elif WAREHOUSE in parts and PROFILE not in parts:
        message = (
            "what is left in the warehouse is asked for: say which, `--warehouse`, or the setting `warehouse`"
        )
        raise ProgramError(message)
    if seen:
        overdue = accepted_at is not None and now - accepted_at > OVERDUE_AFTER
        return Verification(State.OVERDUE if overdue else State.STILL_THERE, now, None, tuple(seen))
    since = now if unseen_at is None or unseen_at > now else unseen_at
    is_sure = PROFILE not in parts or now - since >= LOOKED_AGAIN_AFTER
    return Verification(State.VERIFIED if is_sure else State.UNSEEN, now, since)
