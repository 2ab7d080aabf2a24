"""What the command prints: some lines for each slot, or one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lift_report import exploratory, formatting, labels, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from lift_report.results import Experiment, Report, Slot
    from lift_report.tables import Holdout


def as_text(report: Report, output: Path) -> str:
    """A few lines for each slot, each of which says what it speaks of, and the page's path last."""
    lines = [line for experiment, slot in report.slots for line in _slot(experiment, slot)] or ["no results yet"]
    lines += [line for row in report.holdouts if (line := _holdout(report, row))]
    lines += [sentences.double_report(row) for row in report.doubled]
    return "\n".join(formatting.one_line(line) for line in [*lines, f"report: {output}"])


def _slot(experiment: Experiment, slot: Slot) -> Iterator[str]:
    name = f"{experiment.key} v{experiment.version} {slot.name}:"
    yield f"{name} {labels.verdict_title(slot)}. {sentences.why(slot)}"
    if slot.verdict.verdict == "no_data":
        yield f"{name} {sentences.advice(slot)}"  # figures of nobody would only look like some
    else:
        yield from _measured(name, slot)
    for tone, words in sentences.data_faults(slot):
        if tone == "bad":
            yield f"{name} {words}"
    if exploratory.compared(slot):
        yield f"{name} by group, exploratory: {exploratory.who(slot)}"
    for words in exploratory.health(slot):
        yield f"{name} {words}"
    if slot.next_split:
        yield f"{name} next split {sentences.split_with_reason(slot.next_split)}"


def _measured(name: str, slot: Slot) -> Iterator[str]:
    """The figures, and whether they can be relied on."""
    if figures := list(_figures(slot)):
        yield f"{name} {'; '.join(figures)}"
    if words := sentences.together(slot):
        yield f"{name} {words}"
    if slot.results or slot.awaits_its_look:
        yield f"{name} {sentences.balance(slot)[1].lower()}; {sentences.harm(slot)[1].lower()}"


def _holdout(report: Report, row: Holdout) -> str:
    """What the messages earned by a metric; empty where nothing is compared."""
    if row.incremental is None or row.incremental_low is None or row.incremental_high is None:
        return ""
    measure = report.catalogue.measure(row.metric, currency=row.currency)
    total, low, high = map(measure.total, (row.incremental, row.incremental_low, row.incremental_high))
    name = labels.holdout_name(row)
    return f"{name}: {measure.noun} earned against who is held out: {total} ({low} to {high})"


def _figures(slot: Slot) -> Iterator[str]:
    """The primary metric of each arm."""
    measure = slot.measure(slot.verdict.primary_metric)
    for index, row in enumerate(slot.primary):
        told = f"{row.arm_key} {measure.level(row.mean)} of {formatting.count(row.units)}"
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
                {
                    **_plain(experiment),
                    "question": experiment.question,
                    "slots": [_with_sentences(slot) for slot in experiment.slots],
                }
                for experiment in report.experiments
            ],
            "holdouts": [asdict(row) for row in report.holdouts],
            "doubled": [asdict(row) for row in report.doubled],
            "playbook": [asdict(play) for play in report.plays],
            "metrics": [asdict(metric) for metric in report.catalogue.metrics.values()],
        },
        default=_written,
    )


def _with_sentences(slot: Slot) -> dict[str, Any]:
    told = {
        "title": labels.verdict_title(slot),
        "words": sentences.why(slot),
        "advice": sentences.advice(slot),
        "reason": sentences.for_the_record(slot),
        "who": exploratory.who(slot),
        "together": sentences.together(slot),
        "health": exploratory.health(slot),
        "next": sentences.split(slot.next_split),
        "next_reason": sentences.split_reason(slot.next_split) if slot.next_split else "",
    }
    return {"slot": slot.name, **told, **_plain(slot)}


def _plain(row: Experiment | Slot) -> dict[str, Any]:
    """Its fields; the catalogue stands once beside all, and contents are for the page."""
    return {name: value for name, value in asdict(row).items() if name not in {"catalogue", "definition"}}


def _written(value: date) -> str:
    """The warehouse keeps moments in UTC."""
    return f"{value.isoformat()}Z" if hasattr(value, "hour") else value.isoformat()
