"""What is printed: the verdict first, in words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lift_report import pictures, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from lift_report.results import Experiment, Report, Slot


def as_text(report: Report, output: Path) -> str:
    """A few lines for each slot, each of which says what it speaks of, and the page's path last."""
    lines = [line for experiment, slot in report.slots for line in _slot(experiment, slot)] or ["no results yet"]
    return "\n".join(words.one_line(line) for line in [*lines, f"report: {output}"])


def _slot(experiment: Experiment, slot: Slot) -> Iterator[str]:
    name = f"{experiment.key} v{experiment.version} {slot.name}:"
    yield f"{name} {words.verdict_title(slot)}. {words.verdict_words(slot)}"
    if figures := list(_figures(slot)):
        yield f"{name} {'; '.join(figures)}"
    if slot.results:
        yield f"{name} {words.balance(slot)[1].lower()}; {words.harm(slot)[1].lower()}"
    if slot.next_split:
        yield f"{name} next split {words.split_with_reason(slot.next_split)}"


def _figures(slot: Slot) -> Iterator[str]:
    """The primary metric of each arm."""
    measure = pictures.measure_of(slot, slot.verdict.primary_metric)
    for index, row in enumerate(slot.primary):
        told = f"{row.arm_key} {measure.level(row.mean)} of {words.count(row.units)}"
        if row.difference is not None:
            span = measure.span(row.interval_low, row.interval_high)
            told += f", {measure.change(row.difference)} ({span})"
        yield told if index else f"{measure.name.lower()} {told}"


def as_json(report: Report, output: Path) -> str:
    """One object with everything the page shows."""
    return json.dumps(
        {
            "report": str(output),
            "absent": dict(report.absent),
            "experiments": [
                {**asdict(experiment), "slots": [_with_words(slot) for slot in experiment.slots]}
                for experiment in report.experiments
            ],
            "playbook": [asdict(play) for play in report.plays],
        },
        default=_written,
    )


def _with_words(slot: Slot) -> dict[str, Any]:
    told = {"title": words.verdict_title(slot), "words": words.verdict_words(slot)}
    return {"slot": slot.name, **told, "next": words.split(slot.next_split), **asdict(slot)}


def _written(value: date) -> str:
    """The warehouse keeps moments in UTC."""
    return f"{value.isoformat()}Z" if hasattr(value, "hour") else value.isoformat()
