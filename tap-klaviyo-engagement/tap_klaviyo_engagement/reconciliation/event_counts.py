"""Counts of events per metric and day: what a warehouse says it holds, and where that differs from Klaviyo's.

The only I/O here is the file of the setting `counts`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import IO

from klaviyo_wire.errors import ConfigurationError
from singer_program.private import replace_file

Counts = dict[str, dict[date, int]]
"""Events by metric id and day; what is not there is none."""

_HEADER = ["metric_id", "day", "events"]


# What is compared


@dataclass(frozen=True, order=True)
class Difference:
    """A metric and a day of which Klaviyo and the warehouse have different numbers of events."""

    metric: str
    day: date
    klaviyo: int
    warehouse: int


def differences(klaviyo: Counts, warehouse: Counts, days: Sequence[date]) -> list[Difference]:
    """Where two counts differ, by metric and day. A metric that Klaviyo has no count of is not compared."""
    return [
        Difference(metric, day, counted.get(day, 0), loaded.get(day, 0))
        for metric, counted in sorted(klaviyo.items())
        for loaded in [warehouse.get(metric, {})]
        for day in days
        if counted.get(day, 0) != loaded.get(day, 0)
    ]


def table(found: Iterable[Difference], names: Mapping[str, str]) -> str:
    """Differences for a person, a line each."""
    lines = [("metric", "id", "day", "Klaviyo", "warehouse", "difference")]
    lines += [
        (
            printable(names.get(each.metric, "")),
            printable(each.metric),
            each.day.isoformat(),
            f"{each.klaviyo:,}",
            f"{each.warehouse:,}",
            f"{each.klaviyo - each.warehouse:+,}",
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    words = 3  # the columns that are no numbers
    return "".join(
        "  ".join(
            text.ljust(width) if column < words else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def printable(text: str) -> str:
    """A text without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


# What the warehouse holds


@dataclass
class WarehouseCounts:
    """What the setting `counts` says that the warehouse holds."""

    path: Path
    counts: Counts = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> WarehouseCounts:
        """Read the file. A JSON file that does not exist yet is an empty one.

        Raises:
            ConfigurationError: it cannot be read, or is something else.
        """
        readers = {".csv": _csv_counts, ".json": _json_counts}
        if path.suffix.lower() not in readers:
            msg = f"the setting `counts` is {str(path)!r}: give a file that ends in .csv or .json"
            raise ConfigurationError(msg)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls(path, readers[path.suffix.lower()](file))
        except FileNotFoundError as error:
            if path.suffix.lower() == ".json":
                return cls(path)
            msg = f"the file {path} of the setting `counts` does not exist"
            raise ConfigurationError(msg) from error
        except (OSError, ValueError, csv.Error) as error:
            msg = f"the file {path} of the setting `counts` cannot be used: {error}"
            raise ConfigurationError(msg) from error

    def record_day(self, metric: str, day: date, events: int) -> None:
        """Note how many events of a day were emitted, in a JSON file. A CSV is the warehouse's to write."""
        if self.path.suffix.lower() != ".json":
            return
        self.counts.setdefault(metric, {})[day] = events
        dumped = {
            metric: {day.isoformat(): events for day, events in sorted(days.items())}
            for metric, days in sorted(self.counts.items())
        }
        replace_file(self.path, [json.dumps(dumped, indent=1)])


def _csv_counts(file: IO[str]) -> Counts:
    rows = csv.reader(file, strict=True)
    header = [name.strip().lower() for name in next(rows, [])]
    if header != _HEADER:
        msg = f"its first line is not {','.join(_HEADER)}"
        raise ValueError(msg)
    counts: Counts = {}
    for row in rows:
        if not row:
            continue
        where = f"line {rows.line_num}: "
        if len(row) != len(_HEADER):
            msg = f"{where}there are {len(row)} values, not {len(_HEADER)}"
            raise ValueError(msg)
        metric, day, events = (text.strip() for text in row)
        if metric:  # events without a metric are nothing that Klaviyo aggregates
            _add(counts, metric, day_of(day, where), _count(events, where), where)
    return counts


def _json_counts(file: IO[str]) -> Counts:
    counts: Counts = {}
    text = file.read()
    loaded = json.loads(text) if text.strip() else {}
    if not isinstance(loaded, dict) or not all(isinstance(days, dict) for days in loaded.values()):
        msg = "it is not an object of objects"
        raise ValueError(msg)
    for metric, days in loaded.items():
        for day, events in days.items():
            where = f"{metric}: "
            _add(counts, metric, day_of(day, where), _count(json.dumps(events), where), where)
    return counts


def _add(counts: Counts, metric: str, day: date, events: int, where: str) -> None:
    if day in counts.setdefault(metric, {}):
        msg = f"{where}{day} of {metric} is there twice"
        raise ValueError(msg)
    counts[metric][day] = events


def day_of(text: str, where: str) -> date:
    """A day, also as the midnight that some warehouses write.

    Raises:
        ValueError: it is none; the message begins with `where`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.time() != time() or moment.utcoffset():
        msg = f"{where}{text!r} is not a day such as 2026-11-01"
        raise ValueError(msg)
    return moment.date()


def _count(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        msg = f"{where}{text!r} is not a number of events"
        raise ValueError(msg)
    return int(text)
