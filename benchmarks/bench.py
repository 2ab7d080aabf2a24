"""Measures tap, target, loader, receiver and report, and assignment, measurement and the like in DuckDB.

Every figure is held against a floor that is computed, a baseline measured in the same run, or an allowance.
The exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping

import assignment_bench
import consent_bench
import exposures_bench
import files_bench
import forwarding_bench
import inbox_bench
import load_bench
import measurement_bench
import meltano_bench
import pushed_bench
import report_bench
import tap_bench
import target_bench
from figures import Benchmark, Row, Scale, table
from harness import NotMeasured

BENCHMARKS: Mapping[str, Benchmark] = {
    **tap_bench.BENCHMARKS,
    **target_bench.BENCHMARKS,
    **files_bench.BENCHMARKS,
    **exposures_bench.BENCHMARKS,
    **load_bench.BENCHMARKS,
    **meltano_bench.BENCHMARKS,
    **assignment_bench.BENCHMARKS,
    **measurement_bench.BENCHMARKS,
    **consent_bench.BENCHMARKS,
    **forwarding_bench.BENCHMARKS,
    **report_bench.BENCHMARKS,
    **pushed_bench.BENCHMARKS,
    **inbox_bench.BENCHMARKS,
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help=f"which ones, of {', '.join(BENCHMARKS)}; all of them by default")
    parser.add_argument("--json", action="store_true", help="for a machine")
    asked = parser.parse_args()
    if unknown := [name for name in asked.name if name not in BENCHMARKS]:
        parser.error(f"there is no {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started is ended
    before = os.getloadavg()[0]
    try:
        rows = [row for name in asked.name or BENCHMARKS for row in _run(name)]
    except NotMeasured as reason:
        sys.exit(f"not measured: {reason}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    cores, after = os.cpu_count(), os.getloadavg()[0]
    if asked.json:
        told = {"cores": cores, "load": [before, after], "rows": [row.json() for row in rows]}
        print(json.dumps(told, indent=2))
    else:
        print(f"{table(rows)}\n\n{cores} cores; load average {before:.1f} before, {after:.1f} after")
    sys.exit(any(row.met is False for row in rows))


def _run(name: str) -> list[Row]:
    """Run a benchmark, telling of it at once: others may follow, for minutes."""
    print(f"{name}: {BENCHMARKS[name].__doc__}", file=sys.stderr, flush=True)
    began = time.monotonic()
    rows = list(BENCHMARKS[name](Scale()))
    print(f"{table(rows)}\n{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    main()
