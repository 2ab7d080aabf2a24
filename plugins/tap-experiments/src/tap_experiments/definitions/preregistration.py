"""What was promised before an experiment began, and the lock that holds the promise.

`experiments/<key>/preregistration.lock` is written by `tap-experiments lock` when an experiment goes live, and
committed. From then on its version keeps to what the lock says; a new version may promise anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_program.definitions.faults import Fault
from singer_program.definitions.files import UnreadableError, read, sha256
from tap_experiments.definitions.model import Decision, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tap_experiments.definitions.model import Experiment

LOCK = "preregistration.lock"
COMMAND = "`make preregister` (`tap-experiments lock`)"
"""What writes the lock: the command of this repository, and that of the package alone."""


def preregistration(experiment: Experiment) -> dict[str, Any]:
    """What must not change after the start. Margins are percentage points, the effect a fraction.

    An outcome metric that counts for the attribution window is its name, a guardrail its margin: so they stand in
    locks of before there was another. One with a window of its own stands with it.
    """
    windows = experiment.metric_windows

    def named(metric: str) -> str | dict[str, Any]:
        return {"metric": metric, "window_days": windows[metric]} if metric in windows else metric

    def guarded(metric: str, margin: float) -> float | dict[str, Any]:
        return {"margin": margin, "window_days": windows[metric]} if metric in windows else margin

    # Locks of before there was a choice do not name it.
    decision = {} if experiment.decision is Decision.ALWAYS else {"decision": experiment.decision.value}
    labels = [dimension.label for dimension in experiment.dimensions]
    dimensions = {"dimensions": sorted(labels)} if labels else {}
    return {
        "key": experiment.key,
        "version": experiment.version,
        "primary_metric": named(experiment.primary_metric),
        "secondary_metrics": [named(metric) for metric in sorted(experiment.secondary_metrics)],
        "guardrails": {metric: guarded(metric, margin) for metric, margin in experiment.guardrails.items()},
        "planned_stop": experiment.planned_stop.isoformat() if experiment.planned_stop else None,
        "minimum_detectable_effect": experiment.minimum_detectable_effect,
        "attribution_window_days": experiment.attribution_window_days,
        **decision,
        **dimensions,
    }


def digest(promise: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no spaces, ASCII."""
    return sha256(json.dumps(promise, sort_keys=True, separators=(",", ":")))


def lock_text(experiment: Experiment) -> str:
    """Content of the lock file."""
    promise = preregistration(experiment)
    return json.dumps({"sha256": digest(promise), "preregistration": promise}, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class _Lock:
    version: int
    promise: Mapping[str, Any]


def needs_lock(root: Path, experiment: Experiment) -> bool:
    """Whether a live experiment's version is not locked yet. The lock, if there is one, must be sound."""
    lock = _read(root, experiment)
    return experiment.status is Status.LIVE and (
        lock is None or (isinstance(lock, _Lock) and lock.version < experiment.version)
    )


def faults(root: Path, experiment: Experiment) -> list[Fault]:
    """What a lock says against the definition beside it; that a live one has none is `unlocked`."""
    lock = _read(root, experiment)
    if isinstance(lock, Fault):
        return [lock]
    if lock is None or experiment.status is Status.DRAFT or lock.version < experiment.version:
        return []
    if lock.version > experiment.version:
        problem = f"is {experiment.version}, but version {lock.version} has begun"
        return [experiment.fault("version", problem, f"restore it, or raise it to {lock.version + 1}")]
    promise = preregistration(experiment)
    remedy = f"change it back, or set `version` to {lock.version + 1} and run {COMMAND}"
    return [
        experiment.fault(
            name,
            f"is {_said(promise.get(name))}, but was {_said(lock.promise.get(name))} when the version began",
            remedy,
        )
        for name in dict.fromkeys((*promise, *lock.promise))
        if lock.promise.get(name) != promise.get(name)
    ]


def unlocked(root: Path, experiment: Experiment) -> list[Fault]:
    """That a live experiment's version has no lock."""
    if not needs_lock(root, experiment):
        return []
    problem = f"is live, but its version {experiment.version} is not locked"
    return [experiment.fault("status", problem, f"run {COMMAND} and commit the {LOCK} it writes")]


def _read(root: Path, experiment: Experiment) -> _Lock | Fault | None:
    """The lock of an experiment, what is wrong with it, or nothing if there is none."""
    folder = root / experiment.key
    file = f"{root}/{experiment.key}/{LOCK}"
    if not (folder / LOCK).exists():
        return None
    remedy = f"restore the file that {COMMAND} wrote"
    try:
        document = json.loads(read(folder, LOCK))
        promise, said = document["preregistration"], document["sha256"]
        lock = _Lock(int(promise["version"]), dict(promise))
    except UnreadableError as error:
        return Fault(file, 0, "", error.problem, remedy)
    except (KeyError, TypeError, ValueError, RecursionError):
        return Fault(file, 0, "", "is not a lock", remedy)
    if digest(promise) != said:
        return Fault(file, 0, "sha256", "does not belong to the pre-registration beside it", remedy)
    return lock


def _said(value: object) -> str:
    if value in (None, [], {}):
        return "not given"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
