"""What goes wrong on purpose: a schedule of faults, each with the requests it strikes.

A schedule is JSON or YAML:

    {"seed": 0, "faults": [{"kind": "status", "status": 503, "operation": "get_events", "nth": 2}]}
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct
from typing_extensions import override

from klaviyo_sandbox.http.api import Request, operation_of
from klaviyo_sandbox.state.import_jobs import Outcome

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_NEVER = 2**60  # seconds; until the events are released


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Which requests a fault strikes: of those that match, from the `nth` on, `times` of them.

    Attributes:
        operation: operation id.
        path: pattern of the path, `*` stands for anything.
        method: HTTP method.
        nth: the first matching request that can be struck; 1 is the first.
        times: how many are struck; None: all.
        probability: of being struck, for each.
    """

    operation: str | None = None
    path: str | None = None
    method: str | None = None
    nth: Annotated[int, Meta(ge=1)] = 1
    times: Annotated[int, Meta(ge=1)] | None = 1
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0

    def matches(self, request: Request) -> bool:
        """Whether a request is one of those that can be struck."""
        return (
            (self.operation is None or self.operation == operation_of(request))
            and (self.path is None or fnmatch(request.path, self.path))
            and (self.method is None or self.method == request.method)
        )


class _Answering(Fault, frozen=True, kw_only=True):
    """A fault that spoils the answer. `worked`: the request is carried out all the same."""

    worked: bool = False


class Status(_Answering, frozen=True, kw_only=True, tag="status"):
    """A server error instead of the answer."""

    status: Annotated[int, Meta(ge=500, le=599)] = 503


class Page(_Answering, frozen=True, kw_only=True, tag="html"):
    """An HTML page instead of the answer, as proxies send them: with 502, or with 200."""

    status: int = 502


class Throttle(Fault, frozen=True, kw_only=True, tag="throttle"):
    """429 with `Retry-After`, or without if it is null, as a proxy sends it; give `times` for a storm."""

    retry_after: Annotated[int, Meta(ge=1)] | None = 1


class Reset(_Answering, frozen=True, kw_only=True, tag="reset"):
    """The connection is reset (RST) instead of an answer."""


class Truncate(Fault, frozen=True, kw_only=True, tag="truncate"):
    """The body ends early, at this share of its announced length."""

    keep: Annotated[float, Meta(ge=0, lt=1)] = 0.5


class Slow(Fault, frozen=True, kw_only=True, tag="slow"):
    """The answer takes this long."""

    seconds: Annotated[float, Meta(gt=0)]


class ExpiredCursor(Fault, frozen=True, kw_only=True, tag="expired_cursor"):
    """400, the cursor is no longer known; strikes only requests with a cursor."""

    @override
    def matches(self, request: Request) -> bool:
        return "cursor" in request.query_string and super().matches(request)


class Missing(Fault, frozen=True, kw_only=True, tag="missing"):
    """404: what the request names is not there, not yet, or no longer: jobs and the errors of imports expire."""


class _JobOutcome(Fault, frozen=True, kw_only=True):
    """The job that the request submits never ends, or is cancelled after half of its rows."""

    outcome: Literal["stuck", "cancelled"]

    submitting: ClassVar[frozenset[str]]
    """Operations that submit such a job."""

    @override
    def matches(self, request: Request) -> bool:
        return operation_of(request) in self.submitting and super().matches(request)

    @property
    def as_outcome(self) -> Outcome:
        """How the job ends."""
        return Outcome(self.outcome)


class ImportOutcome(_JobOutcome, frozen=True, kw_only=True, tag="import_job"):
    """An import job never ends, or is cancelled half way."""

    submitting = frozenset({"bulk_import_profiles"})


class SuppressionOutcome(_JobOutcome, frozen=True, kw_only=True, tag="suppression_job"):
    """A job that suppresses or unsuppresses never ends, or is cancelled half way."""

    submitting = frozenset({"bulk_suppress_profiles", "bulk_unsuppress_profiles"})


class LateEvents(Fault, frozen=True, kw_only=True, tag="late_events"):
    """Before the answer, a share of the events of the last `newest_seconds` is hidden.

    They become readable after `seconds`, or when late events are released.
    """

    share: Annotated[float, Meta(gt=0, le=1)] = 0.1
    newest_seconds: int = 7 * 86_400
    seconds: int | None = None

    def withhold(self, store: Store, rng: Random, now: int) -> None:
        """Hide the events."""
        rows = store.read("select id from events where timestamp >= ? order by id", [now - self.newest_seconds])
        chosen = rng.sample(rows, math.ceil(len(rows) * self.share))
        visible_at = _NEVER if self.seconds is None else now + self.seconds
        store.withhold_events((row[0] for row in chosen), visible_at)


class TouchProfiles(Fault, frozen=True, kw_only=True, tag="touch_profiles"):
    """After the answer, this many profiles are changed (their `updated` moves to now), as while a client pages."""

    count: Annotated[int, Meta(ge=1)] = 10

    def touch(self, store: Store, rng: Random, now: int) -> None:
        """Change the profiles."""
        rows = store.read("select id from profiles order by id")
        store.touch_profiles((row[0] for row in rng.sample(rows, min(self.count, len(rows)))), now)


AnyFault = (
    Status
    | Page
    | Throttle
    | Reset
    | Truncate
    | Slow
    | ExpiredCursor
    | Missing
    | ImportOutcome
    | SuppressionOutcome
    | LateEvents
    | TouchProfiles
)


class _File(Struct, forbid_unknown_fields=True):
    faults: list[AnyFault]
    seed: int = 0


class ScheduleError(ValueError):
    """The schedule is not usable. The message names the place."""


class Schedule:
    """The scheduled faults, and how many requests each has matched and struck."""

    def __init__(self) -> None:
        self._faults: list[AnyFault] = []
        self._seen: list[int] = []
        self._struck: list[int] = []
        self.rng = Random(0)  # noqa: S311 - decides which requests are struck

    def add(self, *faults: AnyFault) -> None:
        """Schedule more faults."""
        for each in faults:
            self._faults.append(each)
            self._seen.append(0)
            self._struck.append(0)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults, self._seen, self._struck = [], [], []

    def read(self, document: object) -> None:
        """Schedule the faults of a decoded document.

        Raises:
            ScheduleError: it is not of the form.
        """
        try:
            parsed = msgspec.convert(document, _File)
        except msgspec.ValidationError as error:
            msg = f"the schedule of faults is wrong: {error}"
            raise ScheduleError(msg) from error
        self.rng = Random(parsed.seed)  # noqa: S311
        self.add(*parsed.faults)

    def load(self, path: Path) -> None:
        """Schedule the faults of a JSON or YAML file.

        Raises:
            ScheduleError: it cannot be read or is not of the form.
        """
        try:
            self.read(self.decode(path))
        except ScheduleError as error:
            msg = f"{path}: {error}"
            raise ScheduleError(msg) from error

    @staticmethod
    def decode(path: Path) -> object:
        """The document in a JSON or YAML file.

        Raises:
            ScheduleError: it cannot be read.
        """
        decode: Any = msgspec.json.decode if path.suffix == ".json" else msgspec.yaml.decode
        try:
            return decode(path.read_bytes())
        except OSError as error:
            raise ScheduleError(error.strerror) from error
        except msgspec.DecodeError as error:
            raise ScheduleError(" ".join(str(error).split())) from error  # YAML's messages span lines

    def strike(self, request: Request) -> list[AnyFault]:
        """The faults that strike this request."""
        return [fault for place, fault in enumerate(self._faults) if self._strikes(place, fault, request)]

    def report(self) -> Iterable[dict[str, Any]]:
        """Each fault with the requests it matched and those it struck."""
        for fault, seen, struck in zip(self._faults, self._seen, self._struck, strict=True):
            yield {"fault": msgspec.to_builtins(fault), "matched": seen, "struck": struck}

    def _strikes(self, place: int, fault: AnyFault, request: Request) -> bool:
        if not fault.matches(request):
            return False
        self._seen[place] += 1
        if self._seen[place] < fault.nth or (fault.times is not None and self._struck[place] >= fault.times):
            return False
        if self.rng.random() >= fault.probability:
            return False
        self._struck[place] += 1
        return True
