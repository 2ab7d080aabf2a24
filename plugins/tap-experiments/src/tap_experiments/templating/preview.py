"""Writes a generated template, and what each arm is shown, as files for a person to look at."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tap_experiments.definitions.model import FALLBACK
from tap_experiments.language.engine import Compiled
from tap_experiments.language.sample_profiles import SAMPLE_PROFILES
from tap_experiments.templating.proof import combinations, held_properties, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tap_experiments.definitions.model import Experiment, PropertyFormat
    from tap_experiments.templating.generation import Template


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
    renderings = {tuple(shown(experiment, arms).items()): arms for arms in combinations(experiment)}
    for seen, arms in renderings.items():
        held = {slot: arm for slot, arm in arms.items() if arm != FALLBACK}
        profile = {**SAMPLE_PROFILES[0], **held_properties(experiment.key, held, property_format)}
        name = "+".join(f"{slot}.{arm}" for slot, arm in seen)
        for extension, source in given.items():
            rendered = Compiled(source).render({**SAMPLE_PROFILES[0], "person": profile})
            (folder / "arms" / f"{name}.{extension}").write_text(rendered, encoding="utf-8")
    return len(renderings)
