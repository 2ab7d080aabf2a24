"""Lines of JSON on standard error, which tell of deliveries and never what is in them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from types import TracebackType

from typing_extensions import override

LOGGER = logging.getLogger("klaviyo_inbox")
FIELDS = "fields"
"""Where a log record holds what is told beside the message."""


def tell(level: int, message: str, **fields: object) -> None:
    """Log something."""
    LOGGER.log(level, message, extra={FIELDS: fields})


class JsonLines(logging.Formatter):
    """A line of JSON for each record; of an exception its kind and place, since its text may quote a value."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            told["error"] = place_of(record.exc_info[1])
        return json.dumps(told)


def place_of(error: BaseException) -> str:
    """The kind of an error, and where it came from."""
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return type(error).__name__
    code = last.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_filename}:{last.tb_lineno}, {code.co_name}"


def to_stderr() -> None:
    """Have everything of this process logged so."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Seldom:
    """Tells what may happen a thousand times a second once in a while, and how often it happened.

    Args:
        clock: Seconds that only grow.
        seconds: Between two lines about the same.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, seconds: float = 10.0) -> None:
        self._clock = clock
        self._seconds = seconds
        self._told: dict[tuple[str, str], float] = {}
        self._times: dict[tuple[str, str], int] = {}

    def tell(self, level: int, message: str, source: str) -> None:
        """Log it, unless that was done a moment ago.

        Args:
            level: Of the line.
            message: One of a fixed few: nothing that a sender can choose.
            source: The source's name.
        """
        what = (message, source)
        self._times[what] = self._times.get(what, 0) + 1
        now = self._clock()
        if now - self._told.get(what, -self._seconds) >= self._seconds:
            self._told[what] = now
            tell(level, message, source=source, times=self._times.pop(what))
