"""The record of processing (GDPR, Article 30): what the controller says, beside what the pipeline really does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subject_requests.activities import Activity
    from subject_requests.controller import Controller


def written(controller: Controller, activities: Sequence[Activity]) -> str:
    """The record as Markdown."""
    lines = ["# Record of processing", "", f"Controller: {controller.name}, {controller.contact}"]
    for name, value in (
        ("Representative", controller.representative),
        ("Data protection officer", controller.protection_officer),
        ("Identifier", controller.did),
    ):
        lines += ["", f"{name}: {value}"] if value else []
    lines += _table(
        "Purposes",
        ("purpose", "legal basis", "people", "data"),
        (
            (each.name, each.legal_basis, ", ".join(each.people), ", ".join(each.data))
            for each in controller.purposes
        ),
    )
    lines += _table(
        "Recipients and transfers",
        ("recipient", "purpose", "country", "safeguard"),
        (
            (each.name, each.purpose or "", each.country or "", each.safeguard or "")
            for each in controller.recipients
        ),
    )
    lines += _table("Retention", ("data", "kept for"), ((each.data, each.period) for each in controller.retention))
    lines += _table("Security", ("measure",), ((each,) for each in controller.security))
    lines += _table(
        "What the pipeline does",
        ("schedule", "when", "from", "what", "to"),
        (
            (activity.name, f"`{activity.interval}`", move.source, ", ".join(move.streams), move.destination)
            for activity in activities
            for move in activity.moves
        ),
    )
    if untold := controller.untold():
        lines += ["", "## Not told", "", *(f"- {each}" for each in untold)]
    return "\n".join(lines) + "\n"


def _table(title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    if not body:
        return []
    return ["", f"## {title}", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *body]
