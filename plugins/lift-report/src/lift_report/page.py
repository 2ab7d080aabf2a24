"""The page: the templates filled with what is to be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lift_report import chart_geometry, exploratory, formatting, labels, previews, sentences, view_facts

if TYPE_CHECKING:
    from lift_report.results import Report


def _wrapped(key: str) -> Markup:
    """A key that may be broken behind its separators."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[_.-])", key))


_ENVIRONMENT = Environment(
    loader=PackageLoader("lift_report", "templates"),
    autoescape=True,  # names come from files and from Klaviyo
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["wrapped"] = _wrapped
_PAGE = _ENVIRONMENT.get_template("page.html.jinja")


# Characters that a page cannot hold, and those that turn the text around them.
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]")


def render(report: Report) -> str:
    """One self-contained HTML page; the same bytes for the same results."""
    page = _PAGE.render(
        report=report,
        exploratory=exploratory,
        facts=view_facts,
        geometry=chart_geometry,
        formatting=formatting,
        labels=labels,
        previews=previews,
        sentences=sentences,
    )
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", page)
