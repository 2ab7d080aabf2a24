"""429 and jobs without end, of every sink: a run waits, or ends with a sentence, and the next goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sink_examples import Examples, named
from typing_extensions import override

from klaviyo_sandbox.http.faults import AnyFault, ImportOutcome, SuppressionOutcome, Throttle
from klaviyo_wire.errors import Retriable
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.rows import BulkRoute
from target_klaviyo_profiles.sinks import SINKS

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from klaviyo_sandbox.http.api import Request
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
Load = Callable[..., Any]
every_sink = pytest.mark.parametrize("sink", SINKS, ids=named)
RECORDS = 3
LONGEST = 600.0
"""Seconds after which a run that only gets 429 has ended."""


class Storm(Throttle, frozen=True, kw_only=True, tag="storm"):
    """429 to every request until so many seconds have been waited."""

    time: Any
    until: float

    @override
    def matches(self, request: Request) -> bool:
        return bool(self.time.waited < self.until)


def _few(made: Examples) -> list[Json]:
    return [made.record(number) for number in range(RECORDS)]


def _landed(sandbox: Sandbox) -> dict[str, int]:
    sandbox.settle()
    names = [str(row[0]) for row in sandbox.store.read("select name from sqlite_master where type = 'table'")]
    return {name: sandbox.store.count(name) for name in names if "job" not in name and "import" not in name}


@every_sink
def test_a_minute_of_429_is_waited_out(
    sink: type[Sink],
    sandbox: Sandbox,
    load_any: Load,
    time: Any,  # noqa: ANN401 - a class of conftest
) -> None:
    """As long as Klaviyo's longer window, although each answer says to come back in a second."""
    sandbox.faults.add(Storm(time=time, until=61, times=None))
    run = load_any(sink, _few)
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert run.rejects == []
    assert run.tallies[sink.stream].received == RECORDS
    assert time.waited < LONGEST


@every_sink
def test_429_without_end_ends_the_run_and_the_next_goes_on(
    sink: type[Sink],
    sandbox: Sandbox,
    load_any: Load,
    time: Any,  # noqa: ANN401 - a class of conftest
) -> None:
    sandbox.faults.add(Throttle(times=None, retry_after=2))
    run = load_any(sink, _few)
    assert isinstance(run.error, Retriable)
    assert "answered 429" in str(run.error)
    assert "`rate_limit_share`" in str(run.error)
    assert run.states == []
    assert run.rejects == []
    assert time.waited < LONGEST
    sandbox.faults.clear()
    assert not sandbox.received or all(each.status == 429 for each in sandbox.received)
    again = load_any(sink, _few)
    assert again.error is None
    assert again.states == [{"at": "end"}]
    assert again.rejects == []


@every_sink
def test_jobs_that_never_end_cost_their_timeout_and_the_next_run_goes_on(
    sink: type[Sink],
    sandbox: Sandbox,
    load_any: Load,
    time: Any,  # noqa: ANN401 - a class of conftest
) -> None:
    stuck: list[AnyFault] = [
        ImportOutcome(outcome="stuck", times=None),
        SuppressionOutcome(outcome="stuck", times=None),
    ]
    sandbox.faults.add(*stuck)
    run = load_any(sink, _few, job_timeout=90)
    if not any(isinstance(route, BulkRoute) and route.status for route in sink.routes) or run.error is None:
        # Nothing is waited for: what has no job cannot be stuck.
        assert sandbox.store.count("import_jobs") == 0
        assert run.states == [{"at": "end"}]
        return
    assert isinstance(run.error, RunFailed)
    assert "did not end within `job_timeout` (90 s)" in str(run.error)
    assert run.states == []
    assert run.rejects == []
    assert 90 <= time.waited < 90 + 61
    sandbox.faults.clear()
    again = load_any(sink, _few, job_timeout=90)
    assert again.error is None
    assert again.states == [{"at": "end"}]
    assert again.rejects == []
    assert time.waited < 2 * (90 + 61)
