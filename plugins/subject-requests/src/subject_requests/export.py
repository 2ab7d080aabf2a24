"""An access request, answered: everything of one person at Klaviyo and in the warehouse, as one package."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subject_requests import controller, rejects
from subject_requests.klaviyo import PACKAGE, Held, Klaviyo
from subject_requests.package import Contents
from subject_requests.person import Person, masked

if TYPE_CHECKING:
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
    ("coupons", "not read: Klaviyo lists coupon codes by coupon"),
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

    What the warehouse knows of their profiles, such as the id of one that was merged, is asked of Klaviyo again.

    Raises:
        KlaviyoError: Klaviyo cannot be asked for something.
        ProgramError: it, or the warehouse, did not tell what was asked.
    """
    klaviyo, warehouse, settings = places
    responsible = controller.read(Path(settings.controller_path))
    read_at = now()
    person, held = klaviyo.read(person)
    found, warehouse_read_at = None, None
    if warehouse is not None:
        warehouse_read_at = now()
        before = person
        person, found = warehouse.read(person, settings.schemas)
        if person != before:
            read_at = now()
            person, held = klaviyo.read(person)
            warehouse_read_at = now()
            person, found = warehouse.read(person, settings.schemas)
    sources: list[Json] = [
        {"name": "klaviyo", "host": settings.api_url, "revisions": sorted(held.revisions), "read_at": read_at}
    ]
    if found is not None:
        sources.append(
            {
                "name": "warehouse",
                "schemas": list(settings.schemas),
                "tables": found.tables,
                "read_at": warehouse_read_at,
            }
        )
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
    for path in map(Path, settings.rejects_paths):
        name = f"rejects/{path.stem}"
        rows, mentions = rejects.read(path, person) if path.exists() else ([], 0)
        if rows:
            categories[name] = [*categories.get(name, []), *rows]
        if mentions:
            omissions.append(
                (name, f"{mentions:,} lines that are about others, or about several people, mention them")
            )
        if not path.exists():
            omissions.append((name, "there is no such file: nothing was refused since the last was taken away"))
    if not settings.rejects_paths:
        omissions.append(("rejects", "files of refused rows were not read: none was named"))
    return Contents(manifest, categories, omissions)


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
