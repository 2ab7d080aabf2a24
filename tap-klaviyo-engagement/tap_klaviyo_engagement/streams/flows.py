"""Flows, what triggers them, their actions and the messages these send; archived or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.composed_stream import (
    ComposedStream,
    LinkedStream,
    NestedStream,
    ids_of,
    may_be_since,
    readable,
)
from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    OPEN,
    Batch,
    Json,
    Listing,
    NotFound,
    Operator,
    Record,
    StreamSlice,
    Unreadable,
    included,
    resources,
)
from tap_klaviyo_engagement.stream_kinds.relationship_stream import RelationshipStream

# Klaviyo leaves out archived flows unless they are asked for.
LISTINGS = tuple(Listing(filter=Operator.EQUALS("archived", archived)) for archived in (False, True))

PAGE = 50
"""Flows and actions that Klaviyo gives at once: where included actions would be cut, if they ever are."""

SENDS_NOTHING = frozenset(
    {
        "action-output-split",
        "back-in-stock-delay",
        "code",
        "conditional-split",
        "countdown-delay",
        "internal-service",
        "list-update",
        "multi-branch-split",
        "target-date",
        "time-delay",
        "trigger-split",
        "update-profile",
    }
)
"""Types of actions that send nothing. Every other one, those to come among them, is asked for its messages."""


class Flows(LinkedStream):
    """Automations: what starts them and whether they run."""

    name = "flows"
    rhythm = "account"
    operation = "get_flows"
    resource = "flow"
    links: ClassVar[Mapping[str, str]] = {"tag_ids": "tags"}
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    listings = LISTINGS
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Flow id; events hold it as `$flow`"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("status", th.StringType, description="draft, manual or live"),
        th.Property("archived", th.BooleanType, description="Whether the flow is archived"),
        th.Property("trigger_type", th.StringType, description="Metric, Added to List, Date Based, …"),
        th.Property("created", th.DateTimeType, description="When the flow was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
        th.Property("tag_ids", th.ArrayType(th.StringType), description="Its tags"),
    ).to_dict()


class FlowTriggers(RelationshipStream):
    """Which flows things of one type trigger, as they are now."""

    rhythm = "account"
    relationship = "flow-triggers"
    related = "flow"


class ListFlowTriggers(FlowTriggers):
    """Which flows begin for whoever joins a list."""

    name = "list_flow_triggers"
    operation = "get_lists"
    resource = "list"


class SegmentFlowTriggers(FlowTriggers):
    """Which flows begin for whoever joins a segment."""

    name = "segment_flow_triggers"
    operation = "get_segments"
    resource = "segment"


class MetricFlowTriggers(FlowTriggers):
    """Which flows begin with an event of a metric."""

    name = "metric_flow_triggers"
    operation = "get_metrics"
    resource = "metric"


class FlowPartsStream(ComposedStream):
    """What belongs to flows. Every run lists all flows with their actions: an action may change on its own."""

    parent = "get_flows"
    listings = LISTINGS

    def flows(self, listing: Listing, fields: str) -> Iterator[tuple[Json, list[Json]]]:
        """Every flow of a listing, with its actions as they are now; `fields` are those of an action."""
        params = {
            "fields[flow]": "updated",
            "fields[flow-action]": fields,
            "filter": listing.filter,
            "include": "flow-actions",
            "sort": "id",
        }
        for document in self.documents("get_flows", params=params):
            by_id = {action["id"]: action for action in included(document, "flow-action")}
            for flow in resources(document):
                try:
                    actions = self.actions(flow, by_id, fields)
                except Unreadable as fault:
                    self.put_aside(fault, {})
                else:
                    yield flow, actions

    def actions(self, flow: Json, by_id: Mapping[str, Json], fields: str) -> list[Json]:
        """A flow's actions: out of those included, or by a listing of their own where these may not be all."""
        ids = ids_of(flow, "flow-actions")
        if ids is not None and len(ids) < PAGE and by_id.keys() >= set(ids):
            return [by_id[key] for key in ids]
        params = {"fields[flow-action]": fields, "page[size]": str(PAGE), "sort": "id"}
        try:
            pages = self.documents("get_actions_for_flow", path={"id": flow["id"]}, params=params)
            return [action for document in pages for action in resources(document)]
        except NotFound:
            self.note_deleted("flow", flow["id"])
            return []


class FlowActions(FlowPartsStream):
    """The steps of flows: delays, splits, sends and whatever else Klaviyo has.

    Read whole: they come with the flows at no cost, and a definition holds the message that it sends, whose edits
    are not known to move `updated` of the action.
    """

    name = "flow_actions"
    rhythm = "account"
    operation = "get_actions_for_flow"
    resource = "flow-action"
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "action_type": ("definition", "type"),
        "status": ("definition", "data", "status"),
    }
    primary_keys = ("id",)
    tells_ids = True
    given_columns = ("flow_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Action id"),
        th.Property("flow_id", th.StringType, description="The flow it belongs to"),
        th.Property("action_type", th.StringType, description="send-email, time-delay, conditional-split, …"),
        th.Property("status", th.StringType, description="draft, manual, live or disabled; null for splits"),
        th.Property("definition", OPEN, description="What it does, and in `links` what comes after it"),
        th.Property("created", th.DateTimeType, description="When the action was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
    ).to_dict()

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        fields = self.params(Listing())["fields[flow-action]"]
        for flow, actions in self.flows(stream_slice.listing, fields):
            listing = Listing(columns={"flow_id": flow["id"]})
            yield from self.records(actions, listing)


class FlowMessages(FlowPartsStream, NestedStream):
    """What the actions of flows send.

    Klaviyo lists messages of one action at a time, sixty actions a minute. Later runs ask for those whose action
    or flow changed since the bookmark; the content of the others is in `flow_actions`, which is read whole. For
    `resource_ids`, an action that does not name its message is asked in every run.
    """

    name = "flow_messages"
    rhythm = "account"
    operation = "get_flow_action_messages"
    resource = "flow-message"
    owner = "flow action"
    relationships = ("template",)  # recorded: its id comes without an `include`
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {"name": ("definition", "name")}
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    given_columns = ("flow_action_id", "flow_id")
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Message id; events hold it as `$message`"),
        th.Property("flow_action_id", th.StringType, description="The action that sends it"),
        th.Property("flow_id", th.StringType, description="The flow it belongs to"),
        th.Property("template_id", th.StringType, description="Its own copy of a template; null without one"),
        th.Property("channel", th.StringType, description="Email, SMS, …"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("definition", OPEN, description="Content and options, by channel"),
        th.Property("created", th.DateTimeType, description="When the message was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
    ).to_dict()

    @property
    @override
    def id_listing(self) -> None:
        return None  # actions name them, and are all listed in every run

    @override
    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        told = any(each.name == "resource_ids" for each in self.selected_streams)
        for flow, actions in self.flows(
            stream_slice.listing, "definition.data.message.id,definition.type,updated"
        ):
            for action in actions:
                if not _may_send(action):
                    continue
                times = [each["attributes"].get("updated") for each in (flow, action)]
                sent = _message_of(action)
                self.whole_reading.ids.update(filter(None, [sent]))
                if may_be_since(stream_slice.window.start, *times) or (told and sent is None):
                    rows = self.rows_of(action["id"], {"flow_action_id": action["id"], "flow_id": flow["id"]})
                    yield self.reader.batch(StreamSlice(stream_slice.listing), rows, seen)
                    # The bookmark may move up to the change that was looked at, though no message is as young.
                    yield Batch([], [readable(text) for text in times])

    @override
    def probe(self) -> str:
        self.run.connection_test.ask(self.parent, {"page[size]": "1"})  # no listing has an action's id
        return ""


def _message_of(action: Json) -> str | None:
    """Id of the one message that an action sends; None if it sends several, or does not say."""
    definition = action["attributes"].get("definition")
    data = definition.get("data") if isinstance(definition, dict) else None
    message = data.get("message") if isinstance(data, dict) else None
    told = message.get("id") if isinstance(message, dict) else None
    return told if isinstance(told, str) else None


def _may_send(action: Json) -> bool:
    """Whether an action may send something; one that does not say what it is may, too."""
    definition = action["attributes"].get("definition")
    return not isinstance(definition, dict) or definition.get("type") not in SENDS_NOTHING
