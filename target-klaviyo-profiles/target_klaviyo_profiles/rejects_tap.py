"""The command `tap-klaviyo-rejects`: what the target refused or Klaviyo did, out of the rejects file.

Nothing of it says whom a record was about: the file does, to whoever may read it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from typing_extensions import override

from klaviyo_wire.redaction import redact
from singer_program.errors import ProgramError
from singer_program.plugin import ProgramTap, run_plugin

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

_TEXT, _TEXT_OR_NULL = th.StringType(nullable=False), th.StringType(nullable=True)
_LOOKBACK = timedelta(hours=1)
"""How far behind the newest refusal lines are read again: clocks are put back, and two runs may append."""
_BEGINNING = b'{"stream": '
"""Of every line."""


class RefusedRecords(Stream):
    """A record for each line; a line that comes again, in a file that was put aside, is the same record."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    name = "refused_records"
    primary_keys = ("refusal_id",)
    replication_key = "refused_at"
    is_sorted = True
    check_sorted = False  # a clock may be put back
    schema = th.PropertiesList(
        th.Property("refusal_id", _TEXT, required=True, description="SHA-256 of the line"),
        th.Property("refused_at", th.DateTimeType(nullable=False), required=True, description="When"),
        th.Property("stream", _TEXT, required=True, description="Whose record it is"),
        th.Property("record", th.IntegerType, description="Its number among the stream's records of that run"),
        th.Property("key_kind", _TEXT_OR_NULL, description="What it is known by in the file; not its value"),
        th.Property("metric", _TEXT_OR_NULL, description="Of an event"),
        th.Property("unique_id", _TEXT_OR_NULL, description="Of an event; addresses in it are masked"),
        th.Property("code", _TEXT, required=True, description="Why it was refused: ours, or Klaviyo's"),
        th.Property("detail", _TEXT_OR_NULL, description="What is wrong with it"),
        th.Property("pointer", _TEXT_OR_NULL, description="Where in the record or in the request"),
        th.Property("remedy", _TEXT_OR_NULL, description="What a person can do about it"),
        th.Property("job", _TEXT_OR_NULL, description="The import job that refused it"),
        th.Property("file", _TEXT, required=True, description="Name of the file that has the line"),
    ).to_dict()

    def __init__(self, tap: TapKlaviyoRejects) -> None:
        super().__init__(tap)
        self._path = Path(tap.config["rejects_path"])

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        newest = self.get_starting_timestamp(context)
        since = newest - _LOOKBACK if newest else None
        for path in _files(self._path):
            for row in self._rows(path):
                if since is None or datetime.fromisoformat(row["refused_at"]) >= since:
                    yield row

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        foreign: list[int] = []
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        break  # it is being written, or a machine died over it
                    try:
                        yield _row(line[:-1], path.name)
                    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                        if not (line.startswith(_BEGINNING) and not line.rstrip().endswith(b"}")):
                            foreign.append(number)
        except OSError as error:
            msg = (
                f"cannot read {str(path)!r} of the setting `rejects_path` ({error.strerror}): "
                "give this user the right to"
            )
            raise ProgramError(msg) from error
        if foreign:
            self.logger.warning(
                "%s: %d lines are none of refused records, such as line %d; they are left out",
                path,
                len(foreign),
                foreign[0],
            )


class TapKlaviyoRejects(ProgramTap):
    """Records that `target-klaviyo-profiles` or Klaviyo refused, and why, for the warehouse."""

    name = "tap-klaviyo-rejects"
    package_name = "target-klaviyo-profiles"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "rejects_path",
            th.StringType,
            required=True,
            title="Rejects file",
            description="The file of the target's setting `rejects_path`, and what was put aside of it "
            "(`<name>.1.jsonl` …); none is there before the first refusal",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [RefusedRecords(self)]


def _files(path: Path) -> Iterable[Path]:
    """What was put aside of a file, the oldest first, and the file itself; those that are there."""
    aside = {
        int(number): each
        for each in path.parent.glob(f"{path.stem}.*{path.suffix}")
        if (number := each.name.removeprefix(f"{path.stem}.").removesuffix(path.suffix)).isdecimal()
    }
    return [each for each in (*(aside[number] for number in sorted(aside, reverse=True)), path) if each.exists()]


def _row(line: bytes, file: str) -> dict[str, Any]:
    """What a line says.

    Raises:
        ValueError: it is no line of a rejects file; other errors say the same.
    """
    told: Mapping[str, Any] = json.loads(line)
    refused_at = datetime.fromisoformat(told["time"])
    if refused_at.tzinfo is None or not isinstance(told["stream"], str):
        raise ValueError
    key, about = told.get("key") or {}, told.get("about") or {}
    number = told.get("record")
    return {
        "refusal_id": hashlib.sha256(line).hexdigest(),
        "refused_at": refused_at.isoformat(),
        "stream": told["stream"],
        "record": number if isinstance(number, int) else None,
        "key_kind": next(iter(key), None),
        "metric": _text(about.get("metric")),
        "unique_id": _text(about.get("unique_id")),
        "code": redact(str(told["code"])),
        "detail": _text(told.get("detail")),
        "pointer": _text(told.get("pointer")),
        "remedy": _text(told.get("remedy")),
        "job": _text(told.get("job")),
        "file": file,
    }


def _text(value: object) -> str | None:
    return redact(value) if isinstance(value, str) else None


def main() -> None:
    """Run the tap with the arguments of the process."""
    sys.exit(run_plugin(TapKlaviyoRejects))
