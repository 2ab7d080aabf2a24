"""Whom a request is about: by what they are known, and how that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier, compared, e164

_SHORT = 4


@dataclass(frozen=True)
class Person:
    """Somebody, by every identifier that is known of them.

    Attributes:
        given: The identifiers of the request, in the order of `identifiers.KINDS`.
        spelled: E-mail addresses as they were given, where that is another spelling.
        known: Those that Klaviyo or the warehouse has for the same profiles besides.
    """

    given: tuple[Identifier, ...]
    spelled: tuple[str, ...] = ()
    known: frozenset[Identifier] = frozenset()

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """All of them, sorted: the same for the same state."""
        return tuple(sorted({*self.given, *self.known}))

    def values(self, kind: str) -> list[str]:
        """The identifiers of a kind, sorted."""
        return [each.value for each in self.identifiers if each.kind == kind]

    def knowing(self, more: Iterable[Identifier]) -> Person:
        """The same person, of whom more is known."""
        return Person(self.given, self.spelled, self.known | (frozenset(more) - {*self.given}))


def person_of(given: Mapping[str, str | None]) -> Person:
    """The person of a request.

    Args:
        given: Values by kind of identifier.

    Raises:
        ProgramError: nobody is named, or a phone number is none.
    """
    named = {kind: value for kind, value in given.items() if value and value.strip()}
    if not named:
        message = "say whom it is about: `--email`, `--phone-number`, `--external-id` or `--profile-id`"
        raise ProgramError(message)
    if (number := named.get("phone_number")) and e164(number) is None:
        message = "`--phone-number` is no phone number in the international form: give + and the country's code"
        raise ProgramError(message)
    spelled = (named["email"].strip(),) if "email" in named else ()
    return Person(tuple(compared(kind, value) for kind, value in named.items()), spelled)


def identifiers_of(record: Mapping[str, object]) -> list[Identifier]:
    """What a profile is known by, of a record with its id and attributes."""
    return [
        compared(kind, value)
        for kind in ("id", "email", "phone_number", "external_id")
        if isinstance(value := record.get(kind), str) and value.strip()
    ]


def masked(identifier: Identifier) -> str:
    """An identifier as it may stand in a manifest that is shown to others: enough to recognise one's own."""
    value = identifier.value
    if identifier.kind == "email":
        local, _, domain = value.partition("@")
        return f"{local[:1]}…@{domain[:1]}…{domain[domain.rfind('.') :] if '.' in domain else ''}"
    if identifier.kind == "phone_number":
        return f"{value[:3]}…{value[-2:]}"
    return f"{value[:2]}…{value[-2:]}" if len(value) > _SHORT else "…"
