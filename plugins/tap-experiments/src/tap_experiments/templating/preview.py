"""Shows a person what was generated: the texts as Klaviyo gets them, and what each arm looks like."""

from __future__ import annotations

import html
import re
import shutil
from typing import TYPE_CHECKING

from tap_experiments.definitions.experiment_reader import FALLBACK
from tap_experiments.language.engine import Compiled
from tap_experiments.templating.proof import PEOPLE, combinations, held_properties

if TYPE_CHECKING:
    from pathlib import Path

    from tap_experiments.definitions.model import Experiment, PropertyFormat
    from tap_experiments.templating.generation import Template

_UNSAFE = re.compile(r"[{}%\\\r\n]")


def write_preview(
    folder: Path, experiment: Experiment, template: Template, property_format: PropertyFormat
) -> int:
    """Write the parts of a template and, under `arms`, what profiles are shown; returns how many kinds of them.

    Raises:
        OSError: The folder cannot be written.
    """
    shutil.rmtree(folder / "arms", ignore_errors=True)
    (folder / "arms").mkdir(parents=True)
    parts = {"html": template.html, "txt": template.text, "subject.txt": template.subject}
    given = {extension: source for extension, source in parts.items() if source is not None}
    for extension, source in given.items():
        (folder / f"template.{extension}").write_text(source, encoding="utf-8")
    renderings = combinations(experiment)
    for arms in renderings:
        held = {slot: arm for slot, arm in arms.items() if arm != FALLBACK}
        person = {**PEOPLE[0], **held_properties(experiment.key, held, property_format)}
        name = "+".join(f"{slot}.{arm}" for slot, arm in arms.items())
        for extension, source in given.items():
            shown = Compiled(source).render({**PEOPLE[0], "person": person})
            (folder / "arms" / f"{name}.{extension}").write_text(shown, encoding="utf-8")
    return len(renderings)


def reading(name: str, otherwise: str, *, plain: bool = False) -> str:
    """What shows a property of the profile, escaped by Klaviyo, and a text to those who lack it.

    Args:
        name: Of the property.
        otherwise: The text.
        plain: For a subject line or a text, which are no HTML.

    Raises:
        ValueError: A name or text that cannot be quoted.
    """
    if not name.strip() or _UNSAFE.search(name) or "'" in name:
        msg = f"`{name}` cannot be read in a template; name the property without ', braces, %, backslash"
        raise ValueError(msg)
    if _UNSAFE.search(otherwise):
        msg = "the default holds a brace, %, a backslash or a line break; put {% if %} around the property instead"
        raise ValueError(msg)
    if plain and {"'", '"'} <= set(otherwise):
        msg = "the default holds both kinds of quotes; use typographic ones"
        raise ValueError(msg)
    # What is quoted in a template is shown unescaped, so markup is escaped here.
    text = otherwise if plain else html.escape(otherwise, quote=False).replace("'", "&#39;")
    quoted = f'"{text}"' if "'" in text else f"'{text}'"
    return f"{{{{ person|lookup:'{name}'|default:{quoted} }}}}"
