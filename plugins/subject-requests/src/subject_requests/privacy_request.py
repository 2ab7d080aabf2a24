"""A request of somebody about their data: whom it is about, what it asks for, and whether it is they who ask.

It is a row of `privacy_requests` in the warehouse. One that is kept elsewhere is told by the options of a command.
That it is they who ask must be known before anything is handed out or erased: not told is a no.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_program.errors import ProgramError
from subject_requests.laws import CLOCKS, DEFAULT
from subject_requests.moments import in_a_zone
from subject_requests.person import Person, person_of
from subject_requests.warehouse import quoted

if TYPE_CHECKING:
    from subject_requests.processing_log import ProcessingLog
    from subject_requests.warehouse import Table, Warehouse

Json = dict[str, Any]
ACCESS, DELETION, RESTRICTION = "access", "deletion", "restriction"
REQUESTS, ACTIONS = "privacy_requests", "privacy_actions"
IDENTITY_VERIFIED = "identity_verified"
LISTS, SMS, MARKETING, PROFILE, WAREHOUSE = "lists", "sms", "marketing", "profile", "warehouse"
PARTS = frozenset({LISTS, SMS, MARKETING, PROFILE, WAREHOUSE})
"""What the scope of a deletion may name."""
EVERYTHING = frozenset({PROFILE, WAREHOUSE})
"""What is deleted where nothing less is asked for."""
_IDENTIFIERS = {"profile_id": "id", "email": "email", "phone_number": "phone_number", "external_id": "external_id"}
"""The columns that say whom a request is about."""


class Action(NamedTuple):
    """What was done about a request, and when."""

    name: str
    at: datetime


@dataclass(frozen=True)
class Request:
    """What is known of a request beside whom it is about.

    Attributes:
        id: Its name; None of what nobody asked for.
        right: What is asked for: `access`, `deletion`, `restriction`.
        law: Whose clock runs.
        received_at: When it was received.
        verified_at: When it was seen that it is they who ask.
        scope: What of it they ask for; None: everything.
        actions: What was done about it before, the oldest first.
    """

    id: str | None = None
    right: str = ACCESS
    law: str | None = None
    received_at: datetime | None = None
    verified_at: datetime | None = None
    scope: object = None
    actions: tuple[Action, ...] = ()

    def parts(self) -> frozenset[str]:
        """What of a deletion is asked for.

        Raises:
            ProgramError: nothing that is known here, or something else besides: it may mean more, or less.
        """
        scope = self.scope
        if scope is None:
            return EVERYTHING
        asked = (
            frozenset(name for name, value in scope.items() if value is True) if isinstance(scope, dict) else None
        )
        if not asked or not isinstance(scope, dict) or not {*scope} <= PARTS:
            message = (
                f"the scope of the request {self.id!r} is none of {', '.join(sorted(PARTS))}, each true or false: "
                "correct the row, or see to it by hand and `note closed`"
            )
            raise ProgramError(message)
        return asked

    def see_asked_for(self, part: str) -> None:
        """See that a part of what can be deleted is asked for.

        Raises:
            ProgramError: it is not.
        """
        if part not in self.parts():
            message = f"the scope of the request {self.id!r} has no `{part}`: it asks for something else, or less"
            raise ProgramError(message)

    def told(self) -> Json:
        """As it stands in a manifest; `due_at` is without an extension."""
        due = CLOCKS[self.law](self.received_at) if self.law and self.received_at else None
        times = {"received_at": self.received_at, "verified_at": self.verified_at, "due_at": due}
        return {
            "id": self.id,
            "right": self.right,
            "law": self.law,
            "scope": self.scope,
            **{name: moment and moment.isoformat() for name, moment in times.items()},
        }


@dataclass(frozen=True)
class Asked:
    """What a command is told.

    Attributes:
        command: Its name.
        right: What its requests ask for.
        somebody: Whom it is about, by kind of identifier.
        request: The name of the request.
        verified_at: When it was seen that it is they who ask, of a request that is kept elsewhere.
        law: Whose clock runs, of such a one.
        received_at: When such a one was received.
        needs_proof: Whether it must be they who ask; of one with a name, always.
        may_be_elsewhere: Whether a request may be kept elsewhere: then what is known of it comes with the call.
    """

    command: str
    right: str
    somebody: Mapping[str, str | None]
    request: str | None = None
    verified_at: datetime | None = None
    law: str | None = None
    received_at: datetime | None = None
    needs_proof: bool = True
    may_be_elsewhere: bool = False

    def answered(
        self, warehouse: Warehouse | None, schemas: Sequence[str], log: ProcessingLog | None, now: datetime
    ) -> tuple[Person, Request]:
        """Whom the command is about, and the request that it answers.

        Args:
            warehouse: Where requests are; None: they are kept elsewhere.
            schemas: In which of its schemas.
            log: What was done about the request before.
            now: This moment.

        Raises:
            ProgramError: it is not known that it is they who ask, or the request is none for this command.
        """
        tables = [] if warehouse is None or self.request is None else warehouse.tables(schemas)
        row = None if warehouse is None or self.request is None else _row(warehouse, tables, self.request)
        if row is None:
            if self.verified_at is None and (self.needs_proof or self.request is not None):
                raise ProgramError(self._unknown())
            self._see_past(self.verified_at, now)
            request = Request(self.request, self.right, self.law, self.received_at, self.verified_at)
            return person_of(self.somebody), request
        assert warehouse is not None  # noqa: S101 - a row comes from one
        assert self.request is not None  # noqa: S101
        if row.get("kind") != self.right:
            message = (
                f"the request {self.request!r} asks for {row.get('kind')!r}, and `{self.command}` answers "
                f"{self.right!r}: correct `--request`, or use the command for it"
            )
            raise ProgramError(message)
        if self.verified_at or self.law or self.received_at:
            message = (
                f"the request {self.request!r} is in the warehouse, which says its times and its law: leave "
                "`--verified-at`, `--received-at` and `--law` out"
            )
            raise ProgramError(message)
        actions = _actions(warehouse, tables, self.request, log)
        noted = [each.at for each in actions if each.name == IDENTITY_VERIFIED]
        verified_at = _moment(row.get("verified_at")) or min(noted, default=None)
        if verified_at is None:
            message = (
                f"of the request {self.request!r} no `verified_at` is told: see that it is they who ask, then "
                f"`subject-requests note identity_verified --request {shlex.quote(self.request)}`"
            )
            raise ProgramError(message)
        self._see_past(verified_at, now)
        jurisdiction = str(row.get("jurisdiction") or "").strip().lower()
        request = Request(
            self.request,
            self.right,
            jurisdiction if jurisdiction in CLOCKS else DEFAULT,
            _moment(row.get("received_at")),
            verified_at,
            row.get("scope"),
            actions,
        )
        return self._person(row, log), request

    def _person(self, row: Json, log: ProcessingLog | None) -> Person:
        """Whom a row is about.

        Raises:
            ProgramError: it names nobody, or somebody else than the call.
        """
        named = _named_by(row)
        given = any(each and each.strip() for each in self.somebody.values())
        if any(named.values()):
            try:
                person = person_of(named)
            except ProgramError as error:
                message = f"the request {self.request!r}: its phone number names no country: correct the row"
                raise ProgramError(message) from error
            if given and not {*person_of(self.somebody).given} <= {*person.given}:
                message = (
                    f"the request {self.request!r} is not about whom the call names: leave `--email` and the "
                    "others out, it says whom"
                )
                raise ProgramError(message)
            return person
        # Once they are erased, the row does not know them any more. Who they were, the log can tell apart.
        if not given:
            message = (
                f"the request {self.request!r} names nobody (any more): say whom it is about by `--email`, "
                "`--phone-number`, `--external-id` or `--profile-id`"
            )
            raise ProgramError(message)
        person = person_of(self.somebody)
        if log is None or not log.names_all(person.given, str(self.request)):
            message = (
                f"the request {self.request!r} names nobody (any more), and the log does not know the given "
                "identifiers as those that it was about: correct them, or the setting `log_path`"
            )
            raise ProgramError(message)
        return person

    def _unknown(self) -> str:
        elsewhere = (
            "; if it is kept elsewhere, say when it was seen that it is they who ask: `--verified-at TIME`"
            if self.may_be_elsewhere
            else ""
        )
        if self.request is None:
            return f"say which request is answered: `--request ID`{elsewhere}"
        return (
            f"no warehouse with a request {self.request!r} is named: correct `--request`, or the settings "
            f"`warehouse` and `schemas`{elsewhere}"
        )

    @staticmethod
    def _see_past(verified_at: datetime | None, now: datetime) -> None:
        if verified_at is not None and verified_at > now:
            message = (
                f"that it is they who ask cannot have been seen at {verified_at.isoformat()}, which is still to "
                "come: correct the time"
            )
            raise ProgramError(message)


def person_in(warehouse: Warehouse, schemas: Sequence[str], request: str) -> Person | None:
    """Whom a request is about; None if it names nobody any more.

    Raises:
        ProgramError: there is no such request.
    """
    row = _row(warehouse, warehouse.tables(schemas), request)
    if row is None:
        message = f"the warehouse has no request {request!r}: correct `--request`, or the setting `schemas`"
        raise ProgramError(message)
    named = _named_by(row)
    return person_of(named) if any(named.values()) else None


def _named_by(row: Json) -> dict[str, str | None]:
    return {kind: _text(row.get(column)) for column, kind in _IDENTIFIERS.items()}


def _row(warehouse: Warehouse, tables: Sequence[Table], request: str) -> Json | None:
    """The row of a request; None if there is none.

    Raises:
        ProgramError: there are several, or their table lacks a column.
    """
    found: list[Json] = []
    for table in tables:
        if table.role != REQUESTS:
            continue
        if missing := {"request_id", "kind", "verified_at"} - table.columns.keys():
            message = (
                f"{table.place} has no column `{min(missing)}`: load requests as docs/privacy-requests.md says"
            )
            raise ProgramError(message)
        found += _named(warehouse, table, request)
    if len(found) > 1:
        message = f"the warehouse has {len(found)} requests {request!r}: nobody knows which is meant; leave one"
        raise ProgramError(message)
    return found[0] if found else None


def _actions(
    warehouse: Warehouse, tables: Sequence[Table], request: str, log: ProcessingLog | None
) -> tuple[Action, ...]:
    """What was done about a request, as the warehouse and the log have it, the oldest first."""
    rows = [
        row
        for table in tables
        if table.role == ACTIONS and {"request_id", "action", "acted_at"} <= table.columns.keys()
        for row in _named(warehouse, table, request)
    ]
    found = {
        Action(str(row["action"]), moment) for row in rows if (moment := _moment(row["acted_at"])) is not None
    }
    if log is not None:
        found |= {Action(name, moment) for name, moment in log.actions(request)}
    return tuple(sorted(found, key=lambda each: (each.at, each.name)))


def _named(warehouse: Warehouse, table: Table, request: str) -> list[Json]:
    condition = f"CAST({quoted('request_id')} AS {warehouse.text}) = {warehouse.placeholder}"
    return [row for _, row in warehouse.found(table, condition, [request], with_keys=False)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(value: object) -> datetime | None:
    """A moment out of a column, whatever its type; without a zone it is UTC, as everywhere in this warehouse.

    Raises:
        ProgramError: it is none.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            message = "a time of a request is no moment as in ISO 8601: correct the row, or what loads it"
            raise ProgramError(message) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    return in_a_zone(value)
