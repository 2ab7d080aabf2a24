"""The page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from lift_report import pictures, words

if TYPE_CHECKING:
    from lift_report.results import Slot


_PAGE = Environment(
    loader=PackageLoader("lift_report", ""),
    autoescape=True,  # names come from files and from Klaviyo
    undefined=StrictUndefined,
).get_template("page.html.jinja")


def render(slots: list[Slot]) -> str:
    """One self-contained HTML page; the same bytes for the same results."""
    measured = [slot.measured_at for slot in slots if slot.measured_at]
    return _PAGE.render(
        slots=slots,
        measured_at=max(measured, default=None),
        plots=pictures.plots,
        sizes=pictures.sizes,
        tick_label=pictures.tick_label,
        **{name: getattr(words, name) for name in words.__all__},
    )
