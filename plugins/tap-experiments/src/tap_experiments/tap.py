"""The tap: its settings, and the order of its streams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from singer_program.definitions.streams import DefinitionTap
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.project import load
from tap_experiments.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Stream


DEFAULT_PATH = "experiments"


class TapExperiments(DefinitionTap):
    """Experiment definitions, kept as files, with the e-mail template each one needs."""

    name = "tap-experiments"
    package_name = "tap-experiments"
    declared = STREAMS
    config_jsonschema = th.PropertiesList(
        th.Property(
            "path",
            th.StringType,
            default=DEFAULT_PATH,
            title="Path",
            description="Folder that holds one folder per experiment, with an experiment.yml each",
        ),
        th.Property(
            "account",
            th.StringType,
            title="Account",
            description=(
                "Name of the account that this is, by which experiments name theirs: those of others are left "
                "out. Without it, no experiment may name one"
            ),
        ),
        th.Property(
            "property_format",
            th.StringType,
            allowed_values=[option.value for option in PropertyFormat],
            default=PropertyFormat.LIST.value,
            title="Property format",
            description=(
                "How profiles hold their assignments, for all experiments: `list` (lf_assignments, a list of "
                "experiment:slot:arm), `object` (lf_assignments, an object of experiment.slot to arm) or `flat` "
                "(one property lf_<experiment>_<slot> each)"
            ),
        ),
        th.Property(
            "outcome_metrics",
            th.StringType,
            title="Outcome metrics",
            description=(
                "CSV file of the outcome metrics that definitions may name; without it "
                "transform/seeds/outcome_metrics.csv, if there is one, else the catalogue that comes with the tap"
            ),
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Every stream, over definitions read and checked here: before anything is emitted.

        Raises:
            DefinitionError: If anything is wrong with the definitions or with the catalogue of outcome metrics.
        """
        property_format = PropertyFormat(self.config["property_format"])
        metrics = self.config.get("outcome_metrics")
        catalogue = read_catalogue(Path(metrics) if metrics else None)
        whole = load(Path(self.config["path"] or DEFAULT_PATH), property_format, catalogue)
        project = whole.of(self.config.get("account") or "")
        mine = [experiment.key for experiment, _ in project.pairs]
        if others := [experiment.key for experiment, _ in whole.pairs if experiment.key not in mine]:
            self.logger.info("left out, since they are of other accounts: %s", ", ".join(others))
        for warning in project.warnings:
            self.logger.warning(warning)
        return [stream(self, project, property_format) for stream in STREAMS]
