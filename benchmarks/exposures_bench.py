"""Measures how fast exposures become files, and how much memory that takes, however many they are."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import MAXRSS_UNIT, NotMeasured

EXPOSURES = 10_000_000
SECONDS = 864_000
"""Ten days."""
_MOMENT = "timestamp '2026-11-01 00:00:00' + interval '1' second * cast(hash(i) % $seconds as bigint)"
_TABLES = f"""
    create schema marts;
    create table marts.fct_exposure_contents as
    select 'copy' || i as copy_id, 'Spring' as subject, repeat(md5(cast(i as text)), 600) as html, 'text' as text
    from range(20) as made (i);
    create table marts.fct_exposures as
    select
        {_MOMENT} as exposed_at,
        'e' || i || '.spring.hero' as exposure_id,
        md5(cast(i % 1000000 as text)) as profile_id,
        case when i % 10 = 0 then 't' || i end as tracking_id,
        'spring' as experiment_key,
        1 as experiment_version,
        'hero' as slot_key,
        'arm' || i % 4 as arm_key,
        'copy' || i % 20 as copy_id,
        'M' || i % 5 as message_id,
        'T' || i % 5 as template_id,
        cast(case when i % 10 = 0 then '{{"size": "M"}}' end as json) as attrs,
        cast(hash(i) % 4294967296 as bigint) as row_hash,
        date_trunc('hour', {_MOMENT}) as exposed_in_hour
    from range($rows) as made (i)
"""  # noqa: S608 - ours


@dataclass(frozen=True)
class _Run:
    processor: float
    peak: int


def exposures(scale: Scale) -> Iterator[Row]:
    """Ten million exposures of ten days, with contents of 20 kB, out of a DuckDB file; once more, unchanged."""
    count = scale.of(EXPOSURES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # As many in an hour: what a file holds of one at a time is not what is asked.
        tenth = _run(folder, "tenth", count // 10, SECONDS // 10)
        whole = _run(folder, "whole", count, SECONDS)
        again = _run(folder, "whole", 0)
    speed, peak = count / whole.processor, whole.peak / 1e6
    beside = f"at {count // 10:,}"
    yield Row("exposures", f"{count:,} exposures", speed, "a second", 100_000, "wanted", Bar(1, at_least=True))
    yield Row("exposures", "most memory", peak, "MB", 1_500, "allowed", Bar(1))
    yield Row("exposures", f"most memory, at {count:,}", peak, "MB", tenth.peak / 1e6, beside, Bar(1.5))
    yield Row("exposures", "nothing new", again.processor, "s", 10, "allowed", Bar(1))


def _run(folder: Path, name: str, rows: int, seconds: int = SECONDS) -> _Run:
    """Export a warehouse, made of so many rows in so many seconds if there is none, and see that all were written.

    Raises:
        NotMeasured: they were not.
    """
    warehouse = folder / f"{name}.duckdb"
    if not warehouse.exists():
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(_TABLES, {"rows": rows, "seconds": seconds})
    settings = {"EXPOSURE_EXPORT_WAREHOUSE": warehouse, "EXPOSURE_EXPORT_DESTINATION": folder / name}
    command = [sys.executable, "-m", "exposure_export", "--from", "2026-11-01", "--to", "2026-11-11"]
    environment = {**os.environ, **{key: str(value) for key, value in settings.items()}}
    with tempfile.TemporaryFile() as told:
        export = subprocess.Popen(  # noqa: S603 - our own program
            command if rows else command[:3],
            stdout=told,
            stderr=told,
            env={**environment, "EXPOSURE_EXPORT_LOOK_BACK_HOURS": "0"},
        )
        _, status, usage = os.wait4(export.pid, 0)
        export.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        said = told.read().decode(errors="replace")
    if export.returncode or not said.startswith(f"{rows} rows of "):
        msg = f"the export of {rows} rows ended with {export.returncode}: {said[-300:]}"
        raise NotMeasured(msg)
    return _Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT)


BENCHMARKS: Mapping[str, Benchmark] = {"exposures": exposures}
