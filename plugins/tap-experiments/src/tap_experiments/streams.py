"""The streams: what is emitted, one declaration each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from singer_program.definitions.files import sha256
from singer_program.definitions.streams import DefinitionStream
from tap_experiments.definitions.model import Channel
from tap_experiments.definitions.preregistration import digest, preregistration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Record

    from tap_experiments.definitions.model import Arm, Experiment, PropertyFormat, Slot
    from tap_experiments.project import Project

_TEXT = th.StringType(nullable=False)
_INTEGER = th.IntegerType(nullable=False)
_BOOLEAN = th.BooleanType(nullable=False)
_TEXT_OR_NULL = th.StringType(nullable=True)
_INTEGER_OR_NULL = th.IntegerType(nullable=True)
_TEXTS = th.ArrayType(_TEXT, nullable=False)


class ExperimentStream(DefinitionStream):
    """A view of the experiments of a folder."""

    def __init__(self, tap: Tap, project: Project, property_format: PropertyFormat) -> None:
        self._project = project
        self._property_format = property_format
        super().__init__(tap)


class Experiments(ExperimentStream):
    """One record per experiment."""

    name = "experiments"
    primary_keys: ClassVar[Sequence[str]] = ("experiment_key",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("experiment_key", _TEXT, required=True, description="Name of the experiment's folder"),
        th.Property("version", _INTEGER, required=True, description="Part of the assignment's salts"),
        th.Property("status", _TEXT, required=True, description="draft, live or ended"),
        th.Property("description", _TEXT, required=True, description="The question it shall answer"),
        th.Property("channel", _TEXT, required=True, description="email, sms or push"),
        th.Property("audience_type", _TEXT, required=True, description="list, segment or flow"),
        th.Property(
            "audience",
            _TEXT,
            required=True,
            description="Klaviyo id or name of the list or segment, name of the flow",
        ),
        th.Property("traffic_bp", _INTEGER, required=True, description="Part of the audience, 0 to 10000"),
        th.Property("primary_metric", _TEXT, required=True, description="The outcome metric that decides"),
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
            _TEXTS,
            required=True,
            description="Messages that show it, beside those found through lf_cid in clicks",
        ),
        th.Property("definition_sha256", _TEXT, required=True, description="Of the definition and all its files"),
        th.Property("layer_name", _TEXT_OR_NULL, description="Experiments of one layer share no profile"),
        th.Property("layer_start_bp", _INTEGER_OR_NULL, description="First bucket of the layer that is its own"),
        th.Property("layer_end_bp", _INTEGER_OR_NULL, description="First bucket after them"),
        th.Property("holdout_bp", _INTEGER, required=True, description="Part of the audience never sent to"),
        th.Property(
            "global_holdout_bp",
            _INTEGER,
            required=True,
            description="Part of all profiles no experiment sends to; the same for all",
        ),
        th.Property(
            "global_holdout_version", _INTEGER, required=True, description="Part of its salt; the same for all"
        ),
        th.Property("group_key", _TEXT_OR_NULL, description="Experiments of one group share their arms"),
        th.Property("unit_hash", _TEXT, required=True, description="md5 or growthbook_v2"),
        th.Property("assignment_method", _TEXT, required=True, description="hash or quota"),
        th.Property("balance_tries", _INTEGER, required=True, description="Salts compared; 1: none"),
        th.Property("balance_days", _INTEGER, required=True, description="Days compared; 0 without balance"),
        th.Property("secondary_metrics", _TEXTS, required=True, description="Reported, never deciding"),
        th.Property(
            "guardrails",
            th.ObjectType(additional_properties=th.NumberType(nullable=False), nullable=False),
            required=True,
            description="Outcome metric to margin in percentage points",
        ),
        th.Property(
            "metric_windows",
            th.ObjectType(additional_properties=th.IntegerType(nullable=False), nullable=False),
            required=True,
            description="Outcome metric to the days after a receipt in which it counts, where they are its own",
        ),
        th.Property("planned_stop", th.DateType(nullable=True), description="Day on which it shall end"),
        th.Property("decision", _TEXT, required=True, description="When it may be decided: always or fixed"),
        th.Property(
            "minimum_detectable_effect", th.NumberType(nullable=True), description="Relative, as a fraction"
        ),
        th.Property(
            "dimensions",
            th.ArrayType(
                th.ObjectType(
                    th.Property("dimension", _TEXT, required=True),
                    th.Property("kind", _TEXT, required=True),
                    th.Property("name", _TEXT, required=True),
                    th.Property("position", _INTEGER, required=True),
                    additional_properties=False,
                    nullable=False,
                ),
                nullable=False,
            ),
            required=True,
            description="By what the effect is shown besides; of a property, segment or list with its name",
        ),
        th.Property(
            "preregistration_sha256", _TEXT, required=True, description="Of what must not change after the start"
        ),
        th.Property(
            "audience_conditions",
            th.ArrayType(
                th.ObjectType(
                    th.Property("field", _TEXT, required=True),
                    th.Property("operator", _TEXT, required=True),
                    th.Property("values", _TEXTS, required=True),
                    additional_properties=False,
                    nullable=False,
                ),
                nullable=False,
            ),
            required=True,
            description="What a profile must fulfil besides, all of it",
        ),
        th.Property(
            "is_shipped",
            _BOOLEAN,
            required=True,
            description="Whether it has ended with a winner, which its template shows to everybody",
        ),
        th.Property(
            "is_cleaned_up",
            _BOOLEAN,
            required=True,
            description="Whether profiles shall hold no assignment of it any more, though it has a winner",
        ),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, template in self._project.pairs:
            yield {
                "experiment_key": experiment.key,
                "version": experiment.version,
                "status": experiment.status.value,
                "description": experiment.description,
                "channel": experiment.channel.value,
                "audience_type": experiment.audience_type.value,
                "audience": experiment.audience,
                "traffic_bp": experiment.traffic_bp,
                "primary_metric": experiment.primary_metric,
                "attribution_window_days": experiment.attribution_window_days,
                "property_format": self._property_format.value,
                "template_name": template.name,
                "campaign_message_ids": list(experiment.campaign_message_ids),
                "definition_sha256": experiment.sha256,
                "layer_name": experiment.layer.name if experiment.layer else None,
                "layer_start_bp": experiment.layer.start_bp if experiment.layer else None,
                "layer_end_bp": experiment.layer.end_bp if experiment.layer else None,
                "holdout_bp": experiment.holdout_bp,
                "global_holdout_bp": self._project.holdout.bp,
                "global_holdout_version": self._project.holdout.version,
                "group_key": experiment.group,
                "unit_hash": experiment.unit_hash.value,
                "assignment_method": experiment.assignment.value,
                "balance_tries": experiment.balance_tries,
                "balance_days": experiment.balance_days,
                "secondary_metrics": [*experiment.secondary_metrics],
                "guardrails": dict(experiment.guardrails),
                "metric_windows": dict(experiment.metric_windows),
                "decision": experiment.decision.value,
                "planned_stop": experiment.planned_stop.isoformat() if experiment.planned_stop else None,
                "minimum_detectable_effect": experiment.minimum_detectable_effect,
                "dimensions": [
                    {
                        "dimension": dimension.label,
                        "kind": dimension.kind.value,
                        "name": dimension.name,
                        "position": position,
                    }
                    for position, dimension in enumerate(experiment.dimensions)
                ],
                "preregistration_sha256": digest(preregistration(experiment)),
                "audience_conditions": [
                    {"field": condition.field, "operator": condition.operator.value, "values": [*condition.values]}
                    for condition in experiment.conditions
                ],
                "is_shipped": experiment.is_shipped,
                "is_cleaned_up": experiment.is_cleaned_up,
            }


class ExperimentArms(ExperimentStream):
    """One record per arm of every slot."""

    name = "experiment_arms"
    primary_keys: ClassVar[Sequence[str]] = ("experiment_key", "slot_key", "arm_key")
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("experiment_key", _TEXT, required=True),
        th.Property("slot_key", _TEXT, required=True),
        th.Property("arm_key", _TEXT, required=True),
        th.Property("position", _INTEGER, required=True, description="Place in the file, from 0"),
        th.Property("is_control", _BOOLEAN, required=True, description="True for one arm of each slot"),
        th.Property("is_winner", _BOOLEAN, required=True, description="True for the arm that everybody is shown"),
        th.Property(
            "weight_bp",
            _INTEGER_OR_NULL,
            description="Sum to 10000 in each slot; null: the warehouse decides, in all arms of the slot",
        ),
        th.Property("content", _TEXT, required=True, description="The content file, line breaks as \\n"),
        th.Property("content_sha256", _TEXT, required=True),
        th.Property("html", _TEXT_OR_NULL, description="What it shows in an e-mail's HTML"),
        th.Property("text", _TEXT_OR_NULL, description="What it shows in the text part, an SMS or a push"),
        th.Property("subject", _TEXT_OR_NULL, description="What it puts into the subject line"),
        th.Property(
            "snippet", _TEXT_OR_NULL, description="Snippet that holds the content, null: a file of its own"
        ),
        th.Property("allocation", _TEXT, required=True, description="equal, manual or thompson"),
        th.Property("thompson_floor_bp", _INTEGER_OR_NULL, description="No arm gets less; null unless thompson"),
        th.Property("thompson_half_life_days", _INTEGER_OR_NULL, description="Age at which a result counts half"),
        th.Property("thompson_at_most", _INTEGER_OR_NULL, description="Profiles an arm's history counts for"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, _ in self._project.pairs:
            for slot in experiment.slots:
                for position, arm in enumerate(slot.arms):
                    yield {
                        "experiment_key": experiment.key,
                        "slot_key": slot.key,
                        "arm_key": arm.key,
                        "position": position,
                        "is_control": arm.is_control,
                        "is_winner": arm.key == slot.winner,
                        "weight_bp": arm.weight_bp,
                        "content": arm.content.text,
                        "content_sha256": sha256(arm.content.text),
                        **_shown(experiment, slot, arm),
                        "snippet": slot.snippet,
                        "allocation": slot.method.value,
                        "thompson_floor_bp": slot.thompson.floor_bp if slot.thompson else None,
                        "thompson_half_life_days": slot.thompson.half_life_days if slot.thompson else None,
                        "thompson_at_most": slot.thompson.at_most if slot.thompson else None,
                    }


def _shown(experiment: Experiment, slot: Slot, arm: Arm) -> Record:
    """What an arm shows in each part of a message; null where it has no place."""
    is_email = experiment.channel is Channel.EMAIL
    text = arm.text if is_email else arm.content
    return {
        "html": arm.content.text if is_email and not slot.subject_only else None,
        "text": text.text if text else None,
        "subject": arm.subject.text if arm.subject else None,
    }


class ExperimentTemplates(ExperimentStream):
    """One record per generated template; of an SMS or a push, the text that its campaign shall hold."""

    name = "experiment_templates"
    primary_keys: ClassVar[Sequence[str]] = ("template_name",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("template_name", _TEXT, required=True),
        th.Property("experiment_key", _TEXT, required=True),
        th.Property("channel", _TEXT, required=True, description="email, sms or push"),
        th.Property("html", _TEXT_OR_NULL, description="Klaviyo template that ends with its hash; e-mail only"),
        th.Property("text", _TEXT_OR_NULL, description="Plain text part, null if there is none; body of an SMS"),
        th.Property("subject", _TEXT_OR_NULL, description="Subject line for the campaign; e-mail only"),
        th.Property("sha256", _TEXT, required=True, description="The hash that the comment in `html` holds"),
        th.Property("content_sha256", _TEXT, required=True, description="Of html, text and subject"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for experiment, template in self._project.pairs:
            yield {
                "template_name": template.name,
                "experiment_key": experiment.key,
                "channel": experiment.channel.value,
                "html": template.html,
                "text": template.text,
                "subject": template.subject,
                "sha256": template.sha256,
                "content_sha256": template.content_sha256,
            }


class DefinitionSnapshots(ExperimentStream):
    """One record, emitted last: rows older than it belong to definitions that no longer exist."""

    name = ExperimentStream.snapshot
    primary_keys: ClassVar[Sequence[str]] = ("name",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("name", _TEXT, required=True, description="Always `experiments`"),
        th.Property("experiments", _INTEGER, required=True, description="How many experiments there are"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        self.remember()
        yield {"name": "experiments", "experiments": len(self._project.pairs)}


STREAMS: tuple[type[ExperimentStream], ...] = (
    Experiments,
    ExperimentArms,
    ExperimentTemplates,
    DefinitionSnapshots,
)
"""In the order they are emitted."""
