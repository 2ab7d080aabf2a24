"""Runs the tap inside the test's process and keeps what it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any, Protocol

import msgspec
import pytest
from typing_extensions import override

from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.run_context import RunContext
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]


class Killed(BaseException):
    """The process is gone."""


class Pipe(MessageWriter):
    """Keeps messages as a reader would see them; `breaks_after` so many, the process is killed."""

    def __init__(self, breaks_after: int | None = None) -> None:
        super().__init__()
        self.messages: list[Json] = []
        self._breaks_after = breaks_after

    @override
    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        for line in bytes(lines).splitlines():
            if len(self.messages) == self._breaks_after:
                raise Killed
            self.messages.append(msgspec.json.decode(line))


@dataclass
class Extract:
    """What one run of the tap wrote."""

    messages: list[Json]
    failed: list[str] = field(default_factory=list)
    killed: bool = False

    @property
    def records(self) -> dict[str, list[Json]]:
        """Records by stream; a stream that wrote its schema only has none."""
        found: dict[str, list[Json]] = {each["stream"]: [] for each in self.messages if each["type"] == "SCHEMA"}
        for each in self.messages:
            if each["type"] == "RECORD":
                found[each["stream"]].append(each["record"])
        return found

    @property
    def schemas(self) -> dict[str, Json]:
        """Schemas by stream."""
        return {each["stream"]: each["schema"] for each in self.messages if each["type"] == "SCHEMA"}

    @property
    def state(self) -> Json:
        """The last state; empty without one."""
        states: list[Json] = [each["value"] for each in self.messages if each["type"] == "STATE"]
        return states[-1] if states else {}

    @property
    def marks(self) -> Json:
        """The last state, without the number of the run that wrote it."""
        bookmarks = self.state.get("bookmarks", {})
        return {name: {**kept, "extraction": None} for name, kept in bookmarks.items()}

    def bookmark(self, stream: str) -> str | None:
        """The stream's bookmark in the last state."""
        value: str | None = self.state.get("bookmarks", {}).get(stream, {}).get("replication_key_value")
        return value


class RunTap(Protocol):
    """Runs the tap once."""

    def __call__(
        self,
        config: Mapping[str, Any],
        select: Collection[str] | Mapping[str, Collection[str]] | None = None,
        *,
        state: Json | None = None,
        now: Callable[[], datetime] | None = None,
        breaks_after: int | None = None,
    ) -> Extract:
        """Run the tap.

        Args:
            config: its settings.
            select: streams, or columns by stream, or a whole catalog; None: everything.
            state: of the run before.
            now: the tap's clock.
            breaks_after: the process is killed when it writes the next message after so many.
        """
        ...


@pytest.fixture(scope="session", autouse=True)
def _time_passes() -> Iterator[None]:
    """Nothing sleeps here, so that the clock of the limits must go by itself."""
    ticks = count(step=100)
    with pytest.MonkeyPatch.context() as patched:
        clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
        patched.setattr("tap_klaviyo_engagement.run_context.time", clock)
        yield


@pytest.fixture(autouse=True)
def _whose_key(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers what its test says is not asked whose the key is: test_tap_owner.py is about that."""
    if "httpserver" in request.fixturenames:
        monkeypatch.setattr(RunContext, "ask_for_account", lambda _: "a test's own server")


@pytest.fixture(scope="session")
def run_tap(tmp_path_factory: pytest.TempPathFactory) -> RunTap:
    """Runs the tap once, in this process, never sleeping."""
    rejects = {"rejects_path": str(tmp_path_factory.mktemp("rejects") / "rejects.jsonl")}

    def run(
        config: Mapping[str, Any],
        select: Collection[str] | Mapping[str, Collection[str]] | None = None,
        *,
        state: Json | None = None,
        now: Callable[[], datetime] | None = None,
        breaks_after: int | None = None,
    ) -> Extract:
        clock = now

        class Tap(TapKlaviyoEngagement):
            if clock:
                now = staticmethod(clock)
            sleep = staticmethod(lambda _: None)

        pipe = Pipe(breaks_after)
        catalog = None if select is None else _catalog(config, select)
        tap = Tap(config=rejects | dict(config), catalog=catalog, state=state or {}, message_writer=pipe)
        try:
            tap.read_all()
        except Killed:
            return Extract(pipe.messages, list(tap.run.failed), killed=True)
        return Extract(pipe.messages, list(tap.run.failed))

    return run


@cache
def _discovered(config: str) -> bytes:
    """The catalog of these settings: to put one together takes as long as to read a small account."""
    keys = {"api_key": "pk_of_nobody", "api_url": "http://127.0.0.1:9"}
    return msgspec.json.encode(TapKlaviyoEngagement(config=keys | json.loads(config)).catalog_dict)


def _catalog(config: Mapping[str, Any], select: Collection[str] | Mapping[str, Collection[str]]) -> Json:
    """The tap's own catalog with these streams and columns selected, or the catalog given."""
    if isinstance(select, dict) and "streams" in select:
        return select
    elsewhere = {name: value for name, value in config.items() if name not in {"api_key", "api_url"}}
    catalog: Json = msgspec.json.decode(_discovered(json.dumps(elsewhere, sort_keys=True, default=str)))
    for entry in catalog["streams"]:
        name = entry["tap_stream_id"]
        columns = select.get(name) if isinstance(select, Mapping) else None
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = name in select
            elif columns is not None:
                metadata["metadata"]["selected"] = metadata["breadcrumb"][1] in columns
    return catalog
