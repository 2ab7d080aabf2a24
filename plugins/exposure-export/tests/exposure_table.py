"""A table of exposures in memory, a folder as readers see it, and what should be in it: what the tests share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from exposure_export.export import LeftOut, Outcome, export
from exposure_export.hours import Window, folder_of, hour_of
from exposure_export.manifest import Source
from exposure_export.rows import READ, read_batch
from exposure_export.stores.disk import Disk

NOW = datetime(2026, 11, 9, 8, 30, tzinfo=UTC)
DAY = datetime(2026, 11, 9, tzinfo=UTC)
CONTENTS = {"copy1": '{"subject": "Grüße"}', "copy2": '{"body": "<b>名前</b>"}'}

Row = dict[str, Any]


def row(number: int | str, moment: datetime, **given: object) -> Row:
    """An exposure."""
    return {
        "exposed_at": moment,
        "exposure_id": f"e{number}.spring.hero",
        "profile_id": f"P{number}",
        "tracking_id": None,
        "experiment_key": "spring",
        "experiment_version": 1,
        "slot_key": "hero",
        "arm_key": "bold",
        "copy_id": "copy1",
        "message_id": "M1",
        "template_id": "T1",
        "attrs": None,
        **given,
    }


def at(hour: float, day: datetime = DAY) -> datetime:
    """A moment of a day."""
    return day + timedelta(hours=hour)


@dataclass
class Table:
    """`fct_exposures` in memory, of which rows are added and taken away.

    Attributes:
        rows: Its rows.
        batch: Rows that are read at once.
        asked: The hours whose rows were read.
    """

    rows: list[Row] = field(default_factory=list)
    batch: int = 3
    asked: list[datetime] = field(default_factory=list)

    def hours(self, window: Window) -> Mapping[datetime, Source]:
        found: dict[datetime, Source] = {}
        for each in self.rows:
            hour = hour_of(each["exposed_at"])
            if window.holds(hour):
                before = found.get(hour, Source(0, 0))
                found[hour] = Source(before.rows + 1, before.sum + row_hash(each))
        return found

    def contents(self) -> Mapping[str, str]:
        return CONTENTS

    def batches(self, hours: Mapping[datetime, Source]) -> Iterator[Any]:
        self.asked += sorted(hours)
        found = sorted(
            (each for each in self.rows if hour_of(each["exposed_at"]) in hours),
            key=lambda each: (each["exposed_at"], each["exposure_id"]),
        )
        for start in range(0, len(found), self.batch):
            yield read_batch([tuple(each[name] for name in READ) for each in found[start : start + self.batch]])

    def files(self) -> dict[datetime, list[Row]]:
        """What the files of its hours hold."""
        found: dict[datetime, list[Row]] = {}
        for each in sorted(self.rows, key=lambda each: (each["exposed_at"], each["exposure_id"])):
            found.setdefault(hour_of(each["exposed_at"]), []).append(
                {
                    "event_timestamp": each["exposed_at"],
                    "user_id": each["profile_id"],
                    "tracking_id": each["tracking_id"],
                    "copy_id": each["copy_id"],
                    "experiment": each["experiment_key"],
                    "experiment_version": each["experiment_version"],
                    "slot": each["slot_key"],
                    "arm": each["arm_key"],
                    "message_id": each["message_id"],
                    "template_id": each["template_id"],
                    "vars": CONTENTS.get(each["copy_id"]),
                    "attrs": each["attrs"],
                    "exposure_id": each["exposure_id"],
                }
            )
        return found


def row_hash(each: Row) -> int:
    return int(hashlib.md5(repr(sorted(each.items())).encode()).hexdigest()[:8], 16)  # noqa: S324


def run(
    table: Table,
    root: Path,
    asked: Window | timedelta | None = None,
    *,
    now: datetime = NOW,
    left_out: LeftOut | None = None,
) -> Outcome:
    """Export to a folder on disk."""
    return export(table, Disk(root, 0o600), asked, lambda: now, left_out)


def read_hours(root: Path) -> dict[datetime, list[Row]]:
    """Every hour as a reader sees it who takes all Parquet files, with its manifest looked at."""
    found = {}
    for path in sorted(root.glob("*/*/*/*/*.parquet")):
        hour = datetime.strptime(path.parent.relative_to(root).as_posix(), "%Y/%m/%d/%H").replace(tzinfo=UTC)
        assert hour not in found, "one file an hour"
        found[hour] = read_file(path)
        told = json.loads((path.parent / "_manifest.json").read_bytes())
        assert_told(told, path.read_bytes(), len(found[hour]))
    for path in root.glob("*/*/*/*/_manifest.json"):
        if not (path.parent / "exposures.parquet").exists():
            told = json.loads(path.read_bytes())
            assert not told["files"] or None in told["next"], "the manifest says that there may be nothing"
    return found


def assert_told(manifest: Mapping[str, Any], content: bytes, rows: int) -> None:
    """Assert that a manifest tells of a file, for itself or as one of those that may be there."""
    own = (rows, len(content), hashlib.sha256(content).hexdigest())
    told: Sequence[Any] = [*manifest["files"], *manifest["next"]]
    assert own in [(each["rows"], each["bytes"], each["sha256"]) for each in told if each]


def read_file(path: Path) -> list[Row]:
    return pq.ParquetFile(path).read().to_pylist()  # type: ignore[no-any-return]


def listing(root: Path) -> dict[str, tuple[int, int]]:
    """Every file with the moment of its change and its number on disk: another one where it was written again."""
    return {
        path.relative_to(root).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in root.rglob("*")
        if path.is_file() and path.name != "_lock"
    }


def data_of(root: Path, hour: datetime) -> Path:
    return root / folder_of(hour) / "exposures.parquet"


def manifest_of(root: Path, hour: datetime) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / folder_of(hour) / "_manifest.json").read_bytes())
    return found
