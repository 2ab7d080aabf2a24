"""Rows that cannot be read: each is put aside and named in a file, and the others go on."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from klaviyo_wire.redaction import redact
from singer_program.errors import ProgramError
from singer_program.rejects_file import RejectsFile
from tap_klaviyo_engagement.errors import StreamFault, Unreadable

_log = logging.getLogger(__name__)

TOLD = 10
"""Rows of a stream that are told one by one in the log."""


class Rejects:
    """What was put aside in this run; safe to share between threads.

    A line is on disk before the row's neighbours are handed on, so before any STATE passes it. The line names the
    row, and holds no value of it.

    Args:
        path: The file; made, and its folder, for the first row.
        most: How many rows of a stream may be put aside.
        now: The wall clock.
    """

    def __init__(self, path: Path, most: int, now: Callable[[], datetime]) -> None:
        self.path = path
        self._most = most
        self._now = now
        self._file = RejectsFile(path)
        self._known: dict[str, set[object]] = {}
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Rows by stream."""

    def put_aside(self, stream: str, key: Mapping[str, str | None], fault: Unreadable) -> None:
        """Put a row aside; one that was met before in this run is not counted again.

        Args:
            stream: Its stream.
            key: What it is known by.
            fault: Why it cannot be read.

        Raises:
            StreamFault: there are too many of them, or the file cannot be written.
        """
        with self._lock:
            known = self._known.setdefault(stream, set())
            named = fault.id is not None or fault.mark is not None
            if named and (mark := (*key.items(), fault.mark)) in known:
                return
            if named:
                known.add(mark)
            self.counts[stream] += 1
            self._write(stream, key, fault)
            count = self.counts[stream]
        if count > self._most:
            msg = (
                f"{fault}. That makes {count} rows that cannot be read, and the setting `max_rejects` allows "
                f"{self._most}: {fault.remedy}, or raise the setting. They are named in {self.path}"
            )
            raise StreamFault(msg)
        if count <= TOLD:
            _log.warning("%s: a row is put aside: %s; %s", stream, redact(str(fault)), fault.remedy)

    def _write(self, stream: str, key: Mapping[str, str | None], fault: Unreadable) -> None:
        line = {
            "stream": stream,
            "key": dict(key) if any(key.values()) else None,
            "code": fault.code,
            "detail": redact(str(fault)),
            "remedy": fault.remedy,
            "time": self._now().isoformat(timespec="seconds"),
        }
        try:
            self._file.put(line)
        except (OSError, ProgramError) as error:
            msg = f"a row that cannot be read could not be named in {self.path}: {error}"
            raise StreamFault(msg) from error

    def summary(self) -> str:
        """What was put aside, in a line; empty without any."""
        if not self.counts:
            return ""
        counts = ", ".join(f"{count:,} of {stream}" for stream, count in sorted(self.counts.items()))
        return (
            f"rows that cannot be read were put aside, and are missing in the warehouse: {counts}; see {self.path}"
        )
