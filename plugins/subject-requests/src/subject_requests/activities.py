"""What a Meltano project really does with data: which jobs run when, what they read, and where it goes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from singer_program.errors import ProgramError

Json = dict[str, Any]


class Move(NamedTuple):
    """Data that goes from one place to another: what reads it, which streams, and what takes it."""

    source: str
    streams: tuple[str, ...]
    destination: str


class Activity(NamedTuple):
    """A schedule: its name, when it runs, and what each pair of plugins in its job does."""

    name: str
    interval: str
    moves: tuple[Move, ...]


def read(project: Path) -> list[Activity]:
    """The activities of a project, in the order of its schedules.

    Args:
        project: Its meltano.yml.

    Raises:
        ProgramError: it cannot be read, or names a job that it does not have.
    """
    whole = _yaml(project)
    plugins = _plugins(whole)
    for pattern in whole.get("include_paths", ()):
        for path in sorted(project.parent.glob(pattern)):
            plugins |= _plugins(_yaml(path))
    jobs = {each["name"]: each.get("tasks", []) for each in whole.get("jobs", ())}
    activities = []
    for schedule in whole.get("schedules", ()):
        if schedule.get("job") not in jobs:
            message = f"{project}: the schedule `{schedule.get('name')}` runs a job that is not defined"
            raise ProgramError(message)
        tasks = [task for task in jobs[schedule["job"]] if isinstance(task, str)]
        moves = tuple(dict.fromkeys(move for task in tasks for move in _moves(task, plugins)))
        activities.append(Activity(schedule["name"], schedule["interval"], moves))
    return activities


def _moves(task: str, plugins: Json) -> list[Move]:
    words = [word for word in task.split() if ":" not in word]
    return [Move(source, _streams(plugins, source), destination) for source, destination in pairwise(words)]


def _streams(plugins: Json, name: str) -> tuple[str, ...]:
    """What a tap selects, by itself or as the one it inherits from; all, where it selects nothing."""
    plugin = plugins.get(name, {})
    selected = plugin.get("select")
    if selected is None and "inherit_from" in plugin:
        return _streams(plugins, plugin["inherit_from"])
    names = dict.fromkeys(each.partition(".")[0] for each in selected or () if not each.startswith("!"))
    return ("everything",) if not names or "*" in names else tuple(names)


def _plugins(document: Json) -> Json:
    return {each["name"]: each for kind in (document.get("plugins") or {}).values() for each in kind}


def _yaml(path: Path) -> Json:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read as YAML ({type(error).__name__}): give a meltano.yml by `--project`"
        raise ProgramError(message) from None
    if not isinstance(document, dict):
        message = f"{path}: holds no project: give the project's meltano.yml by `--project`"
        raise ProgramError(message)
    return document
