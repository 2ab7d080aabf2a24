"""All the experiments of a folder with their templates, checked against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_experiments.definitions import Experiment, PropertyFormat, read_experiments
from tap_experiments.faults import DefinitionError, Fault
from tap_experiments.templates import Template, flat_property, generate

if TYPE_CHECKING:
    from pathlib import Path


def load(root: Path, property_format: PropertyFormat) -> list[tuple[Experiment, Template]]:
    """Read, check and generate everything.

    Raises:
        DefinitionError: With every fault of the set; then none of it may be used.
    """
    experiments, faults = read_experiments(root)
    pairs = [(experiment, generate(experiment, property_format)) for experiment in experiments]
    faults += [fault for _, template in pairs for fault in template.faults]
    faults += _shared_names(experiments, property_format)
    if faults:
        raise DefinitionError(faults)
    return pairs


def _shared_names(experiments: list[Experiment], property_format: PropertyFormat) -> list[Fault]:
    """Names that two experiments use for different things."""
    faults: list[Fault] = []
    templates: dict[str, str] = {}
    properties: dict[str, str] = {}
    for experiment in experiments:
        first = templates.setdefault(experiment.template_name, experiment.file)
        if first != experiment.file:
            problem = f"`{experiment.template_name}` is the template of {first} too"
            faults.append(Fault(experiment.file, 0, "template.name", problem, "give each experiment its own"))
        if property_format is not PropertyFormat.FLAT:
            continue
        for slot in experiment.slots:
            name = flat_property(experiment.key, slot.key)
            first = properties.setdefault(name, experiment.file)
            if first != experiment.file:
                problem = f"is kept in the property `{name}`, as is a slot of {first}"
                faults.append(Fault(experiment.file, 0, f"slots.{slot.key}", problem, "rename the slot"))
    return faults
