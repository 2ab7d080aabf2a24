"""Everything that is done with one experiment alone, in bounded time: generate, prove, lint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_experiments.language.limits import REMEDY, TOO_SLOW, TooSlowError, processor_time
from tap_experiments.templating.generation import generate
from tap_experiments.templating.lint import lint
from tap_experiments.templating.proof import prove

if TYPE_CHECKING:
    from singer_program.definitions.faults import Fault
    from tap_experiments.definitions.model import Experiment, PropertyFormat
    from tap_experiments.templating.generation import Template


@dataclass(frozen=True, slots=True)
class Checked:
    """An experiment and what was found in it alone; without a template there are faults."""

    experiment: Experiment
    template: Template | None
    faults: list[Fault]
    warnings: list[Fault]


def check(experiment: Experiment, property_format: PropertyFormat) -> Checked:
    """Generate, prove and lint, in bounded time."""
    try:
        with processor_time():
            template = generate(experiment, property_format)
            faults = [*template.faults] or prove(experiment, template, property_format)
            return Checked(
                experiment, template, faults, [] if faults else lint(experiment, template, property_format)
            )
    except TooSlowError:
        return Checked(experiment, None, [experiment.fault("template", TOO_SLOW, REMEDY)], [])
