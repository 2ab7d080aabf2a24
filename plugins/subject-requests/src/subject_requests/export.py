"""An access request, answered: everything of one person at Klaviyo and in the warehouse, as one package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subject_requests import controller, rejects
from subject_requests.klaviyo import INFERRED, PACKAGE, Held, Klaviyo
from subject_requests.others import WITHHELD, Others, to_be_known
from subject_requests.package import Contents
from subject_requests.person import Person, identifiers_of, masked

if TYPE_CHECKING:
    from singer_program.identifiers import Identifier
    from subject_requests.privacy_request import Request
    from subject_requests.settings import RequestSettings
    from subject_requests.warehouse import Found, Warehouse

Json = dict[str, Any]
Now = Callable[[], datetime]

_ALWAYS = (
    (
        "flow_enrolments",
        "Klaviyo has no listing of who was in a flow: derived from the `$flow` of received events",
    ),
    (
        "forms",
        "Klaviyo has no listing of the forms that a person filled in; what they said there is in the profile",
    ),
    ("reviews", "Klaviyo has no listing of a person's reviews"),
    (
        "ledger",
        "the target's ledger holds nothing but hashes under another key, of what was sent: nobody is found in it",
    ),
)
_NO_NUMBER = (
    "warehouse",
    "rows that name nobody but by a phone number were looked for only by a number that was given with the request",
)


class Places(NamedTuple):
    """Where a person is looked for; without a warehouse, at Klaviyo alone."""

    klaviyo: Klaviyo
    warehouse: Warehouse | None
    settings: RequestSettings


def gathered(person: Person, places: Places, request: Request, now: Now) -> Contents:
    """Everything of a person.

    Raises:
        KlaviyoError: Klaviyo cannot be asked for something.
        ProgramError: it, or the warehouse, did not tell what was asked.
    """
    klaviyo, warehouse, settings = places
    responsible = controller.read(Path(settings.controller_path))
    found = None
    read_at: dict[str, datetime] = {}
    before = None
    while person != before:  # somebody may become known by more while everything is read
        before = person = _known(person, places)
        read_at["klaviyo"] = now()
        person, held = klaviyo.read(person)
        if warehouse is not None:
            read_at["warehouse"] = now()
            person, found = warehouse.read(person, settings.schemas)
    sources: list[Json] = [
        {
            "name": "klaviyo",
            "host": settings.api_url,
            "revisions": sorted(held.revisions),
            "read_at": read_at["klaviyo"],
        }
    ]
    if found is not None:
        sources.append(
            {
                "name": "warehouse",
                "schemas": list(settings.schemas),
                "tables": found.tables,
                "read_at": read_at["warehouse"],
            }
        )
    if settings.rejects_paths:
        names = [Path(path).name for path in settings.rejects_paths]
        sources.append({"name": "rejects", "files": names, "read_at": now()})
    manifest: Json = {
        "generated_at": now().isoformat(),
        "generator": f"{PACKAGE} {version(PACKAGE)}",
        "request": request.told(),
        "identifiers": [
            {"kind": each.kind, "masked": masked(each), "given": each in person.given}
            for each in person.identifiers
        ],
        "profiles": sorted(held.profiles),
        "sources": [{**each, "read_at": each["read_at"].isoformat()} for each in sources],
        "controller": responsible.told() if responsible else None,
    }
    categories, omissions = _categories(held, found), _omissions(held, found)
    _add_refused(categories, omissions, person, settings)
    for name, (rows, withheld) in _without_others(categories, person, held, found, places).items():
        categories[name] = rows
        if withheld:
            omissions.append((name, f"{withheld:,} values are somebody else's, and are withheld: `{WITHHELD}`"))
    predicted = {f"warehouse/{each}" for each in found.inferred} if found is not None else set()
    return Contents(manifest, categories, omissions, {INFERRED, *predicted})


def _add_refused(
    categories: dict[str, list[Json]], omissions: list[tuple[str, str]], person: Person, settings: RequestSettings
) -> None:
    for path in map(Path, settings.rejects_paths):
        name = f"rejects/{path.stem}"
        if not path.exists():
            omissions.append((name, "there is no such file: nothing was refused since the last was taken away"))
            continue
        rows, mentions = rejects.read(path, person)
        if rows:
            categories[name] = [*categories.get(name, []), *rows]
        if mentions:
            told = (
                f"{mentions:,} lines that are about others, or about several people, or were cut off, mention them"
            )
            omissions.append((name, told))
    if not settings.rejects_paths:
        omissions.append(("rejects", "files of refused rows were not read: none was named"))


def _known(person: Person, places: Places) -> Person:
    """The person with what Klaviyo and the warehouse know of their profiles, and of those that these lead to."""
    klaviyo, warehouse, settings = places
    tables = [] if warehouse is None else warehouse.tables(settings.schemas)
    before = None
    while person != before:
        before = person
        person = klaviyo.known(person, klaviyo.profiles(person))
        if warehouse is not None:
            person = warehouse.known(person, tables)
    return person


def _without_others(
    categories: Mapping[str, list[Json]], person: Person, held: Held, found: Found | None, places: Places
) -> dict[str, tuple[list[Json], int]]:
    """The rows by category without what is somebody else's in them, and how many values that is."""
    own = {*person.identifiers, *(each for row in held.profiles.values() for each in identifiers_of(row))}
    known: set[Identifier] = set()
    if places.warehouse is not None and found is not None:
        own |= found.own
        named = {each for rows in categories.values() for each in to_be_known(rows)} - own
        known = places.warehouse.of_others(named, person, places.warehouse.tables(places.settings.schemas))
    others = Others(own, known)
    return {name: others.without(rows) for name, rows in categories.items()}


def _categories(held: Held, found: Found | None) -> dict[str, list[Json]]:
    of_warehouse = {} if found is None else {f"warehouse/{name}": rows for name, rows in found.rows.items()}
    return {**held.categories, **of_warehouse}


def _omissions(held: Held, found: Found | None) -> list[tuple[str, str]]:
    omitted = [*sorted(held.omissions.items()), *_ALWAYS]
    if found is None:
        return [*omitted, ("warehouse", "not read: none was named")]
    return [
        *omitted,
        *(
            (f"warehouse/{name}", f"{count:,} rows that are about others, or about several people, mention them")
            for name, count in sorted(found.mentions.items())
        ),
        _NO_NUMBER,
    ]
