"""The tap: what the log of processing says, for the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from singer_program.plugin import ProgramTap, run_plugin
from singer_program.privacy_actions import PrivacyActions
from subject_requests.processing_log import HASH, PREVIOUS, Json, ProcessingLog, acted_at

_BOOKMARK, _LAST = "replication_key_value", "hash"
"""Where a stream's state says how many lines were read, and the hash of the last of them."""
_RENAMED = {
    PREVIOUS: "previous_hash", "time": "logged_at", "run": "run_id", "count": "row_count", "request": "request_id"
}  # fmt: skip
"""By the members of a line: the columns of its row."""
_SAME = (HASH, "line", "did", "source", "what", "people", "because", "action")
"""Members whose columns are called alike."""


class Processing(Stream):
    """Every line of the log."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # they are made here
    name = "processing_log"
    primary_keys = (HASH,)
    replication_key = "line"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property(
            HASH, th.StringType(nullable=False), required=True, description="SHA-256 of what the line says"
        ),
        th.Property("line", th.IntegerType, description="Its number in the log, from 1"),
        th.Property("previous_hash", th.StringType, description="That of the line before; 64 zeros of the first"),
        th.Property("logged_at", th.DateTimeType, description="When the line was written"),
        th.Property("run_id", th.StringType, description="What did it: the program or job, and when it began"),
        th.Property("did", th.StringType, description="What was done"),
        th.Property("source", th.StringType, description="To what: klaviyo, warehouse, a list, a plugin"),
        th.Property("what", th.StringType, description="Which stream, table or file of it"),
        th.Property("row_count", th.IntegerType, description="How many rows or identifiers"),
        th.Property("people", th.ArrayType(th.StringType), description="About whom: beginnings of keyed hashes"),
        th.Property("because", th.StringType, description="What asked for it: a request, a purpose, a job"),
        th.Property("request_id", th.StringType, description="The request that it answers"),
        th.Property("action", th.StringType, description="What it is to that request"),
        th.Property("acted_at", th.DateTimeType, description="When it was done"),
    ).to_dict()

    def __init__(self, tap: TapSubjectRequests) -> None:
        super().__init__(tap)
        self._source = tap

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        after = int(self.get_starting_replication_key_value(context) or 0)
        expected = self.stream_state.get(_LAST)
        last = expected
        for entry in self._source.entries(expected if after else None):
            last = entry[HASH]
            if entry["line"] > after:
                yield _record(entry)
                after = entry["line"]
        if after:
            self.stream_state.update({"replication_key": "line", _BOOKMARK: after, _LAST: last})


class Actions(PrivacyActions):
    """Those of the log; `detail` is `did`, `count`, `because` and `run` of the line, and its number."""

    def __init__(self, tap: TapSubjectRequests) -> None:
        super().__init__(tap)
        self._source = tap

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for entry in self._source.entries():
            if entry.get("request") and entry.get("action"):
                yield {
                    "request_id": entry["request"],
                    "action": entry["action"],
                    "acted_at": acted_at(entry).isoformat(),
                    "detail": {name: entry.get(name) for name in ("did", "count", "because", "run", "line")},
                }


class TapSubjectRequests(ProgramTap):
    """What was done with people's data, and about their requests."""

    name = "tap-subject-requests"
    package_name = "subject-requests"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "log_path",
            th.StringType,
            required=True,
            title="Log",
            description="The log of processing: the setting `log_path` of subject-requests",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [Processing(self), Actions(self)]

    @cached_property
    def _log(self) -> ProcessingLog:
        return ProcessingLog(Path(self.config["log_path"]))

    def entries(self, expected: str | None = None) -> list[Json]:
        """The lines of the log, each with its number; none where there is no log yet.

        Args:
            expected: The hash of the last line that was read before.

        Raises:
            ProgramError: the log is broken, or lacks that line.
        """
        if expected is None and not self._log.path.exists():
            return []
        return [*self._log.entries(expected=expected)]


def _record(entry: Json) -> Json:
    """A line as a row; an older one may lack some members."""
    renamed = {column: entry.get(name) for name, column in _RENAMED.items()}
    others = {name: entry.get(name) for name in _SAME}
    return {**renamed, **others, "acted_at": acted_at(entry).isoformat()}


def main() -> int:
    """Run the tap with the arguments of the process; returns the exit status."""
    return run_plugin(TapSubjectRequests)
