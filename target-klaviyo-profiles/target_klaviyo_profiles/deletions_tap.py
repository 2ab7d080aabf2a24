"""The command `tap-klaviyo-deletions`: what the record of deletions says that Klaviyo took, by request."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from singer_program.plugin import ProgramTap, run_plugin
from singer_program.privacy_actions import PrivacyActions
from target_klaviyo_profiles import audit

_DONE = frozenset({audit.ACCEPTED, audit.NOT_THERE})
"""Whom Klaviyo does not know is deleted already."""
_APART = {"profile_id": 0, "email": 1, "phone_number": 2}
"""Microseconds that tell answers to one request apart: they may come in one millisecond, which is what is kept."""


class Deletions(PrivacyActions):
    """The deletions that Klaviyo took; `detail` is the kind of identifier, and what was answered."""

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
                    "acted_at": (line.at + timedelta(microseconds=_APART.get(line.identifier, 0))).isoformat(),
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
        return [Deletions(self)]


def main() -> None:
    """Run the tap with the arguments of the process."""
    sys.exit(run_plugin(TapKlaviyoDeletions))
