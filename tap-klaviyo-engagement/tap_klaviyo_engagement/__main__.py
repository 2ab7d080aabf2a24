"""Command lines: `tap-klaviyo-engagement`, or `python -m tap_klaviyo_engagement`, and `tap-klaviyo-reconcile`."""

from __future__ import annotations

import ctypes
import sys
from functools import partial

from klaviyo_wire.errors import KlaviyoError
from klaviyo_wire.redaction import redact
from singer_program.plugin import run_plugin
from tap_klaviyo_engagement.reconciliation.tap import TapKlaviyoReconcile
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

M_MMAP_THRESHOLD = -3
"""glibc's number for it: `mallopt(3)`."""


def main() -> None:
    """Run the tap, or `tap-klaviyo-reconcile` as its command `reconcile`."""
    if sys.argv[1:2] == ["reconcile"]:
        del sys.argv[1]
        reconcile()
    else:
        _run(TapKlaviyoEngagement)


def reconcile() -> None:
    """Run the tap of the days that differ."""
    _run(TapKlaviyoReconcile)


def _run(tap: type[TapKlaviyoEngagement]) -> None:
    """Run a tap. What a person can set right is told in one line."""
    _give_memory_back()
    sys.exit(run_plugin(tap, errors=(KlaviyoError,), tell=partial(_tell, tap)))


def _tell(tap: type[TapKlaviyoEngagement], line: str) -> None:
    # Reason by reason: of a long text only the beginning is told, and the last line names every stream.
    tap.logger.critical("%s", "; ".join(map(redact, line.split("; "))))


def _give_memory_back() -> None:
    """Return the memory of a page to the system when it is done with, where the C library is glibc.

    It keeps blocks up to the size of those freed before, for every thread apart: 16 threads that read
    pages of 1 MB held 240 MB, and 105 MB with a fixed threshold.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 * 1024)


if __name__ == "__main__":
    main()
