"""The streams: what is emitted, one declaration each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk import typing as th
from typing_extensions import override

from tap_experiments.definitions import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_experiments.definitions import Experiment, PropertyFormat
    from tap_experiments.templates import Template

_TEXT = th.StringType(nullable=False)
_INTEGER = th.IntegerType(nullable=False)
_BOOLEAN = th.BooleanType(nullable=False)


class DefinitionStream(Stream):
    """A view of the definitions; all records of a run carry the same `defined_at`, the start of the run."""

    properties: ClassVar[tuple[th.Property[Any], ...]]

    def __init__(
        self, tap: Tap, project: list[tuple[Experiment, Template]], property_format: PropertyFormat
    ) -> None:
        self._project = project
        self._property_format = property_format
        started = datetime.fromtimestamp(tap.initialized_at / 1000, UTC)
        self._defined_at = started.isoformat(timespec="milliseconds")
        defined_at = th.Property(
            "defined_at",
            th.DateTimeType(nullable=False),
            required=True,
            description="Start of the run that read it",
        )
        super().__init__(tap, schema=th.PropertiesList(*self.properties, defined_at).to_dict())

    def rows(self) -> Iterable[Record]:
        """The stream's records without `defined_at`."""
        raise NotImplementedError

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for row in self.rows():
            yield {**row, "defined_at": self._defined_at}


class Experiments(DefinitionStream):
    """One record per experiment."""

    name = "experiments"
    primary_keys: ClassVar[Sequence[str]] = ("experiment_key",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("experiment_key", _TEXT, required=True, description="Name of the experiment's folder"),
        th.Property("version", _INTEGER, required=True, description="Part of the assignment's salts"),
        th.Property("status", _TEXT, required=True, description="draft, live or ended"),
        th.Property("description", _TEXT, required=True, description="The question it shall answer"),
        th.Property("channel", _TEXT, required=True, description="email"),
        th.Property("audience_type", _TEXT, required=True, description="list or segment"),
        th.Property("audience", _TEXT, required=True, description="Klaviyo id or name of the list or segment"),
        th.Property("traffic_bp", _INTEGER, required=True, description="Part of the audience, 0 to 10000"),
        th.Property("primary_metric", _TEXT, required=True, description="opened, clicked, ordered or revenue"),
        th.Property(
            "attribution_window_days",
            _INTEGER,
            required=True,
            description="Days after a receipt in which orders count",
        ),
        th.Property("property_format", _TEXT, required=True, description="list, object or flat; the same for all"),
        th.Property(
            "template_name", _TEXT, required=True, description="Name of its record in experiment_templates"
        ),
        th.Property(
            "campaign_message_ids",
            th.ArrayType(_TEXT, nullable=False),
            required=True,
            description="Messages that show it, beside those found through lf_cid in clicks",
        ),
        th.Property("definition_sha256", _TEXT, required=True, description="Of the definition and all its files"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, template in self._project:
            yield {
                "experiment_key": experiment.key,
                "version": experiment.version,
                "status": experiment.status.value,
                "description": experiment.description,
                "channel": experiment.channel.value,
                "audience_type": experiment.audience_type.value,
                "audience": experiment.audience,
                "traffic_bp": experiment.traffic_bp,
                "primary_metric": experiment.primary_metric.value,
                "attribution_window_days": experiment.attribution_window_days,
                "property_format": self._property_format.value,
                "template_name": template.name,
                "campaign_message_ids": list(experiment.campaign_message_ids),
                "definition_sha256": experiment.sha256,
            }


class ExperimentArms(DefinitionStream):
    """One record per arm of every slot."""

    name = "experiment_arms"
    primary_keys: ClassVar[Sequence[str]] = ("experiment_key", "slot_key", "arm_key")
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("experiment_key", _TEXT, required=True),
        th.Property("slot_key", _TEXT, required=True),
        th.Property("arm_key", _TEXT, required=True),
        th.Property("position", _INTEGER, required=True, description="Place in the file, from 0"),
        th.Property("is_control", _BOOLEAN, required=True, description="True for one arm of each slot"),
        th.Property("weight_bp", _INTEGER, required=True, description="Sum to 10000 in each slot"),
        th.Property("content", _TEXT, required=True, description="The content file, line breaks as \\n"),
        th.Property("content_sha256", _TEXT, required=True),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, _ in self._project:
            for slot in experiment.slots:
                for position, arm in enumerate(slot.arms):
                    yield {
                        "experiment_key": experiment.key,
                        "slot_key": slot.key,
                        "arm_key": arm.key,
                        "position": position,
                        "is_control": arm.is_control,
                        "weight_bp": arm.weight_bp,
                        "content": arm.content.text,
                        "content_sha256": sha256(arm.content.text),
                    }


class ExperimentTemplates(DefinitionStream):
    """One record per generated template."""

    name = "experiment_templates"
    primary_keys: ClassVar[Sequence[str]] = ("template_name",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("template_name", _TEXT, required=True),
        th.Property("experiment_key", _TEXT, required=True),
        th.Property("html", _TEXT, required=True, description="Klaviyo template that ends with its hash"),
        th.Property("text", th.StringType(nullable=True), description="Plain text part, null if there is none"),
        th.Property("sha256", _TEXT, required=True, description="The hash that the comment in `html` holds"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, template in self._project:
            yield {
                "template_name": template.name,
                "experiment_key": experiment.key,
                "html": template.html,
                "text": template.text,
                "sha256": template.sha256,
            }


class DefinitionSnapshots(DefinitionStream):
    """One record, emitted last: rows older than it belong to definitions that no longer exist."""

    name = "definition_snapshots"
    primary_keys: ClassVar[Sequence[str]] = ("name",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("name", _TEXT, required=True, description="Always `experiments`"),
        th.Property("experiments", _INTEGER, required=True, description="How many experiments there are"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        yield {"name": "experiments", "experiments": len(self._project)}


STREAMS: tuple[type[DefinitionStream], ...] = (
    Experiments,
    ExperimentArms,
    ExperimentTemplates,
    DefinitionSnapshots,
)
"""In the order they are emitted."""
