"""End on SIGTERM and SIGINT: clean up, flush, and exit with 128 + the signal's number."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop(signum: int, _frame: FrameType | None = None) -> NoReturn:
    """End the program with the status that a shell gives to a stopped process.

    Raises:
        SystemExit: always, so that `with` and `finally` still do their work.
    """
    raise SystemExit(128 + signum)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While this lasts a signal is a `SystemExit`; one that the shell had ignored, as with `&`, stays ignored."""
    if threading.current_thread() is not threading.main_thread():  # Python allows it nowhere else
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
