"""The command `tap-klaviyo-deletions`: what the record of deletions says that Klaviyo took, by request."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from singer_program.plugin import ProgramTap, run_plugin
from target_klaviyo_profiles import audit

_DONE = frozenset({audit.ACCEPTED, audit.NOT_THERE})
"""Whom Klaviyo does not know is deleted already."""


class PrivacyActions(Stream):
    """The deletions that Klaviyo took: all of them in every run, as there are few."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # they are made by the schema
    name = "privacy_actions"
    primary_keys = ("request_id", "action", "acted_at")
    schema = th.PropertiesList(
        th.Property("request_id", th.StringType(nullable=False), required=True, description="The request"),
        th.Property("action", th.StringType(nullable=False), required=True, description="`accepted`"),
        th.Property("acted_at", th.DateTimeType(nullable=False), required=True, description="When"),
        th.Property(
            "detail",
            th.ObjectType(additional_properties=True),
            description="`identifier`, the kind by which was deleted, and `answer`, what the target wrote down",
        ),
    ).to_dict()

    def __init__(self, tap: TapKlaviyoDeletions) -> None:
        super().__init__(tap)
        self._path = Path(tap.config["audit_path"])

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for line in audit.answered(self._path):
            if line.said in _DONE:
                yield {
                    "request_id": line.request_id,
                    "action": "accepted",
                    "acted_at": line.at.isoformat(),
                    "detail": {"identifier": line.identifier, "answer": line.said},
                }


class TapKlaviyoDeletions(ProgramTap):
    """What `target-klaviyo-profiles` wrote down of deletions, for the warehouse."""

    name = "tap-klaviyo-deletions"
    package_name = "target-klaviyo-profiles"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "audit_path",
            th.StringType,
            required=True,
            title="Record of deletions",
            description="The file of the target's setting `audit_path`; none is there before the first deletion",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [PrivacyActions(self)]


def main() -> None:
    """Run the tap with the arguments of the process."""
    sys.exit(run_plugin(TapKlaviyoDeletions))
